"""The settings of a blend: its parts, their weights, and the settings of each part."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from tastemaker.config import Config
from tastemaker.errors import ConfigError, did_you_mean
from tastemaker.models.registry import model_class

NAME = "blend"
"""The name of the model."""


class BlendConfig(Config):
    """Settings of Blend.

    The settings of a part are given under its name, as in `ease={"regularization": 300}` or
    `ease.regularization=300`; all others have their defaults. The config holds them in further
    fields, named like the parts, which are the configs of the models.
    """

    model_config = ConfigDict(extra="allow")

    parts: tuple[str, ...] = ("ease", "sasrec")
    """Names of the models that are blended, all different; the settings of each are given after its
    name, as in ease.regularization=300."""
    weights: tuple[float, ...] | None = None
    """Weight of each part, of which only the ratios matter; none: the weights that are best on the
    validation part, or equal weights without one."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Seed of all parts that have one; it replaces a seed that is given for a part."""

    @field_validator("parts", mode="before")
    @classmethod
    def _refuse_a_single_part(cls, parts: Any) -> Any:
        if isinstance(parts, str) or (isinstance(parts, Sequence) and len(parts) < 2):
            raise ConfigError(
                f"{NAME}: parts is {parts!r}; name at least two models, such as ease and sasrec"
            )
        return parts

    @model_validator(mode="after")
    def _configure_parts(self) -> Self:
        """Replaces the settings given for the parts by the config of every part.

        Raises:
            ConfigError: the parts or their weights cannot be used, or a setting is unknown.
        """
        self._check_parts()
        self._check_weights()
        kinds = {name: model_class(name).config_class for name in self.parts}
        given, configs = self.__pydantic_extra__, {}
        assert given is not None, "the config allows further fields"
        for name, kind in kinds.items():
            settings = _settings_of(name, given.pop(name, {}))
            seed = {"seed": self.seed} if "seed" in kind.model_fields else {}
            configs[name] = kind.of(settings | seed, name)
        if given:
            unknown, known = next(iter(given)), [*type(self).model_fields]
            known += [f"{name}.{each.name}" for name in kinds for each in kinds[name].settings()]
            raise ConfigError(
                f'{NAME} of {" and ".join(self.parts)} has no setting "{unknown}"; '
                f"{did_you_mean(unknown, known)}"
            )
        given.update(configs)
        return self

    @property
    def of_parts(self) -> dict[str, Config]:
        """The config of each part, by its name."""
        return dict(self.__pydantic_extra__ or {})

    def _check_parts(self) -> None:
        for name in self.parts:
            if name == NAME:
                raise ConfigError(f"{NAME}: a blend cannot be a part; name the parts of both in it")
            if self.parts.count(name) > 1:
                raise ConfigError(f"{NAME}: {name} is named twice in parts; name each model once")

    def _check_weights(self) -> None:
        weights = self.weights
        if weights is None:
            return
        if len(weights) != len(self.parts):
            raise ConfigError(
                f"{NAME}: there are {len(weights)} weights and {len(self.parts)} parts "
                f"({', '.join(self.parts)}); give one weight for each part"
            )
        if not all(weight >= 0 for weight in weights) or not 0 < sum(weights) < float("inf"):
            raise ConfigError(
                f"{NAME}: weights is {weights}; give numbers of 0 or more, at least one above 0"
            )


def _settings_of(name: str, given: Any) -> dict[str, Any]:
    """Returns the settings that were given for a part.

    Raises:
        ConfigError: they are not a dictionary.
    """
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"{NAME}: {name} is {given!r}, but the settings of a part are given by name, as in "
            'ease={"regularization": 300}'
        )
    return dict(given)
