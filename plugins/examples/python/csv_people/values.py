"""A cell's text as a value of its field's type.

A text that does not fit its type is handed over as text: an odd value is the affair of its one contact, and the rules
judge it. An empty cell is no value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from csv_people import moment


class FieldType(Enum):
    """What a field holds, as `fields.csv` and the contract name it."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    TEXT = "text"
    DATE = "date"
    TIMESTAMP = "timestamp"
    CHOICE = "choice"
    CHOICES = "choices"


@dataclass(frozen=True)
class Choice:
    """An option: what the file holds, and what people see."""

    key: str
    label: str


@dataclass(frozen=True)
class Null:
    """No value."""


@dataclass(frozen=True)
class Boolean:
    """Yes or no."""

    held: bool


@dataclass(frozen=True)
class Integer:
    """A whole number of at most 64 bits."""

    held: int


@dataclass(frozen=True)
class Decimal:
    """A number, exact, as the file writes it."""

    held: str


@dataclass(frozen=True)
class Text:
    """Text, untrimmed."""

    held: str


@dataclass(frozen=True)
class Date:
    """A day, as `2026-05-17`."""

    held: str


@dataclass(frozen=True)
class Timestamp:
    """A moment in UTC."""

    held: datetime


@dataclass(frozen=True)
class Chosen:
    """One of a field's options."""

    held: Choice


@dataclass(frozen=True)
class Several:
    """Some of a field's options."""

    held: tuple[Choice, ...]


Value = Null | Boolean | Integer | Decimal | Text | Date | Timestamp | Chosen | Several

ANSWERS = {"yes": True, "true": True, "no": False, "false": False}
"""What files write for yes and no. The README names them."""

_LARGEST = 2**63


def read(text: str, type: FieldType, options: tuple[Choice, ...] = ()) -> Value:
    """The value of a cell."""
    if not text.strip():
        return Null()
    return _fitting(text.strip(), type, options) or Text(text)


def _fitting(text: str, type: FieldType, options: tuple[Choice, ...]) -> Value | None:
    match type:
        case FieldType.TEXT:
            return None
        case FieldType.BOOLEAN:
            answer = ANSWERS.get(text.lower())
            return None if answer is None else Boolean(answer)
        case FieldType.INTEGER:
            return _integer(text)
        case FieldType.DECIMAL:
            return Decimal(text) if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) else None
        case FieldType.DATE:
            return Date(text) if moment.is_day(text) else None
        case FieldType.TIMESTAMP:
            found = moment.read(text)
            return None if found is None else Timestamp(found)
        case FieldType.CHOICE:
            chosen = _chosen([text], options)
            return None if chosen is None else Chosen(chosen[0])
        case FieldType.CHOICES:
            several = _chosen([key.strip() for key in text.split("|") if key.strip()], options)
            return None if several is None else Several(several)


def _integer(text: str) -> Value | None:
    if not re.fullmatch("-?[0-9]+", text):
        return None
    # 19 digits may fit into 64 bits, more do not; Python would take its time over a very long one.
    if len(text) <= 20 and -_LARGEST <= int(text) < _LARGEST:
        return Integer(int(text))
    return Decimal(text)


def _chosen(keys: list[str], options: tuple[Choice, ...]) -> tuple[Choice, ...] | None:
    """The options with these keys; none if one of them is no option."""
    by_key = {option.key: option for option in options}
    if not all(key in by_key for key in keys):
        return None
    return tuple(by_key[key] for key in keys)
