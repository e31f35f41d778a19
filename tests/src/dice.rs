//! Chance that can be had again.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// The seed of a test's chances: `SLUICE_TEST_SEED` where it is given, else by the clock; it is printed.
pub fn seed() -> u64 {
    let given = std::env::var("SLUICE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
        u64::from(now.subsec_nanos())
    });
    println!("SLUICE_TEST_SEED={seed}");
    seed
}

pub struct Dice(StdRng);

impl Dice {
    pub fn seeded() -> Self {
        Self(StdRng::seed_from_u64(seed()))
    }

    /// A number from 0 to below this one.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0.random_range(0..limit)
    }
}
