"""A table as HTML that reads well wherever a notebook is shown, also where styles are taken out of it (GitHub).

No colours are set: they are the page's own, light or dark.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

TABLE = "<table cellpadding='4' style='font-size:90%;table-layout:auto;margin:4px 0'>"
CELL = "align='left' valign='top' style='text-align:left;vertical-align:top;padding:1px 12px 1px 0;white-space:normal'"

NO_BREAK = "\N{NO-BREAK SPACE}"

LONGEST_FIGURE = 24
"""Characters up to which a line that begins as a figure does is not broken: "200 [20, 300] mg"."""


def table_html(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of texts, one for each title in each row. They are escaped; their line breaks stay."""
    head = "".join(
        f"<th scope='col' {CELL}>{html.escape(title.replace(' (', NO_BREAK + '('))}</th>" for title in titles
    )
    body = "".join(f"<tr>{''.join(f'<td {CELL}>{lines_html(text)}</td>' for text in row)}</tr>" for row in rows)
    return f"{TABLE}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def lines_html(text: str) -> str:
    """Return a text as HTML, escaped, with its line breaks; a figure stays in one piece."""
    return "<br>".join(html.escape(_whole(line)) for line in text.splitlines())


def _whole(line: str) -> str:
    is_figure = len(line) <= LONGEST_FIGURE and line[:1] in set("0123456789-<>")
    return line.replace(" ", NO_BREAK) if is_figure else line


def known_columns(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Return the same without the columns in which no row has anything."""
    kept = [index for index in range(len(titles)) if any(row[index] for row in rows)]
    return [titles[index] for index in kept], [[row[index] for index in kept] for row in rows]
