"""Ids at the border: text in the database, their own type in data and answers."""

from tastemaker.data.vocabulary import UNKNOWN, Vocabulary
from tastemaker.errors import UnknownIdError

Id = int | str


def key_of(vocabulary: Vocabulary, given: Id) -> str:
    """The text that stands for an id in the database: "7" for 7, and for "7" if ids are numbers.

    Raises:
        UnknownIdError: the id is text, as "abc", where the ids of items are whole numbers.
    """
    text = str(given)
    if vocabulary.is_text or _is_whole(text):
        return text
    if vocabulary.kind == "user":
        return text  # somebody new, whom another system has named
    raise UnknownIdError(
        f"{vocabulary.kind} {text} is not known: its ids are whole numbers here "
        f"(for example {vocabulary.ids[0]})"
    )


def id_of(vocabulary: Vocabulary, key: str) -> Id:
    """The id for which a text stands, in its own type."""
    return int(key) if not vocabulary.is_text and _is_whole(key) else key


def code_of(vocabulary: Vocabulary, key: str) -> int:
    """The code for which a text stands; UNKNOWN of what is not in the data."""
    known = id_of(vocabulary, key)
    if isinstance(known, str) != vocabulary.is_text:
        return UNKNOWN
    return vocabulary.code_of(known)


def _is_whole(text: str) -> bool:
    """Whether it is a whole number as it is written out, so that 7 has one name: not "007"."""
    digits = text.removeprefix("-")
    return (
        digits.isascii()
        and digits.isdigit()
        and str(int(text)) == text
        and -(2**63) <= int(text) < 2**63
    )
