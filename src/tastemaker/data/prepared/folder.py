"""The folder of a prepared data set: columns that open by memory map, and vocabularies."""

from collections.abc import Iterator
from dataclasses import fields, replace
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tastemaker.data.catalog import Catalog
from tastemaker.data.dataset import COLUMNS, Dataset
from tastemaker.data.log_format import LogFormat
from tastemaker.data.log_rules import LogRules
from tastemaker.data.text_format import TextFormat
from tastemaker.data.vocabulary import Vocabulary
from tastemaker.errors import ArtifactError, ConfigError
from tastemaker.folders import MANIFEST, kind_of, read_array, read_manifest

KIND = "prepared data set"
"""The kind in the manifest."""

CHUNK_BYTES = 1 << 26
"""Size of the blocks in which a column is hashed."""

DTYPES: dict[str, np.dtype[Any]] = {
    "users": np.dtype("<i4"),
    "items": np.dtype("<i4"),
    "timestamps": np.dtype("<i8"),
    "ratings": np.dtype("<f4"),
    "weights": np.dtype("<f4"),
    "kinds": np.dtype("i1"),
}
"""The type of each column of COLUMNS."""

DEFAULTS: dict[str, Any] = {
    parameter.name: parameter.default for parameter in signature(LogFormat.of).parameters.values()
} | {field.name: field.default for field in fields(TextFormat)}
"""The default of each option on reading; that of all others is None."""

FACTS = (
    "name", "time_unit", "n_missing", "n_repeats", "user_column", "item_column", "rules", "notes",
    "fingerprint",
)  # fmt: skip
"""The entries of the manifest that describe the data."""

IDS = {"user": "users.parquet", "item": "items.parquet"}
"""The files of the vocabularies."""


def is_prepared(source: Any) -> bool:
    """Returns whether a source is the folder of a prepared data set.

    Raises:
        ArtifactError: it has the files of one, but no undamaged manifest.
    """
    if not isinstance(source, str | Path):
        return False
    path = Path(source)
    if kind_of(path) == KIND:
        return True
    if all((path / name).is_file() for name in ("users.npy", "items.npy", *IDS.values())):
        raise ArtifactError(
            f"{path} is damaged: it has the files of prepared data, but no undamaged {MANIFEST}; "
            "prepare the data again"
        )
    return False


def open_prepared(path: Path, min_rating: float | None = None) -> Dataset:
    """Opens a prepared data set; its columns stay on disk, and its ids are read into memory.

    The sizes of all files are compared with the manifest. `verify` also checks their content.

    Args:
        path: the folder.
        min_rating: keep only interactions with at least this rating, copied into memory.

    Raises:
        ArtifactError: the folder is not a prepared data set, or it is damaged.
        DataError: min_rating is given for data without ratings, or leaves no rows.
    """
    manifest = _facts(path)
    for name, recorded in manifest["files"].items():
        if recorded != {"bytes": (path / name).stat().st_size}:
            raise ArtifactError(
                f"{path} is damaged: {name} does not have the recorded size; prepare it again"
            )
    rules = LogRules.from_dict(manifest["rules"])
    if min_rating is None:
        data = encoded_rows(path, manifest).with_rules(rules, manifest["n_repeats"])
        # Set rather than computed, which would read all files.
        data.__dict__["fingerprint"] = manifest["fingerprint"]
        return data
    return encoded_rows(path, manifest).with_rules(replace(rules, min_rating=min_rating))


def encoded_rows(path: Path, facts: dict[str, Any]) -> Dataset:
    """Returns the rows of a folder, their columns by memory map, without the rules of their log.

    Args:
        path: the folder with the columns and vocabularies.
        facts: what the manifest says about the data.
    """
    columns: dict[str, Any] = {
        name: read_array(path / f"{name}.npy", memory_map=True)
        for name in COLUMNS
        if (path / f"{name}.npy").exists()
    }
    users, items = (_vocabulary(path / file, kind) for kind, file in IDS.items())
    return Dataset(
        facts["name"],
        user_vocabulary=users,
        item_vocabulary=items,
        catalog=Catalog(pl.DataFrame({"item_id": items.ids})),
        time_unit=facts["time_unit"],
        n_missing=facts["n_missing"],
        notes=tuple(facts["notes"]),
        **columns,
    )


def _vocabulary(path: Path, kind: str) -> Vocabulary:
    try:
        ids = pl.read_parquet(path, glob=False)[f"{kind}_id"]
    except (pl.exceptions.PolarsError, OSError):
        raise ArtifactError(f"{path} is damaged: it is not a complete Parquet file") from None
    return Vocabulary(ids.rechunk(), kind)


def _facts(path: Path) -> dict[str, Any]:
    """Returns the manifest, whose entries besides the files describe the data."""
    manifest = read_manifest(path, KIND)
    for name in FACTS:
        if name not in manifest:
            raise ArtifactError(
                f'{path} is damaged: "{name}" is missing in {MANIFEST}; prepare it again'
            )
    return manifest


def id_columns(path: Path) -> dict[str, str]:
    """Returns the names that the columns of ids had in the source, as for `read_tables`."""
    manifest = _facts(path)
    return {name: manifest[name] for name in ("user_column", "item_column")}


def verify(path: Path) -> None:
    """Compares the content of a prepared data set with the fingerprint in its manifest.

    Args:
        path: the folder.

    Raises:
        ArtifactError: the content is not that which was prepared.
    """
    data = open_prepared(path)
    if fingerprint_of_files(path, data) != data.fingerprint:
        raise ArtifactError(
            f"{path} is damaged: its content does not have the recorded fingerprint; prepare it "
            "again"
        )


def fingerprint_of_files(path: Path, data: Dataset) -> str:
    """Returns the fingerprint of the data in a folder, which are read block by block."""
    return data.hashed(lambda name: _chunks(path / f"{name}.npy"))


def _chunks(path: Path) -> Iterator[bytes]:
    """Yields the values of a column as bytes; the word "none" if there is no such column."""
    if not path.exists():
        yield b"none"
        return
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


class ColumnWriter:
    """Appends the rows of a data set to the files of its columns."""

    def __init__(self, folder: Path, names: list[str], n_rows: int) -> None:
        """Creates the files.

        Args:
            folder: the folder of the files.
            names: the columns, from COLUMNS.
            n_rows: number of rows that will be appended in all.
        """
        self._files = {name: (folder / f"{name}.npy").open("wb") for name in names}
        for name, file in self._files.items():
            header = {"descr": DTYPES[name].str, "fortran_order": False, "shape": (n_rows,)}
            np.lib.format.write_array_header_1_0(file, header)

    def append(self, columns: dict[str, np.ndarray]) -> None:
        """Appends further rows; the columns must be those that were named."""
        for name, file in self._files.items():
            file.write(np.ascontiguousarray(columns[name], dtype=DTYPES[name]).data)

    def close(self) -> None:
        """Closes the files."""
        for file in self._files.values():
            file.close()


def write_ids(folder: Path, vocabulary: Vocabulary) -> None:
    """Writes the ids of a vocabulary in their order."""
    vocabulary.ids.to_frame().write_parquet(folder / IDS[vocabulary.kind])


def refuse_options(path: Path, **options: Any) -> None:
    """Raises ConfigError for an option on reading that is not the default: the data are read."""
    given = (
        name for name, value in options.items()
        if (tuple(value) if isinstance(value, list) else value) != DEFAULTS.get(name)
    )  # fmt: skip
    if (first := next(given, None)) is not None:
        value = "False" if options[first] is False else "…"
        raise ConfigError(
            f"{path} was prepared already, so {first}={value} cannot change how it is read; leave "
            "it out, or prepare the data again with it"
        )
