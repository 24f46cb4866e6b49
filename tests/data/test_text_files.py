"""Text files as they come: stray quotes, encodings, comments, odd separators, lines that differ."""

import csv
import gzip
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

import tastemaker as tm
from tastemaker.data.readers import read_table
from tastemaker.data.text_format import TextFormat
from tastemaker.errors import ConfigError, DataError


def pairs(data: tm.Dataset) -> list[tuple]:
    return data.to_frame().select("user_id", "item_id").rows()


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


SWALLOWING = 'user,item,title\n1,10,"Heroes\n2,11,b\n3,12,c\n4,13,12"\n5,14,e\n'
FIVE = [(1, 10), (2, 11), (3, 12), (4, 13), (5, 14)]


class TestQuotes:
    def test_between_tabs_a_quote_is_text(self, tmp_path: Path) -> None:
        path = write(tmp_path / "log.tsv", SWALLOWING.replace(",", "\t"))
        assert pairs(tm.read(path)) == FIVE
        path = write(tmp_path / "log.tsv", 'user\titem\ttitle\n1\t10\tx\n2\t11\t5" disc\n')
        assert pairs(tm.read(path)) == [(1, 10), (2, 11)]

    def test_between_tabs_quotes_are_format_where_the_names_are_in_quotes(
        self, tmp_path: Path
    ) -> None:
        path = write(tmp_path / "log.tsv", '"user"\t"item"\n"ann"\t"a\tb"\n"bob"\t"c"\n')
        assert pairs(tm.read(path)) == [("ann", "a\tb"), ("bob", "c")]

    def test_quoting_can_be_chosen(self, tmp_path: Path) -> None:
        path = write(tmp_path / "log.tsv", 'user\titem\n"ann"\t"tea"\n')
        assert pairs(tm.read(path)) == [('"ann"', '"tea"')]
        assert pairs(tm.read(path, quoting="csv")) == [("ann", "tea")]
        with pytest.raises(ConfigError, match='use "csv" or "none"'):
            tm.read(path, quoting="cvs")

    def test_rows_swallowed_by_an_unused_column_come_back(self, tmp_path: Path) -> None:
        data = tm.read(write(tmp_path / "log.csv", SWALLOWING))
        assert pairs(data) == FIVE
        assert any("quotes are read as text" in note for note in data.notes)

    def test_many_stray_quotes_lose_no_row(self, tmp_path: Path) -> None:
        def title(i: int) -> str:
            return {0: '"Heroes', 1: '5" disc', 2: 'the "end', 3: '12"'}.get(i % 7, "plain")

        rows = "".join(f"u{i % 500},i{i},{title(i)}\n" for i in range(20_001))
        assert len(tm.read(write(tmp_path / "log.csv", "user,item,title\n" + rows))) == 20_001

    def test_a_stray_quote_in_a_used_column_is_an_error_with_its_line(self, tmp_path: Path) -> None:
        text = 'user,item,ts\n1,a,100\n1,5" disc,101\n2,b,102\n3,3" disc,103\n4,c,104\n'
        path = write(tmp_path / "log.csv", text)
        with pytest.raises(DataError, match=r'line 3: a quote opens a value of 3 lines.*="none"'):
            tm.read(path)
        assert len(tm.read(path, quoting="none")) == 5
        path = write(tmp_path / "log.csv", 'user,item,ts\n1,a,100\n1,5" disc,101\n2,b,102\n')
        with pytest.raises(DataError, match=r'line 3: a quote is opened but never.*="none"'):
            tm.read(path)
        with pytest.raises(DataError, match=r'line 3: a quote is opened but never.*="none"'):
            tm.read(path, quoting="csv")

    def test_line_breaks_within_quotes_belong_to_a_value(self, tmp_path: Path) -> None:
        text = 'user,title,item\n1,"two\nlines, ""so""\n",10\n2,"a",11\n\n3,x,12\n'
        path = write(tmp_path / "log.csv", text)
        assert pairs(tm.read(path)) == [(1, 10), (2, 11), (3, 12)]
        assert pairs(tm.read(path, item="title", user="user"))[0] == (1, 'two\nlines, "so"')

    def test_a_value_of_hundreds_of_lines_is_an_error(self, tmp_path: Path) -> None:
        poem = "la la\n" * 300
        path = write(tmp_path / "log.csv", f'user,item,text\n1,10,x\n1,11,"{poem}"\n2,10,y\n')
        with pytest.raises(DataError, match="line 3: a quote opens a value of 301 lines; if"):
            tm.read(path)
        assert len(tm.read(path, quoting="csv")) == 3


class TestLines:
    def test_lines_that_differ_are_named(self, tmp_path: Path) -> None:
        path = write(tmp_path / "log.csv", "user,item,ts\n1,2,100\n\n1,3\n2,3,101,extra\n")
        with pytest.raises(DataError, match=r"line 4 has 2 value\(s\), but the first line has 3"):
            tm.read(path)
        path = write(tmp_path / "log.csv", 'user,item,ts\n1,"2",100\n"1\n",3,5,7\n')
        with pytest.raises(DataError, match=r"line 3 has 4 value\(s\), but the first line has 3"):
            tm.read(path)

    def test_commas_within_unused_titles_at_the_end_do_no_harm(self, tmp_path: Path) -> None:
        path = write(tmp_path / "log.csv", "user,item,title\n1,2,So, what\n1,3,x, y\n2,3,x\n")
        data = tm.read(path)
        assert pairs(data) == [(1, 2), (1, 3), (2, 3)]
        assert any(
            "2 line(s) do not have 3 values as the first line does (the first of them is" in note
            for note in data.notes
        )
        path = write(tmp_path / "log.csv", "user,title,item,x\n1,So, what,2,0\n2,y,3,0\n")
        with pytest.raises(DataError, match="line 2 has 5"):
            tm.read(path)
        path = write(tmp_path / "log.csv", 'user,title,item,x\n1,"So, so",3,0\n1,So, what,2,0\n')
        with pytest.raises(DataError, match="line 3 has 5"):
            tm.read(path)

    def test_comments_are_left_out_by_option(self, tmp_path: Path) -> None:
        text = '# exported "2024\n\nuser,item\n1,2\n# more, or, less\n2,3\n'
        path = write(tmp_path / "log.csv", text)
        with pytest.raises(DataError, match='if it is a comment.*comment="#"'):
            tm.read(path)
        assert pairs(tm.read(path, comment="#")) == [(1, 2), (2, 3)]
        path = write(tmp_path / "log.csv", "#user,item\n1,2\n")
        assert pairs(tm.read(path)) == [(1, 2)]


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
    def test_a_byte_order_mark_says_the_encoding(self, tmp_path: Path, encoding: str) -> None:
        path = write(tmp_path / "log.csv", "user,item\r\nJosé,1\r\n".encode(encoding))
        assert pairs(tm.read(path)) == [("José", 1)]

    def test_other_encodings_are_named(self, tmp_path: Path) -> None:
        path = write(tmp_path / "log.csv", "user,item\nann,1\nJosé,2\n".encode("latin-1"))
        with pytest.raises(DataError, match='line 3 is not UTF-8 text.*encoding="latin-1"'):
            tm.read(path)
        assert sorted(pairs(tm.read(path, encoding="latin-1"))) == [("José", 2), ("ann", 1)]
        with pytest.raises(DataError, match="line 3 is not shift-jis text"):
            tm.read(write(path, b"user,item\nann,1\n\xff,2\n"), encoding="shift-jis")
        with pytest.raises(ConfigError, match='encoding="latin-11" is unknown'):
            tm.read(path, encoding="latin-11")

    def test_a_nul_byte_is_named(self, tmp_path: Path) -> None:
        path = write(tmp_path / "log.csv", "user,item\nann,1\n\0\0\0\0")
        with pytest.raises(DataError, match="line 3 contains a NUL byte"):
            tm.read(path)
        path = write(tmp_path / "log.csv", "user,item\nann,1\n".encode("utf-16-le"))
        with pytest.raises(DataError, match='read it with encoding="utf-16"'):
            tm.read(path)
        assert pairs(tm.read(path, encoding="utf-16-le")) == [("ann", 1)]


class TestFirstLines:
    @pytest.mark.parametrize(
        "text",
        [
            "A00,0002,3.0,1396867869\nA00,0006,4.0,1396954269\nA01,0010,4.0,1397040669\n",
            "1\t3\t1\t1396867869\n1\t7\t2\t1396867870\n2\t11\t2\t1396867871\n",
            "ann,tea\nann,jam\nbob,tea\n",
        ],
    )
    def test_data_in_the_first_line_are_hinted_at_and_kept(self, tmp_path: Path, text: str) -> None:
        path = write(tmp_path / "log.data", text)
        with pytest.raises(DataError, match="give has_header=False, which names the columns"):
            tm.read(path)
        assert len(tm.read(path, has_header=False, user="column_1", item="column_2")) == 3

    def test_kinds_in_the_names_of_atomic_files_are_left_out(self, tmp_path: Path) -> None:
        text = "user_id:token\titem_id:token\ttimestamp:float\n1\t2\t100\n1\t3\t99\n"
        data = tm.read(write(tmp_path / "ml.inter", text))
        assert pairs(data) == [(1, 3), (1, 2)]
        assert "user = user_id (guessed)" in data.notes[0]

    @pytest.mark.parametrize(
        ("separator", "ending"), [("::", ".dat"), (" ", ".log"), ("   ", ""), ("||", ".csv")]
    )
    def test_values_may_be_separated_by_more_than_a_character(
        self, tmp_path: Path, separator: str, ending: str
    ) -> None:
        rows = [("1", "1193", "5", "978300760"), ("1", "661", "3", "978302109")]
        path = write(tmp_path / f"ratings{ending}", "\n".join(map(separator.join, rows)) + "\n")
        how = {"has_header": False, "user": "column_1", "item": "column_2", "time": "column_4"}
        how |= {"separator": "||"} if separator == "||" else {}
        assert pairs(tm.read(path, **how)) == [(1, 1193), (1, 661)]

    def test_a_space_is_no_separator_where_another_works(self, tmp_path: Path) -> None:
        path = write(tmp_path / "log.txt", "user id,item id\nann lee,green tea\nbob ray,red jam\n")
        data = tm.read(path, user="user id", item="item id")
        assert pairs(data) == [("ann lee", "green tea"), ("bob ray", "red jam")]

    def test_titles_with_other_separators_do_not_confuse(self, tmp_path: Path) -> None:
        text = "1::Toy Story (1995)::Animation|Children's|Comedy\n2::Heat, 1995::Action|Crime\n"
        path = write(tmp_path / "movies.dat", text)
        data = tm.read(path, has_header=False, user="column_1", item="column_2")
        assert pairs(data) == [(1, "Toy Story (1995)"), (2, "Heat, 1995")]


class TestKinds:
    LINES = '{"user": "a", "item": 1}\n{"user": "b", "item": 2}\n'
    ARRAY = '[\n {"user": "a", "item": 1},\n {"user": "b", "item": 2}\n]\n'

    @pytest.mark.parametrize("name", ["log.json", "log.jsonl", "log", "log.log", "log.dat"])
    @pytest.mark.parametrize("text", [LINES, ARRAY])
    def test_json_is_read_by_content(self, tmp_path: Path, name: str, text: str) -> None:
        assert pairs(tm.read(write(tmp_path / name, text))) == [("a", 1), ("b", 2)]
        packed = gzip.compress(text.encode())
        assert pairs(tm.read(write(tmp_path / name, packed))) == [("a", 1), ("b", 2)]

    @pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
    def test_packed_text_is_read_by_content(
        self, tmp_path: Path, pack: Callable[[bytes], bytes]
    ) -> None:
        path = write(tmp_path / "log", pack(b"user,item\na,1\nb,2\n"))
        assert pairs(tm.read(path)) == [("a", 1), ("b", 2)]
        cut = write(tmp_path / "cut.gz", pack(b"user,item\na,1\nb,2\n" * 9)[:-12])
        with pytest.raises(DataError, match="the compressed file is damaged"):
            tm.read(cut)

    def test_parquet_is_read_under_any_name(self, tmp_path: Path) -> None:
        pl.DataFrame({"user": ["a"], "item": [1]}).write_parquet(tmp_path / "part-0000")
        assert pairs(tm.read(tmp_path / "part-0000")) == [("a", 1)]

    def test_broken_json_is_named_with_its_line(self, tmp_path: Path) -> None:
        path = write(tmp_path / "log.json", '[{"user": "a", "item": 1},\n{"user": }]')
        with pytest.raises(DataError, match="line 2 is not JSON"):
            tm.read(path)
        path = write(tmp_path / "log.json", '[{"user": "a", "item": 1},\n7]')
        with pytest.raises(DataError, match="entry 2 of the array is not a JSON object"):
            tm.read(path)

    def test_an_empty_array_has_no_rows(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="there are no rows"):
            tm.read(write(tmp_path / "log.json", "[]"))

    def test_lines_may_end_in_carriage_returns(self, tmp_path: Path) -> None:
        for end in ("\r", "\r\n"):
            path = write(tmp_path / "log.csv", end.join(["user,item", "a,1", "b,2", ""]))
            assert pairs(tm.read(path)) == [("a", 1), ("b", 2)]

    def test_a_pipe_is_read_once_and_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "pipe"
        os.mkfifo(path)
        text = b"user,item\n" + b"".join(b"%d,%d\n" % (i % 99, i) for i in range(30_000))
        writer = threading.Thread(target=path.write_bytes, args=(text,), daemon=True)
        writer.start()
        try:
            assert len(tm.read(path)) == 30_000
        finally:
            writer.join(timeout=30)

    def test_standard_input_is_a_dash(self, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "tastemaker.cli.main", "inspect", "-", "--json"]
        text = gzip.compress(b"user,item\na,1\nb,2\n")
        done = subprocess.run(command, input=text, capture_output=True, check=True)
        card = json.loads(done.stdout)
        assert card["name"] == "stdin"
        assert card["n_interactions"] == 2


class TestOptions:
    def test_the_items_are_read_as_the_log_is(self, tmp_path: Path) -> None:
        log = write(tmp_path / "log.csv", "user,item\n1,10\n2,11\n")
        items = write(tmp_path / "items.csv", "#\nitem,title\n10,Café\n11,Té\n".encode("latin-1"))
        data = tm.read(log, items=items, encoding="latin-1", comment="#")
        assert data.catalog.frame["title"].to_list() == ["Café", "Té"]
        assert tm.read_catalog(items, encoding="latin-1", comment="#").columns == ["title"]

    def test_a_tab_may_be_named_as_in_a_shell(self, tmp_path: Path) -> None:
        path = write(tmp_path / "log.txt", "user,a\titem,b\n1,2\t3,4\n")
        data = tm.read(path, separator=r"\t", user="user,a", item="item,b")
        assert pairs(data) == [("1,2", "3,4")]

    @pytest.mark.parametrize("value", ["", "a\nb"])
    def test_invalid_options_are_refused(self, tmp_path: Path, value: str) -> None:
        path = write(tmp_path / "log.csv", "user,item\n1,10\n")
        for name in ("separator", "comment"):
            with pytest.raises(ConfigError, match=f"{name}=.* must be one line of text"):
                tm.read(path, **{name: value})


class TestDecimals:
    def test_a_comma_may_be_the_decimal_separator(self, tmp_path: Path) -> None:
        path = write(tmp_path / "log.csv", "user;item;rating;w\n1;10;4,5;4,5\n2;10;3;3\n")
        data = tm.read(path, decimal=",", weight="w")
        assert data.to_frame()["rating"].to_list() == [4.5, 3]
        assert data.weights.tolist() == [4.5, 3]
        assert data.item_vocabulary.ids.to_list() == [10]

    def test_values_with_a_decimal_comma_may_be_in_quotes(self, tmp_path: Path) -> None:
        path = write(tmp_path / "log.csv", 'user,item,rating\n1,10,"4,5"\n2,11," ,5 "\n')
        assert tm.read(path, decimal=",").to_frame()["rating"].to_list() == [4.5, 0.5]

    @pytest.mark.parametrize("value", ["4.5", "1.234,5", "1,234,5"])
    def test_a_point_is_no_decimal_separator_then(self, tmp_path: Path, value: str) -> None:
        rows = "".join(f"{user};10;4,5\n" for user in range(2_000))
        path = write(tmp_path / "log.csv", f"user;item;rating\n{rows}7;10;{value}\n")
        with pytest.raises(DataError) as error:
            tm.read(path, decimal=",")
        assert f'line 2002: "{value}" is not a number' in str(error.value)
        assert 'with decimal=","' in str(error.value)

    def test_no_value_with_a_point_is_taken_for_another_number(self, tmp_path: Path) -> None:
        path = write(tmp_path / "log.csv", "user;item;rating\n1;10;1.234\n2;10;5.678\n")
        with pytest.raises(DataError, match='line 2: "1.234" is not a number'):
            tm.read(path, decimal=",")

    def test_ids_keep_their_commas(self, tmp_path: Path) -> None:
        path = write(tmp_path / "log.csv", "user;item;rating\n1;1,5;1,5\n2;2,5;2,5\n")
        assert tm.read(path, decimal=",").item_vocabulary.ids.to_list() == ["1,5", "2,5"]

    def test_the_items_have_the_decimal_separator_of_the_log(self, tmp_path: Path) -> None:
        path = write(tmp_path / "items.csv", "item;price\n10;4,99\n")
        table = read_table(path, how=TextFormat(decimal=","))
        assert table.frame["price"].to_list() == [4.99]

    def test_another_separator_is_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path / "log.csv", "user,item\n1,10\n")
        with pytest.raises(ConfigError, match='decimal=";" is unknown'):
            tm.read(path, decimal=";")


class TestTrailingSeparators:
    @pytest.mark.parametrize("separator", [",", "\t", "::", " | "])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_a_separator_at_the_end_of_the_rows_adds_no_value(
        self, tmp_path: Path, separator: str, end: str
    ) -> None:
        rows = [("user", "item", "ts"), ("1", "10", "100", ""), ("2", "11", "200", "")]
        path = write(tmp_path / "log.txt", end.join(map(separator.join, rows)) + end)
        assert pairs(tm.read(path, separator=separator)) == [(1, 10), (2, 11)]

    def test_some_rows_may_end_in_one_and_quotes_are_kept(self, tmp_path: Path) -> None:
        text = 'ts,user,item\n100,1,"a,b",\n200,2,c\n'
        assert pairs(tm.read(write(tmp_path / "log.csv", text))) == [(1, "a,b"), (2, "c")]

    def test_a_column_without_a_name_is_said_not_to_be_used(self, tmp_path: Path) -> None:
        data = tm.read(write(tmp_path / "log.csv", "user,item,\n1,10,\n2,11,\n"))
        assert data.notes[0].endswith("; not used: (no name)")

    def test_a_value_after_the_last_column_is_refused(self, tmp_path: Path) -> None:
        text = "ts,user,item\n100,1,10,\n200,2,11,9\n"
        with pytest.raises(DataError, match="line 3 has 4 value"):
            tm.read(write(tmp_path / "log.csv", text))


class TestPlaces:
    TEXT = 'user,item,note\n\n# and\n1,10,"two\nlines"\n# 2,"11\n ,,\n3,12,x\n,,but\n4,13,y'

    def test_a_row_is_found_by_its_line(self, tmp_path: Path) -> None:
        path = write(tmp_path / "log.csv", self.TEXT)
        table = read_table(path, columns=lambda names: names[:2], how=TextFormat(comment="#"))
        assert table.frame["item"].to_list() == [10, 12, None, 13]
        assert [table.place_of(row) for row in range(4)] == [
            "line 4",
            "line 8",
            "line 9",
            "line 10",
        ]

    def test_lines_of_json_are_lines_too(self, tmp_path: Path) -> None:
        path = write(tmp_path / "log.jsonl", '{"user": 1}\n\n{"user": 2}\n')
        assert read_table(path).place_of(1) == "line 3"

    def test_parquet_has_rows(self, tmp_path: Path) -> None:
        pl.DataFrame({"user": ["a"], "item": [1]}).write_parquet(tmp_path / "log.parquet")
        assert read_table(tmp_path / "log.parquet").place_of(0) == "row 1"


TITLES = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Nd", "Z"], include_characters='\n",; |#'),
    max_size=9,
).map("t{}t".format)


@pytest.mark.parametrize("separator", [",", ";", "|"])
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 99), st.integers(0, 99), TITLES), min_size=1, max_size=9
    ),
)
@settings(max_examples=100, deadline=None)
def test_what_a_csv_writer_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple], separator: str
) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows([("user", "item", "title"), *rows])
    path = write(tmp_path_factory.mktemp("csv") / "log.csv", out.getvalue())
    assert read_table(path, how=TextFormat(separator=separator)).frame.rows() == rows
    assert len(tm.read_interactions(path, separator=separator)) == len(rows)


@given(rows=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), TITLES), min_size=1))
@settings(max_examples=100, deadline=None)
def test_between_tabs_every_line_is_a_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple]
) -> None:
    rows = [(user, item, title.replace("\n", " ")) for user, item, title in rows]
    lines = ["\t".join(map(str, row)) for row in [("user", "item", "title"), *rows]]
    path = write(tmp_path_factory.mktemp("tsv") / "log.tsv", "\n".join(lines))
    assert read_table(path).frame.rows() == rows
