"""A cell's text as a value of its field's type.

A text that does not fit its type is handed over as text: an odd value is the affair of its one contact, and the rules judge
it. An empty cell is no value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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
class Value:
    """A value, of the case of the contract that has its type's name."""

    type: FieldType
    held: bool | int | str | Choice | tuple[Choice, ...]


ANSWERS = {"yes": True, "true": True, "no": False, "false": False}
"""What files write for yes and no. The README names them."""

_LARGEST = 2**63


def read(text: str, type: FieldType, options: tuple[Choice, ...] = ()) -> Value | Null:
    """The value of a cell."""
    if not text.strip():
        return Null()
    return _fitting(text, type, options) or Value(FieldType.TEXT, text)


def _fitting(text: str, type: FieldType, options: tuple[Choice, ...]) -> Value | None:
    trimmed = text.strip()
    match type:
        case FieldType.TEXT:
            return Value(type, text)
        case FieldType.BOOLEAN:
            held = ANSWERS.get(trimmed.lower())
        case FieldType.INTEGER:
            return _integer(trimmed)
        case FieldType.DECIMAL:
            held = trimmed if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", trimmed) else None
        case FieldType.DATE:
            held = moment.day(trimmed)
        case FieldType.TIMESTAMP:
            found = moment.read(trimmed)
            held = moment.write(found) if found is not None else None
        case FieldType.CHOICE:
            held = _option(trimmed, options)
        case FieldType.CHOICES:
            found = [_option(key.strip(), options) for key in trimmed.split("|") if key.strip()]
            held = tuple(one for one in found if one is not None)
            held = held if len(held) == len(found) else None
    return Value(type, held) if held is not None else None


def _integer(text: str) -> Value | None:
    if not re.fullmatch("-?[0-9]+", text):
        return None
    # 19 digits may fit into 64 bits, more do not; Python would take its time over a very long one.
    if len(text) <= 20 and -_LARGEST <= int(text) < _LARGEST:
        return Value(FieldType.INTEGER, int(text))
    return Value(FieldType.DECIMAL, text)


def _option(key: str, options: tuple[Choice, ...]) -> Choice | None:
    return next((one for one in options if one.key == key), None)
