"""Groups of options: a verb takes a dataclass, the command line has an option for each field."""

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from inspect import Parameter
from typing import Any, get_type_hints


def grouped(verb: Callable[..., None]) -> Callable[..., None]:
    """Replaces each parameter of a verb that is a dataclass by the dataclass's fields.

    A field is an option as a parameter is: its type is annotated with a `typer.Option`. Options
    keep the order of the parameters.
    """
    parameters: list[Parameter] = []
    groups: dict[str, type] = {}
    for parameter in inspect.signature(verb, eval_str=True).parameters.values():
        kind = parameter.annotation
        if isinstance(kind, type) and is_dataclass(kind):
            groups[parameter.name] = kind
            hints = get_type_hints(kind, include_extras=True)
            parameters += [
                Parameter(
                    field.name, Parameter.KEYWORD_ONLY, default=field.default,
                    annotation=hints[field.name],
                )
                for field in fields(kind)
            ]  # fmt: skip
        else:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))

    def command(**options: Any) -> None:
        group_values = {
            name: kind(**{field.name: options.pop(field.name) for field in fields(kind)})
            for name, kind in groups.items()
        }
        verb(**options, **group_values)

    command.__name__, command.__doc__ = verb.__name__, verb.__doc__
    command.__module__ = verb.__module__
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command
