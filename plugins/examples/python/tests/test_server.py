"""What is asked for, and what an answer or its absence means."""

import json
import unittest
from datetime import UTC, datetime

from csv_people import about, faults
from csv_people.faults import Fault, Kind
from csv_people.server import Answer, Server, Silence

NOW = datetime(2026, 5, 17, 10, tzinfo=UTC)


def fault_of(answer: Answer | Silence) -> Fault:
    try:
        Server("https://a.example/crm", lambda address: answer, lambda: NOW).file("parts.csv")
    except Fault as fault:
        return fault
    raise AssertionError("no fault")


class Requests(unittest.TestCase):
    def test_each_file_lies_in_the_folder(self):
        asked = []

        def fetch(address):
            asked.append(address)
            return Answer(200, [], b"file,first_id\n")

        for url in ["https://a.example/crm", "https://a.example/crm/"]:
            Server(url, fetch, lambda: NOW).parts()
        self.assertEqual(asked, ["https://a.example/crm/parts.csv"] * 2)


class Faults(unittest.TestCase):
    def test_a_status_says_what_to_do(self):
        for status, kind in [
            (301, Kind.MISCONFIGURED),
            (400, Kind.OTHER),
            (401, Kind.UNAUTHORIZED),
            (403, Kind.UNAUTHORIZED),
            (404, Kind.MISCONFIGURED),
            (408, Kind.UNAVAILABLE),
            (429, Kind.RATE_LIMITED),
            (500, Kind.UNAVAILABLE),
            (503, Kind.UNAVAILABLE),
        ]:
            fault = fault_of(Answer(status, [], b"Svensson"))
            self.assertIs(fault.kind, kind, status)
            self.assertEqual(fault.details, (("http.status", str(status)),))
            self.assertIn("`parts.csv`", fault.message)
            self.assertNotIn("Svensson", fault.message)

    def test_a_server_says_how_long_to_wait(self):
        self.assertEqual(fault_of(Answer(429, [("Retry-After", "30")], b"")).retry_after_ms, 30_000)
        self.assertIsNone(fault_of(Answer(429, [], b"")).retry_after_ms)

    def test_a_silence_says_what_to_do(self):
        for cause, kind in [
            ("denied", Kind.MISCONFIGURED),
            ("tls", Kind.MISCONFIGURED),
            ("too-large", Kind.MALFORMED),
            ("timeout", Kind.UNAVAILABLE),
            ("connect", Kind.UNAVAILABLE),
        ]:
            fault = fault_of(Silence(cause, "why"))
            self.assertIs(fault.kind, kind, cause)
            self.assertTrue(fault.message.endswith("why"), fault.message)

    def test_waits_are_seconds_or_moments(self):
        moment = "Sun, 17 May 2026 10:00:05 GMT"
        for text, date, wait in [
            (" 30 ", None, 30_000),
            ("9" * 30, None, faults.LONGEST_WAIT_MS),
            (moment, None, 5_000),
            (moment, "Sun, 17 May 2026 10:00:03 GMT", 2_000),
            (moment, "soon", 5_000),
            ("Sun, 17 May 2026 09:00:00 GMT", None, 0),
            ("soon", None, None),
            ("٣", None, None),
        ]:
            self.assertEqual(faults.wait_ms(text, date, NOW), wait, text)


class About(unittest.TestCase):
    def test_the_kinds_are_named_as_the_contract_names_them(self):
        self.assertEqual([kind.value.replace("-", "_").upper() for kind in Kind], [kind.name for kind in Kind])

    def test_the_key_is_a_secret_and_asked_for_where_it_is_used(self):
        schema = json.loads(about.SETTINGS)
        self.assertIs(schema["properties"][about.API_KEY]["writeOnly"], True)
        self.assertEqual(schema["then"]["required"], [about.API_KEY])
        self.assertIn(schema["if"]["properties"][about.ACCESS]["const"], schema["properties"][about.ACCESS]["enum"])
