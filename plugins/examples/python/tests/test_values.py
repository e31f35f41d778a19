"""What a cell's text is as a value."""

import unittest

from csv_people import values
from csv_people.values import Choice, FieldType, Null, Value

OPTIONS = (Choice("se", "Sweden"), Choice("no", "Norway"))


class Values(unittest.TestCase):
    def test_a_text_that_fits_has_its_type(self):
        for text, type, held in [
            ("Yes", FieldType.BOOLEAN, True),
            ("false", FieldType.BOOLEAN, False),
            ("-7", FieldType.INTEGER, -7),
            ("9223372036854775807", FieldType.INTEGER, 2**63 - 1),
            ("1234.50", FieldType.DECIMAL, "1234.50"),
            ("2024-02-29", FieldType.DATE, "2024-02-29"),
            ("2026-05-17T11:21:12.5+02:00", FieldType.TIMESTAMP, "2026-05-17T09:21:12.500000Z"),
            ("2026-05-17 09:00:00Z", FieldType.TIMESTAMP, "2026-05-17T09:00:00Z"),
            ("2026-05-17T09:00:00.123456789Z", FieldType.TIMESTAMP, "2026-05-17T09:00:00.123456Z"),
            ("  as it is ", FieldType.TEXT, "  as it is "),
            ("se", FieldType.CHOICE, OPTIONS[0]),
            ("no| se", FieldType.CHOICES, (OPTIONS[1], OPTIONS[0])),
        ]:
            with self.subTest(text):
                self.assertEqual(values.read(text, type, OPTIONS), Value(type, held))

    def test_an_empty_cell_is_no_value(self):
        for type in FieldType:
            self.assertEqual(values.read("  ", type), Null())

    def test_a_whole_number_beyond_64_bits_is_a_decimal(self):
        for text in ["9223372036854775808", "-9223372036854775809", "1" * 10_000]:
            self.assertEqual(values.read(text, FieldType.INTEGER), Value(FieldType.DECIMAL, text))
        self.assertEqual(values.read(str(-(2**63)), FieldType.INTEGER), Value(FieldType.INTEGER, -(2**63)))

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
                self.assertEqual(values.read(text, type, OPTIONS), Value(FieldType.TEXT, text))
