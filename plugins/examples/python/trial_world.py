"""A made-up CRM in CSV files, to try the connector on: some people with odd values, who can be added, changed and
deleted.

Promises: the same seed gives the same people; each file is of one moment, however many ask at once; an id is never
given twice. Everybody is invented: addresses and numbers are of ranges that are given to nobody.
"""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

FIRST_ID = 101

PART = 100
"""Ids of one file with people."""

FIELDS = [
    ("first_name", "First name", "text", ""),
    ("last_name", "Last name", "text", ""),
    ("email", "E-mail", "text", ""),
    ("mobile", "Mobile", "text", ""),
    ("country", "Country", "choice", "se=Sweden|no=Norway|fi=Finland|dk=Denmark"),
    ("interests", "Interests", "choices", "music|sport|food=Food and wine"),
    ("birthday", "Birthday", "date", ""),
    ("member", "Member", "boolean", ""),
    ("visits", "Visits", "integer", ""),
    ("turnover", "Turnover", "decimal", ""),
    ("joined_at", "Joined at", "timestamp", ""),
    ("note", "Note", "text", ""),
]

CONSENTS = [("newsletter", "Newsletter"), ("offers", "Offers"), ("reminders", "Reminders by SMS")]

COLUMNS = ["id", "modified_at", *(name for name, *_ in FIELDS), *(f"consent:{name}" for name, _ in CONSENTS)]

_FIRST_NAMES = ["Åsa", "Bjørn", "Çelik", "Dagný", "Eino", "Frøya", "Göran", "Håkon", "Ines", "Jörgen", "Zoë", "李娜"]
_LAST_NAMES = ["Ångström", "Bergqvist", "Dahl", "Eklöf", "Hämäläinen", "Lindqvist", "Müller", "Nygård", "O'Hara", "Sjö"]
_DAY_ONE = datetime(2026, 1, 1, tzinfo=UTC)

# Each lies over the person whose turn it is: what files from real systems have in them.
_ODD: list[dict[str, str]] = [
    {"email": ""},
    {"first_name": "", "last_name": "", "mobile": "", "birthday": ""},
    {"last_name": "von " * 60 + "Österreich"},
    {"note": 'said "yes, please",\nand rang twice'},
    {"note": "  kept as it is  ", "interests": ""},
    {"consent:newsletter": "", "consent:offers": "", "consent:reminders": ""},
    {"first_name": "Renée 🌲", "country": "", "turnover": "-0.10"},
    {"visits": "9223372036854775808", "turnover": "1234567890.12"},
]


class World:
    """The people, and the files that say who they are."""

    def __init__(self, people: int, seed: int) -> None:
        self._chance = Random(seed)
        self._lock = threading.Lock()
        self._people: dict[int, dict[str, str]] = {}
        self._next_id = FIRST_ID
        for turn in range(people):
            modified = _DAY_ONE + timedelta(seconds=self._chance.randrange(20_000_000))
            odd = _ODD[turn // 6 % len(_ODD)] if turn % 6 == 0 else {}
            self._put(modified, odd)

    def ids(self) -> list[str]:
        """Who is there, in the order of the ids."""
        with self._lock:
            return [str(id) for id in sorted(self._people)]

    def add(self) -> str:
        """One person more."""
        with self._lock:
            return str(self._put(datetime.now(UTC), {}))

    def change(self, id: str) -> bool:
        """Changes a person; whether there is one."""
        with self._lock:
            person = self._people.get(_number(id))
            if person is None:
                return False
            before = datetime.fromisoformat(person["modified_at"])
            person["modified_at"] = _written(max(datetime.now(UTC), before + timedelta(milliseconds=1)))
            person["visits"] = str(int(person["visits"] or 0) + 1)
            return True

    def delete(self, id: str) -> bool:
        """Deletes a person; whether there was one."""
        with self._lock:
            return self._people.pop(_number(id), None) is not None

    def file(self, name: str) -> bytes | None:
        """What a file holds at this moment; none if there is no such file."""
        if name == "fields.csv":
            return _csv(["name", "label", "type", "options"], FIELDS)
        if name == "consents.csv":
            return _csv(["name", "label"], CONSENTS)
        with self._lock:
            starts = range(1, self._next_id, PART)
            if name == "parts.csv":
                return _csv(["file", "first_id"], [(_part(start), str(start)) for start in starts])
            start = next((start for start in starts if _part(start) == name), None)
            if start is None:
                return None
            here = (self._people.get(id) for id in range(start, start + PART))
            return _csv(COLUMNS, [[person[column] for column in COLUMNS] for person in here if person is not None])

    def _put(self, modified: datetime, odd: dict[str, str]) -> int:
        id, chance = self._next_id, self._chance
        self._next_id += 1
        interests = chance.sample(["music", "sport", "food"], chance.randrange(1, 4))
        person = {
            "id": str(id),
            "modified_at": _written(modified),
            "first_name": chance.choice(_FIRST_NAMES),
            "last_name": chance.choice(_LAST_NAMES),
            "email": f"person.{id}@people.example",
            "mobile": f"+467017406{chance.randrange(5, 100):02}",
            "country": chance.choice(["se", "no", "fi", "dk"]),
            "interests": "|".join(interests),
            "birthday": (_DAY_ONE - timedelta(days=chance.randrange(6_000, 30_000))).date().isoformat(),
            "member": chance.choice(["yes", "no"]),
            "visits": str(chance.randrange(100)),
            "turnover": f"{chance.randrange(100_000) / 100:.2f}",
            # Some systems write their own offset.
            "joined_at": f"20{chance.randrange(10, 26)}-06-01T12:00:00+02:00",
            "note": "",
        }
        person |= {f"consent:{name}": chance.choice(["yes", "yes", "no", ""]) for name, _ in CONSENTS}
        self._people[id] = person | odd
        return id


def _part(start: int) -> str:
    return f"people-{start}.csv"


def _number(id: str) -> int:
    """The id as a number; none has the number 0."""
    return int(id) if id.isascii() and id.isdigit() and not id.startswith("0") and len(id) < 19 else 0


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _csv(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(heading)
    writer.writerows(rows)
    return text.getvalue().encode()
