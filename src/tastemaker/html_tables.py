"""Tables as plain HTML, by which objects show themselves in notebooks.

The HTML has no colours of its own, so that it follows the notebook's theme, light or dark.
"""

import math
import re
from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice
from typing import Any

MAX_SHOWN_ROWS = 20
"""Maximum number of rows of a table; the number of the others is stated below it."""

MAX_SHOWN_NOTES = 5

LONGEST_CELL = 80
"""Maximum number of characters of a cell; a longer text is cut off."""

ABSENT = "–"

NUMBER = re.compile(rf"[-−]?[\d.,]+(e[-+]?\d+)?( s|%)?|{ABSENT}")
"""A cell that is aligned to the right."""

NOT_FORMULAS = "tex2jax_ignore mathjax_ignore"
"""Classes that keep a notebook from typesetting what is between two dollar signs as a formula."""


def html_table(
    caption: str,
    headers: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    n_rows: int | None = None,
    notes: Sequence[str] = (),
) -> str:
    """Returns a table with what belongs to it; every text is escaped.

    Args:
        caption: the line above the table; "" for none.
        headers: the names of the columns.
        rows: the values, of which the first MAX_SHOWN_ROWS are shown. Floating-point numbers get
            four decimals; None and NaN are shown as a dash.
        n_rows: the number of all rows, if `rows` are only the first of them.
        notes: remarks below the table, of which the first MAX_SHOWN_NOTES are shown.
    """
    iterator = iter(rows)
    shown = [[cell_text(value) for value in row] for row in islice(iterator, MAX_SHOWN_ROWS)]
    n_left_out = sum(1 for _ in iterator) if n_rows is None else n_rows - len(shown)
    sides = [_side([row[i] for row in shown]) for i in range(len(headers))]
    lines = [f'<div class="{NOT_FORMULAS}"><table>']
    if caption:
        lines.append(f'<caption style="text-align: left">{escape(caption)}</caption>')
    lines.append(f"<thead>{_row('th', headers, sides)}</thead><tbody>")
    lines += [_row("td", row, sides) for row in shown]
    lines.append("</tbody></table>")
    if n_left_out > 0:
        lines.append(f"<p>and {n_left_out:,} more {'row' if n_left_out == 1 else 'rows'}</p>")
    lines.append(f"{_list_of(notes)}</div>")
    return "\n".join(lines)


def cell_text(value: Any) -> str:
    """Formats one value as plain text of at most LONGEST_CELL characters."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ABSENT
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, dict):
        value = " ".join(cell_text(one) for one in value.values())
    if isinstance(value, list | tuple):
        value = ", ".join(cell_text(one) for one in value[:MAX_SHOWN_ROWS])
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"


def _side(cells: list[str]) -> str:
    return "right" if cells and all(NUMBER.fullmatch(text) for text in cells) else "left"


def _row(tag: str, cells: Sequence[str], sides: Sequence[str]) -> str:
    scope = ' scope="col"' if tag == "th" else ""
    marked_up = (
        f'<{tag}{scope} style="text-align: {side}">{escape(text)}</{tag}>'
        for text, side in zip(cells, sides, strict=True)
    )
    return f"<tr>{''.join(marked_up)}</tr>"


def _list_of(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    shown = [f"<li>{escape(note)}</li>" for note in notes[:MAX_SHOWN_NOTES]]
    n_left_out = len(notes) - len(shown)
    if n_left_out:
        shown.append(f"<li>and {n_left_out:,} more {'note' if n_left_out == 1 else 'notes'}</li>")
    return f"<ul>{''.join(shown)}</ul>"
