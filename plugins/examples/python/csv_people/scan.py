"""Reading page by page.

The cursor is the last id that was read, and nothing else. Parts have fixed ranges of ids and pages go up the ids, so
whoever is added or deleted meanwhile makes nobody be left out or come twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from csv_people.faults import Fault, Kind
from csv_people.layout import Part, id_of
from csv_people.people import Person

PARTS_AT_ONCE = 20
"""Parts that one call reads at most, in search of somebody: a call has limits on requests and on time."""

PEOPLE_AT_ONCE = 1_000
"""The longest page: with what is told to the user about each of its people it stays within the host's limit."""


@dataclass(frozen=True)
class Page:
    """Some people, and the cursor of those to come."""

    people: tuple[Person, ...]
    next: str | None


def place(cursor: str | None) -> int:
    """The last id that was read."""
    if cursor is None:
        return 0
    after = id_of(cursor)
    if after is None:
        raise Fault(Kind.CURSOR_EXPIRED, "The place where the reading was left is not known. It starts again.")
    return after


def page(
    parts: Sequence[Part],
    cursor: str | None,
    limit: int,
    read: Callable[[Part], list[Person]],
    wanted: Callable[[Person], bool] = lambda _: True,
) -> Page:
    """The next people that are wanted, of one part at most: `parts` are in the order of their ids."""
    after = place(cursor)
    limit = max(1, min(limit, PEOPLE_AT_ONCE))
    left = [part for part in parts if part.last is None or part.last > after]
    for part in left[:PARTS_AT_ONCE]:
        found = [person for person in read(part) if person.id > after and wanted(person)]
        if len(found) > limit:
            return Page(tuple(found[:limit]), str(found[limit - 1].id))
        if part.last is None:
            return Page(tuple(found), None)
        # Whoever comes into the rest of its range from now on was not there from the first page.
        after = part.last
        if found:
            return Page(tuple(found), str(after))
    return Page((), str(after) if left else None)


def changed_since(since: datetime) -> Callable[[Person], bool]:
    """Who changed since a moment. Of whom the files do not say when, it cannot be ruled out."""
    # Files may have whole seconds.
    since = since.replace(microsecond=0)
    return lambda person: person.modified_at is None or person.modified_at >= since


def by_id(parts: Sequence[Part], ids: Sequence[str], read: Callable[[Part], list[Person]]) -> list[Person]:
    """The people with these ids, as far as they are there."""
    # What is written otherwise is no id here, and so not there.
    asked = {id for id in map(id_of, ids) if id is not None}
    found: list[Person] = []
    for part in parts:
        here = {id for id in asked if part.first <= id and (part.last is None or id <= part.last)}
        if here:
            found.extend(person for person in read(part) if person.id in here)
    return found
