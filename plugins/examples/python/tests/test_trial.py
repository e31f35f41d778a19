"""The trial CRM as a program: its one line, its files, and what happens to its people, with many asking at once."""

import json
import subprocess
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from csv_people import scan
from csv_people.faults import Fault, Kind
from csv_people.server import Answer, Server

PROGRAM = Path(__file__).parent.parent / "serve.py"


def ask(method: str, url: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    address = urlsplit(url)
    connection = HTTPConnection(address.netloc, timeout=30)
    try:
        connection.request(method, address.path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Trial(unittest.TestCase):
    def setUp(self):
        command = [sys.executable, "-B", str(PROGRAM), "--people", "250", "--seed", "7"]
        self.program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(self.end)
        self.ready = json.loads(self.program.stdout.readline())
        self.control = self.ready["control"]

    def end(self):
        self.program.stdin.close()
        said = self.program.stdout.read()
        self.program.stdout.close()
        self.assertEqual((self.program.wait(timeout=30), said), (0, b""))

    def server(self, key: str) -> Server:
        def fetch(url: str) -> Answer:
            status, body = ask("GET", url, {"authorization": f"Bearer {key}"})
            return Answer(status, [], body)

        return Server(self.ready["settings"]["url"], fetch, lambda: datetime.now(UTC))

    def everybody(self, each_page=lambda: None):
        server = self.server(self.ready["secrets"]["api-key"])
        read, found, cursor = server.reader(server.model()), [], None
        while True:
            page = scan.page(server.parts(), cursor, 40, read)
            found.extend(page.people)
            each_page()
            if page.next is None:
                return found
            cursor = page.next

    def there(self) -> list[str]:
        return json.loads(ask("GET", f"{self.control}/people")[1])

    def test_its_files_have_everybody_that_its_control_names(self):
        people = self.everybody()
        self.assertEqual([str(person.id) for person in people], self.there())
        self.assertEqual(len(people), 250)
        self.assertFalse([person.id for person in people if person.unreadable])
        origin = urlsplit(self.ready["settings"]["url"])
        self.assertEqual(self.ready["origins"], [f"{origin.scheme}://{origin.netloc}"])

    def test_people_are_added_changed_and_deleted(self):
        status, body = ask("POST", f"{self.control}/people")
        id = json.loads(body)["id"]
        self.assertEqual((status, id in self.there()), (201, True))
        before = self.everybody()[-1]
        self.assertEqual(str(before.id), id)
        self.assertEqual(ask("POST", f"{self.control}/people/{id}"), (204, b""))
        after = self.everybody()[-1]
        self.assertGreater(after.modified_at, before.modified_at)
        own = {"id", "modified_at"}
        self.assertNotEqual(
            [pair for pair in after.fields if pair[0] not in own],
            [pair for pair in before.fields if pair[0] not in own],
        )
        self.assertEqual(ask("DELETE", f"{self.control}/people/{id}"), (204, b""))
        self.assertNotIn(id, self.there())
        for method, path in [("DELETE", f"people/{id}"), ("POST", f"people/{id}"), ("POST", "people/x"), ("GET", "x")]:
            self.assertEqual(ask(method, f"{self.control}/{path}")[0], 404, path)
        again = json.loads(ask("POST", f"{self.control}/people")[1])["id"]
        self.assertNotEqual(again, id)

    def test_nobody_reads_without_the_key(self):
        for key, kind in [("", Kind.UNAUTHORIZED), ("wrong", Kind.UNAUTHORIZED)]:
            with self.assertRaises(Fault) as raised:
                self.server(key).parts()
            self.assertIs(raised.exception.kind, kind)
        with self.assertRaises(Fault) as raised:
            self.server(self.ready["secrets"]["api-key"]).file("people-2.csv")
        self.assertIs(raised.exception.kind, Kind.MISCONFIGURED)

    def test_a_scan_while_many_come_and_go_has_everybody_who_stays_once(self):
        before = self.there()
        going = before[::5]
        with ThreadPoolExecutor(8) as many:
            begun = []

            def more():
                begun.extend(many.submit(ask, "POST", f"{self.control}/people") for _ in range(10))
                begun.extend(many.submit(ask, "POST", f"{self.control}/people/{before[1]}") for _ in range(3))
                begun.extend(
                    many.submit(ask, "DELETE", f"{self.control}/people/{going.pop()}") for _ in range(5) if going
                )

            found = [str(person.id) for person in self.everybody(more)]
            answers = [one.result() for one in begun]
        added = [json.loads(body)["id"] for status, body in answers if status == 201]
        self.assertEqual(len(added), len(set(added)))
        self.assertEqual({status for status, _ in answers}, {201, 204})
        self.assertEqual(len(found), len(set(found)))
        self.assertLessEqual(set(before) & set(self.there()), set(found))
        self.assertEqual([str(person.id) for person in self.everybody()], self.there())
