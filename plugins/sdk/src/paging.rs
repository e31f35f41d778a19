//! Reading in pages: cursors, and when a page was the last.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Error;

/// The contract's limit for a cursor.
const CURSOR_BYTES: usize = 4096;

/// A cursor from the connector's own type.
///
/// # Errors
/// `malformed` where it is over 4 KiB, which is a fault of the connector.
pub fn write_cursor(state: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(state)
        .ok()
        .filter(|text| text.len() <= CURSOR_BYTES)
        .ok_or_else(|| Error::malformed("The connector's cursor is over 4 KiB: report it."))
}

/// The connector's own type from a cursor, or its default at the beginning.
///
/// # Errors
/// `cursor-expired` where the cursor is not of this version of the connector.
pub fn read_cursor<T: DeserializeOwned + Default>(after: Option<&str>) -> Result<T, Error> {
    after.map_or_else(
        || Ok(T::default()),
        |text| {
            serde_json::from_str(text).map_err(|_| {
                Error::cursor_expired(
                    "The place where reading left off is of another version. Reading starts again.",
                )
            })
        },
    )
}

/// The largest page that this server has been seen to fill, for CRMs that do not say which page is the
/// last and cap the page size without saying so.
///
/// A page that is shorter than asked proves the end only where the server is known to fill pages of
/// that size; otherwise only an empty page does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Filled(u32);

impl Filled {
    /// Notes a page of `got` records where `asked` were asked for, and says whether it was the last.
    pub fn was_last(&mut self, asked: u32, got: usize) -> bool {
        let got = u32::try_from(got).unwrap_or(u32::MAX);
        if got >= asked {
            self.0 = self.0.max(asked);
        }
        got == 0 || (got < asked && asked <= self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_short_page_ends_only_where_a_full_one_was_seen() {
        let mut filled = Filled::default();
        assert!(!filled.was_last(200, 100), "the server may cap pages at 100");
        assert!(!filled.was_last(100, 100));
        assert!(filled.was_last(100, 99));
        assert!(!filled.was_last(200, 150), "nothing larger than 100 has been filled");
        assert!(filled.was_last(200, 0));
    }

    #[test]
    fn cursors() {
        let state = (7_u64, "x".to_owned());
        let cursor = write_cursor(&state).unwrap();
        assert_eq!(read_cursor::<(u64, String)>(Some(&cursor)).unwrap(), state);
        assert_eq!(read_cursor::<(u64, String)>(None).unwrap(), (0, String::new()));
        assert_eq!(read_cursor::<(u64, String)>(Some("?")).unwrap_err().kind, ErrorKind::CursorExpired);
        assert!(write_cursor(&"x".repeat(5000)).is_err());
    }
}
