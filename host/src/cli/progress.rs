//! Shows a run while it goes on: a bar on a terminal, JSON lines otherwise.
//!
//! What is shown is read from the store, so that a run can be watched from any process.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::table::number;
use super::{OrFail, Result};
use crate::run::{Phase, Run, RunId};
use crate::store::Store;

/// How often the store is asked. A run of few contacts should not seem to hang, and a long one should
/// not be slowed by its spectators.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Shows a run until it ends, and returns it as it ended.
pub async fn watch(store: &dyn Store, id: RunId, json: bool) -> Result<Run> {
    let mut display = Display::new(json);
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let run = store.run(id).await.or_fail()?;
        display.show(&run);
        if !run.phase.is_active() {
            display.end();
            return Ok(run);
        }
    }
}

struct Display {
    json: bool,
    bar: Option<ProgressBar>,
    shown: Option<(Phase, u64)>,
    started: Instant,
    phase_began: (Instant, u64),
}

impl Display {
    fn new(json: bool) -> Self {
        let bar = (!json && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::no_length();
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        let now = Instant::now();
        Self { json, bar, shown: None, started: now, phase_began: (now, 0) }
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
        if self.json {
            println!(
                "{}",
                serde_json::json!({
                    "run": run.id, "phase": run.phase, "counters": run.counters, "total": total(run),
                    "per-second": self.rate(done), "seconds-left": self.seconds_left(run, done),
                    "seconds": self.started.elapsed().as_secs_f64(),
                })
            );
        } else if let Some(bar) = &self.bar {
            if new_phase {
                bar.set_style(style(run));
            }
            if let Some(total) = total(run) {
                bar.set_length(total);
            }
            bar.set_position(done);
            let rate = self.rate(done);
            let left =
                self.seconds_left(run, done).map_or_else(String::new, |left| format!(", {left} s left"));
            bar.set_message(format!(
                "{}: {} contacts{left} ({rate:.0}/s)",
                headline(run.phase),
                number(done)
            ));
        } else if new_phase {
            eprintln!("{} ({} read)", headline(run.phase), number(run.counters.read));
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
    fn seconds_left(&self, run: &Run, done: u64) -> Option<u64> {
        let rate = self.rate(done);
        let left = total(run)?.saturating_sub(done);
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

/// How many it has to do, where that is known: while reading, what the CRM says; afterwards, what was
/// read.
fn total(run: &Run) -> Option<u64> {
    if matches!(run.phase, Phase::Accepted | Phase::Reading) { run.total } else { Some(run.counters.read) }
}

fn headline(phase: Phase) -> &'static str {
    match phase {
        Phase::Accepted => "Accepted",
        Phase::Reading => "Reading from the CRM",
        Phase::Comparing => "Reading what APSIS One has",
        Phase::Importing => "Importing into APSIS One",
        Phase::Verifying => "Reading back what the import did",
        Phase::Writing => "Writing to APSIS One",
        Phase::Completed => "Completed",
        Phase::Failed => "Failed",
        Phase::Cancelled => "Cancelled",
    }
}

fn style(run: &Run) -> ProgressStyle {
    let template = if total(run).is_some() {
        "{spinner} [{elapsed_precise}] {wide_bar} {pos}/{len}  {msg}"
    } else {
        "{spinner} [{elapsed_precise}] {msg}"
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
