"""Groups of options: a verb takes a dataclass, whose fields are options of the command line."""

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from inspect import Parameter
from typing import Any, get_type_hints


def grouped(verb: Callable[..., None]) -> Callable[..., None]:
    """Makes a command of a verb: replaces each parameter that is a dataclass by its fields.

    A field declares its option in the same way as a parameter, by a type that is annotated with a
    `typer.Option`, and must have a default value (not a factory). The options have the order of the
    parameters.
    """
    parameters: list[Parameter] = []
    groups: dict[str, type] = {}
    for parameter in inspect.signature(verb, eval_str=True).parameters.values():
        group = parameter.annotation
        if isinstance(group, type) and is_dataclass(group):
            groups[parameter.name] = group
            hints = get_type_hints(group, include_extras=True)
            parameters += [
                Parameter(
                    field.name, Parameter.KEYWORD_ONLY, default=field.default,
                    annotation=hints[field.name],
                )
                for field in fields(group)
            ]  # fmt: skip
        else:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))

    def command(**options: Any) -> None:
        group_values = {
            name: group(**{field.name: options.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        verb(**options, **group_values)

    command.__name__, command.__doc__ = verb.__name__, verb.__doc__
    command.__module__ = verb.__module__
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command
