"""Makes the models to compare from the options of compare."""

import re
from collections.abc import Sequence
from pathlib import Path

from tastemaker.cli.training import build_model, read_settings
from tastemaker.errors import ConfigError, did_you_mean
from tastemaker.models.recommender import Recommender

LABEL = re.compile(r"[\w-]+")
"""Characters of a label, which names a folder and stands before the dot in --set."""


def compared_models(
    model_list: str, assignments: Sequence[str], configs: Sequence[str], seed: int | None
) -> dict[str, Recommender]:
    """The unfitted models by label.

    Args:
        model_list: models separated by commas, each as `ncf` or, with a label, `wide=ncf`.
        assignments: settings as `LABEL.setting=value`.
        configs: TOML files of settings as `LABEL=FILE`.
        seed: overrides the seeds of all models.

    Raises:
        ConfigError: a model or label is unknown or named twice, or a setting is invalid.
    """
    names = _names_by_label(model_list)
    sets: dict[str, list[str]] = {label: [] for label in names}
    files: dict[str, Path] = {}
    for assignment in assignments:
        label, dot, _ = assignment.partition("=")[0].partition(".")
        _check_label("--set", assignment, label, dot, names, "MODEL.setting=value")
        sets[label].append(assignment.removeprefix(f"{label}."))
    for config in configs:
        label, equals, file = config.partition("=")
        _check_label("--config", config, label, equals, names, "MODEL=FILE.toml")
        files[label] = Path(file)
    return {
        label: build_model(name, read_settings(files.get(label), sets[label]), seed)
        for label, name in names.items()
    }


def _names_by_label(model_list: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in model_list.split(","))):
        label, equals, name = (piece.strip() for piece in part.partition("="))
        if not LABEL.fullmatch(label):
            raise ConfigError(
                f'--models: "{label}" cannot be a label; use letters, digits, _ and -'
            )
        if label in names:
            raise ConfigError(
                f"--models: {label} is named twice; give variants labels, such as wide={label}"
            )
        names[label] = name if equals else label
    if not names:
        raise ConfigError("--models: name at least one model, for example popularity,ease,ncf")
    return names


def _check_label(
    option: str, argument: str, label: str, separator: str, labels: dict[str, str], form: str
) -> None:
    if not separator:
        raise ConfigError(f"{option} {argument}: write it as {form}")
    if label not in labels:
        raise ConfigError(
            f'{option} {argument}: "{label}" is not one of the models; '
            f"{did_you_mean(label, labels)}"
        )
