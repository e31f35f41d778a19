//! Everything that the servers of one sandbox share.

use std::sync::Mutex;

use crate::apsis::Apsis;
use crate::arrivals::Arrivals;
use crate::faults::Faults;
use crate::lime::Lime;
use crate::limits::Limits;

/// The two sides, the limits, the faults and the log.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) lime: Lime,
    pub(crate) apsis: Apsis,
    pub(crate) arrivals: Mutex<Arrivals>,
    pub(crate) limits: Mutex<Limits>,
    pub(crate) faults: Mutex<Faults>,
}
