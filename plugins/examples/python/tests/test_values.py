"""What a cell's text is as a value."""

import unittest
from datetime import UTC, datetime

from csv_people import moment, values
from csv_people.values import (
    Boolean,
    Choice,
    Chosen,
    Date,
    Decimal,
    FieldType,
    Integer,
    Null,
    Several,
    Text,
    Timestamp,
)

NOON = datetime(2026, 5, 17, 9, 21, 12, tzinfo=UTC)
OPTIONS = (Choice("se", "Sweden"), Choice("no", "Norway"))


class Values(unittest.TestCase):
    def test_a_text_that_fits_has_its_type(self):
        for text, type, value in [
            ("Yes", FieldType.BOOLEAN, Boolean(True)),
            ("false", FieldType.BOOLEAN, Boolean(False)),
            (" -7 ", FieldType.INTEGER, Integer(-7)),
            ("1234.50", FieldType.DECIMAL, Decimal("1234.50")),
            ("2024-02-29", FieldType.DATE, Date("2024-02-29")),
            ("2026-05-17T11:21:12.5+02:00", FieldType.TIMESTAMP, Timestamp(NOON.replace(microsecond=500_000))),
            ("2026-05-17 09:21:12Z", FieldType.TIMESTAMP, Timestamp(NOON)),
            ("2026-05-17T09:21:12.123456789Z", FieldType.TIMESTAMP, Timestamp(NOON.replace(microsecond=123_456))),
            ("  as it is ", FieldType.TEXT, Text("  as it is ")),
            ("se", FieldType.CHOICE, Chosen(OPTIONS[0])),
            ("no| se", FieldType.CHOICES, Several((OPTIONS[1], OPTIONS[0]))),
        ]:
            with self.subTest(text):
                self.assertEqual(values.read(text, type, OPTIONS), value)

    def test_an_empty_cell_is_no_value(self):
        for type in FieldType:
            self.assertEqual(values.read("  ", type), Null())

    def test_a_whole_number_beyond_64_bits_is_a_decimal(self):
        for text in ["9223372036854775808", "-9223372036854775809", "1" * 10_000]:
            self.assertEqual(values.read(text, FieldType.INTEGER), Decimal(text))
        self.assertEqual(values.read(str(2**63 - 1), FieldType.INTEGER), Integer(2**63 - 1))
        self.assertEqual(values.read(str(-(2**63)), FieldType.INTEGER), Integer(-(2**63)))

    def test_a_text_that_does_not_fit_stays_text(self):
        for text, type in [
            ("perhaps", FieldType.BOOLEAN),
            ("1.5", FieldType.INTEGER),
            ("٣", FieldType.INTEGER),
            ("1,5", FieldType.DECIMAL),
            ("1e5", FieldType.DECIMAL),
            ("2023-02-29", FieldType.DATE),
            ("20240229", FieldType.DATE),
            ("2026-05-17T09:00:00", FieldType.TIMESTAMP),
            ("2026-05-17T25:00:00Z", FieldType.TIMESTAMP),
            ("0001-01-01T00:00:00+05:00", FieldType.TIMESTAMP),
            ("dk", FieldType.CHOICE),
            ("se|dk", FieldType.CHOICES),
        ]:
            with self.subTest(text):
                self.assertEqual(values.read(text, type, OPTIONS), Text(text))

    def test_a_moment_is_written_in_utc(self):
        for text, utc in [
            ("2026-05-17T11:21:12+02:00", "2026-05-17T09:21:12Z"),
            ("2026-05-17T09:21:12.5Z", "2026-05-17T09:21:12.500000Z"),
        ]:
            self.assertEqual(moment.write(moment.read(text)), utc)
