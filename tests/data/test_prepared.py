"""The folder of a prepared data set: complete or absent, mapped into memory, used like a file."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.data.missing import MISSING
from tastemaker.data.prepared.folder import verify
from tastemaker.data.prepared.remote import copy_file, places_of
from tastemaker.errors import ArtifactError, ConfigError, DataError, UnsupportedError
from tests.data.test_prepare import assert_same, log


@pytest.fixture
def source(tmp_path: Path) -> Path:
    log().write_csv(tmp_path / "log.csv")
    return tmp_path / "log.csv"


@pytest.fixture
def folder(tmp_path: Path, source: Path) -> Path:
    tm.prepare(source, tmp_path / "big")
    return tmp_path / "big"


ITEMS = pl.DataFrame({"item": range(40), "title": [f"film {n}" for n in range(40)],
                      "price": np.arange(40) / 3})  # fmt: skip
USERS = pl.DataFrame({"user": range(1, 200), "age": range(1, 200)})


class TestOpening:
    def test_columns_stay_on_disk(self, folder: Path) -> None:
        data = tm.load(folder)
        for column in (data.users, data.items, data.timestamps, data.ratings):
            assert column is not None
            assert isinstance(column.base, np.ndarray)
            assert "memmap" in {type(base).__name__ for base in bases(column)}
            assert not column.flags.writeable

    def test_read_and_load_give_what_was_prepared(self, folder: Path, source: Path) -> None:
        expected = tm.read(source)
        assert_same(tm.read(folder), expected)
        assert_same(tm.load(str(folder)), expected)

    def test_items_users_and_minimum_ratings_are_given_when_reading(
        self, folder: Path, source: Path
    ) -> None:
        how: dict[str, Any] = {
            "items": ITEMS, "users": USERS, "min_rating": 4, "untouched_items": True,
            "features": {"price": "number"},
        }  # fmt: skip
        found, expected = tm.read(folder, **how), tm.read(source, **how)
        assert_same(found, expected)
        assert found.catalog.frame.equals(expected.catalog.frame)

    def test_a_model_learns_the_same_as_from_the_file(self, folder: Path, source: Path) -> None:
        lists = [
            tm.EASE().fit(tm.leave_one_out(tm.read(path))).recommend([1, 4], k=5).frame
            for path in (folder, source)
        ]
        assert lists[0].equals(lists[1])

    @pytest.mark.parametrize(
        "how", [{"user": "item"}, {"repeats": "keep"}, {"has_header": False}, {"ids": "text"}]
    )
    def test_options_that_cannot_change_it_any_more_are_refused(
        self, folder: Path, how: dict[str, Any]
    ) -> None:
        with pytest.raises(ConfigError, match=f"was prepared already, so {next(iter(how))}="):
            tm.read(folder, **how)

    def test_options_that_are_the_defaults_are_accepted(self, folder: Path) -> None:
        expected = tm.read(folder)
        given: dict[str, Any] = {
            "has_header": True, "weight_transform": "auto", "targets": [], "decimal": ".",
            "missing": list(MISSING), "drop_missing": False, "separator": None,
        }  # fmt: skip
        assert_same(tm.read(folder, **given), expected)

    def test_loading_names_the_way_to_read_untouched_items(self, folder: Path) -> None:
        with pytest.raises(ConfigError, match=r"read them with tastemaker.read and items=…"):
            tm.load(folder, untouched_items=True)

    def test_it_is_no_table_of_a_ready_made_split(self, folder: Path) -> None:
        with pytest.raises(DataError, match=r"holds prepared data; read it with tastemaker.read"):
            tm.read_interactions(folder)


class TestDamage:
    def test_a_file_that_was_cut_off_is_refused(self, folder: Path) -> None:
        path = folder / "items.npy"
        path.write_bytes(path.read_bytes()[:-4])
        with pytest.raises(ArtifactError, match=r"items.npy does not have the recorded size"):
            tm.read(folder)

    def test_verifying_finds_a_changed_value(self, folder: Path) -> None:
        verify(folder)
        content = bytearray((folder / "items.npy").read_bytes())
        content[-4] ^= 1
        (folder / "items.npy").write_bytes(content)
        with pytest.raises(ArtifactError, match="does not have the recorded fingerprint"):
            verify(folder)

    @pytest.mark.parametrize("name", ["items.npy", "items.parquet"])
    def test_a_file_that_cannot_be_parsed_is_refused(self, folder: Path, name: str) -> None:
        path = folder / name
        path.write_bytes(bytes(path.stat().st_size))
        with pytest.raises(ArtifactError, match=rf"{name} is damaged: "):
            tm.read(folder)

    def test_an_entry_that_the_manifest_lacks_is_named(self, folder: Path) -> None:
        path = folder / "manifest.json"
        manifest = json.loads(path.read_text())
        del manifest["rules"]
        path.write_text(json.dumps(manifest))
        with pytest.raises(ArtifactError, match=r'"rules" is missing in manifest.json'):
            tm.read(folder)

    @pytest.mark.parametrize("content", ["{", None])
    def test_a_damaged_or_missing_manifest_is_named(
        self, folder: Path, content: str | None
    ) -> None:
        manifest = folder / "manifest.json"
        manifest.unlink() if content is None else manifest.write_text(content)
        with pytest.raises(ArtifactError, match=r"no undamaged manifest.json; prepare the data"):
            tm.read(folder)

    def test_a_missing_file_is_named(self, folder: Path) -> None:
        (folder / "users.parquet").unlink()
        with pytest.raises(ArtifactError, match=r"users.parquet is missing"):
            tm.load(folder)


class TestWriting:
    def test_an_error_leaves_the_earlier_data_and_no_temporary_files(
        self, folder: Path, source: Path
    ) -> None:
        before = tm.read(folder).fingerprint
        source.write_text(source.read_text() + "1,2,yesterday,3,1,view\n")
        with pytest.raises(DataError, match=r'column "timestamp", line 302: "yesterday" is not'):
            tm.prepare(source, folder)
        assert tm.read(folder).fingerprint == before
        assert sorted(path.name for path in folder.parent.iterdir()) == ["big", "log.csv"]

    def test_preparing_again_replaces_the_data(self, folder: Path, source: Path) -> None:
        log(7).write_csv(source)
        tm.prepare(source, folder)
        assert_same(tm.read(folder), tm.read(source))

    def test_any_other_folder_is_not_replaced(self, tmp_path: Path, source: Path) -> None:
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos" / "cat.jpg").touch()
        with pytest.raises(ArtifactError, match="photos is a folder, but not a prepared data set"):
            tm.prepare(source, tmp_path / "photos")

    def test_a_killed_process_leaves_nothing_that_opens_and_the_next_one_tidies_up(
        self, tmp_path: Path, source: Path
    ) -> None:
        script = (
            "import os, signal, sys, tastemaker as tm\n"
            "def stop(progress):\n"
            "    if progress.what == 'sorting': os.kill(os.getpid(), signal.SIGKILL)\n"
            f"tm.prepare({str(source)!r}, {str(tmp_path / 'out')!r}, on_progress=stop)\n"
        )
        killed = subprocess.run([sys.executable, "-c", script], check=False)
        assert killed.returncode == -signal.SIGKILL
        assert (tmp_path / ".out.preparing").exists()
        with pytest.raises(DataError, match="neither the name of a data set nor an existing path"):
            tm.load(tmp_path / "out")
        tm.prepare(source, tmp_path / "out")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["log.csv", "out"]

    def test_two_processes_do_not_prepare_the_same_folder(
        self, tmp_path: Path, source: Path
    ) -> None:
        def prepare_again(_: tm.Progress) -> None:
            tm.prepare(source, tmp_path / "out")

        with pytest.raises(ArtifactError, match="another process is writing to this folder"):
            tm.prepare(source, tmp_path / "out", on_progress=prepare_again)

    def test_progress_ends_with_every_piece_of_work_done(
        self, tmp_path: Path, source: Path
    ) -> None:
        seen: dict[str, tm.Progress] = {}
        tm.prepare(source, tmp_path / "out", on_progress=lambda p: seen.update({p.what: p}))
        assert list(seen) == [
            "unpacking", "reading (1 of 2)", "reading (2 of 2)", "sorting", "writing",
        ]  # fmt: skip
        assert all(progress.done == progress.total for progress in seen.values())


class TestRefusals:
    @pytest.mark.parametrize(
        ("how", "message"),
        [
            ({"memory": "a lot"}, 'memory="a lot" is not an amount of memory'),
            ({"memory": "100MB"}, 'memory="100MB" is too little; give at least "512MiB"'),
            ({"memory": "900TiB"}, 'memory="900TiB" is more than the '),
            ({"items": ITEMS}, "items=… applies when the prepared data are read"),
            ({"vectors": np.ones((40, 2))}, "vectors=… applies when the prepared data are read"),
            ({"min_rating": 3.0}, "min_rating=… applies when the prepared data are read"),
            ({"query": "SELECT 1"}, "query=… selects rows of a database, which cannot be prepared"),
            ({"layout": "mind"}, 'layout="mind" cannot be prepared in pieces'),
            ({"event_weights": {"a": 1.0}}, "name their column with event=…"),
        ],
    )
    def test_options_that_cannot_be_honoured(
        self, tmp_path: Path, source: Path, how: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
            tm.prepare(source, tmp_path / "out", **how)

    def test_sources_that_cannot_be_read_in_pieces(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="prepare reads files; write the table as Parquet"):
            tm.prepare(log(), tmp_path / "out")
        (tmp_path / "log.json").write_text('[{"user": 1, "item": 2}]')
        with pytest.raises(DataError, match="is one JSON array, which can only be read as a whole"):
            tm.prepare(tmp_path / "log.json", tmp_path / "out")
        log().write_ipc(tmp_path / "log.arrow")
        with pytest.raises(DataError, match=r"log.arrow cannot be prepared in pieces; write"):
            tm.prepare(tmp_path / "log.arrow", tmp_path / "out")
        with pytest.raises(DataError, match=r"nothing.csv: there is no such file"):
            tm.prepare(tmp_path / "nothing.csv", tmp_path / "out")

    def test_a_prepared_folder_is_not_prepared_again(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="big is prepared already"):
            tm.prepare(folder, tmp_path / "out")

    def test_the_result_is_not_put_into_the_source(self, source: Path) -> None:
        with pytest.raises(ConfigError, match="is in the folder of the source"):
            tm.prepare(source.parent, source.parent / "out")

    def test_missing_values_are_counted_in_the_whole_table(self, tmp_path: Path) -> None:
        rows = "".join(f"{n if n % 150 else 'NA'},{n % 9}\n" for n in range(400))
        (tmp_path / "log.csv").write_text(f"user,item\n{rows}")
        with pytest.raises(DataError) as found:
            tm.prepare(tmp_path / "log.csv", tmp_path / "out")
        with pytest.raises(DataError) as expected:
            tm.read(tmp_path / "log.csv")
        assert str(found.value) == str(expected.value)

    def test_without_duckdb_the_remedy_is_named(
        self, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "duckdb", None)
        monkeypatch.setattr("tastemaker.data.prepared.engine.find_spec", lambda name: None)
        with pytest.raises(UnsupportedError, match=r'pip install "tastemaker\[duckdb\]"'):
            tm.prepare(source, tmp_path / "out")

    def test_duckdb_is_not_imported_for_anything_else(self, folder: Path) -> None:
        script = (
            "import sys, tastemaker as tm\n"
            f"tm.leave_one_out(tm.read({str(folder)!r}))\n"
            "assert '_duckdb' not in sys.modules\n"
        )
        subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


@pytest.mark.parametrize("ending", ["parquet", "csv.gz"])
def test_a_fetched_file_is_the_file_that_was_there(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"there.{ending}"
    if ending == "parquet":
        log().write_parquet(path)
    else:
        path.write_bytes(os.urandom(3_000))
    with duckdb.connect() as connection:
        copy_file(connection, str(path), tmp_path / "here")
    if ending == "parquet":
        assert pl.read_parquet(tmp_path / "here").equals(log())
    else:
        assert (tmp_path / "here").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("urls", "message"),
    [
        (["s3://shop/logs/../../../escaped.csv"], r"a URL with \.\. in its path"),
        (["s3:///etc/escaped.csv"], r"a URL with \.\. in its path"),
        (["https://shop/log?day=1", "https://shop/log?day=2"], "has the same path as https://shop"),
    ],
)
def test_a_remote_file_is_only_copied_to_a_place_of_its_own_in_the_folder(
    tmp_path: Path, urls: list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        places_of(urls, tmp_path)
    good = ["s3://shop/a/log.csv", "https://shop/b/log.csv?token=x"]
    assert list(places_of(good, tmp_path)) == [tmp_path / "shop" / end / "log.csv" for end in "ab"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_memory_stays_under_the_limit_which_reading_exceeds(tmp_path: Path) -> None:
    n, draw = 1_200_000, np.random.default_rng(0)
    codes = {"user": draw.integers(0, n // 20, n), "item": draw.integers(0, 9_999, n)}
    text = "a name that takes much memory, as do all names in the log of this shop, {}"
    frame = pl.DataFrame(codes).with_columns(pl.format(text, name).alias(name) for name in codes)
    frame.write_csv(tmp_path / "log.csv")
    del frame
    limit = 512 * 2**20
    read = peak_of(f"tm.read({str(tmp_path / 'log.csv')!r})")
    prepared = peak_of(
        f"tm.prepare({str(tmp_path / 'log.csv')!r}, {str(tmp_path / 'out')!r}, memory='512MiB')"
    )
    assert prepared["peak"] < limit < read["peak"]
    assert prepared["fingerprint"] == read["fingerprint"]


def peak_of(expression: str) -> dict[str, Any]:
    """Runs a statement in a new process; returns its largest resident size and the fingerprint."""
    script = (
        "import json, logging, re, tastemaker as tm\n"
        "logging.getLogger('tastemaker').setLevel('WARNING')\n"
        f"data = {expression}\n"
        # The figure of getrusage would include the parent process, as it was before the exec.
        "status = open('/proc/self/status').read()\n"
        "peak = int(re.search(r'VmHWM:\\s+(\\d+) kB', status)[1]) * 1024\n"
        "print(json.dumps({'peak': peak, 'fingerprint': data.fingerprint}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def bases(array: np.ndarray) -> list[Any]:
    """Returns what an array is a view of, from the nearest to the farthest."""
    found: list[Any] = []
    base = array.base
    while base is not None:
        found.append(base)
        base = getattr(base, "base", None)
    return found
