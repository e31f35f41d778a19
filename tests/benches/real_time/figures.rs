//! Figures, and how they are shown.

use std::time::Duration;

/// Several rounds of one measurement.
#[derive(Debug, Clone)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    pub fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        Self(figures)
    }

    /// Those from the first to the last tenth: the others are the machine's.
    pub fn middle(figures: Vec<f64>) -> Self {
        let Self(figures) = Self::of(figures);
        let tenth = figures.len() / 10;
        Self(figures[tenth..figures.len() - tenth].to_vec())
    }

    /// The one in the middle.
    pub fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    /// `34,000 (33,100-34,200)`.
    pub fn whole(&self) -> String {
        let (least, most) = (self.0[0], self.0[self.0.len() - 1]);
        format!("{} ({}-{})", whole(self.median()), whole(least), whole(most))
    }

    /// `1.2 (1.1-1.4)`.
    pub fn tenths(&self) -> String {
        format!("{:.1} ({:.1}-{:.1})", self.median(), self.0[0], self.0[self.0.len() - 1])
    }
}

/// `34,000`.
fn whole(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The value that so many percent do not exceed, in milliseconds.
pub fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(at).map_or(0.0, Duration::as_secs_f64) * 1000.0
}

/// A row of a table.
pub fn row(cells: &[&str]) {
    println!("| {} |", cells.join(" | "));
}

/// The first rows of a table.
pub fn head(title: &str, cells: &[&str]) {
    println!("\n## {title}\n");
    row(cells);
    row(&cells.iter().map(|_| "---").collect::<Vec<_>>());
}
