"""What separates the values of a text file, found in its first lines."""

import re

from tastemaker.data.contents import Content, all_of, head_of

SEPARATORS = ("::", ",", "\t", ";", "|")
"""What is looked for. A space is taken only where none of them is found."""

SAMPLED_LINES = 100


def find_separator(content: Content, *, tab_first: bool, comment: str | None) -> str:
    """The separator that most lines have equally often; a space where there is no other.

    Args:
        content: UTF-8.
        tab_first: whether a tab, where the file has any, wins over all others.
        comment: how lines begin that do not count.

    Returns:
        One of SEPARATORS, or a space, or a comma where nothing separates.
    """
    lines = _sample(content, comment)
    if tab_first and any("\t" in line for line in lines):
        return "\t"
    # Names like "Doe, John" may stand on every line, so more separators on nearly all lines weigh
    # more than one on all.
    scores = {separator: _score(lines, separator) for separator in SEPARATORS}
    best = max(SEPARATORS, key=lambda separator: scores[separator])
    if scores[best] > 0:
        return best
    return " " if lines and all(" " in line.strip() for line in lines) else ","


def _sample(content: Content, comment: str | None) -> list[str]:
    lines = head_of(content).decode("utf-8", "replace").split("\n")
    if len(lines) > 1:
        lines.pop()  # it is empty, or may be cut off
    kept = (line for line in lines if comment is None or not line.startswith(comment))
    return [line for line in kept if line.strip()][:SAMPLED_LINES]


def _score(lines: list[str], separator: str) -> float:
    unquoted = lines if separator in ("\t", "::") else [re.sub('"[^"]*"', "", x) for x in lines]
    counts = [line.count(separator) for line in unquoted]
    usual = max(set(counts), key=lambda n: (counts.count(n), n), default=0)
    return usual * counts.count(usual) / len(counts) if counts else 0


def with_one_character(content: Content, separator: str) -> tuple[Content, str]:
    """The same lines with a separator of one character, which is all that Polars knows.

    Returns:
        The content, left as it is where it can be, and its separator.
    """
    if separator == " ":
        data = all_of(content)
        if not re.search(rb"  |^ | \r?$", data, re.MULTILINE):
            return content, separator
        trimmed = re.sub(rb"^ +| +(?=\r?$)", b"", data, flags=re.MULTILINE)
        return re.sub(rb" +", b" ", trimmed), " "
    if len(separator) == 1 and separator.isascii():
        return content, separator
    return all_of(content).replace(separator.encode(), b"\x1f"), "\x1f"
