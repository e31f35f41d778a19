//! Shows a run while it goes on: a bar on a terminal, JSON lines otherwise.
//!
//! What is shown is read from the store, so that a run can be watched from any process.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::table::number;
use super::{OrFail, Result, output};
use crate::progress::{Pace, Total, done, headline, in_words};
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
    pace: Option<Pace>,
}

impl Display {
    fn new(json: bool, read_last_time: Option<u64>) -> Self {
        let bar = (!json && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::no_length();
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { json, bar, read_last_time, shown: None, started: Instant::now(), pace: None }
    }

    fn show(&mut self, run: &Run) {
        let done = done(run);
        if self.shown == Some((run.phase, done)) {
            return;
        }
        let now = Instant::now();
        let is_first = self.shown.is_none();
        self.shown = Some((run.phase, done));
        let pace = self.pace.get_or_insert_with(|| Pace::new(run, now));
        let new_phase = pace.see(run, now) || is_first;
        let total = Total::of(run, self.read_last_time);
        let (rate, left) = (pace.rate(now), pace.left(total, now));
        if self.json {
            let known = matches!(total, Total::Known(_));
            let line = serde_json::json!({
                "run": run.id, "phase": run.phase, "counters": run.counters, "total": total.number(),
                "total-is-known": known, "per-second": rate, "seconds-left": left.map(|left| left.as_secs()),
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

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `Reading from the CRM: 1 200 of about 3 000 contacts, 480/s, 4 s left`
fn message(phase: Phase, done: u64, total: Total, rate: f64, left: Option<Duration>) -> String {
    if phase == Phase::Accepted {
        return headline(phase).to_owned();
    }
    let of = match total {
        Total::Known(total) => format!(" of {}", number(total)),
        Total::About(total) => format!(" of about {}", number(total)),
        Total::Unknown => String::new(),
    };
    let rate = if rate > 0.0 { format!(", {rate:.0}/s") } else { String::new() };
    let left = left.map_or_else(String::new, |left| format!(", {} left", in_words(left)));
    format!("{}: {}{of} contacts{rate}{left}", headline(phase), number(done))
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

    #[test]
    fn the_message_says_only_what_is_known() {
        let four = Some(Duration::from_secs(4));
        let line = message(Phase::Reading, 1200, Total::About(3000), 480.2, four);
        assert_eq!(line, "Reading from the CRM: 1 200 of about 3 000 contacts, 480/s, 4 s left");
        let line = message(Phase::Reading, 0, Total::Unknown, 0.0, None);
        assert_eq!(line, "Reading from the CRM: 0 contacts");
    }
}
