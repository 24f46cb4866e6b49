"""Config: the base class of all settings."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from tastemaker.errors import ConfigError, did_you_mean

AUTO: Literal["auto"] = "auto"
"""The value of a setting that is found from the training data."""


class Config(BaseModel):
    """A frozen set of named settings; the docstring under a field is its help text."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        protected_namespaces=(),
        allow_inf_nan=False,
    )

    @classmethod
    def of(cls, settings: dict[str, Any], owner: str) -> Self:
        """Builds the config from named values.

        Args:
            settings: field name to value; a field of a nested config is named with a dot, as in
                `gmf.epochs`, or given in a nested dictionary.
            owner: what the settings belong to, for error messages.

        Raises:
            ConfigError: a name is unknown (the message suggests known ones), or a value is of the
                wrong type or out of range.
        """
        try:
            return cls(**_nested(settings))
        except ValidationError as error:
            first = error.errors()[0]
            setting = ".".join(str(part) for part in first["loc"]) or "settings"
            if first["type"] == "extra_forbidden":
                suggestion = did_you_mean(setting, (each.name for each in cls.settings()))
                raise ConfigError(f'{owner} has no setting "{setting}"; {suggestion}') from None
            message = first["msg"].removeprefix("Value error, ")
            reason = message[0].lower() + message[1:]
            raise ConfigError(f"{owner}: {setting} is {first['input']!r}, but {reason}") from None

    @classmethod
    def settings(cls) -> "Iterator[Setting]":
        """Yields every setting; those of a nested config are named as in `gmf.epochs`."""
        for name, field in cls.model_fields.items():
            default = field.get_default(call_default_factory=True)
            if isinstance(default, Config):
                for inner in type(default).settings():
                    value = getattr(default, inner.name)
                    yield Setting(f"{name}.{inner.name}", value, inner.description)
            else:
                yield Setting(name, default, field.description or "")

    @property
    def changed(self) -> set[str]:
        """The names of the settings that do not have their default values."""
        return {
            name
            for name, field in type(self).model_fields.items()
            if getattr(self, name) != field.get_default(call_default_factory=True)
        }


class Setting(NamedTuple):
    """One setting, with its default and its help text."""

    name: str
    default: Any
    description: str


def described(expected: str) -> WrapValidator:
    """Gives a setting that takes values of several types one error message for all of them.

    Args:
        expected: completes "Input should be …".
    """

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise PydanticCustomError("described", f"Input should be {expected}") from None

    return WrapValidator(validate)


def dotted(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns settings with the names of nested ones as in `gmf.epochs`; undone by `Config.of`."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": each for inner, each in dotted(value).items()}
        else:
            flat[name] = value
    return flat


def _nested(settings: dict[str, Any]) -> dict[str, Any]:
    """Converts names with a dot into nested dictionaries."""
    tree: dict[str, Any] = {}
    for name, value in settings.items():
        outer, dot, inner = name.partition(".")
        if not dot:
            existing = tree.get(name)
            tree[name] = (
                existing | value
                if isinstance(existing, dict) and isinstance(value, dict)
                else value
            )
            continue
        nested = tree.get(outer, {})
        if isinstance(nested, Config):
            nested = nested.model_dump()
        # Anything but settings is left as it is, so that its validation raises the error.
        tree[outer] = _nested({**nested, inner: value}) if isinstance(nested, dict) else nested
    return tree
