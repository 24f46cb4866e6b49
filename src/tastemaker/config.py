"""Config: what everything configurable has in common."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from tastemaker.errors import ConfigError, did_you_mean


class Config(BaseModel):
    """A frozen set of named settings; the docstring under a field is its help text."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=()
    )

    @classmethod
    def of(cls, settings: dict[str, Any], what: str) -> Self:
        """Builds the config from named values.

        Args:
            settings: field name to value.
            what: whose settings they are, for an error.

        Raises:
            ConfigError: an unknown name (with the nearest known one) or a value out of range.
        """
        try:
            return cls(**settings)
        except ValidationError as error:
            first = error.errors()[0]
            setting = ".".join(str(part) for part in first["loc"]) or "settings"
            if first["type"] == "extra_forbidden":
                known = did_you_mean(setting, cls.model_fields)
                raise ConfigError(f'{what} has no setting "{setting}"; {known}') from None
            reason = first["msg"][0].lower() + first["msg"][1:]
            raise ConfigError(f"{what}: {setting} is {first['input']!r}, but {reason}") from None
