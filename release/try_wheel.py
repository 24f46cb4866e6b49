"""Installs a wheel in a fresh environment of each Python, and does with it what a user would do.

    python release/try_wheel.py dist/tastemaker-…x86_64.whl [--python python3.12 …]

It installs the wheel with the versions of constraints.txt where no compiler can be found, checks
that no tool for tests came with it, asks the doctor, runs the demo and serves its run.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

CONSTRAINTS = Path(__file__).parents[1].resolve() / "constraints.txt"

TOOLS = ("hypothesis", "mypy", "playwright", "pytest", "ruff", "schemathesis", "tensorboard")

MAX_START_S = 600


class Environment:
    """A virtual environment in a folder, with a wheel in it."""

    def __init__(self, python: str, folder: Path, wheel: Path) -> None:
        self.folder, self.wheel = folder, wheel
        self.bin = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
        self.variables = os.environ | {"PATH": str(self.bin)}
        subprocess.run([python, "-m", "venv", folder / "env"], check=True)
        self.install()

    def install(self, extras: str = "") -> None:
        """Installs the wheel, with extras such as [serve]."""
        what = f"{self.wheel.resolve()}{extras}"
        self.output("python", "-m", "pip", "install", "-q", "-c", CONSTRAINTS, what)

    def command(self, program: str, *arguments: object) -> list[str]:
        """Returns the command that runs a program of the environment."""
        return [str(self.bin / program), *map(str, arguments)]

    def output(self, program: str, *arguments: object) -> str:
        """Runs a program of the environment, away from the sources, and returns what it prints."""
        command = self.command(program, *arguments)
        print("+", *command[1:], flush=True)
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.variables,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout

    def json(self, *arguments: object) -> Any:
        """Runs a verb, and returns the object that it prints."""
        return json.loads(self.output("tastemaker", *arguments, "--json"))


def check(environment: Environment) -> None:
    """Uses the wheel as somebody would who has just installed it."""
    packages = json.loads(environment.output("python", "-m", "pip", "list", "--format", "json"))
    too_many = {package["name"].lower() for package in packages} & set(TOOLS)
    assert not too_many, f"the wheel brought {too_many}"
    environment.output("python", "-m", "pip", "check")
    found = environment.json("doctor")
    assert found["problems"] == []
    assert found["machine"]["library"], found["machine"]["why_not_compiled"]
    environment.output("tastemaker", "demo", "--data", "synthetic")
    assert environment.json("evaluate", "runs/demo")["metrics"]["ndcg@10"] > 0
    environment.install("[serve]")
    check_service(environment)


def check_service(environment: Environment) -> None:
    """Starts the service, and asks for a list."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = environment.command("tastemaker", "serve", "runs/demo", "--port", port)
    service = subprocess.Popen(command, cwd=environment.folder, env=environment.variables)
    try:
        url = f"http://127.0.0.1:{port}/v1/users/1/recommendations?k=3"
        for _ in range(MAX_START_S):
            assert service.poll() is None, "the service has ended"
            try:
                with urllib.request.urlopen(url) as response:
                    assert len(json.load(response)["items"]) == 3
                    return
            except OSError as error:
                last = error
                time.sleep(1)
        raise AssertionError(f"no response after {MAX_START_S} s: {last}")
    finally:
        service.terminate()
        service.wait()


def main() -> None:
    """Tries the wheel with each Python."""
    parser = argparse.ArgumentParser(description="Try a wheel in fresh environments.")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--python", nargs="+", default=[sys.executable])
    options = parser.parse_args()
    if not options.wheel.is_file():
        parser.error(f"there is no {options.wheel}; say make wheels first")
    for python in options.python:
        with tempfile.TemporaryDirectory() as folder:
            check(Environment(python, Path(folder), options.wheel))
        print(f"{python}: the wheel works", flush=True)


if __name__ == "__main__":
    main()
