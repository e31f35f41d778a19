"""How the files lie: which fields and consent types there are, and which file has which people.

Three small files say so: `fields.csv`, `consents.csv` and `parts.csv`. Each part has the people of a range of ids, from
its first id to the one before the next part's, so a person never moves from part to part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from csv_people import table
from csv_people.faults import malformed
from csv_people.values import Choice, FieldType

FIELDS = "fields.csv"
CONSENTS = "consents.csv"
PARTS = "parts.csv"

ID = "id"
EMAIL = "email"
MOBILE = "mobile"
MODIFIED_AT = "modified_at"
CONSENT = "consent:"
"""Begins the name of a consent type's column."""


@dataclass(frozen=True)
class Field:
    """A field of a person."""

    name: str
    label: str
    type: FieldType
    options: tuple[Choice, ...] = ()


OWN_FIELDS = (
    Field(ID, "Id", FieldType.INTEGER),
    Field(MODIFIED_AT, "Modified at", FieldType.TIMESTAMP),
)
"""The fields that every person has, and that `fields.csv` does not name."""


@dataclass(frozen=True)
class ConsentType:
    """A consent type, asked for in the column `consent:<name>`."""

    name: str
    label: str

    @property
    def column(self) -> str:
        """The column with the answers."""
        return CONSENT + self.name


@dataclass(frozen=True)
class Part:
    """A file with people, and the range of ids that it has: to the end if `last` is none."""

    file: str
    first: int
    last: int | None


def id_of(text: str) -> int | None:
    """The id that a text is, in the one way in which an id is written."""
    return int(text) if re.fullmatch("[1-9][0-9]{0,17}", text) else None


def fields(body: bytes) -> tuple[Field, ...]:
    """What `fields.csv` says, after the fields that every person has."""
    found = table.read(FIELDS, body)
    found.need({"name", "label", "type", "options"})
    read = list(OWN_FIELDS)
    for row in found.rows:
        name = row.cells["name"]
        if not name or name.startswith(CONSENT) or any(field.name == name for field in read):
            raise malformed(FIELDS, row.line, "has a name that is empty, is there twice, or begins with `consent:`")
        try:
            type = FieldType(row.cells["type"])
        except ValueError:
            known = ", ".join(one.value for one in FieldType)
            raise malformed(FIELDS, row.line, f"names no type; the types are: {known}") from None
        read.append(Field(name, row.cells["label"] or name, type, _options(row)))
    if not any(field.name == EMAIL for field in read):
        raise malformed(FIELDS, 1, f"is followed by no field `{EMAIL}`")
    return tuple(read)


def _options(row: table.Row) -> tuple[Choice, ...]:
    """`key=Label|key=Label`; a key without a label is its own."""
    options = []
    for text in row.cells["options"].split("|"):
        key, _, label = (part.strip() for part in text.partition("="))
        if key:
            options.append(Choice(key, label or key))
    if len({option.key for option in options}) < len(options):
        raise malformed(FIELDS, row.line, "has an option twice")
    return tuple(options)


def consents(body: bytes) -> tuple[ConsentType, ...]:
    """What `consents.csv` says."""
    found = table.read(CONSENTS, body)
    found.need({"name", "label"})
    read: list[ConsentType] = []
    for row in found.rows:
        name = row.cells["name"]
        if not name or any(one.name == name for one in read):
            raise malformed(CONSENTS, row.line, "has a name that is empty, or there twice")
        read.append(ConsentType(name, row.cells["label"] or name))
    return tuple(read)


def parts(body: bytes) -> tuple[Part, ...]:
    """What `parts.csv` says, in the order of the ids."""
    found = table.read(PARTS, body)
    found.need({"file", "first_id"})
    starts: dict[int, str] = {}
    for row in found.rows:
        # A path or a query would make another address of it.
        if not re.fullmatch("[A-Za-z0-9_-][A-Za-z0-9._-]*", row.cells["file"]):
            raise malformed(PARTS, row.line, "names no file: letters, digits, `.`, `_` and `-` make a name")
        first = id_of(row.cells["first_id"])
        if first is None or first in starts:
            raise malformed(PARTS, row.line, "has a first id that is no id, or there twice")
        starts[first] = row.cells["file"]
    parts: list[Part] = []
    for first, file in sorted(starts.items(), reverse=True):
        # From the last one backwards, each ends where the one after it begins.
        last = parts[-1].first - 1 if parts else None
        parts.append(Part(file, first, last))
    return tuple(reversed(parts))
