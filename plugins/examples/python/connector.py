"""The component: the world `reader` of the contract, for people in CSV files that a web server hands out.

The thin shell around `csv_people`: it makes the host's requests and turns words of the package into words of the
contract. Everything is imported at the top: the component is made of a Python that has run this far, and later there is
no file to import from.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.connector import Description
from wit_world.exports.contacts import ConsentInfo, FieldInfo
from wit_world.exports.contacts import FieldType as ToldType
from wit_world.imports import http, settings, types

from csv_people import about, layout, moment, scan
from csv_people.faults import Fault, Kind
from csv_people.layout import Part
from csv_people.people import Person
from csv_people.server import Answer, Server, Silence
from csv_people.values import (
    Boolean,
    Choice,
    Chosen,
    Date,
    Decimal,
    Integer,
    Null,
    Several,
    Text,
    Timestamp,
    Value,
)


T = TypeVar("T")


class Connector(exports.Connector):
    """What the connector is, and whether it can work."""

    def describe(self) -> Description:
        return Description(
            id=about.ID,
            name=about.NAME,
            version=about.VERSION,
            settings_schema=about.SETTINGS,
            origins=about.ORIGINS,
            id_field=layout.ID,
            email_field=layout.EMAIL,
            mobile_field=layout.MOBILE,
            rate_limit=None,
            features=[],
        )

    def check(self) -> list[str]:
        return _told(_check)


class Contacts(exports.Contacts):
    """The people."""

    def list_fields(self) -> list[FieldInfo]:
        return _told(lambda server: [_field_info(field) for field in server.model().fields])

    def list_consents(self) -> list[ConsentInfo]:
        return _told(lambda server: [ConsentInfo(one.name, one.label) for one in server.model().consents])

    def scan(self, after: str | None, limit: int) -> types.Page:
        return _told(lambda server: _page(scan.page(server.parts(), after, limit, _reader(server))))

    def scan_changed(self, since: str, after: str | None, limit: int) -> types.Page:
        def changed(server: Server) -> types.Page:
            start = moment.read(since)
            if start is None:
                raise Fault(Kind.OTHER, "The host asked for changes since what is no moment. Report it.")
            wanted = scan.changed_since(start)
            return _page(scan.page(server.parts(), after, limit, _reader(server), wanted))

        return _told(changed)

    def get(self, ids: list[str]) -> list[types.Contact]:
        return _told(lambda server: [_contact(one) for one in scan.by_id(server.parts(), ids, _reader(server))])


def _told(work: Callable[[Server], T]) -> T:
    """Does a call's work; its fault as the contract's error."""
    try:
        return work(_server())
    except Fault as fault:
        kind = types.ErrorKind[fault.kind.name]
        raise Err(types.Error(kind, fault.message, fault.retry_after_ms, list(fault.details))) from None


def _server() -> Server:
    url = settings.get(about.URL)
    if url is None:
        raise Fault(Kind.MISCONFIGURED, "The setting `url` is missing. Give the address of the files.")
    # The host puts the key in as the request leaves: here it has a name only.
    has_key = settings.get(about.ACCESS) == about.API_KEY
    credentials: list[http.Credential] = [http.Credential_Bearer(about.API_KEY)] if has_key else []

    def fetch(address: str) -> Answer | Silence:
        try:
            answer = http.fetch(http.Request(http.Method.GET, address, [], credentials, None))
        except Err as error:
            return Silence(error.value.kind.name.lower().replace("_", "-"), error.value.message)
        return Answer(answer.status, answer.headers, answer.body)

    return Server(url, fetch, lambda: datetime.now(UTC))


def _reader(server: Server) -> Callable[[Part], list[Person]]:
    return server.reader(server.model())


def _check(server: Server) -> list[str]:
    model, parts = server.model(), server.parts()
    for part in parts[:1]:
        server.reader(model)(part)
    kinds = f"{len(model.fields)} fields and {len(model.consents)} consent types"
    return [f"{kinds}; people in {len(parts)} files, of which the first was read"]


def _page(page: scan.Page) -> types.Page:
    discarded = [_discard(person) for person in page.people if person.unreadable]
    return types.Page([_contact(person) for person in page.people], discarded, page.next, None)


def _discard(person: Person) -> types.Discard:
    columns = ", ".join(f"`{layout.CONSENT}{name}`" for name in person.unreadable)
    message = f"neither yes nor no is in {columns}, so there is no answer; write yes, no or nothing"
    return types.Discard(f"person {person.id}", types.DiscardReason.MALFORMED, message)


def _contact(person: Person) -> types.Contact:
    return types.Contact(
        id=str(person.id),
        modified_at=moment.write(person.modified_at) if person.modified_at is not None else None,
        fields=[types.Field(name, _value(value)) for name, value in person.fields],
        consents=[types.Consent(name, None, given, None) for name, given in person.consents],
    )


def _value(value: Value) -> types.Value:
    match value:
        case Null():
            return types.Value_Null()
        case Boolean(held):
            return types.Value_Boolean(held)
        case Integer(number):
            return types.Value_Integer(number)
        case Decimal(text):
            return types.Value_Decimal(text)
        case Text(text):
            return types.Value_Text(text)
        case Date(day):
            return types.Value_Date(day)
        case Timestamp(at):
            return types.Value_Timestamp(moment.write(at))
        case Chosen(choice):
            return types.Value_Choice(_choice(choice))
        case Several(choices):
            return types.Value_Choices([_choice(one) for one in choices])


def _choice(choice: Choice) -> types.Choice:
    return types.Choice(choice.key, choice.label)


def _field_info(field: layout.Field) -> FieldInfo:
    options = [_choice(option) for option in field.options]
    return FieldInfo(field.name, field.label, ToldType[field.type.name], options)
