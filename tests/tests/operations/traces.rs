//! Traces: whoever asked for them sees what was done and nothing of a person; whatever becomes of them, the work is done.

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use sluice_tests::live::Live;
use sluice_tests::processes::Followed;
use sluice_tests::rig::{ACME, WEBHOOK_SECRET, eventually};

use crate::collector::{Collector, Mood, attribute};
use crate::{file, live};

const STOP_WITHIN: u64 = 5;
/// Longer texts of a profile are in nothing else by chance.
const TELLING: usize = 8;

/// Serves with its traces sent to this collector.
async fn serve(live: &Live, collector: &Collector) -> Followed {
    let text = format!(
        "[server]\npublic-url = \"{}\"\nstop-within = {STOP_WITHIN}\n{}",
        live.url(),
        collector.section()
    );
    let (file, url) = (file(live, &text), live.url());
    let arguments = ["serve", "--config", &file, "--listen", url.trim_start_matches("http://")];
    let mut served = Followed::start(live, &arguments);
    served.until(|line| line["listening"].is_string()).await;
    live.until_subscribed().await;
    served
}

/// Tells it to stop; it ends, whatever the collector is like.
async fn stop(served: Followed) {
    served.signal("TERM");
    assert_eq!(served.end().await.0, Some(0));
}

/// Lines of the host's log with these words.
fn logged(live: &Live, words: &str) -> usize {
    let log = std::fs::read_to_string(live.path("log")).unwrap();
    log.lines().filter(|line| line.contains(words)).count()
}

/// The spans that are this one's own, and theirs.
fn below<'a>(spans: &'a [Span], above: &Span) -> Vec<&'a Span> {
    let own = spans.iter().filter(|span| span.parent_span_id == above.span_id);
    own.flat_map(|span| std::iter::once(span).chain(below(spans, span))).collect()
}

fn named<'a>(spans: impl IntoIterator<Item = &'a Span>, name: &str) -> Option<&'a Span> {
    spans.into_iter().find(|span| span.name == name)
}

#[tokio::test]
async fn a_trace_tells_what_was_done_and_nothing_of_a_person() {
    let (live, collector) = (live(None).await, Collector::start(Mood::Takes).await);
    let served = serve(&live, &collector).await;
    let run = live.sync().await.last().clone();
    assert_eq!(run["phase"], "completed");
    live.editor().edit(&live.sandbox, 20).unwrap();
    live.until_quiet().await;
    let others_trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let http = reqwest::Client::new();
    for path in ["/api/v1/integrations", "/health/live"] {
        let request = http.get(format!("{}{path}", live.url()));
        let request = request.header("traceparent", format!("00-{others_trace}-00f067aa0ba902b7-01"));
        drop(request.send().await.unwrap());
    }
    stop(served).await;

    let spans = collector.spans();
    let find = |name: &str| named(&spans, name).unwrap_or_else(|| panic!("no span {name}"));
    let sync = find("full sync");
    for (key, value) in [
        ("integration", ACME),
        ("run", &run["id"].to_string()),
        ("phase", "completed"),
        ("read", &run["counters"]["read"].to_string()),
        ("created", &run["counters"]["created"].to_string()),
    ] {
        assert_eq!(attribute(sync, key).as_deref(), Some(value), "{key}");
    }
    assert!(sync.parent_span_id.is_empty());
    let of_sync = below(&spans, sync);
    let reading = named(of_sync.iter().copied(), "reading").expect("its phase of reading");
    let of_reading = below(&spans, reading);
    let is_call = |span: &&&Span| span.name.starts_with("connector ");
    let call = of_reading.iter().find(is_call).expect("it reads through the connector");
    assert_eq!(attribute(call, "integration").as_deref(), Some(ACME));
    let asked = named(below(&spans, call), "crm").expect("which asks the CRM");
    assert_eq!(attribute(asked, "status").as_deref(), Some("200"));
    let writing = named(of_sync.iter().copied(), "writing").expect("its phase of writing");
    let contact = named(below(&spans, writing), "contact").expect("a contact of it");
    assert!(attribute(contact, "outcome").is_some());
    let of_contact = below(&spans, contact);
    let mut requests = of_contact.iter().filter(|span| span.name.starts_with("apsis "));
    // That it has no profile yet may come first.
    let is_done = |span: &&&Span| attribute(span, "status").is_some_and(|status| status.starts_with('2'));
    let request = requests.find(is_done).expect("a request for it that APSIS One did");
    assert_eq!(request.kind(), SpanKind::Client);

    let in_lane: Vec<&Span> = spans.iter().filter(|span| span.name == "lane").collect();
    assert!(in_lane.iter().any(|lane| named(below(&spans, lane), "contact").is_some()));
    assert!(in_lane.iter().all(|lane| !below(&spans, lane).is_empty()), "a pass is told if it did something");
    let delivery = find("delivery");
    assert_eq!(attribute(delivery, "answer").as_deref(), Some("taken"));
    let door = spans.iter().find(|span| span.span_id == delivery.parent_span_id).unwrap();
    assert_eq!(door.name, "POST /deliveries/{integration}/{key}");
    assert_eq!(door.kind(), SpanKind::Server);
    let api = find("GET /api/v1/integrations");
    assert!(api.parent_span_id.is_empty() && hex::encode(&api.trace_id) != others_trace);
    assert_eq!(attribute(api, "status").as_deref(), Some("401"));
    assert!(!spans.iter().any(|span| span.name.contains("/health")));

    // The texts of all that was sent, and the bytes of ids as numbers.
    let told = format!("{:?}", collector.posted());
    assert!(told.contains("service.name") && told.contains("\"sluice\""));
    assert!(!told.contains('@') && !told.contains("http://") && !told.contains("127.0.0.1"));
    let addresses = live.sandbox.addresses();
    let mut never: BTreeSet<String> = live
        .sandbox
        .lime_subscriptions()
        .into_iter()
        .map(|it| it.target_url.rsplit('/').next().unwrap().to_owned())
        .collect();
    never.extend([&addresses.lime_key, &addresses.apsis_client_secret].map(Clone::clone));
    never.insert(WEBHOOK_SECRET.to_owned());
    let profiles = live.sandbox.profiles();
    let texts = profiles.iter().flat_map(|profile| profile.attributes.values()).filter_map(|it| it.as_str());
    never.extend(texts.filter(|text| text.len() >= TELLING).map(str::to_owned));
    assert!(never.len() > 50, "people have names and addresses");
    for text in never {
        assert!(!told.contains(&text), "{text} is in a trace");
    }
}

#[tokio::test]
async fn a_collector_that_fails_costs_the_spans_and_is_said_once() {
    let (live, collector) = (live(None).await, Collector::start(Mood::Fails).await);
    let served = serve(&live, &collector).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    eventually("more than one batch was refused", async || (collector.posted().len() > 1).then_some(()))
        .await;
    stop(served).await;
    assert_eq!(logged(&live, "traces are not taken"), 1);
}

#[tokio::test]
async fn a_collector_that_never_answers_keeps_nobody_waiting() {
    let (live, collector) = (live(None).await, Collector::start(Mood::NeverAnswers).await);
    let served = serve(&live, &collector).await;
    eventually("a batch was sent", async || (!collector.posted().is_empty()).then_some(())).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    stop(served).await;
    assert_eq!(logged(&live, "the last spans were not sent in time"), 1);
}
