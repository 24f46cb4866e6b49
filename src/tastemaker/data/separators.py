"""Detects the separator of the values of a text file from its first lines."""

import re

from tastemaker.data.contents import Content, read_all, read_head

SEPARATORS = ("::", ",", "\t", ";", "|")
"""Separators that are searched for. A space is used only if none of them is found."""

SAMPLED_LINES = 100


def find_separator(content: Content, *, tab_first: bool, comment: str | None) -> str:
    """Returns the separator that occurs equally often in most lines; a space if there is no other.

    Args:
        content: UTF-8 text.
        tab_first: whether a tab takes precedence over all others if the file contains one.
        comment: text with which ignored lines begin, or None.

    Returns:
        One of SEPARATORS, or a space, or a comma if no separator is found.
    """
    lines = _sample(content, comment)
    if tab_first and any("\t" in line for line in lines):
        return "\t"
    # Names like "Doe, John" may occur in every line, so several separators in nearly all lines
    # score higher than one separator in every line.
    scores = {separator: _score(lines, separator) for separator in SEPARATORS}
    best = max(SEPARATORS, key=lambda separator: scores[separator])
    if scores[best] > 0:
        return best
    return " " if lines and all(" " in line.strip() for line in lines) else ","


def _sample(content: Content, comment: str | None) -> list[str]:
    lines = read_head(content).decode("utf-8", "replace").split("\n")
    if len(lines) > 1:
        lines.pop()  # the last one is empty, or may be cut off
    kept = (line for line in lines if comment is None or not line.startswith(comment))
    return [line for line in kept if line.strip()][:SAMPLED_LINES]


def _score(lines: list[str], separator: str) -> float:
    unquoted = lines if separator in ("\t", "::") else [re.sub('"[^"]*"', "", x) for x in lines]
    counts = [line.count(separator) for line in unquoted]
    most_common = max(set(counts), key=lambda n: (counts.count(n), n), default=0)
    return most_common * counts.count(most_common) / len(counts) if counts else 0


def with_one_character(content: Content, separator: str) -> tuple[Content, str]:
    """Returns the same lines with a separator of one character, since Polars supports no others.

    Returns:
        The content, unchanged if possible, and its separator.
    """
    if separator == " ":
        data = read_all(content)
        if not re.search(rb"  |^ | \r?$", data, re.MULTILINE):
            return content, separator
        trimmed = re.sub(rb"^ +| +(?=\r?$)", b"", data, flags=re.MULTILINE)
        return re.sub(rb" +", b" ", trimmed), " "
    if len(separator) == 1 and separator.isascii():
        return content, separator
    return read_all(content).replace(separator.encode(), b"\x1f"), "\x1f"
