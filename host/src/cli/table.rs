//! Plain tables for the terminal.

use std::fmt::Write as _;

/// Letters in a cell: two of them and their names fit beside each other on a wide terminal.
const CELL: usize = 40;

/// Lines up columns: the first row is the heading. Columns are as wide as their widest cell, but for
/// the last, which is not padded.
pub fn render(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string cannot fail.
            let _ = write!(line, "  {cell:<width$}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A value that fits into a cell: one line, cut with an ellipsis.
pub fn cell(value: &str) -> String {
    let mut letters = value.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut text: String = letters.by_ref().take(CELL).collect();
    if letters.next().is_some() {
        text.pop();
        text.push('…');
    }
    text
}

/// Two columns, names to the left and numbers to the right.
pub fn render_numbers(rows: &[Vec<String>]) -> String {
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let (names, numbers) = (width(0).unwrap_or(0), width(1).unwrap_or(0));
    let line = |row: &Vec<String>| match row.as_slice() {
        [name, number] => format!("  {name:<names$}  {number:>numbers$}\n"),
        _ => String::new(),
    };
    rows.iter().map(line).collect()
}

/// A number with spaces between thousands: `200 000`.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_they_hold() {
        let rows = vec![vec!["id".into(), "name".into()], vec!["åäö-long".into(), "x".into()]];
        assert_eq!(render(&rows), "  id        name\n  åäö-long  x\n");
    }

    #[test]
    fn a_long_cell_ends_in_an_ellipsis() {
        assert_eq!(cell("short\nlines"), "short lines");
        assert_eq!(cell(&"å".repeat(40)), "å".repeat(40));
        assert_eq!(cell(&"å".repeat(41)), format!("{}…", "å".repeat(39)));
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(number(7), "7");
        assert_eq!(number(3000), "3 000");
        assert_eq!(number(1_200_300), "1 200 300");
    }
}
