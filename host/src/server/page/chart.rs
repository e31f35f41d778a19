//! Charts, as inline SVG made of numbers: what deliveries came to, minute by minute, and how long they waited. The same
//! numbers are given as a table, for whoever does not see.
//!
//! Made from the newest deliveries, so that what it costs does not grow with what is kept.

use askama::Template;
use jiff::Timestamp;

use super::texts as t;
use crate::change::ChangeOutcome;
use crate::lane::DeliveryLine;
use crate::run::Outcome;

/// Deliveries that are looked at.
pub const LOOKED_AT: u32 = 2_000;
/// Bars of a chart.
const BARS: usize = 30;
/// Its size, in units of its own.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 160.0;
/// Room for words at the left and below.
const LEFT: f64 = 44.0;
const BELOW: f64 = 22.0;

/// What a delivery came to, as a chart tells it.
const SERIES: [&str; 4] =
    ["created or updated", "nothing to do", "excluded or held", "rejected, discarded or given up"];

fn series(line: &DeliveryLine) -> Option<usize> {
    if line.dead {
        return Some(3);
    }
    Some(match line.outcome? {
        ChangeOutcome::Contact(Outcome::Created | Outcome::Updated | Outcome::Deleted) => 0,
        ChangeOutcome::Contact(Outcome::Unchanged) | ChangeOutcome::Superseded => 1,
        ChangeOutcome::Contact(Outcome::Excluded) | ChangeOutcome::Held => 2,
        ChangeOutcome::Contact(Outcome::Rejected) | ChangeOutcome::Discarded => 3,
    })
}

/// One span of time.
#[derive(Debug, Clone, Default, PartialEq)]
struct Span {
    /// Deliveries that ended in it, by series.
    counts: [u32; 4],
    /// The longest that one of them waited, seconds.
    waited: f64,
}

/// The newest deliveries in spans of equal length, the oldest first; with that length in seconds.
fn spans(lines: &[DeliveryLine], now: Timestamp) -> (Vec<Span>, i64) {
    let ended = lines.iter().filter_map(|line| Some((line, series(line)?, line.ended_at?)));
    let ended: Vec<_> = ended.collect();
    let oldest = ended.iter().map(|(_, _, at)| at.as_second()).min().unwrap_or(now.as_second());
    let bars = i64::try_from(BARS).unwrap_or(1);
    // Whole minutes, so that a bar is a number of deliveries that people can say.
    let length = ((now.as_second() - oldest).max(0) / bars / 60 + 1) * 60;
    let mut spans = vec![Span::default(); BARS];
    for (line, series, at) in ended {
        let back = usize::try_from((now.as_second() - at.as_second()).max(0) / length).unwrap_or(BARS);
        let Some(span) = BARS.checked_sub(back + 1).and_then(|at| spans.get_mut(at)) else { continue };
        if let Some(count) = span.counts.get_mut(series) {
            *count += 1;
        }
        span.waited = span.waited.max(at.duration_since(line.arrived_at).as_secs_f64());
    }
    (spans, length)
}

/// A rectangle of a chart.
pub struct Bar {
    /// Its series.
    pub series: usize,
    /// Its left edge.
    pub x: String,
    /// Its upper edge.
    pub y: String,
    /// How wide.
    pub width: String,
    /// How high.
    pub height: String,
}

/// A chart, ready to be drawn.
#[derive(Template)]
#[template(path = "chart.html")]
pub struct Chart {
    title: &'static str,
    bars: Vec<Bar>,
    /// The greatest value, in words.
    top: String,
    /// When the first span begins, in words.
    from: String,
    legend: Vec<&'static str>,
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Chart {
    /// Whether there is anything to draw.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

fn bars(columns: &[Vec<f64>]) -> (Vec<Bar>, f64) {
    let top = columns.iter().map(|column| column.iter().sum::<f64>()).fold(0.0, f64::max);
    let (room, step) = (HEIGHT - BELOW - 8.0, (WIDTH - LEFT) / columns.len().max(1) as f64);
    let mut bars = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let mut base = HEIGHT - BELOW;
        for (series, value) in column.iter().enumerate().filter(|(_, value)| **value > 0.0) {
            let height = value / top * room;
            base -= height;
            bars.push(Bar {
                series,
                x: format!("{:.1}", LEFT + at as f64 * step + 1.0),
                y: format!("{base:.1}"),
                width: format!("{:.1}", step - 2.0),
                height: format!("{height:.1}"),
            });
        }
    }
    (bars, top)
}

/// What the newest deliveries came to, and how long they waited. `when`: a moment in words.
pub fn of_deliveries(
    lines: &[DeliveryLine],
    now: Timestamp,
    when: impl Fn(&Timestamp) -> String,
) -> [Chart; 2] {
    let (spans, length) = spans(lines, now);
    let begin = |at: usize| {
        let back = i64::try_from(BARS - at).unwrap_or(0) * length;
        Timestamp::from_second(now.as_second() - back).unwrap_or(now)
    };
    let filled = spans.iter().enumerate().filter(|(_, span)| span.counts.iter().any(|count| *count > 0));
    let filled: Vec<_> = filled.collect();
    let minutes = length as f64 / 60.0;
    let counts: Vec<Vec<f64>> = spans
        .iter()
        .map(|span| span.counts.iter().map(|count| f64::from(*count) / minutes).collect())
        .collect();
    let waits: Vec<Vec<f64>> = spans.iter().map(|span| vec![span.waited]).collect();
    let ((count_bars, most), (wait_bars, longest)) = (bars(&counts), bars(&waits));
    let row = |(at, span): &(usize, &Span)| {
        let counts = span.counts.iter().map(u32::to_string);
        std::iter::once(when(&begin(*at))).chain(counts).collect::<Vec<String>>()
    };
    let wait = |(at, span): &(usize, &Span)| vec![when(&begin(*at)), format!("{:.1} s", span.waited)];
    [
        Chart {
            title: t::CHART_OUTCOMES,
            bars: count_bars,
            top: format!("{most:.0}/min"),
            from: when(&begin(0)),
            legend: SERIES.to_vec(),
            head: std::iter::once(t::WHEN).chain(SERIES).collect(),
            rows: filled.iter().map(row).collect(),
        },
        Chart {
            title: t::CHART_WAIT,
            bars: wait_bars,
            top: format!("{longest:.0} s"),
            from: when(&begin(0)),
            legend: Vec::new(),
            head: vec![t::WHEN, t::CHART_WAIT],
            rows: filled.iter().map(wait).collect(),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::DeliveryNumber;

    fn line(arrived: i64, ended: Option<i64>, outcome: ChangeOutcome) -> DeliveryLine {
        let at = |second| Timestamp::from_second(second).unwrap();
        DeliveryLine {
            number: DeliveryNumber(1),
            id: None,
            arrived_at: at(arrived),
            decoded: true,
            attempts: 0,
            outcome: ended.map(|_| outcome),
            dead: false,
            cause: None,
            ended_at: ended.map(at),
        }
    }

    #[test]
    fn each_delivery_is_in_the_span_in_which_it_ended() {
        let now = Timestamp::from_second(10_000).unwrap();
        let updated = ChangeOutcome::Contact(Outcome::Updated);
        let lines = [
            line(9_990, Some(9_999), updated),
            line(9_880, Some(9_930), ChangeOutcome::Discarded),
            line(9_000, None, updated),
        ];
        let (spans, length) = spans(&lines, now);
        assert_eq!((spans.len(), length), (BARS, 60));
        assert_eq!(spans[BARS - 1], Span { counts: [1, 0, 0, 0], waited: 9.0 });
        assert_eq!(spans[BARS - 2], Span { counts: [0, 0, 0, 1], waited: 50.0 });
        assert!(spans[..BARS - 2].iter().all(|span| *span == Span::default()));
    }

    #[test]
    fn a_chart_of_nothing_draws_nothing_and_one_of_something_fits() {
        let now = Timestamp::from_second(10_000).unwrap();
        let words = |at: &Timestamp| at.as_second().to_string();
        assert!(of_deliveries(&[], now, words).iter().all(Chart::is_empty));
        let lines: Vec<_> = (0..100)
            .map(|at| line(at * 90, Some(at * 91), ChangeOutcome::Contact(Outcome::Updated)))
            .collect();
        for chart in of_deliveries(&lines, now, words) {
            assert!(!chart.bars.is_empty());
            for bar in &chart.bars {
                let number = |text: &str| text.parse::<f64>().unwrap();
                assert!(number(&bar.x) + number(&bar.width) <= WIDTH && number(&bar.x) >= LEFT);
                assert!(number(&bar.y) >= 0.0 && number(&bar.y) + number(&bar.height) <= HEIGHT);
            }
        }
    }
}
