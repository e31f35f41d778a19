//! Everything that the servers of one sandbox share.

use std::sync::{Arc, Mutex};

use crate::apsis::Apsis;
use crate::arrivals::Arrivals;
use crate::faults::Faults;
use crate::lime::Lime;
use crate::limits::Limits;
use crate::stop::Stopping;
use crate::trial::TrialCrm;
use crate::webcrm::Webcrm;
use crate::webhooks::Webhooks;

/// The CRMs, APSIS One, the webhooks, the limits, the faults, the stop and the log.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) lime: Lime,
    pub(crate) webcrm: Webcrm,
    pub(crate) apsis: Apsis,
    /// Lime's; webCRM has its own.
    pub(crate) webhooks: Arc<Webhooks>,
    pub(crate) arrivals: Mutex<Arrivals>,
    pub(crate) limits: Mutex<Limits>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) stopping: Mutex<Stopping>,
    /// Whose people are told of at `/people`.
    pub(crate) trial: Option<TrialCrm>,
}
