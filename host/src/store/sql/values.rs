//! How the vocabulary's values are kept in columns.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Cell, FromCell, Param};
use crate::change::{ChangeNumber, ChangeOutcome, DeliveryNumber};
use crate::contact::ContactId;
use crate::hosting::HostId;
use crate::integration::IntegrationId;
use crate::need::NeedCode;
use crate::run::{BatchState, Outcome, Phase, RunId, RunKind, Source};
use crate::store::fault::Fault;

/// A vocabulary value as JSON text.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, Fault> {
    // serde_json's own message may quote the value.
    serde_json::to_string(value).map_err(|_| Fault::Content("a value has no JSON form".to_owned()))
}

/// An optional value as JSON text.
pub(super) fn some_to_json<T: Serialize>(value: Option<&T>) -> Result<Option<String>, Fault> {
    value.map(to_json).transpose()
}

/// A vocabulary value from a column's JSON text.
pub(super) fn from_json<T: DeserializeOwned>(column: &str, json: &str) -> Result<T, Fault> {
    serde_json::from_str(json).map_err(|error| {
        let place = error.column();
        Fault::Content(format!("column {column} holds what cannot be read, at character {place}"))
    })
}

/// A list of contacts for `LIST(?n)`.
pub(super) fn list<'a>(contacts: impl IntoIterator<Item = &'a ContactId>) -> Param<'a> {
    Param::List(contacts.into_iter().map(|contact| contact.0.as_str()).collect())
}

/// A moment, as microseconds since 1970: the precision that PostgreSQL keeps too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(pub Timestamp);

/// The last whole second that a moment can be.
const LAST_MOMENT: i64 = 253_402_207_200_000_000;

/// A number that is never negative; the databases' integers are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(pub u64);

/// An enum that is stored as a word.
pub(super) trait Word: Copy + Sized + 'static {
    /// Every case.
    const CASES: &'static [Self];
    /// The word.
    fn word(self) -> &'static str;
}

/// The column form of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored<T>(pub T);

impl<T: Word> FromCell for Stored<T> {
    fn from_cell(cell: Cell) -> Option<Self> {
        let Cell::Text(text) = cell else { return None };
        T::CASES.iter().find(|case| case.word() == text).copied().map(Self)
    }
}

impl<T: Word> From<Stored<T>> for Param<'_> {
    fn from(Stored(value): Stored<T>) -> Self {
        Self::Text(Cow::Borrowed(value.word()))
    }
}

impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}

impl<'a, T> From<Option<T>> for Param<'a>
where
    Param<'a>: From<T>,
{
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::from)
    }
}

/// Values that are an integer, or a text, by themselves.
macro_rules! plain {
    ($($type:ty: $cell:ident, $from:expr, $to:expr;)*) => {$(
        impl FromCell for $type {
            fn from_cell(cell: Cell) -> Option<Self> {
                match cell {
                    Cell::$cell(value) => ($from)(value),
                    _ => None,
                }
            }
        }

        impl From<$type> for Param<'_> {
            fn from(value: $type) -> Self {
                ($to)(value)
            }
        }
    )*};
}

plain! {
    i64: Int, Some, Param::Int;
    u32: Int, |value| u32::try_from(value).ok(), |value| Param::Int(i64::from(value));
    bool: Int, |value| Some(value != 0), |value| Param::Int(i64::from(value));
    RunId: Int, |value| Some(RunId(value)), |value: RunId| Param::Int(value.0);
    DeliveryNumber: Int, |value| Some(DeliveryNumber(value)), |value: DeliveryNumber| Param::Int(value.0);
    ChangeNumber: Int, |value| Some(ChangeNumber(value)), |value: ChangeNumber| Param::Int(value.0);
    Moment: Int,
        |value| Timestamp::from_microsecond(value).ok().map(Moment),
        |value: Moment| Param::Int(value.0.as_microsecond().min(LAST_MOMENT));
    Count: Int,
        |value| u64::try_from(value).ok().map(Count),
        |value: Count| Param::Int(i64::try_from(value.0).unwrap_or(i64::MAX));
    String: Text, Some, |value| Param::Text(Cow::Owned(value));
    Vec<u8>: Bytes, Some, |value| Param::Bytes(Cow::Owned(value));
    ContactId: Text, |value| Some(ContactId(value)), |value: ContactId| Param::Text(Cow::Owned(value.0));
    IntegrationId: Text,
        |value| Some(IntegrationId(value)),
        |value: IntegrationId| Param::Text(Cow::Owned(value.0));
    HostId: Text, |value| Some(HostId(value)), |value: HostId| Param::Text(Cow::Owned(value.0));
}

impl<'a> From<&'a str> for Param<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a String> for Param<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a [u8]> for Param<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a ContactId> for Param<'a> {
    fn from(value: &'a ContactId) -> Self {
        Self::Text(Cow::Borrowed(&value.0))
    }
}

impl<'a> From<&'a IntegrationId> for Param<'a> {
    fn from(value: &'a IntegrationId) -> Self {
        Self::Text(Cow::Borrowed(&value.0))
    }
}

impl<'a> From<&'a HostId> for Param<'a> {
    fn from(value: &'a HostId) -> Self {
        Self::Text(Cow::Borrowed(&value.0))
    }
}

impl Word for Outcome {
    const CASES: &'static [Self] = &Self::ALL;
    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Word for ChangeOutcome {
    const CASES: &'static [Self] = &Self::ALL;
    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Word for Source {
    const CASES: &'static [Self] = &Self::ALL;
    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Word for RunKind {
    const CASES: &'static [Self] = &[Self::FullSync, Self::Daily, Self::DryRun];
    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Word for Phase {
    const CASES: &'static [Self] = &[
        Self::Accepted,
        Self::Reading,
        Self::Comparing,
        Self::Held,
        Self::Importing,
        Self::Verifying,
        Self::Writing,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];
    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Word for NeedCode {
    const CASES: &'static [Self] = &Self::ALL;
    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Word for BatchState {
    const CASES: &'static [Self] = &[Self::Chosen, Self::Uploaded, Self::Ended];
    fn word(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Uploaded => "uploaded",
            Self::Ended => "ended",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_moment_comes_back() {
        let Param::Int(last) = Param::from(Moment(Timestamp::MAX)) else { panic!("a moment is a number") };
        assert!(last >= Timestamp::MAX.as_microsecond() - 1_000_000);
        assert!(Moment::from_cell(Cell::Int(last)).is_some());
    }
}
