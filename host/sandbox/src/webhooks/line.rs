//! The queue of one subscription: which delivery is sent next, and when.
//!
//! Promises: without chance in play deliveries start in the order in which they were raised, never more
//! of them at once than asked for; one that was put back is overtaken by as many later ones as were asked
//! for, or by as many as come while it waits; picking the next costs the same however many are queued.
//! Knows no clock and no network: whoever asks says what time it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::switches::{Fate, WebhookSwitches};

/// Where deliveries of one subscription go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) secret: Option<String>,
    pub(crate) version_2: bool,
}

/// Where a delivery stands: behind a number of others, its own or the one it was put back behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    behind: u64,
    was_put_back: bool,
    own: u64,
}

/// One event on its way to one subscription.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// Its number in the log.
    pub(crate) number: u64,
    pub(crate) id: String,
    pub(crate) body: Bytes,
    /// Attempts that failed.
    pub(crate) attempts: u32,
    /// Unix seconds; none before the first attempt.
    pub(crate) first_attempt: Option<i64>,
    pub(crate) is_duplicate: bool,
    /// How long after the acknowledgement it is sent once more.
    pub(crate) duplicate_after: Option<Duration>,
    place: Place,
    put_back: u64,
}

/// The deliveries of one subscription that are not over.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) target: Arc<Target>,
    /// The subscription was deleted or disabled.
    pub(crate) gone: bool,
    last: u64,
    last_due: Option<Instant>,
    /// The highest place whose turn has come.
    passed: u64,
    /// Not due yet.
    later: BTreeMap<(Instant, Place), Delivery>,
    ready: BTreeMap<Place, Delivery>,
    /// Wait until they have been overtaken, or until the time given.
    put_back: BTreeMap<Place, (Instant, Delivery)>,
    /// Wait for their next attempt.
    retrying: BTreeMap<(Instant, Place), Delivery>,
    in_flight: usize,
}

impl Line {
    pub(crate) fn new(target: Arc<Target>) -> Self {
        Self {
            target,
            gone: false,
            last: 0,
            last_due: None,
            passed: 0,
            later: BTreeMap::new(),
            ready: BTreeMap::new(),
            put_back: BTreeMap::new(),
            retrying: BTreeMap::new(),
            in_flight: 0,
        }
    }

    pub(crate) fn push(
        &mut self,
        now: Instant,
        keep_order: bool,
        fate: Fate,
        number: u64,
        id: String,
        body: Bytes,
    ) {
        self.last += 1;
        let place = Place { behind: self.last, was_put_back: false, own: self.last };
        let delivery = Delivery {
            number,
            id,
            body,
            attempts: 0,
            first_attempt: None,
            is_duplicate: false,
            duplicate_after: fate.duplicate_after,
            place,
            put_back: fate.put_back,
        };
        let mut due = now + fate.delay;
        if keep_order {
            due = self.last_due.map_or(due, |last| due.max(last));
            self.last_due = Some(due);
        }
        if due > now {
            self.later.insert((due, place), delivery);
        } else {
            self.ready.insert(place, delivery);
        }
    }

    /// The delivery to be sent now, if any.
    pub(crate) fn next(&mut self, now: Instant, switches: &WebhookSwitches) -> Option<Delivery> {
        while let Some(first) = self.later.first_entry().filter(|first| first.key().0 <= now) {
            let ((_, place), delivery) = first.remove_entry();
            self.ready.insert(place, delivery);
        }
        let holding = if switches.retries_hold_back { self.retrying.len() } else { 0 };
        let is_free = self.in_flight + holding < switches.parallel.max(1);
        let next = match self.retrying.first_entry() {
            // It has kept its place among those under way, or takes a free one.
            Some(first) if first.key().0 <= now && (switches.retries_hold_back || is_free) => {
                Some(first.remove())
            }
            _ if is_free => self.in_turn(now, switches),
            _ => None,
        };
        self.in_flight += usize::from(next.is_some());
        next
    }

    fn in_turn(&mut self, now: Instant, switches: &WebhookSwitches) -> Option<Delivery> {
        loop {
            let overtaken = self.put_back.first_key_value().filter(|(place, _)| place.behind <= self.passed);
            let waited = || self.put_back.iter().find(|(_, (until, _))| *until <= now);
            if let Some(place) = overtaken.or_else(waited).map(|(place, _)| *place) {
                return self.put_back.remove(&place).map(|(_, delivery)| delivery);
            }
            let (mut place, mut delivery) = self.ready.pop_first()?;
            self.passed = self.passed.max(place.own);
            if delivery.put_back == 0 {
                return Some(delivery);
            }
            place = Place { behind: place.own + delivery.put_back, was_put_back: true, own: place.own };
            (delivery.place, delivery.put_back) = (place, 0);
            let until = now + switches.reorder_wait();
            self.put_back.insert(place, (until, delivery));
        }
    }

    /// An attempt has ended.
    pub(crate) fn came_back(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// To be tried again.
    pub(crate) fn retry(&mut self, at: Instant, delivery: Delivery) {
        self.retrying.insert((at, delivery.place), delivery);
    }

    /// To be sent once more, though it was acknowledged.
    pub(crate) fn repeat(&mut self, at: Instant, delivery: Delivery) {
        self.later.insert((at, delivery.place), delivery);
    }

    /// When the next delivery is due that waits for a time.
    pub(crate) fn wakes(&self, now: Instant) -> Option<Instant> {
        let later = self.later.first_key_value().map(|((at, _), _)| *at);
        let retrying = self.retrying.first_key_value().map(|((at, _), _)| *at);
        let put_back = self.put_back.values().map(|(until, _)| *until).filter(|until| *until > now).min();
        // What was due before now has not been taken for want of a free place, and the end of an attempt
        // gives one.
        later.into_iter().chain(retrying).filter(|at| *at > now).chain(put_back).min()
    }

    /// Takes everything out that is not under way.
    pub(crate) fn withdraw(&mut self) -> Vec<Delivery> {
        let later = std::mem::take(&mut self.later).into_values();
        let ready = std::mem::take(&mut self.ready).into_values();
        let put_back = std::mem::take(&mut self.put_back).into_values().map(|(_, delivery)| delivery);
        let retrying = std::mem::take(&mut self.retrying).into_values();
        later.chain(ready).chain(put_back).chain(retrying).collect()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.later.len() + self.ready.len() + self.put_back.len() + self.retrying.len()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Fate = Fate { dropped: false, delay: Duration::ZERO, put_back: 0, duplicate_after: None };

    struct Bench {
        line: Line,
        start: Instant,
        switches: WebhookSwitches,
    }

    impl Bench {
        fn new(switches: WebhookSwitches) -> Self {
            let target = Target { url: String::new(), secret: None, version_2: true };
            Self { line: Line::new(Arc::new(target)), start: Instant::now(), switches }
        }

        fn at(&self, millis: u64) -> Instant {
            self.start + Duration::from_millis(millis)
        }

        fn push(&mut self, number: u64, millis: u64, fate: Fate) {
            let (now, keep_order) = (self.at(millis), self.switches.delays_keep_order);
            self.line.push(now, keep_order, fate, number, String::new(), Bytes::new());
        }

        fn start(&mut self, millis: u64) -> Option<Delivery> {
            self.line.next(self.at(millis), &self.switches)
        }

        /// All that can be sent one after the other at that time.
        fn all(&mut self, millis: u64) -> Vec<u64> {
            let mut numbers = Vec::new();
            while let Some(delivery) = self.start(millis) {
                self.line.came_back();
                numbers.push(delivery.number);
            }
            numbers
        }

        fn wakes(&self, millis: u64) -> Option<u128> {
            let at = self.line.wakes(self.at(millis))?;
            Some(at.duration_since(self.start).as_millis())
        }
    }

    #[test]
    fn one_at_a_time_in_order_unless_more_are_asked_for() {
        let mut bench = Bench::new(WebhookSwitches::default());
        (1..=4).for_each(|number| bench.push(number, 0, PLAIN));
        assert_eq!(bench.start(0).unwrap().number, 1);
        assert!(bench.start(0).is_none(), "the first is still under way");
        bench.line.came_back();
        assert_eq!(bench.start(0).unwrap().number, 2);
        bench.switches.parallel = 3;
        assert_eq!(bench.start(0).unwrap().number, 3);
        assert_eq!(bench.start(0).unwrap().number, 4);
        assert_eq!((bench.line.waiting(), bench.line.in_flight()), (0, 3));
    }

    #[test]
    fn a_retry_keeps_its_place_or_lets_others_pass() {
        for holds_back in [true, false] {
            let switches = WebhookSwitches { retries_hold_back: holds_back, ..WebhookSwitches::default() };
            let mut bench = Bench::new(switches);
            (1..=2).for_each(|number| bench.push(number, 0, PLAIN));
            let first = bench.start(0).unwrap();
            bench.line.came_back();
            bench.line.retry(bench.at(200), first);
            assert_eq!(bench.wakes(0), Some(200));
            assert_eq!(bench.all(199), if holds_back { vec![] } else { vec![2] });
            assert_eq!(bench.all(200), if holds_back { vec![1, 2] } else { vec![1] });
        }
    }

    #[test]
    fn a_retry_without_a_place_of_its_own_waits_for_a_free_one_without_being_waited_for() {
        let switches = WebhookSwitches { retries_hold_back: false, ..WebhookSwitches::default() };
        let mut bench = Bench::new(switches);
        (1..=2).for_each(|number| bench.push(number, 0, PLAIN));
        let first = bench.start(0).unwrap();
        bench.line.came_back();
        bench.line.retry(bench.at(200), first);
        assert_eq!(bench.start(100).unwrap().number, 2);
        assert!(bench.start(300).is_none());
        assert_eq!(bench.wakes(300), None);
        bench.line.came_back();
        assert_eq!(bench.start(300).unwrap().number, 1);
    }

    #[test]
    fn delays_let_later_ones_pass_unless_order_is_kept() {
        for keeps in [false, true] {
            let switches = WebhookSwitches { delays_keep_order: keeps, ..WebhookSwitches::default() };
            let mut bench = Bench::new(switches);
            for (number, millis) in [(1, 300), (2, 100), (3, 200)] {
                bench.push(number, 0, Fate { delay: Duration::from_millis(millis), ..PLAIN });
            }
            let earliest = if keeps { 300 } else { 100 };
            assert_eq!((bench.all(99), bench.wakes(99)), (vec![], Some(earliest)));
            let mut sent = bench.all(100);
            sent.extend(bench.all(200));
            sent.extend(bench.all(300));
            assert_eq!(sent, if keeps { [1, 2, 3] } else { [2, 3, 1] });
        }
    }

    #[test]
    fn what_is_put_back_is_overtaken_by_so_many_and_no_more() {
        let mut bench = Bench::new(WebhookSwitches::default());
        for number in 1..=6 {
            bench.push(number, 0, Fate { put_back: if number == 2 { 3 } else { 0 }, ..PLAIN });
        }
        assert_eq!(bench.all(0), [1, 3, 4, 5, 2, 6]);
        assert_eq!(bench.line.waiting(), 0);
    }

    #[test]
    fn what_is_put_back_waits_for_later_ones_but_not_for_ever() {
        let mut bench = Bench::new(WebhookSwitches::default());
        bench.push(1, 0, Fate { put_back: 2, ..PLAIN });
        assert_eq!((bench.all(0), bench.wakes(0)), (vec![], Some(500)));
        bench.push(2, 100, PLAIN);
        assert_eq!(bench.all(100), [2]);
        bench.push(3, 200, PLAIN);
        bench.push(4, 200, PLAIN);
        assert_eq!(bench.all(200), [3, 1, 4]);
        bench.push(5, 300, Fate { put_back: 2, ..PLAIN });
        assert_eq!((bench.all(300), bench.all(799), bench.all(800)), (vec![], vec![], vec![5]));
    }

    #[test]
    fn everything_may_be_put_back_and_everything_comes() {
        let mut bench = Bench::new(WebhookSwitches::default());
        (1..=500).for_each(|number| bench.push(number, 0, Fate { put_back: 1 + number % 7, ..PLAIN }));
        let mut sent = bench.all(0);
        sent.extend(bench.all(500));
        assert!(sent.windows(2).any(|two| two[0] > two[1]));
        sent.sort_unstable();
        assert_eq!(sent, (1..=500).collect::<Vec<_>>());
    }

    #[test]
    fn all_that_waits_can_be_withdrawn() {
        let mut bench = Bench::new(WebhookSwitches { parallel: 9, ..WebhookSwitches::default() });
        bench.push(1, 0, PLAIN);
        let first = bench.start(0).unwrap();
        bench.line.came_back();
        bench.line.retry(bench.at(10), first);
        bench.push(2, 0, Fate { put_back: 9, ..PLAIN });
        assert!(bench.start(0).is_none());
        bench.push(3, 0, PLAIN);
        bench.push(4, 0, Fate { delay: Duration::from_secs(1), ..PLAIN });
        let mut gone: Vec<u64> = bench.line.withdraw().iter().map(|delivery| delivery.number).collect();
        gone.sort_unstable();
        assert_eq!((gone, bench.line.waiting()), (vec![1, 2, 3, 4], 0));
    }
}
