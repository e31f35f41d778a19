"""A part's rows as people.

Promises: a part that lacks a column is refused, since without a consent type's column it would look as if all had
withdrawn it. An answer that is neither yes nor no counts as none, and the user is told whose it is by id.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from csv_people import moment, table, values
from csv_people.faults import malformed
from csv_people.layout import ID, MODIFIED_AT, ConsentType, Field, Part, id_of
from csv_people.values import Value


@dataclass(frozen=True)
class Person:
    """A person, as the files have it."""

    id: int
    modified_at: datetime | None
    fields: tuple[tuple[str, Value], ...]
    consents: tuple[tuple[str, bool], ...]
    unreadable: tuple[str, ...]
    """Consent types whose answer is neither yes nor no."""


@dataclass(frozen=True)
class Model:
    """What a person consists of."""

    fields: tuple[Field, ...]
    consents: tuple[ConsentType, ...]

    def columns(self) -> set[str]:
        """The columns that each part has."""
        return {field.name for field in self.fields} | {consent.column for consent in self.consents}


def read(part: Part, body: bytes, model: Model) -> list[Person]:
    """The people of a part, in the order of their ids."""
    found = table.read(part.file, body)
    found.need(model.columns())
    people: dict[int, Person] = {}
    for row in found.rows:
        id = id_of(row.cells[ID])
        if id is None:
            raise malformed(part.file, row.line, "has no id: a whole number from 1 on, without leading noughts")
        if id < part.first or (part.last is not None and id > part.last):
            raise malformed(part.file, row.line, "has an id that belongs into another part")
        if id in people:
            raise malformed(part.file, row.line, "has the id of a line before it")
        people[id] = _person(id, row.cells, model)
    return [people[id] for id in sorted(people)]


def _person(id: int, cells: dict[str, str], model: Model) -> Person:
    given: list[tuple[str, bool]] = []
    unreadable: list[str] = []
    for consent in model.consents:
        text = cells[consent.column].strip().lower()
        answer = values.ANSWERS.get(text)
        if answer is not None:
            given.append((consent.name, answer))
        elif text:
            unreadable.append(consent.name)
    fields = [(field.name, values.read(cells[field.name], field.type, field.options)) for field in model.fields]
    modified_at = moment.read(cells[MODIFIED_AT])
    return Person(id, modified_at, tuple(fields), tuple(given), tuple(unreadable))
