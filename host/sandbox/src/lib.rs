//! Simulated Lime CRM, webCRM and APSIS One as real HTTP servers on the loopback address, for trying Sluice and for
//! testing it.
//!
//! Promises: never easier on a client than the real service as far as that is documented; where the
//! documentation leaves something open, the choice is a switch ([`LimeSwitches`],
//! [`WebcrmSwitches`], [`ApsisSwitches`], [`WebhookSwitches`]) and its default the harder one. What goes wrong does so only when it is asked for.
//! Everything a test needs to know is kept apart from what a client sees: the log of arrivals, the peaks of
//! every limit, what an import did with each row, what became of each webhook, the profiles as they are.
//! It knows nothing of Sluice itself, so that a comparison with it proves something.

mod apsis;
mod arrivals;
mod call;
mod control;
mod editor;
mod error;
mod faults;
mod lime;
mod limits;
mod lock;
pub mod program;
mod sandbox;
mod server;
mod stop;
mod trial;
mod webcrm;
mod webhooks;
mod world;

pub use apsis::{
    ApsisSwitches, ConsentType, DumpedProfile, EmptyText, ExportEnd, ImportEnd, ImportReport, ImportStatus,
    Mailable, MailableChange, SECTION, TakenKey,
};
pub use arrivals::{Arrival, Peaks};
pub use editor::Editor;
pub use error::SandboxError;
pub use faults::{Fault, FaultRule, When};
pub use lime::{LimeSwitches, People, Subscription};
pub use sandbox::{Addresses, CLIENT_ID, Consent, Sandbox, SandboxConfig};
pub use stop::{Moment, Stop};
pub use trial::TrialCrm;
pub use webcrm::{Hook, HookBody, SENSITIVE, WebcrmConfig, WebcrmSwitches};
pub use webhooks::{ChildrenUpdate, Webhook, WebhookCounters, WebhookState, WebhookSwitches};
