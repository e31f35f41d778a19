//! The rate limits of both sides, as sliding windows over what was let through.
//!
//! Numbers are those of the APSIS One developer hub ("Limits"), of Lime's REST start page and of webCRM's notes on its
//! API; that the first two slide is inferred, and the strictest reading.

use std::time::{Duration, Instant};

use crate::apsis::ApsisSwitches;
use crate::arrivals::{MINUTE, SECOND, Window, Windows};
use crate::lime::LimeSwitches;
use crate::webcrm::WebcrmSwitches;

/// The windows.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    account: Window,
    profiles: Windows,
    tokens: Window,
    imports: Window,
    exports: Window,
    downloads: Window,
    lime: Window,
    webcrm: Window,
}

/// One window and how many it may hold.
struct Limit<'a> {
    window: &'a mut Window,
    length: Duration,
    most: usize,
}

/// Lets a request through all of its limits, or through none; the seconds to wait otherwise.
fn admit(now: Instant, mut limits: Vec<Limit<'_>>) -> Result<(), u64> {
    for limit in &mut limits {
        if limit.window.held(now, limit.length) >= limit.most {
            return Err(limit.length.as_secs());
        }
    }
    for limit in limits {
        limit.window.add(now, limit.length);
    }
    Ok(())
}

impl Limits {
    pub(crate) fn apsis(
        &mut self,
        now: Instant,
        route: &str,
        profile: Option<u64>,
        switches: &ApsisSwitches,
    ) -> Result<(), u64> {
        let limit = |window, length, most| Limit { window, length, most };
        let mut limits = Vec::new();
        match route {
            "apsis.import.upload" => {}
            "apsis.token" => limits.push(limit(&mut self.tokens, MINUTE, switches.tokens_per_minute)),
            "apsis.export.download" => {
                limits.push(limit(&mut self.downloads, MINUTE, switches.downloads_per_minute));
            }
            _ => {
                limits.push(limit(&mut self.account, SECOND, switches.account_per_second));
                if route == "apsis.import.start" {
                    limits.push(limit(&mut self.imports, MINUTE, switches.imports_per_minute));
                }
                if route == "apsis.export.start" {
                    limits.push(limit(&mut self.exports, SECOND, switches.exports_per_second));
                }
                if let Some(key) = profile {
                    let window = self.profiles.get(key, now, SECOND);
                    limits.push(limit(window, SECOND, switches.profile_per_second));
                }
            }
        }
        admit(now, limits)
    }

    pub(crate) fn lime(&mut self, now: Instant, switches: &LimeSwitches) -> Result<(), u64> {
        let length = Duration::from_secs(switches.rate_window_seconds);
        admit(now, vec![Limit { window: &mut self.lime, length, most: switches.rate_limit }])
    }

    /// webCRM says how long it is until one more request fits.
    pub(crate) fn webcrm(&mut self, now: Instant, switches: &WebcrmSwitches) -> Result<(), u64> {
        if !switches.limited {
            return Ok(());
        }
        let length = Duration::from_secs(switches.rate_window_seconds);
        admit(now, vec![Limit { window: &mut self.webcrm, length, most: switches.rate_limit }]).map_err(
            |whole| {
                let since = self.webcrm.first().map_or(Duration::ZERO, |first| now.duration_since(first));
                let left = length.saturating_sub(since);
                left.as_secs().saturating_add(1).min(whole)
            },
        )
    }
}
