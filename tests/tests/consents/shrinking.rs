//! Makes a failing sequence smaller, by leaving out steps for as long as it fails without them.

use crate::sequences::go_through;
use crate::steps::Sequence;
use crate::world::Found;

/// Attempts in all: each takes about a second.
const ATTEMPTS: usize = 80;

/// The least sequence that was found to fail, with what was found.
pub async fn shrunk(
    mut sequence: Sequence,
    mut found: Found,
    mut told: Vec<String>,
) -> (Sequence, Found, Vec<String>) {
    let mut attempts = 0;
    let mut size = sequence.steps.len().div_ceil(2);
    while size > 0 && attempts < ATTEMPTS {
        let mut at = 0;
        let mut smaller = false;
        while at < sequence.steps.len() && attempts < ATTEMPTS {
            let mut without = sequence.clone();
            without.steps.drain(at..(at + size).min(sequence.steps.len()));
            attempts += 1;
            let (again, became) = go_through(&without).await;
            if again.is_empty() {
                at += size;
            } else {
                (sequence, found, told, smaller) = (without, again, became, true);
            }
        }
        if !smaller || size > 1 {
            size /= 2;
        }
    }
    (sequence, found, told)
}
