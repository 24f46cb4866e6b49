"""Files of published data sets, in self-written samples of their layouts."""

import json
from pathlib import Path

import polars as pl
import pytest

import tastemaker as tm
from tastemaker.cli import options
from tastemaker.data.layouts import LAYOUTS
from tastemaker.errors import ConfigError, DataError

SAMPLES: dict[str, tuple[str, str, dict]] = {
    "amazon-2014-ratings": (
        "ratings_Books.csv",
        "A1AAAAAAAAAAA,000000011X,4.0,1019865600\nA2BBBBBBBBBBBB,000000011X,1.0,1395619200\n",
        {"user_id": "A1AAAAAAAAAAA", "item_id": "000000011X", "timestamp": 1019865600, "rating": 4},
    ),
    "amazon-2018-ratings": (
        "Books.csv",
        "000000022X,A3CCCCCCCCCCCC,5.0,1123804800\n000000022X,A4DDDDDDDDDDDD,2.0,1112140800\n",
        {
            "user_id": "A3CCCCCCCCCCCC", "item_id": "000000022X", "timestamp": 1123804800,
            "rating": 5,
        },
    ),
    "foursquare": (
        "dataset_TSMC2014_NYC.txt",
        "7\t4a0000000000000000000001\t4b0000000000000000000002\tCaf\xe9\t40.5\t"
        "-73.5\t-240\tTue Apr 03 18:00:09 +0000 2012\n",
        {"user_id": 7, "item_id": "4a0000000000000000000001", "timestamp": 1333476009},
    ),
    "gowalla": (
        "loc-gowalla_totalCheckins.txt",
        "0\t2010-10-19T23:55:27Z\t30.25\t-97.75\t501\n",
        {"user_id": 0, "item_id": 501, "timestamp": 1287532527},
    ),
    "lastfm-1k": (
        "userid-timestamp-artid-artname-traid-traname.tsv",
        'user_000001\t2009-05-04T23:08:57Z\taaaa0001\tBlue "Disc\tabc\tOne\n'
        "user_000001\t2009-05-04T13:54:10Z\taaaa0002\tGreen\tdef\tTwo\n",
        {"user_id": "user_000001", "item_id": "def", "timestamp": 1241445250},
    ),
    "lastfm-360k": (
        "usersha1-artmbid-artname-plays.tsv",
        "0123456789abcdef0123456789abcdef01234567\taaaa0003\tthe blue discs\t210\n",
        {"user_id": "0123456789abcdef0123456789abcdef01234567", "item_id": "the blue discs"},
    ),
    "mind": (
        "behaviors.tsv",
        "1\tU101\t11/11/2019 9:05:58 AM\tN11 N12\tN21-1 N22-0 N7-1\n"
        "2\tU102\t11/12/2019 6:11:30 PM\t\tN23-0\n",
        {"user_id": "U101", "item_id": "N21", "timestamp": 1573463158},
    ),
    "steam-200k": (
        "steam-200k.csv",
        '501,"Chess, Second Edition",purchase,1.0,0\n'
        '501,"Chess, Second Edition",play,12.5,0\n',
        {"user_id": 501, "item_id": "Chess, Second Edition"},
    ),
    "taobao": (
        "UserBehavior.csv",
        "1,2001,301,pv,1511544070\n1,2002,302,buy,1511561733\n",
        {"user_id": 1, "item_id": 2001, "timestamp": 1511544070},
    ),
    "yoochoose-buys": (
        "yoochoose-buys.dat",
        "77,2014-04-06T18:44:58.314Z,5001,990,1\n",
        {"user_id": 77, "item_id": 5001, "timestamp": 1396809898},
    ),
    "yoochoose-clicks": (
        "yoochoose-clicks.dat",
        "1,2014-04-07T10:51:09.277Z,5002,0\n1,2014-04-07T10:54:09.868Z,5003,S\n",
        {"user_id": 1, "item_id": 5002, "timestamp": 1396867869},
    ),
}  # fmt: skip


def written(folder: Path, name: str) -> Path:
    path = folder / SAMPLES[name][0]
    path.write_bytes(SAMPLES[name][1].encode("latin-1"))
    return path


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_gives_users_items_and_times(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name)
    expected = SAMPLES[name][2]
    read = tm.read_interactions(path, layout=name)
    assert read.frame.row(0, named=True).items() >= expected.items()
    assert ("timestamp" in read.frame.columns) == ("timestamp" in expected)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_file_without_its_layout_is_refused_with_its_name(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name)
    how = {"encoding": "latin-1"} if name == "foursquare" else {}
    with pytest.raises(DataError, match=f'looks like the layout "{name}"'):
        tm.read(path, **how)


def test_kinds_of_events_of_a_layout_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, "taobao")
    data = tm.read(path, layout="taobao", event_weights={"pv": 1, "buy": 10})
    assert set(data.rules.kinds.names) == {"buy", "pv"}
    assert sorted(data.weights.tolist()) == [1, 10]


def test_clicks_of_impressions_are_the_events(tmp_path: Path) -> None:
    path = written(tmp_path, "mind")
    read = tm.read_interactions(path, layout="mind")
    assert read.frame["item_id"].to_list() == ["N21", "N7"]
    assert any("2 impressions without a click" in note for note in read.notes)
    path.write_text(path.read_text().replace("\tU101", "\t"))
    with pytest.raises(DataError, match="line 1: the user id is missing"):
        tm.read(path, layout="mind")
    path.write_text("1\tU1\t11/11/2019 9:05:58 AM\tN1\tN2 N3\n")
    with pytest.raises(DataError, match="no impression is marked as clicked"):
        tm.read(path, layout="mind")


def test_columns_of_a_layout_can_be_chosen(tmp_path: Path) -> None:
    path = written(tmp_path, "lastfm-1k")
    data = tm.read(path, layout="lastfm-1k", item="artist_name")
    assert data.item_vocabulary.ids.to_list() == ['Blue "Disc', "Green"]
    path = written(tmp_path, "lastfm-360k")
    assert tm.read(path, layout="lastfm-360k", weight="plays").weights.tolist() == [210]


def test_a_layout_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "gowalla")
    with pytest.raises(DataError, match="there are 5 columns, but this layout has 4"):
        tm.read(path, layout="lastfm-360k")
    with pytest.raises(ConfigError, match='no layout "gowala"; did you mean "gowalla"'):
        tm.read(path, layout="gowala")


def test_the_help_lists_the_layouts() -> None:
    (described,) = options.Layout.__metadata__
    assert all(name in described.help for name in LAYOUTS)


KNOWN = {
    "reviews_Books_5.json": (
        [{"reviewerID": "A5EEEEEEEEEEE", "asin": "0000013714", "helpful": [2, 3],
          "overall": 5.0, "unixReviewTime": 1252800000, "reviewTime": "09 13, 2009"}],
        ("A5EEEEEEEEEEE", "0000013714", 1252800000, 5.0),
    ),
    "Books_5.json": (
        [{"overall": 4.0, "vote": "2", "reviewerID": "A1", "asin": "750", "style": {"Color:": "a"},
          "unixReviewTime": 1407110400},
         {"overall": 4.0, "reviewerID": "A2", "asin": "750", "style": {"Size:": "L"},
          "unixReviewTime": 1407110401}],
        ("A1", "750", 1407110400, 4.0),
    ),
    "Books.jsonl": (
        [{"rating": 5.0, "images": [], "asin": "B00", "parent_asin": "B01", "user_id": "AG",
          "timestamp": 1588687728923, "verified_purchase": True},
         {"rating": 3.0, "images": [{"small_image_url": "x"}], "asin": "B00", "parent_asin": "B02",
          "user_id": "AH", "timestamp": 1588687728923}],
        ("AG", "B01", 1588687728, 5.0),
    ),
    "yelp_academic_dataset_review.json": (
        [{"review_id": "K", "user_id": "mh", "business_id": "XQ", "stars": 3.0,
          "date": "2018-07-07 22:09:11"}],
        ("mh", "XQ", 1531001351, 3.0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_reviews_need_no_option(tmp_path: Path, name: str) -> None:
    rows, expected = KNOWN[name]
    (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert tm.read_interactions(tmp_path / name).frame.row(0) == expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("books.csv", "user_id,parent_asin,rating,timestamp\nAG,0007,5.0,1588687728923\n",
         ("AG", "0007", 1588687728, 5.0)),
        ("events.csv", "timestamp,visitorid,event,itemid,transactionid\n"
         "1433221332117,31,view,71,\n", (31, 71, 1433221332)),
        ("transactions_train.csv", "t_dat,customer_id,article_id,price,sales_channel_id\n"
         "2018-09-20,00ab,0100200300,0.05,2\n",
         ("00ab", "0100200300", 1537401600)),
    ],
)  # fmt: skip
def test_published_tables_with_names_need_no_option(
    tmp_path: Path, name: str, text: str, expected: tuple
) -> None:
    (tmp_path / name).write_text(text)
    assert tm.read_interactions(tmp_path / name).frame.row(0) == expected


def test_book_crossing_needs_its_encoding_alone(tmp_path: Path) -> None:
    text = '"User-ID";"ISBN";"Book-Rating"\n"11";"000000033X";"0"\n"12";"0200001\xe9";"5"\n'
    (tmp_path / "BX-Book-Ratings.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match='for example encoding="latin-1"'):
        tm.read(tmp_path / "BX-Book-Ratings.csv")
    read = tm.read_interactions(tmp_path / "BX-Book-Ratings.csv", encoding="latin-1")
    assert read.frame.row(1) == (12, "0200001é", 5.0)


def test_a_column_of_kinds_that_is_not_named_is_mentioned() -> None:
    frame = pl.DataFrame({"user": [1], "item": [2], "event": ["view"], "price": [3]})
    assert (
        tm.read(frame)
        .notes[0]
        .endswith(
            '; not used: event, price (if "event" is the kind of each event, name it with event=…)'
        )
    )
    assert "not used: price" in tm.read(frame, event="event").notes[0]


def test_the_guide_lists_the_layouts() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    assert all(f"`{name}`" in guide for name in LAYOUTS)
