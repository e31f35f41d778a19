//! The disk's own limit: write 1 KiB and wait until it is there, one after the other.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use crate::MEASURED;

/// Durable writes a second into a file of this folder.
pub fn writes_a_second(folder: &Path) -> f64 {
    let path = folder.join("fsync");
    let mut file = File::create(&path).unwrap();
    let (began, mut writes) = (Instant::now(), 0_u32);
    while began.elapsed() < MEASURED {
        file.write_all(&[7; 1024]).unwrap();
        file.sync_data().unwrap();
        writes += 1;
    }
    std::fs::remove_file(&path).unwrap();
    f64::from(writes) / began.elapsed().as_secs_f64()
}
