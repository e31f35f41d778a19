"""CSV text as rows, each of which knows its line.

RFC 4180 with a heading, in UTF-8. A file that is not that is refused as a whole: a row whose cells have slipped would
give people the consents of others.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from csv_people.faults import Fault, Kind, malformed


@dataclass(frozen=True)
class Row:
    """One row: its cells by the names in the heading."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class Table:
    """A whole file."""

    file: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def need(self, columns: set[str]) -> None:
        """Raises a fault if a column is missing."""
        missing = sorted(columns.difference(self.columns))
        if missing:
            raise malformed(self.file, 1, f"lacks the column `{'`, `'.join(missing)}`")


def read(file: str, body: bytes) -> Table:
    """The table that a file holds."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise malformed(file, line, "is not UTF-8") from None
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("<"):
        raise Fault(
            Kind.MISCONFIGURED,
            f"The server answered with a web page, not with `{file}`. Check the setting `url`.",
        )
    lines = _lines(file, text)
    _, heading = next(lines, (1, []))
    columns = tuple(heading)
    if not columns or "" in columns or len(set(columns)) < len(columns):
        raise malformed(file, 1, "is no heading: it needs a name for each column, and none twice")
    rows = []
    for line, cells in lines:
        if len(cells) != len(columns):
            raise malformed(file, line, f"has {len(cells)} cells, and the heading has {len(columns)}")
        rows.append(Row(line, dict(zip(columns, cells, strict=True))))
    return Table(file, columns, tuple(rows))


def _lines(file: str, text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        # Its own sentence may be about what is in the cell.
        except csv.Error:
            raise malformed(file, line, "is no CSV, or has a cell of more than 128 KiB") from None
        if cells:
            yield line, cells
