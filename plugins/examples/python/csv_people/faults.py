"""Why a call has no answer, and what an HTTP status means for it.

Promises: each fault has the kind that tells the host what to do next, and a sentence that holds no personal data:
files, lines and columns are named, what is in them never.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

LONGEST_WAIT_MS = 24 * 60 * 60 * 1000
"""The longest wait that is believed. A server that says more has its clock wrong."""


class Kind(Enum):
    """The contract's kinds of errors, by their names there, in capitals."""

    UNAUTHORIZED = "unauthorized"
    MISCONFIGURED = "misconfigured"
    RATE_LIMITED = "rate-limited"
    UNAVAILABLE = "unavailable"
    CURSOR_EXPIRED = "cursor-expired"
    MALFORMED = "malformed"
    OTHER = "other"


@dataclass(eq=False)
class Fault(Exception):
    """A call that has no answer."""

    kind: Kind
    message: str
    retry_after_ms: int | None = None
    details: tuple[tuple[str, str], ...] = ()


def malformed(file: str, line: int, problem: str) -> Fault:
    """The fault of a file that cannot be read: where, and what is wrong there."""
    return Fault(Kind.MALFORMED, f"`{file}` cannot be read: line {line} {problem}. Have it written anew.")


def of_status(status: int, headers: Sequence[tuple[str, str]], file: str, now: datetime) -> Fault:
    """The fault that an HTTP status other than a success stands for."""
    kind, problem = _meaning(status)
    wait = None
    if (told := header(headers, "retry-after")) is not None:
        wait = wait_ms(told, header(headers, "date"), now)
    message = f"The server did not hand over `{file}` (HTTP {status}): {problem}"
    return Fault(kind, message, wait, (("http.status", str(status)),))


def _meaning(status: int) -> tuple[Kind, str]:
    match status:
        case 401:
            return (
                Kind.UNAUTHORIZED,
                "it wants a valid key. Set `access` to `api-key`, and give it as the secret `api-key`.",
            )
        case 403:
            return Kind.UNAUTHORIZED, "the key has no right to it. Give it that right on the server."
        case 404 | 405 | 410:
            return Kind.MISCONFIGURED, "it is not there. Check the setting `url`."
        case status if 300 <= status < 400:
            return Kind.MISCONFIGURED, "it is elsewhere. Correct the setting `url`."
        case 429:
            return Kind.RATE_LIMITED, "it had too many requests. It is asked again later."
        case status if status in (408, 425) or 500 <= status < 600:
            return Kind.UNAVAILABLE, "it is at fault. It is asked again later."
        case _:
            return Kind.OTHER, "it refused the request."


def header(headers: Sequence[tuple[str, str]], name: str) -> str | None:
    """The first header of this name, whatever its case."""
    return next((value for key, value in headers if key.lower() == name), None)


def wait_ms(retry_after: str, date: str | None, now: datetime) -> int | None:
    """The wait that `Retry-After` asks for: seconds, or a moment.

    A moment is measured from the answer's own `Date`, so that a clock that is wrong on either side does no harm.
    """
    text = retry_after.strip()
    if re.fullmatch("[0-9]+", text):
        seconds = int(text) if len(text) < 10 else LONGEST_WAIT_MS
        return min(seconds * 1000, LONGEST_WAIT_MS)
    until = _http_moment(text)
    if until is None:
        return None
    start = _http_moment(date) if date is not None else None
    wait = until - (start if start is not None else now)
    return min(max(int(wait.total_seconds() * 1000), 0), LONGEST_WAIT_MS)


def _http_moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
