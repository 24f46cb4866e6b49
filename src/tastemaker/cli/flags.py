"""Translates the Python arguments that errors and notes name into the flags of the running verb.

Messages of the library name Python arguments: `name the column with user=…`. On the command line
the same message reads `name the column with --user`.
"""

import re
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

from typer.core import TyperCommand

OPTION_OF = {
    "catalog": "items",
    "features=…": "feature",
    "has_header": "header",
    "n_trials": "trials",
    "path": "out",
    "timeout_s": "timeout",
    "user_features=…": "user_feature",
    "user_table": "users",
}
"""Arguments whose option has another name; all others have the same name as their option. An
argument with =… is a table of kinds, unlike the setting of that name of a model."""

FLAGS_OF_CALL = {
    "no_holdout": "--split none",
    "SampledRanking": "--protocol sampled",
    "FullRanking": "--protocol full",
}
"""Calls that correspond to an option with a value; `k_core()` and the like are options."""

MENTION = re.compile(
    r"""(?<![\w"'`=.,&?/-])(?<!--set\ )
    (?P<name>[A-Za-z][\w.]*)
    (?:\(\) | =(?P<value>… | True\b | False\b | "[^"]*" | -?\d+(?:\.\d+)?(?:e[-+]?\d+)?\b))""",
    re.VERBOSE,
)
"""Matches an argument with its value, or a call, at the start of a word; not in quotes or a URL."""

_running: ContextVar["Verb | None"] = ContextVar("running", default=None)


class VerbInterruptedError(Exception):
    """Ctrl-C ended the running verb; the arguments describe what was kept."""


class Verb(TyperCommand):
    """A command whose options `in_flags` uses while it runs and after it failed."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the verb.

        Raises:
            VerbInterruptedError: on Ctrl-C, for which Typer would exit without a message.
        """
        _running.set(self)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise VerbInterruptedError(*interrupt.args) from None


def in_flags(text: str) -> str:
    """Replaces each Python argument in a text by the option of the running verb, if it has one.

    `drop_missing=True` becomes `--drop-missing`, `validation=False` becomes `--no-validation`,
    `quoting="none"` becomes `--quoting none`, `user=…` becomes `--user`, and a setting of a model
    such as `epochs=20` becomes `--set epochs=20`. Everything else stays as it is.
    """
    verb = _running.get()
    if verb is None:
        return text
    options = {parameter.name or "": parameter for parameter in verb.params}
    return MENTION.sub(lambda mention: _flag(mention, options) or mention[0], text)


def _flag(mention: re.Match[str], options: dict[str, Any]) -> str | None:
    name, value = mention["name"], mention["value"]
    name = OPTION_OF.get(f"{name}={value}", OPTION_OF.get(name, name))
    if value is None and name in FLAGS_OF_CALL:
        flags = FLAGS_OF_CALL[name]
        return flags if flags.split()[0].removeprefix("--") in options else None
    if value == "False":
        return _negative(name, options)
    if name in options and options[name].opts[0].startswith("--"):
        flag = options[name].opts[0]
        return flag if value in (None, "…", "True") else f"{flag} {_bare(value)}"
    if value is not None and "set_" in options and name in _settings():
        return f"--set {'MODEL.' if 'models' in options else ''}{name}={_bare(value)}"
    return None


def _negative(name: str, options: dict[str, Any]) -> str | None:
    """The flag that turns an argument off: `--no-validation`, with or without a `--validation`."""
    if name in options and options[name].secondary_opts:
        return str(options[name].secondary_opts[0])
    if f"no_{name}" in options:
        return str(options[f"no_{name}"].opts[0])
    return None


def _bare(value: str) -> str:
    """The value as written in a shell: without quotes if it is one plain word."""
    return value[1:-1] if re.fullmatch(r'"[\w.:+-]+"', value) else value


def _settings() -> Iterable[str]:
    """The names of the settings of all built-in models."""
    # Imported here, since the models import PyTorch, and few messages name a setting.
    from tastemaker.models.registry import BUILT_IN, model_class

    configs = (model_class(name).config_class for name in BUILT_IN)
    return {setting.name for config in configs for setting in config.settings()}
