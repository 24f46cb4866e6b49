"""Text files as they come: stray quotes, encodings, comments, odd separators, lines that differ."""

from pathlib import Path

import pytest

import tastemaker as tm
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
        assert any("quotes: text like any other" in note for note in data.notes)

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
        with pytest.raises(DataError, match=r'line 3: a quote is opened that is never.*="none"'):
            tm.read(path)
        with pytest.raises(DataError, match=r'line 3: a quote is opened that is never.*="none"'):
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
            "2 line(s) do not have 3 values like the first (first: line 2)" in note
            for note in data.notes
        )
        path = write(tmp_path / "log.csv", "user,title,item,x\n1,So, what,2,0\n2,y,3,0\n")
        with pytest.raises(DataError, match="line 2 has 5"):
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
