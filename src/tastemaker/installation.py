"""Which of the packages that Tastemaker needs are installed, by the metadata of the packages."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement

PACKAGE = "tastemaker"

MAIN_LIBRARIES = ("torch", "lightning", "numpy", "scipy", "polars", "pydantic")

NOT_OFFERED = ("dev",)
"""Extras for work on Tastemaker itself."""


@dataclass(frozen=True)
class Extra:
    """An optional part of the installation, such as `tune`."""

    name: str
    unmet: tuple[str, ...]
    """A line for each package that is missing or has an unsuitable version."""

    @property
    def install_command(self) -> str:
        """The command that installs the extra."""
        return f'pip install "{PACKAGE}[{self.name}]"'


def versions() -> dict[str, str | None]:
    """Returns the versions of Tastemaker and its main libraries; None for one that is missing."""
    return {name: installed_version(name) for name in (PACKAGE, *MAIN_LIBRARIES)}


def installed_version(package: str) -> str | None:
    """Returns the version of a package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def unmet_requirements() -> list[str]:
    """Returns a line for each package that the base install needs and that is not as needed."""
    if installed_version(PACKAGE) is None:
        return [f"{PACKAGE} itself is not installed: only its sources are on the path"]
    return [line for needed in _requirements(PACKAGE) for line in _unmet(needed)]


def extras() -> list[Extra]:
    """Returns all extras in alphabetical order, with what is missing of each."""
    if installed_version(PACKAGE) is None:
        return []
    names = metadata(PACKAGE).get_all("Provides-Extra") or []
    return [
        Extra(name, tuple(line for each in _requirements(PACKAGE, name) for line in _unmet(each)))
        for name in sorted(names)
        if name not in NOT_OFFERED
    ]


def _requirements(package: str, extra: str = "") -> list[Requirement]:
    """The requirements of a package on this platform: of its base install, or only of an extra."""
    found = [Requirement(line) for line in requires(package) or []]
    applicable = [
        each for each in found if each.marker is None or each.marker.evaluate({"extra": extra})
    ]
    if not extra:
        return applicable
    return [each for each in applicable if each.marker and not each.marker.evaluate({"extra": ""})]


def _unmet(requirement: Requirement) -> Iterator[str]:
    name, found = requirement.name, installed_version(requirement.name)
    if found is None:
        yield f"{name} is not installed"
        return
    if not requirement.specifier.contains(found, prereleases=True):
        yield f"{name} {found} is installed, but {requirement.specifier} is needed"
    for extra in requirement.extras:
        for each in _requirements(name, extra):
            yield from _unmet(each)
