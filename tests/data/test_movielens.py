"""The MovieLens archives: every layout, by name and by path, found, fetched or asked for."""

import hashlib
import http.server
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import tastemaker as tm
from tastemaker.data.download import download
from tastemaker.data.movielens import fetch_archive
from tastemaker.data.synthetic import synthetic
from tastemaker.errors import DataError, DownloadError

CSV_LAYOUT = {
    "ratings.csv": "userId,movieId,rating,timestamp\n1,10,4.0,1100000000\n1,20,3.5,1000000000\n",
    "movies.csv": 'movieId,title,genres\n10,"Léon, the Pro (1994)",Crime|Drama\n20,B (2000),'
    "(no genres listed)\n",
}
COLON_LAYOUT = {
    "ratings.dat": "1::10::4::1100000000\n1::20::3.5::1000000000\n",
    "movies.dat": "10::Léon, the Pro (1994)::Crime|Drama\n20::B (2000)::\n",
}
TAB_LAYOUT = {
    "u.data": "1\t10\t4\t1100000000\n1\t20\t3\t1000000000\n",
    "u.item": "10|Léon, the Pro (1994)|01-Jan-1994||http://x|0|0|0|0|0|0|1|0|1|0|0|0|0|0|0|0|0|0|0\n"
    "20|B (2000)|||http://x|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0\n",
}


def archive(path: Path, layout: dict[str, str], encoding: str = "utf-8") -> Path:
    with zipfile.ZipFile(path, "w") as out:
        for name, text in layout.items():
            out.writestr(f"{path.stem}/{name}", text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("layout", "encoding"),
    [
        (CSV_LAYOUT, "utf-8"),
        (COLON_LAYOUT, "utf-8"),
        (COLON_LAYOUT, "latin-1"),
        (TAB_LAYOUT, "latin-1"),
    ],
)
@pytest.mark.parametrize("unpacked", [False, True])
def test_every_layout_reads_alike(
    tmp_path: Path, layout: dict[str, str], encoding: str, unpacked: bool
) -> None:
    source = archive(tmp_path / "ml-test.zip", layout, encoding)
    if unpacked:
        zipfile.ZipFile(source).extractall(tmp_path)
        source = tmp_path / "ml-test"
    data = tm.load(source)
    assert data.name == "ml-test"
    assert data.to_frame().select("user_id", "item_id", "timestamp").rows() == [
        (1, 20, 1_000_000_000),
        (1, 10, 1_100_000_000),
    ]
    assert data.catalog.frame.rows() == [
        (10, "Léon, the Pro (1994)", ["Crime", "Drama"]),
        (20, "B (2000)", []),
    ]


def test_the_real_archives_have_their_published_counts(data_folder: Path) -> None:
    expected = {"ml-100k": (100_000, 943, 1_682), "ml-latest-small": (100_836, 610, 9_724)}
    for name, counts in expected.items():
        data = tm.load(name)
        assert (len(data), data.n_users, data.n_items) == counts
        assert data.n_duplicates == 0
        assert data.catalog.frame["title"].null_count() == 0


def test_a_named_archive_is_found_in_the_data_folder_before_the_cache(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_cache.mkdir(parents=True)
    archive(own_cache / "ml-1m.zip", COLON_LAYOUT)
    assert len(tm.load("ml-1m")) == 2
    given = tmp_path / "given"
    given.mkdir()
    one_row = {"ratings.dat": "1::10::4::1100000000\n"}
    archive(given / "ml-1m.zip", one_row)
    monkeypatch.setenv("TASTEMAKER_DATA", str(given))
    assert len(tm.load("ml-1m")) == 1


def test_damaged_and_foreign_archives_are_refused(tmp_path: Path) -> None:
    fake = tmp_path / "fake.zip"
    fake.write_text("not a zip")
    with pytest.raises(DataError, match="is not a zip archive"):
        tm.load(fake)
    with pytest.raises(DataError, match="contains no MovieLens ratings"):
        tm.load(archive(tmp_path / "other.zip", {"readme.txt": "hello"}))
    broken = {"ratings.csv": "userId,movieId,rating,timestamp\n1,ten,4.0,x\n"}
    with pytest.raises(DataError, match="layout of a MovieLens archive, but is damaged"):
        tm.load(archive(tmp_path / "broken.zip", broken))
    whole = archive(tmp_path / "cut.zip", CSV_LAYOUT).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:60] + b"XXXX" + whole[64:])
    with pytest.raises(DataError, match="damaged"):
        tm.load(tmp_path / "cut.zip")


def test_paths_inside_an_archive_are_never_followed(tmp_path: Path) -> None:
    sneaky = {"../../ratings.csv": CSV_LAYOUT["ratings.csv"]}
    data = tm.load(archive(tmp_path / "sneaky.zip", sneaky))
    assert len(data) == 2
    assert not (tmp_path.parent / "ratings.csv").exists()


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(DataError, match='did you mean "ml-100k"'):
        tm.load("ml-100")


class Server:
    """A real HTTP server with range requests, on a port of its own."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.ranges = files, []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = server.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                range_header = self.headers.get("Range")
                server.ranges.append(range_header)
                start = int(range_header.removeprefix("bytes=").rstrip("-")) if range_header else 0
                if start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206 if range_header else 200)
                self.send_header("Content-Length", str(len(content) - start))
                self.end_headers()
                self.wfile.write(content[start:])

            def log_message(self, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def grouplens(tmp_path: Path) -> Iterator[Server]:
    content = archive(tmp_path / "ml-1m.zip", COLON_LAYOUT).read_bytes()
    checksum = f"MD5 (ml-1m.zip) = {hashlib.md5(content).hexdigest()}\n".encode()
    server = Server({"/ml-1m.zip": content, "/ml-1m.zip.md5": checksum})
    yield server
    server.close()


def test_an_archive_is_fetched_checked_and_kept(grouplens: Server, own_cache: Path) -> None:
    seen = []
    path = fetch_archive("ml-1m", lambda done, total: seen.append((done, total)), grouplens.url)
    assert path == own_cache / "ml-1m.zip"
    size = len(grouplens.files["/ml-1m.zip"])
    assert seen[-1] == (size, size)
    assert len(tm.load("ml-1m")) == 2
    assert [file.name for file in own_cache.iterdir()] == ["ml-1m.zip"]


def test_a_broken_download_goes_on_where_it_stopped(grouplens: Server, tmp_path: Path) -> None:
    content = grouplens.files["/ml-1m.zip"]
    target = tmp_path / "cache" / "ml-1m.zip"
    target.parent.mkdir()
    target.with_name("ml-1m.zip.part").write_bytes(content[:100])
    download(f"{grouplens.url}/ml-1m.zip", target)
    assert target.read_bytes() == content
    assert "bytes=100-" in grouplens.ranges
    target.rename(target.with_name("ml-1m.zip.part"))
    download(f"{grouplens.url}/ml-1m.zip", target)
    assert target.read_bytes() == content, "all bytes were there already"


def test_a_wrong_checksum_leaves_no_file(grouplens: Server, tmp_path: Path) -> None:
    grouplens.files["/ml-1m.zip"] = grouplens.files["/ml-1m.zip"][:-1] + b"X"
    with pytest.raises(DownloadError, match="the checksum of .* but the published one is"):
        download(f"{grouplens.url}/ml-1m.zip", tmp_path / "kept" / "ml-1m.zip")
    assert list((tmp_path / "kept").iterdir()) == []


def test_without_a_published_sum_only_a_whole_archive_is_kept(
    grouplens: Server, tmp_path: Path
) -> None:
    del grouplens.files["/ml-1m.zip.md5"]
    download(f"{grouplens.url}/ml-1m.zip", tmp_path / "a.zip")
    grouplens.files["/ml-1m.zip"] = b"<html>log in to the network</html>"
    with pytest.raises(DownloadError, match="not a complete zip archive"):
        download(f"{grouplens.url}/ml-1m.zip", tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_without_a_network_the_error_names_the_file_and_its_place(own_cache: Path) -> None:
    with pytest.raises(DownloadError) as error:
        fetch_archive("ml-25m", base_url="http://127.0.0.1:9")
    message = str(error.value)
    assert "download ml-25m.zip from https://grouplens.org/datasets/movielens/" in message
    assert f"save it as {own_cache / 'ml-25m.zip'}" in message


def test_synthetic_data_are_seeded_long_tailed_and_named_as_synthetic() -> None:
    data = tm.load("synthetic")
    assert data.name.startswith("synthetic")
    assert data.fingerprint == tm.load("synthetic").fingerprint
    card = tm.describe(data)
    assert (card.n_users, card.n_duplicates) == (1_000, 0)
    assert card.long_tail_fraction < 0.6, "the top fifth of the items should have most interactions"
    assert data.catalog.frame["title"].str.contains(r"^The .+ \(\d{4}\)$").all()


def test_personal_models_beat_popularity_on_the_synthetic_data() -> None:
    split = tm.leave_one_out(tm.load("synthetic"))
    ease = tm.evaluate(tm.EASE().fit(split), split, tm.FullRanking())
    assert ease.metrics["ndcg@10"] > 2 * ease.baselines["popularity"].metrics["ndcg@10"]


def test_the_synthetic_data_are_the_same_on_every_processor() -> None:
    """They are made of integers alone, so that the digest holds everywhere."""
    frame = synthetic()[0].frame.with_columns(half_stars=2 * pl.col("rating"))
    digest = hashlib.sha256()
    for name in ("user_id", "item_id", "timestamp", "half_stars"):
        digest.update(frame[name].to_numpy().astype("<i8").tobytes())
    assert digest.hexdigest().startswith("70ae16e7a5f8534f")
