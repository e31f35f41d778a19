//! Drives the line of a contact: CRM -> connector -> rules -> intent -> APSIS One -> outcome -> ledger.
//!
//! A full sync reads every page and decides every contact before it writes the first, so that a run
//! that would do harm can be seen before it does. The lane takes what the CRM sends, one contact after the
//! other, while no run is active. All their state is in the store: whichever host holds the integration can go
//! on with it.

mod account;
mod alerting;
mod auditing;
mod braking;
mod bulk;
mod checking;
mod contact_steps;
mod daily;
mod deciding;
mod drift;
mod explaining;
mod failure;
mod fetching;
mod foretelling;
mod forgetting;
mod holding;
mod lane;
mod line;
mod mapping;
mod mending;
mod merging;
mod moving;
mod overviews;
mod patience;
mod reading;
mod recording;
mod running;
mod secrets;
mod seen;
mod service;
mod sides;
mod versions;
mod voices;
mod webhook;
mod work;
mod worker;
mod writing;

pub use alerting::{AlertError, Alerting};
pub use auditing::{AuditOrder, Audited, ReadBy};
pub use checking::{Unchecked, check_rules};
pub use daily::next_due;
pub use drift::{Difference, DriftKind, FoundConsent};
pub use failure::SyncError;
pub use foretelling::{Consent as ForetoldConsent, Foretold};
pub use forgetting::forget_all;
pub use holding::{Hold, Holdings, LEASE, Terms, Validity};
pub use line::{Line, Patience, check_connection, connect, load, load_component};
pub use mapping::{Fills, PausedRow, check_names, check_types, resolve};
pub use merging::{MergeEnd, Stricter, merge_address, stricter};
pub use overviews::{Found, look, tags_of};
pub use secrets::{AtHand, Secrets};
pub use service::Service;
pub use sides::{Sides, sides};
pub use versions::compare;
