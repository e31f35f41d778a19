//! Printing, where the reader may have gone: `sluice sync show acme | head` closes the pipe early.
//!
//! A command never fails, and a run never stops, because nobody reads what it prints. `println!` would
//! panic.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

static UNREAD: AtomicBool = AtomicBool::new(false);

/// Prints a line of the answer.
pub fn line(text: &str) {
    text_and_end(text, "\n");
}

/// Prints lines of the answer.
pub fn lines(lines: &[String]) {
    lines.iter().for_each(|text| line(text));
}

/// Prints a part of the answer that has its line ends.
pub fn text(text: &str) {
    text_and_end(text, "");
}

/// Prints a line that is not part of the answer, on standard error.
pub fn note(text: &str) {
    // With nobody there to be told, there is nothing to be done.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Whether nobody reads the answer any more: long lists can end.
pub fn is_unread() -> bool {
    UNREAD.load(Ordering::Relaxed)
}

fn text_and_end(text: &str, end: &str) {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes()));
    if written.and_then(|()| out.flush()).is_err() {
        UNREAD.store(true, Ordering::Relaxed);
    }
}
