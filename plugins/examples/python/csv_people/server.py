"""The files of one server: which is asked for, and what an answer means.

The request itself is left to whoever has the host: it is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from csv_people import layout, people
from csv_people.faults import Fault, Kind, of_status
from csv_people.layout import Part
from csv_people.people import Model, Person


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


@dataclass(frozen=True)
class Silence:
    """A request that no answer came to: the name that the contract has for the cause, and the host's sentence."""

    cause: str
    message: str


_KINDS = {"denied": Kind.MISCONFIGURED, "tls": Kind.MISCONFIGURED, "too-large": Kind.MALFORMED}
"""What to do about a silence; about any other: try again."""


@dataclass(frozen=True)
class Server:
    """The server of one integration."""

    url: str
    fetch: Callable[[str], Answer | Silence]
    now: Callable[[], datetime]

    def file(self, name: str) -> bytes:
        """What a file holds."""
        answer = self.fetch(f"{self.url.rstrip('/')}/{name}")
        if isinstance(answer, Silence):
            # The host's sentence names limits and grants, never what was sent.
            message = f"The server did not hand over `{name}`: {answer.message}"
            kind = _KINDS.get(answer.cause, Kind.UNAVAILABLE)
            raise Fault(kind, message, details=(("http.error", answer.cause),))
        if not 200 <= answer.status < 300:
            raise of_status(answer.status, answer.headers, name, self.now())
        return answer.body

    def model(self) -> Model:
        """What a person consists of."""
        return Model(layout.fields(self.file(layout.FIELDS)), layout.consents(self.file(layout.CONSENTS)))

    def parts(self) -> tuple[Part, ...]:
        """The files with people, in the order of their ids."""
        return layout.parts(self.file(layout.PARTS))

    def reader(self, model: Model) -> Callable[[Part], list[Person]]:
        """Reads the people of a part."""
        return lambda part: people.read(part, self.file(part.file), model)
