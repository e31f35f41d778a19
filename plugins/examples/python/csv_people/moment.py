"""Moments and days, as files write them and as the contract wants them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|z|[+-][0-9]{2}:[0-9]{2})"
)


def read(text: str) -> datetime | None:
    """The moment in UTC; none for what is no RFC 3339. A moment without an offset is none: it could be any."""
    found = _RFC_3339.fullmatch(text.strip())
    if found is None:
        return None
    day, clock, fraction, offset = found.groups()
    # Python's moments have six digits.
    exact = (fraction or "")[:6].ljust(6, "0")
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}.{exact}{'+00:00' if offset in 'Zz' else offset}")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def write(moment: datetime) -> str:
    """The moment as the contract has it."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def is_day(text: str) -> bool:
    """Whether a text is a day, as `2026-05-17`."""
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
