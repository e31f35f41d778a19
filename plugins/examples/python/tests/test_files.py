"""Files as fields, consent types, parts and people, and the faults of files that cannot be read."""

import unittest
from datetime import UTC, datetime

from csv_people import layout, people, table
from csv_people.faults import Fault, Kind
from csv_people.layout import ConsentType, Field, Part
from csv_people.people import Model
from csv_people.values import Boolean, Choice, FieldType, Integer, Null, Text, Timestamp

MODEL = Model(
    (*layout.OWN_FIELDS, Field("email", "E-mail", FieldType.TEXT), Field("member", "Member", FieldType.BOOLEAN)),
    (ConsentType("news", "News"), ConsentType("offers", "Offers")),
)
HEADING = "id,modified_at,email,member,consent:news,consent:offers\r\n"
PART = Part("people-1.csv", 1, 100)


class Tables(unittest.TestCase):
    def test_quotes_lines_and_the_mark_of_utf_8(self):
        found = table.read("a.csv", '\ufeffa,b\r\n"x, ""y""\nz",ö\n\n1,\n'.encode())
        self.assertEqual([row.cells for row in found.rows], [{"a": 'x, "y"\nz', "b": "ö"}, {"a": "1", "b": ""}])
        self.assertEqual([row.line for row in found.rows], [2, 5])

    def test_what_is_no_table_is_told_by_its_line_and_not_by_its_content(self):
        for body, line in [
            (b"", 1),
            (b"a,a\n", 1),
            (b"a,\n", 1),
            (b"a,b\n1,2\nsecret\n", 3),
            (b"a,b\n1,secret,3\n", 2),
            (b'a,b\n1,2\n1,"secret\n', 3),
            (b'a,b\n1,"secret"x\n', 2),
            (b"a,b\n1,secret\n\xff,2\n", 3),
            (b"a\n" + b"secret" * 30_000, 2),
        ]:
            with self.subTest(body[:20]), self.assertRaises(Fault) as raised:
                table.read("a.csv", body)
            fault = raised.exception
            self.assertIs(fault.kind, Kind.MALFORMED)
            self.assertIn(f"`a.csv` cannot be read: line {line} ", fault.message)
            self.assertNotIn("secret", fault.message)

    def test_a_web_page_is_a_wrong_address(self):
        with self.assertRaises(Fault) as raised:
            table.read("a.csv", b"\n<!doctype html>")
        self.assertIs(raised.exception.kind, Kind.MISCONFIGURED)


class Layout(unittest.TestCase):
    def test_fields_with_their_options(self):
        body = b"name,label,type,options\nemail,,text,\ncountry,Country,choice,se=Sweden| no |\n"
        self.assertEqual(
            layout.fields(body)[2:],
            (
                Field("email", "email", FieldType.TEXT),
                Field("country", "Country", FieldType.CHOICE, (Choice("se", "Sweden"), Choice("no", "no"))),
            ),
        )

    def test_parts_come_in_the_order_of_their_ids(self):
        body = b"file,first_id\nb.csv,101\na.csv,1\n"
        self.assertEqual(layout.parts(body), (Part("a.csv", 1, 100), Part("b.csv", 101, None)))
        self.assertEqual(layout.parts(b"file,first_id\n"), ())

    def test_what_does_not_fit_is_refused(self):
        heading = b"name,label,type,options\nemail,,text,\n"
        for read, body in [
            (layout.fields, b"name,label,type,options\nmobile,,text,\n"),
            (layout.fields, b"name,label,type\nemail,,text\n"),
            (layout.fields, heading + b"id,,text,\n"),
            (layout.fields, heading + b"consent:x,,text,\n"),
            (layout.fields, heading + b"age,,number,\n"),
            (layout.fields, heading + b"age,,choice,a=1|a=2\n"),
            (layout.consents, b"name,label\nnews,\nnews,\n"),
            (layout.consents, b"name,label\n,News\n"),
            (layout.parts, b"file,first_id\n../a.csv,1\n"),
            (layout.parts, b"file,first_id\na.csv?x,1\n"),
            (layout.parts, b"file,first_id\na.csv,0\n"),
            (layout.parts, b"file,first_id\na.csv,1\nb.csv,1\n"),
        ]:
            with self.subTest(body), self.assertRaises(Fault) as raised:
                read(body)
            self.assertIs(raised.exception.kind, Kind.MALFORMED)

    def test_an_id_is_written_in_one_way(self):
        self.assertEqual(layout.id_of("7"), 7)
        for text in ["", "0", "07", "+7", " 7", "7\n", "٧", "7.0", "9" * 19]:
            self.assertIsNone(layout.id_of(text), text)


class People(unittest.TestCase):
    def read(self, rows: str) -> list[people.Person]:
        return people.read(PART, (HEADING + rows).encode(), MODEL)

    def test_a_row_is_a_person_with_typed_values(self):
        (person,) = self.read("7,2026-05-17T11:00:00+02:00,a@people.example,yes,yes,no\n")
        self.assertEqual((person.id, person.modified_at), (7, datetime(2026, 5, 17, 9, tzinfo=UTC)))
        self.assertEqual(
            dict(person.fields),
            {
                "id": Integer(7),
                "modified_at": Timestamp(datetime(2026, 5, 17, 9, tzinfo=UTC)),
                "email": Text("a@people.example"),
                "member": Boolean(True),
            },
        )
        self.assertEqual((person.consents, person.unreadable), ((("news", True), ("offers", False)), ()))

    def test_who_was_never_asked_has_no_answer(self):
        (person,) = self.read("7,,,, ,NO\n")
        self.assertEqual((person.consents, person.unreadable), ((("offers", False),), ()))
        self.assertEqual(dict(person.fields)["email"], Null())
        self.assertIsNone(person.modified_at)

    def test_an_answer_that_cannot_be_read_is_none_and_is_told(self):
        (person,) = self.read("7,,,,perhaps,yes\n")
        self.assertEqual((person.consents, person.unreadable), ((("offers", True),), ("news",)))

    def test_people_come_in_the_order_of_their_ids(self):
        self.assertEqual([person.id for person in self.read("20,,,,,\n3,,,,,\n100,,,,,\n")], [3, 20, 100])

    def test_a_part_that_could_leave_somebody_out_or_double_them_is_refused(self):
        for rows in ["x,,,,,\n", ",,,,,\n", "101,,,,,\n", "7,,,,,\n7,,,,,\n"]:
            with self.subTest(rows), self.assertRaises(Fault) as raised:
                self.read(rows)
            self.assertIs(raised.exception.kind, Kind.MALFORMED)

    def test_a_part_without_a_column_is_refused(self):
        with self.assertRaises(Fault) as raised:
            people.read(PART, b"id,modified_at,email,member,consent:news\n7,,,,yes\n", MODEL)
        self.assertIn("lacks the column `consent:offers`", raised.exception.message)
