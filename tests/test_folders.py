"""Folders that several processes may begin at once."""

from pathlib import Path

import pytest

from tastemaker.errors import ArtifactError
from tastemaker.folders import MANIFEST, claim, refuse_other_kind, replacing


def test_a_folder_whose_manifest_is_being_written_may_be_shared(tmp_path: Path) -> None:
    folder = tmp_path / "comparison"
    folder.mkdir()

    with replacing(folder / MANIFEST) as temporary:
        temporary.write_text("{", encoding="utf-8")

        refuse_other_kind(folder, "comparison")


def test_a_folder_of_another_kind_or_with_foreign_files_is_refused(tmp_path: Path) -> None:
    claim(tmp_path / "search", "search", {})
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()

    for name in ("search", "photos"):
        with pytest.raises(ArtifactError, match=f"{name} is a folder, but not a comparison"):
            refuse_other_kind(tmp_path / name, "comparison")
