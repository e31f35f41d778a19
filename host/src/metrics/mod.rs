//! What is counted and measured, for Prometheus. `docs/operations.md` lists the names; a test compares.
//!
//! One for a process, as its log is: whoever counts needs no handle. No label holds anything that comes from a contact,
//! and each has few values: integrations, words of the program, addresses of the server as patterns.

mod families;
mod standing;

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use self::families::{
    Answered, Asked, Call, Families, Kind, Named, Of, OfFunction, OfKind, OfOperation, Outcome, Route,
};
use crate::change::{Change, ContactEnd, Decoded, DeliveryNumber, LaneEnd};
use crate::integration::IntegrationId;
use crate::run::{Outcome as RunOutcome, Run};

pub use self::standing::Standings;

/// What a scrape's answer is said to be.
pub use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

static FAMILIES: LazyLock<Families> = LazyLock::new(Families::new);

/// A delivery was answered at the door; `integration`: none where the address is nobody's.
pub fn delivery_answered(integration: Option<&IntegrationId>, answer: &'static str) {
    let integration = integration.map_or_else(String::new, |id| id.0.clone());
    FAMILIES.deliveries.get_or_create(&Named { integration, answer }).inc();
}

/// What is counted once it is stored, and made out before: then it is the store's.
#[must_use]
pub struct LaneEnds {
    integration: String,
    outcomes: Vec<&'static str>,
}

impl LaneEnds {
    /// The lane brought contacts to their outcomes, or put them off.
    pub fn of(integration: &IntegrationId, ends: &[LaneEnd]) -> Self {
        let outcome = |end: &LaneEnd| match &end.end {
            ContactEnd::Ended(ended) => ended.outcome.as_str(),
            ContactEnd::Again { .. } => "again",
            ContactEnd::Dead(..) => "dead",
            ContactEnd::Forgotten => "forgotten",
        };
        Self { integration: integration.0.clone(), outcomes: ends.iter().map(outcome).collect() }
    }

    /// It is stored.
    pub fn count(self) {
        for outcome in self.outcomes {
            let of = Outcome { integration: self.integration.clone(), outcome };
            FAMILIES.lane_contacts.get_or_create(&of).inc();
        }
    }
}

/// The same for deliveries that the lane decoded, or tried to.
#[must_use]
pub struct DecodedEnds {
    integration: String,
    outcomes: Vec<&'static str>,
    discarded: usize,
}

impl DecodedEnds {
    /// What became of them.
    pub fn of(integration: &IntegrationId, decoded: &[(DeliveryNumber, Decoded)]) -> Self {
        let mut ends = Self { integration: integration.0.clone(), outcomes: Vec::new(), discarded: 0 };
        for (_, decoded) in decoded {
            ends.outcomes.push(match decoded {
                Decoded::Says(changes) => {
                    ends.discarded += changes.iter().filter(|it| matches!(it, Change::Discarded(_))).count();
                    "decoded"
                }
                Decoded::Again(..) => "again",
                Decoded::Dead(_) => "dead",
            });
        }
        ends
    }

    /// It is stored.
    pub fn count(self) {
        let of = Of { integration: self.integration.clone() };
        FAMILIES.discarded.get_or_create(&of).inc_by(u64::try_from(self.discarded).unwrap_or_default());
        for outcome in self.outcomes {
            let of = Outcome { integration: self.integration.clone(), outcome };
            FAMILIES.decoded.get_or_create(&of).inc();
        }
    }
}

/// A run ended.
pub fn run_ended(run: &Run) {
    let (integration, kind) = (run.integration.0.clone(), run.kind.as_str());
    let ended = Kind { integration: integration.clone(), kind, outcome: run.phase.as_str() };
    FAMILIES.runs.get_or_create(&ended).inc();
    for outcome in RunOutcome::ALL {
        let count = *run.counters.clone().of(outcome);
        let of = Kind { integration: integration.clone(), kind, outcome: outcome.as_str() };
        FAMILIES.run_contacts.get_or_create(&of).inc_by(count);
    }
    if let Some(ended) = run.ended_at {
        let seconds = ended.duration_since(run.accepted_at).as_secs_f64();
        FAMILIES.run_seconds.get_or_create(&OfKind { kind }).observe(seconds.max(0.0));
    }
}

/// A request to APSIS One was answered; `status`: none where no answer came.
pub fn apsis_answered(integration: &str, operation: &'static str, status: Option<u16>, took: Duration) {
    let asked = Asked { integration: integration.to_owned(), operation, status: class(status) };
    FAMILIES.apsis_requests.get_or_create(&asked).inc();
    FAMILIES.apsis_seconds.get_or_create(&OfOperation { operation }).observe(took.as_secs_f64());
    if status == Some(429) {
        FAMILIES.apsis_throttled.get_or_create(&Of { integration: integration.to_owned() }).inc();
    }
}

/// A connector's request to its CRM was answered.
pub fn crm_answered(integration: &IntegrationId, status: Option<u16>) {
    let asked = Answered { integration: integration.0.clone(), status: class(status) };
    FAMILIES.crm_requests.get_or_create(&asked).inc();
    if status == Some(429) {
        FAMILIES.crm_throttled.get_or_create(&Of { integration: integration.0.clone() }).inc();
    }
}

/// A connector's call ended; `result`: `ok` or the code of what went wrong.
pub fn connector_called(integration: &str, function: &'static str, result: &'static str, took: Duration) {
    let call = Call { integration: integration.to_owned(), function, result };
    FAMILIES.connector_calls.get_or_create(&call).inc();
    FAMILIES.connector_seconds.get_or_create(&OfFunction { function }).observe(took.as_secs_f64());
}

/// Measures how long the store takes for a write.
pub async fn store_write<T>(write: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let written = write.await;
    FAMILIES.store_write_seconds.observe(began.elapsed().as_secs_f64());
    written
}

/// A request that is being answered, for as long as this is there.
pub struct OpenRequest {
    route: Route,
    began: Instant,
}

impl OpenRequest {
    /// One to an address of this pattern.
    pub fn begin(method: &'static str, route: String) -> Self {
        let route = Route { method, route };
        FAMILIES.http_open.get_or_create(&route).inc();
        Self { route, began: Instant::now() }
    }

    /// It was answered so.
    pub fn answered(self, status: u16) {
        let Route { method, route } = self.route.clone();
        let answered = families::Served { method, route, status: class(Some(status)) };
        FAMILIES.http_requests.get_or_create(&answered).inc();
        FAMILIES.http_seconds.get_or_create(&self.route).observe(self.began.elapsed().as_secs_f64());
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        FAMILIES.http_open.get_or_create(&self.route).dec();
    }
}

/// Everything, as Prometheus reads it.
pub fn render(standings: &Standings) -> String {
    FAMILIES.render(standings)
}

fn class(status: Option<u16>) -> &'static str {
    match status {
        None => "none",
        Some(100..=199) => "1xx",
        Some(200..=299) => "2xx",
        Some(300..=399) => "3xx",
        Some(400..=499) => "4xx",
        Some(_) => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_read() {
        let acme = IntegrationId("acme-of-metrics".into());
        delivery_answered(Some(&acme), "taken");
        apsis_answered("acme-of-metrics", "token", Some(429), Duration::from_millis(3));
        let open = OpenRequest::begin("GET", "/health-of-metrics".into());
        let text = render(&Standings::default());
        for line in [
            "sluice_deliveries_received_total{integration=\"acme-of-metrics\",answer=\"taken\"} 1",
            "sluice_apsis_requests_total{integration=\"acme-of-metrics\",operation=\"token\",status=\"4xx\"} 1",
            "sluice_apsis_throttled_total{integration=\"acme-of-metrics\"} 1",
            "sluice_http_requests_open{method=\"GET\",route=\"/health-of-metrics\"} 1",
            "sluice_store_up 0",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        open.answered(200);
        assert!(
            render(&Standings::default())
                .contains("sluice_http_requests_open{method=\"GET\",route=\"/health-of-metrics\"} 0")
        );
    }
}
