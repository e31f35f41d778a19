//! Which keys an export had, remembered on disk in sorted pieces, so that memory does not grow with them; and asked
//! in ascending order, as the store lists contacts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use std::mem;
use std::path::{Path, PathBuf};

use crate::contact::ContactId;

/// Keys that are sorted in memory at once.
const PIECE: usize = 20_000;

/// Bytes that are read of each piece at once.
const BUFFER: usize = 8 * 1024;

/// Keys on their way in.
pub struct SeenKeys {
    spool: PathBuf,
    piece: Vec<String>,
    pieces: Vec<File>,
}

impl SeenKeys {
    /// None yet; they are kept in unnamed files of this folder.
    pub fn new(spool: &Path) -> Self {
        Self { spool: spool.to_owned(), piece: Vec::new(), pieces: Vec::new() }
    }

    /// Remembers a key.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn add(&mut self, key: &ContactId) -> io::Result<()> {
        self.piece.push(key.0.clone());
        if self.piece.len() >= PIECE { self.put_piece() } else { Ok(()) }
    }

    /// One key in a line, as JSON: a key may hold whatever it likes.
    fn put_piece(&mut self) -> io::Result<()> {
        let mut piece = mem::take(&mut self.piece);
        piece.sort_unstable();
        let mut file = BufWriter::new(tempfile::tempfile_in(&self.spool)?);
        for key in piece {
            serde_json::to_writer(&mut file, &key)?;
            file.write_all(b"\n")?;
        }
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.pieces.push(file);
        Ok(())
    }

    /// All of them, to be asked for.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sorted(mut self) -> io::Result<SortedKeys> {
        self.put_piece()?;
        let pieces = self.pieces.into_iter().map(|file| BufReader::with_capacity(BUFFER, file)).collect();
        let mut sorted = SortedKeys { pieces, heads: BinaryHeap::new() };
        for at in 0..sorted.pieces.len() {
            sorted.take_from(at)?;
        }
        Ok(sorted)
    }
}

/// Keys in ascending order of their bytes.
pub struct SortedKeys {
    pieces: Vec<BufReader<File>>,
    /// The next key of each piece that has one.
    heads: BinaryHeap<Reverse<(String, usize)>>,
}

impl SortedKeys {
    /// Whether a key is among them. To be asked in ascending order: what is smaller is forgotten.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn has(&mut self, key: &ContactId) -> io::Result<bool> {
        while let Some(Reverse((head, at))) = self.heads.peek() {
            if *head == key.0 {
                return Ok(true);
            }
            if *head > key.0 {
                return Ok(false);
            }
            let at = *at;
            self.heads.pop();
            self.take_from(at)?;
        }
        Ok(false)
    }

    fn take_from(&mut self, at: usize) -> io::Result<()> {
        let Some(piece) = self.pieces.get_mut(at) else { return Ok(()) };
        let mut line = String::new();
        if piece.read_line(&mut line)? > 0 {
            self.heads.push(Reverse((serde_json::from_str(&line)?, at)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: impl ToString) -> ContactId {
        ContactId(text.to_string())
    }

    #[test]
    fn every_key_is_found_and_no_other_however_many_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let mut seen = SeenKeys::new(folder.path());
        // Every other number, from both ends, one of them twice.
        for number in (0..3 * PIECE).rev().filter(|number| number.is_multiple_of(2)).chain([4]) {
            seen.add(&id(number)).unwrap();
        }
        seen.add(&id("line\nend \"é\"")).unwrap();
        let mut sorted = seen.sorted().unwrap();
        let mut asked: Vec<ContactId> = (0..3 * PIECE).map(id).collect();
        asked.sort_unstable();
        for key in asked {
            let number: usize = key.0.parse().unwrap();
            assert_eq!(sorted.has(&key).unwrap(), number.is_multiple_of(2), "{key}");
        }
        assert!(sorted.has(&id("line\nend \"é\"")).unwrap());
        assert!(!sorted.has(&id("zzz")).unwrap());
    }

    #[test]
    fn of_none_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!SeenKeys::new(folder.path()).sorted().unwrap().has(&id(1)).unwrap());
    }
}
