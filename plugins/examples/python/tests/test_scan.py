"""Reading page by page while people come and go."""

import unittest
from datetime import UTC, datetime, timedelta
from random import Random

from csv_people import scan
from csv_people.faults import Fault, Kind
from csv_people.layout import Part
from csv_people.people import Person

NOON = datetime(2026, 5, 17, 12, tzinfo=UTC)


def person(id: int, modified_at: datetime | None = NOON) -> Person:
    return Person(id, modified_at, (), (), ())


def parts(firsts: list[int]) -> list[Part]:
    ends = [*(first - 1 for first in firsts[1:]), None]
    return [Part(f"{first}.csv", first, ends[at]) for at, first in enumerate(firsts)]


class Crm:
    """People in parts, which count how often they are read."""

    def __init__(self, ids, firsts):
        self.ids = set(ids)
        self.parts = parts(firsts)
        self.reads = 0

    def read(self, part):
        self.reads += 1
        return [person(id) for id in sorted(self.ids) if part.first <= id <= (part.last or id)]

    def pages(self, limit):
        cursor = None
        while True:
            page = scan.page(self.parts, cursor, limit, self.read)
            yield [one.id for one in page.people]
            if page.next is None:
                return
            assert page.next != cursor
            cursor = page.next


class Scan(unittest.TestCase):
    def test_everybody_comes_once_and_in_order(self):
        for limit in [1, 2, 3, 50]:
            crm = Crm([1, 2, 5, 10, 11, 30, 31, 90], [1, 11, 31, 40, 90])
            pages = list(crm.pages(limit))
            self.assertEqual(sum(pages, []), sorted(crm.ids), limit)
            self.assertLessEqual(max(map(len, pages)), limit)

    def test_whoever_comes_or_goes_makes_nobody_else_come_twice_or_be_left_out(self):
        chance = Random(1)
        for _ in range(200):
            stay = set(chance.sample(range(1, 200), 60))
            come_and_go = [id for id in range(1, 200) if id not in stay]
            crm = Crm(stay | set(chance.sample(come_and_go, 40)), sorted({1, *chance.sample(range(2, 250), 6)}))
            seen = []
            for page in crm.pages(chance.randrange(1, 30)):
                seen.extend(page)
                crm.ids = stay | set(chance.sample(come_and_go, chance.randrange(80)))
            self.assertEqual(len(seen), len(set(seen)))
            self.assertLessEqual(stay, set(seen))

    def test_no_people_is_one_empty_page(self):
        for crm in [Crm([], []), Crm([], [1]), Crm([], [1, 100])]:
            self.assertEqual(list(crm.pages(10)), [[]])

    def test_a_call_reads_only_so_many_parts_and_goes_on_there(self):
        crm = Crm([50_000], [1 + 10 * at for at in range(2 * scan.PARTS_AT_ONCE)])
        first = scan.page(crm.parts, None, 10, crm.read)
        self.assertEqual((first.people, crm.reads), ((), scan.PARTS_AT_ONCE))
        self.assertEqual(sum(crm.pages(10), []), [50_000])

    def test_a_page_is_never_longer_than_the_longest(self):
        crm = Crm(range(1, 1_501), [1])
        self.assertEqual([len(page) for page in crm.pages(5_000)], [scan.PEOPLE_AT_ONCE, 500])

    def test_a_cursor_that_is_none_starts_again(self):
        for cursor in ["", "x", "-1", "1.5"]:
            with self.subTest(cursor), self.assertRaises(Fault) as raised:
                scan.page([], cursor, 10, lambda part: [])
            self.assertIs(raised.exception.kind, Kind.CURSOR_EXPIRED)


class Changed(unittest.TestCase):
    def test_since_is_within_and_whole_seconds_count(self):
        wanted = scan.changed_since(NOON + timedelta(milliseconds=500))
        self.assertTrue(wanted(person(1, NOON)))
        self.assertTrue(wanted(person(1, NOON + timedelta(days=1))))
        self.assertFalse(wanted(person(1, NOON - timedelta(milliseconds=1))))

    def test_whose_change_is_not_known_may_have_changed(self):
        self.assertTrue(scan.changed_since(NOON)(person(1, None)))

    def test_pages_hold_only_who_changed(self):
        people = {1: NOON, 2: NOON - timedelta(days=1), 3: None, 11: NOON - timedelta(days=1), 21: NOON}

        def read(part):
            return [person(id, at) for id, at in people.items() if part.first <= id <= (part.last or id)]

        seen, cursor = [], None
        while True:
            page = scan.page(parts([1, 11, 21]), cursor, 1, read, scan.changed_since(NOON))
            seen.extend(one.id for one in page.people)
            if page.next is None:
                break
            cursor = page.next
        self.assertEqual(seen, [1, 3, 21])


class ById(unittest.TestCase):
    def test_whoever_is_there_and_only_the_parts_that_are_needed(self):
        crm = Crm([1, 2, 11, 12, 21], [1, 11, 21])
        found = scan.by_id(crm.parts, ["12", "2", "2", "3", "012", "someone"], crm.read)
        self.assertEqual([one.id for one in found], [2, 12])
        self.assertEqual(crm.reads, 2)
