//! How far a run is: what it has done of what there is to do, how fast, and how long it will still take.
//!
//! Pure; the terminal's bar and the page's are both made of it.

use std::time::{Duration, Instant};

use crate::run::{Phase, Run};

/// How many contacts a phase has to do with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// So many.
    Known(u64),
    /// As many as the last run read.
    About(u64),
    /// Nobody can tell.
    Unknown,
}

impl Total {
    /// While reading, what the CRM says, or else the last run; afterwards, what was read.
    pub fn of(run: &Run, read_last_time: Option<u64>) -> Self {
        match (run.phase, run.total, read_last_time) {
            (Phase::Accepted | Phase::Reading, Some(total), _) => Self::Known(total),
            // When more have come than the last time, nothing is known of how many are still to come.
            (Phase::Accepted | Phase::Reading, None, Some(about)) if about > run.counters.read => {
                Self::About(about)
            }
            (Phase::Accepted | Phase::Reading, None, _) => Self::Unknown,
            _ => Self::Known(run.counters.read),
        }
    }

    /// As a number; none if nobody can tell.
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Known(total) | Self::About(total) => Some(total),
            Self::Unknown => None,
        }
    }
}

/// How many contacts the phase that a run is in is done with.
pub fn done(run: &Run) -> u64 {
    if matches!(run.phase, Phase::Accepted | Phase::Reading) {
        run.counters.read
    } else {
        run.counters.settled()
    }
}

/// What a phase is called while it goes on.
pub fn headline(phase: Phase) -> &'static str {
    match phase {
        Phase::Accepted => "Accepted",
        Phase::Reading => "Reading from the CRM",
        Phase::Comparing => "Reading what APSIS One has",
        Phase::Held => "Waiting for approval",
        Phase::Importing => "Importing into APSIS One",
        Phase::Verifying => "Reading back what the import did",
        Phase::Writing => "Writing to APSIS One",
        Phase::Completed => "Completed",
        Phase::Failed => "Failed",
        Phase::Cancelled => "Cancelled",
    }
}

/// `2 h 1 min`.
pub fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// How fast somebody who watches sees a run go on, within one phase.
#[derive(Debug, Clone)]
pub struct Pace {
    phase: Phase,
    since: Instant,
    from: u64,
    done: u64,
}

impl Pace {
    /// From this moment on.
    pub fn new(run: &Run, now: Instant) -> Self {
        let done = done(run);
        Self { phase: run.phase, since: now, from: done, done }
    }

    /// Sees the run as it is now; whether another phase has begun.
    pub fn see(&mut self, run: &Run, now: Instant) -> bool {
        if self.phase != run.phase {
            *self = Self::new(run, now);
            return true;
        }
        self.done = done(run);
        false
    }

    /// Contacts a second.
    pub fn rate(&self, now: Instant) -> f64 {
        let seconds = now.duration_since(self.since).as_secs_f64();
        // Counts stay far below 2^52, where an f64 would round.
        if seconds > 0.0 { self.done.saturating_sub(self.from) as f64 / seconds } else { 0.0 }
    }

    /// How long it will still take; none while it cannot be told.
    pub fn left(&self, total: Total, now: Instant) -> Option<Duration> {
        let rate = self.rate(now);
        let left = total.number()?.saturating_sub(self.done);
        (rate > 0.0).then(|| Duration::from_secs((left as f64 / rate).ceil() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integration::IntegrationId;
    use crate::run::{Counters, RunId, RunKind, Source};

    fn run(phase: Phase, read: u64, total: Option<u64>) -> Run {
        Run {
            kind: RunKind::FullSync,
            id: RunId(1),
            integration: IntegrationId("acme".into()),
            forced: false,
            source: Source::Crm,
            phase,
            cursor: None,
            read_to_end: false,
            counters: Counters { read, ..Counters::default() },
            total,
            cancel_requested: false,
            accepted_at: jiff::Timestamp::UNIX_EPOCH,
            ended_at: None,
            failure: None,
            hold: None,
            approved: false,
        }
    }

    #[test]
    fn the_total_is_the_crms_or_else_that_of_the_last_run() {
        let reading = |read, total, last| Total::of(&run(Phase::Reading, read, total), last);
        assert_eq!(reading(10, Some(50), Some(40)), Total::Known(50));
        assert_eq!(reading(10, None, Some(40)), Total::About(40));
        assert_eq!(reading(40, None, Some(40)), Total::Unknown, "more than the last time");
        assert_eq!(reading(10, None, None), Total::Unknown);
        assert_eq!(Total::of(&run(Phase::Writing, 60, None), Some(40)), Total::Known(60));
    }

    #[test]
    fn a_pace_is_that_of_one_phase() {
        let start = Instant::now();
        let later = start + Duration::from_secs(10);
        let mut pace = Pace::new(&run(Phase::Reading, 100, None), start);
        assert_eq!(pace.left(Total::Known(1_000), start), None);
        assert!(!pace.see(&run(Phase::Reading, 300, None), later));
        assert!((pace.rate(later) - 20.0).abs() < 0.01);
        assert_eq!(pace.left(Total::Known(1_300), later), Some(Duration::from_secs(50)));
        assert_eq!(pace.left(Total::Unknown, later), None);
        assert!(pace.see(&run(Phase::Writing, 300, None), later));
        assert!(pace.rate(later).abs() < f64::EPSILON);
    }

    #[test]
    fn a_time_is_said_as_roughly_as_it_is_long() {
        let of = |seconds| in_words(Duration::from_secs(seconds));
        assert_eq!((of(59), of(61), of(7300)), ("59 s".into(), "1 min 1 s".into(), "2 h 1 min".into()));
    }
}
