//! The log of arrivals: every request with its time, route, profile and end; counts by route; and the
//! greatest number of requests that any window ever held.
//!
//! Promises: peaks are exact over all requests since the start (or the last reset), computed as they come,
//! so that memory does not grow with the run; the log itself keeps the newest entries only. Peaks count
//! every arrival, refused ones too. Profile keys are kept as hashes.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One request.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Arrival {
    /// Its number, from 0.
    pub number: u64,
    /// Milliseconds since the sandbox started.
    pub at_millis: u64,
    /// Such as `apsis.attributes.patch` or `lime.query`.
    pub route: &'static str,
    /// A hash of keyspace and key, where the request is about one profile.
    pub profile: Option<u64>,
    /// The status it was answered with; 0 while it is being handled or when the connection was dropped.
    pub status: u16,
}

/// The most requests in any one window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peaks {
    /// APSIS One, whole account, any second. Tokens, uploads and downloads have limits of their own.
    pub account_per_second: usize,
    /// APSIS One, one profile key, any second.
    pub profile_per_second: usize,
    /// Tokens, any minute.
    pub tokens_per_minute: usize,
    /// Import initialisations, any minute.
    pub imports_per_minute: usize,
    /// Imports queued or in progress at the same time.
    pub imports_running: usize,
    /// Export requests, any second.
    pub exports_per_second: usize,
    /// Export polls and downloads, any minute.
    pub downloads_per_minute: usize,
    /// Lime, any window of the configured length (300 s).
    pub lime_per_window: usize,
    /// webCRM, any window of the configured length (60 s).
    pub webcrm_per_window: usize,
}

/// Times within a window.
#[derive(Debug, Default)]
pub(crate) struct Window(VecDeque<Instant>);

impl Window {
    /// Adds one; gives how many the window that ends now holds.
    pub(crate) fn add(&mut self, now: Instant, length: Duration) -> usize {
        self.trim(now, length);
        self.0.push_back(now);
        self.0.len()
    }

    /// The oldest that it holds.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.0.front().copied()
    }

    /// How many the window that ends now holds, without this one.
    pub(crate) fn held(&mut self, now: Instant, length: Duration) -> usize {
        self.trim(now, length);
        self.0.len()
    }

    fn trim(&mut self, now: Instant, length: Duration) {
        while self.0.front().is_some_and(|first| now.duration_since(*first) >= length) {
            self.0.pop_front();
        }
    }
}

/// A window for each profile key.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    all: HashMap<u64, Window>,
    /// How many there may be before the empty ones are thrown out.
    sweep_at: usize,
}

impl Windows {
    pub(crate) fn get(&mut self, key: u64, now: Instant, length: Duration) -> &mut Window {
        if self.all.len() > self.sweep_at.max(1000) {
            self.all.retain(|_, window| window.held(now, length) > 0);
            self.sweep_at = self.all.len() * 2;
        }
        self.all.entry(key).or_default()
    }
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// The log.
#[derive(Debug)]
pub(crate) struct Arrivals {
    start: Instant,
    began_at: Timestamp,
    hasher: RandomState,
    kept: VecDeque<Arrival>,
    keep: usize,
    next: u64,
    counts: BTreeMap<(&'static str, u16), u64>,
    peaks: Peaks,
    account: Window,
    profiles: Windows,
    tokens: Window,
    imports: Window,
    exports: Window,
    downloads: Window,
    lime: Window,
    webcrm: Window,
}

impl Arrivals {
    pub(crate) fn new(keep: usize) -> Self {
        Self {
            start: Instant::now(),
            began_at: Timestamp::now(),
            hasher: RandomState::new(),
            kept: VecDeque::new(),
            keep,
            next: 0,
            counts: BTreeMap::new(),
            peaks: Peaks::default(),
            account: Window::default(),
            profiles: Windows::default(),
            tokens: Window::default(),
            imports: Window::default(),
            exports: Window::default(),
            downloads: Window::default(),
            lime: Window::default(),
            webcrm: Window::default(),
        }
    }

    pub(crate) fn began_at(&self) -> Timestamp {
        self.began_at
    }

    pub(crate) fn hash(&self, keyspace: &str, key: &str) -> u64 {
        self.hasher.hash_one((keyspace, key))
    }

    /// Notes an arrival; gives its number, to be ended with [`Arrivals::ended`].
    pub(crate) fn note(
        &mut self,
        now: Instant,
        route: &'static str,
        profile: Option<u64>,
        crm_window: Duration,
    ) -> u64 {
        let peaks = &mut self.peaks;
        let peak = |peak: &mut usize, held: usize| *peak = (*peak).max(held);
        match route {
            "apsis.token" => peak(&mut peaks.tokens_per_minute, self.tokens.add(now, MINUTE)),
            "apsis.import.upload" => {}
            "apsis.export.download" => peak(&mut peaks.downloads_per_minute, self.downloads.add(now, MINUTE)),
            _ if route.starts_with("lime.") => {
                peak(&mut peaks.lime_per_window, self.lime.add(now, crm_window));
            }
            _ if route.starts_with("webcrm.") => {
                peak(&mut peaks.webcrm_per_window, self.webcrm.add(now, crm_window));
            }
            _ => {
                peak(&mut peaks.account_per_second, self.account.add(now, SECOND));
                if route == "apsis.import.start" {
                    peak(&mut peaks.imports_per_minute, self.imports.add(now, MINUTE));
                }
                if route == "apsis.export.start" {
                    peak(&mut peaks.exports_per_second, self.exports.add(now, SECOND));
                }
                if let Some(key) = profile {
                    let held = self.profiles.get(key, now, SECOND).add(now, SECOND);
                    peak(&mut peaks.profile_per_second, held);
                }
            }
        }
        let number = self.next;
        self.next += 1;
        if self.kept.len() >= self.keep {
            self.kept.pop_front();
        }
        let at_millis = u64::try_from(now.duration_since(self.start).as_millis()).unwrap_or(u64::MAX);
        self.kept.push_back(Arrival { number, at_millis, route, profile, status: 0 });
        number
    }

    /// Notes how a request ended; 0 for a dropped connection.
    pub(crate) fn ended(&mut self, number: u64, route: &'static str, status: u16) {
        *self.counts.entry((route, status)).or_default() += 1;
        let first = self.kept.front().map_or(0, |arrival| arrival.number);
        let at = number.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        if let Some(arrival) = at.and_then(|at| self.kept.get_mut(at)) {
            arrival.status = status;
        }
    }

    pub(crate) fn note_running_imports(&mut self, running: usize) {
        self.peaks.imports_running = self.peaks.imports_running.max(running);
    }

    pub(crate) fn peaks(&self) -> Peaks {
        self.peaks
    }

    /// Route, then status (0: dropped), then how many.
    pub(crate) fn counts(&self) -> BTreeMap<String, BTreeMap<u16, u64>> {
        let mut counts: BTreeMap<String, BTreeMap<u16, u64>> = BTreeMap::new();
        for ((route, status), count) in &self.counts {
            counts.entry((*route).to_owned()).or_default().insert(*status, *count);
        }
        counts
    }

    pub(crate) fn after(&self, number: Option<u64>) -> Vec<Arrival> {
        self.kept
            .iter()
            .filter(|arrival| number.is_none_or(|after| arrival.number > after))
            .copied()
            .collect()
    }

    /// Forgets counts, peaks and entries, not the windows: what arrived just now still counts.
    pub(crate) fn reset(&mut self) {
        self.counts.clear();
        self.kept.clear();
        self.peaks = Peaks::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_are_those_of_sliding_windows() {
        let mut log = Arrivals::new(3);
        let start = Instant::now();
        let window = Duration::from_secs(300);
        for millis in [0, 900, 1100, 1500, 1899, 2500] {
            let number = log.note(
                start + Duration::from_millis(millis),
                "apsis.attributes.patch",
                Some(millis % 2),
                window,
            );
            log.ended(number, "apsis.attributes.patch", 204);
        }
        assert_eq!(log.peaks().account_per_second, 4);
        assert_eq!(log.peaks().profile_per_second, 3);
        assert_eq!(log.after(None).len(), 3);
        assert_eq!(log.after(None)[2].status, 204);
        assert_eq!(log.counts()["apsis.attributes.patch"][&204], 6);
    }
}
