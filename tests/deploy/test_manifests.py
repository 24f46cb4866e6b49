"""The files for Compose and Kubernetes: they agree with the command line, settings and image."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from tastemaker.cli.main import app
from tastemaker.serving.app import make_app
from tastemaker.serving.settings import PREFIX, ServiceSettings

from .container import REPOSITORY, instructions, last

DEPLOY = REPOSITORY / "deploy"
MANIFESTS = sorted(
    path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml"
)
KUSTOMIZATION = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
FOUND = instructions(REPOSITORY / "Dockerfile")


def documents() -> list[dict[str, Any]]:
    return [yaml.safe_load(path.read_text()) for path in MANIFESTS]


def pods() -> Iterator[Any]:
    """The pods of all manifests, as parameters named after their files."""
    for path, document in zip(MANIFESTS, documents(), strict=True):
        spec = document.get("spec", {})
        for step in ("jobTemplate", "spec", "template", "spec"):
            spec = spec.get(step, spec)
        if "containers" in spec:
            yield pytest.param(spec, id=path.stem)


def commands() -> Iterator[list[str]]:
    """The arguments of `tastemaker` in all files, and in the image."""
    yield last(FOUND, "CMD").command
    for service in COMPOSE["services"].values():
        if service["image"].startswith("tastemaker"):
            yield service["command"]
    for pod in pods():
        (spec,) = pod.values
        for container in spec["containers"]:
            if "args" in container:
                yield container["args"]


@pytest.mark.parametrize("arguments", list(commands()), ids=" ".join)
def test_a_command_exists_with_its_options(arguments: list[str]) -> None:
    verb = typer.main.get_command(app).commands[arguments[0]]
    known = {option for parameter in verb.params for option in parameter.opts}
    assert {word for word in arguments if word.startswith("--")} <= known


def test_every_variable_is_a_setting_of_the_service() -> None:
    settings = {PREFIX + name.upper() for name in ServiceSettings.model_fields}
    (secret,) = [each for each in documents() if each["kind"] == "Secret"]
    used = {*secret["stringData"], *COMPOSE["services"]["service"]["environment"]}
    assert {name for name in used if name.startswith(PREFIX)} <= settings
    assert ServiceSettings.gathered({"run": Path("run")}).port == 8000


def test_probes_ask_routes_that_need_no_key() -> None:
    app = make_app(ServiceSettings(run=Path("run")))
    (deployment,) = [each for each in documents() if each["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        route = app.openapi()["paths"][container[name]["httpGet"]["path"]]["get"]
        assert "security" not in route
    assert container["ports"] == [{"name": "http", "containerPort": 8000}]
    assert last(FOUND, "EXPOSE").value == "8000"


@pytest.mark.parametrize("pod", list(pods()))
def test_a_pod_may_do_nothing_that_it_need_not(pod: dict[str, Any]) -> None:
    user, group = map(int, last(FOUND, "USER").value.split(":"))
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == user
    assert pod["securityContext"]["fsGroup"] == group
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"].keys() == {"requests", "limits"}
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]


@pytest.mark.parametrize("pod", list(pods()))
def test_kubernetes_sets_no_variable_that_would_be_read_as_a_setting(pod: dict[str, Any]) -> None:
    # With a Service "tastemaker" it would set TASTEMAKER_PORT=tcp://10.0.0.1:80.
    assert pod["enableServiceLinks"] is False


def test_all_files_name_the_image_of_this_version() -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    texts = [path.read_text() for path in (DEPLOY / "compose.yaml", DEPLOY / "README.md")]
    texts.append((DEPLOY / "kubernetes" / "setup.yaml").read_text())
    for text in texts:
        assert set(re.findall(r"tastemaker:(\d[\w.]*)", text)) == {version}
    (image,) = KUSTOMIZATION["images"]
    assert image["newTag"] == version


def test_running_requests_have_their_time_before_a_container_is_killed() -> None:
    grace_s = ServiceSettings.model_fields["shutdown_grace_s"].default
    (deployment,) = [each for each in documents() if each["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    sleep_s = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > sleep_s + grace_s
    assert int(COMPOSE["services"]["service"]["stop_grace_period"].removesuffix("s")) > grace_s


def test_secrets_are_no_part_of_what_is_applied_again_and_again() -> None:
    assert set(KUSTOMIZATION["resources"]) == {path.name for path in MANIFESTS} - {
        "secret.yaml",
        "setup.yaml",
    }
