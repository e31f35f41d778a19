//! Shows a run while it goes on: a bar on a terminal, JSON lines otherwise.
//!
//! What is shown is read from the store, so that a run can be watched from any process.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::table::number;
use super::{OrFail, Result, output};
use crate::run::{Phase, Run, RunId};
use crate::store::Store;

/// How often the store is asked. A run of few contacts should not seem to hang, and a long one should
/// not be slowed by its spectators.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Shows a run until it ends, and returns it as it ended.
pub async fn watch(store: &dyn Store, id: RunId, json: bool) -> Result<Run> {
    let run = store.run(id).await.or_fail()?;
    let mut display = Display::new(json, read_last_time(store, &run).await?);
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let run = store.run(id).await.or_fail()?;
        display.show(&run);
        if !run.phase.is_active() || run.waits() {
            display.end();
            return Ok(run);
        }
    }
}

/// How many contacts the last completed run read: where the CRM names no total, about as many again.
async fn read_last_time(store: &dyn Store, run: &Run) -> Result<Option<u64>> {
    let runs = store.runs(&run.integration, 20).await.or_fail()?;
    let completed = runs.into_iter().find(|other| other.phase == Phase::Completed && other.kind == run.kind);
    Ok(completed.map(|other| other.counters.read))
}

struct Display {
    json: bool,
    bar: Option<ProgressBar>,
    read_last_time: Option<u64>,
    shown: Option<(Phase, u64)>,
    started: Instant,
    phase_began: (Instant, u64),
}

/// How many contacts a phase has to do with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Total {
    Known(u64),
    /// As many as the last run read.
    About(u64),
    Unknown,
}

impl Total {
    /// While reading, what the CRM says, or else the last run; afterwards, what was read.
    fn of(run: &Run, read_last_time: Option<u64>) -> Self {
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

    fn number(self) -> Option<u64> {
        match self {
            Self::Known(total) | Self::About(total) => Some(total),
            Self::Unknown => None,
        }
    }
}

impl Display {
    fn new(json: bool, read_last_time: Option<u64>) -> Self {
        let bar = (!json && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::no_length();
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        let now = Instant::now();
        Self { json, bar, read_last_time, shown: None, started: now, phase_began: (now, 0) }
    }

    fn show(&mut self, run: &Run) {
        let done = position(run);
        if self.shown == Some((run.phase, done)) {
            return;
        }
        let new_phase = self.shown.is_none_or(|(phase, _)| phase != run.phase);
        self.shown = Some((run.phase, done));
        if new_phase {
            self.phase_began = (Instant::now(), done);
        }
        let total = Total::of(run, self.read_last_time);
        let (rate, left) = (self.rate(done), self.seconds_left(total, done));
        if self.json {
            let known = matches!(total, Total::Known(_));
            let line = serde_json::json!({
                "run": run.id, "phase": run.phase, "counters": run.counters, "total": total.number(),
                "total-is-known": known, "per-second": rate, "seconds-left": left,
                "seconds": self.started.elapsed().as_secs_f64(),
            });
            output::line(&line.to_string());
        } else if let Some(bar) = &self.bar {
            bar.set_style(style(total));
            if let Some(total) = total.number() {
                bar.set_length(total);
            }
            bar.set_position(done);
            bar.set_message(message(run.phase, done, total, rate, left));
        } else if new_phase {
            output::note(&format!("{} ({} read)", headline(run.phase), number(run.counters.read)));
        }
    }

    /// Contacts a second in this phase.
    fn rate(&self, done: u64) -> f64 {
        let (since, from) = self.phase_began;
        let seconds = since.elapsed().as_secs_f64();
        // Counts stay far below 2^52, where an f64 would round.
        if seconds > 0.0 { done.saturating_sub(from) as f64 / seconds } else { 0.0 }
    }

    /// None while it cannot be told.
    fn seconds_left(&self, total: Total, done: u64) -> Option<u64> {
        let rate = self.rate(done);
        let left = total.number()?.saturating_sub(done);
        (rate > 0.0).then(|| (left as f64 / rate).ceil() as u64)
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How many contacts this phase is done with.
fn position(run: &Run) -> u64 {
    if matches!(run.phase, Phase::Accepted | Phase::Reading) {
        run.counters.read
    } else {
        run.counters.settled()
    }
}

/// `Reading from the CRM: 1 200 of about 3 000 contacts, 480/s, 4 s left`
fn message(phase: Phase, done: u64, total: Total, rate: f64, left: Option<u64>) -> String {
    if phase == Phase::Accepted {
        return headline(phase).to_owned();
    }
    let of = match total {
        Total::Known(total) => format!(" of {}", number(total)),
        Total::About(total) => format!(" of about {}", number(total)),
        Total::Unknown => String::new(),
    };
    let rate = if rate > 0.0 { format!(", {rate:.0}/s") } else { String::new() };
    let left = left.map_or_else(String::new, |seconds| format!(", {} left", time(seconds)));
    format!("{}: {}{of} contacts{rate}{left}", headline(phase), number(done))
}

fn time(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

fn headline(phase: Phase) -> &'static str {
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

/// The words are cut where the terminal ends: a line that wraps would be drawn again and again.
fn style(total: Total) -> ProgressStyle {
    let template = match total {
        Total::Unknown => "{spinner} {wide_msg}\n  [{elapsed_precise}]",
        Total::Known(_) | Total::About(_) => {
            "{spinner} {wide_msg}\n  [{elapsed_precise}] {wide_bar} {percent}%"
        }
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integration::IntegrationId;
    use crate::run::Counters;

    fn run(phase: Phase, read: u64, total: Option<u64>) -> Run {
        Run {
            kind: crate::run::RunKind::FullSync,
            id: RunId(1),
            integration: IntegrationId("acme".into()),
            forced: false,
            source: crate::run::Source::Crm,
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
    fn the_message_says_only_what_is_known() {
        let line = message(Phase::Reading, 1200, Total::About(3000), 480.2, Some(4));
        assert_eq!(line, "Reading from the CRM: 1 200 of about 3 000 contacts, 480/s, 4 s left");
        let line = message(Phase::Reading, 0, Total::Unknown, 0.0, None);
        assert_eq!(line, "Reading from the CRM: 0 contacts");
        assert_eq!((time(59), time(61), time(7300)), ("59 s".into(), "1 min 1 s".into(), "2 h 1 min".into()));
    }
}
