"""tastemaker models: lists the models and their settings."""

from typing import Annotated, Any

import typer

from tastemaker.cli import options
from tastemaker.cli.common import out, print_json, table_of


def models(
    model: Annotated[str | None, typer.Argument(help="Model whose settings to list.")] = None,
    json: options.Json = False,
) -> None:
    """List the models, or the settings of one of them.

    Example: tastemaker models ncf
    """
    from tastemaker.models.registry import model_class, model_names

    if model is None:
        rows = [
            {"model": name, "what it is": _summary(model_class(name))} for name in model_names()
        ]
    else:
        rows = _settings(model_class(model))
    if json:
        print_json({"models": rows} if model is None else {"model": model, "settings": rows})
    elif rows:
        out.print(table_of(rows))
    else:
        out.print(f"{model} has no settings", markup=False)


def _summary(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]


def _settings(kind: Any) -> list[dict[str, Any]]:
    return [
        {
            "setting": setting.name,
            "default": "none" if setting.default is None else str(setting.default),
            "what it does": setting.description,
        }
        for setting in kind.config_class.settings()
    ]
