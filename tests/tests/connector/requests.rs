//! Where requests may go, and what is put into them as they leave.

use std::time::{Duration, Instant};

use sluice::connector::{CallError, Connection, NextStep};
use sluice::error::ErrorCode;

use super::crm::Crm;
use super::{SECRET, Stage, Wish, scan_fails, text};

/// The refusal of a request that was denied.
fn denied(error: &CallError) -> &str {
    assert_eq!((error.code(), error.next_step()), ("connector-denied", NextStep::StopUntilMended), "{error}");
    match error {
        CallError::Denied { refusal, .. } => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_granted_origin_answers() {
    let (stage, crm) = (Stage::new().await, Crm::start().await);
    let connection = stage.open(Wish::new("fetches").at(&crm.url).target(crm.at("/hello")));
    assert_eq!(text(connection.scan(None, 10).await.unwrap()), "200 hello");
}

#[tokio::test]
async fn an_origin_that_was_not_granted_is_never_reached() {
    let (stage, crm, elsewhere) = (Stage::new().await, Crm::start().await, Crm::start().await);
    for target in [
        elsewhere.at("/hello"),
        // The same server by another name, and the granted name where it is no name.
        format!("http://localhost:{}/hello", crm.port),
        format!("http://127.0.0.1:{}@localhost:{}/hello", crm.port, elsewhere.port),
        "file:///etc/passwd".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let error =
            scan_fails(&stage, &stage.open(Wish::new("fetches").at(&crm.url).target(target.as_str()))).await;
        denied(&error);
    }
    let error =
        scan_fails(&stage, &stage.open(Wish::new("fetches").at(&crm.url).target(elsewhere.at("/hello"))))
            .await;
    assert!(denied(&error).contains(&format!("{} is not granted", elsewhere.url)), "{error}");
    assert_eq!((crm.requests(), elsewhere.requests()), (0, 0));
}

#[tokio::test]
async fn link_local_addresses_are_not_reached_even_where_granted() {
    let stage = Stage::new().await;
    for url in
        ["http://169.254.169.254", "http://[fe80::1]", "http://[fd00:ec2::254]", "http://[::ffff:a9fe:a9fe]"]
    {
        let error = scan_fails(&stage, &stage.open(Wish::new("fetches-url").at(url))).await;
        assert!(denied(&error).contains("never reached"), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_needs_the_operators_word() {
    let (stage, crm) = (Stage::new().await, Crm::start().await);
    // Resolved, and refused for its addresses: the name itself is granted.
    let wish = Wish { url: format!("https://localhost:{}", crm.port), ..Wish::new("fetches-url") };
    let error = scan_fails(&stage, &stage.open(wish)).await;
    assert!(denied(&error).contains("grant.private-network"), "{error}");

    let wish = Wish { url: format!("https://127.0.0.1:{}", crm.port), ..Wish::new("fetches-url") };
    let error = scan_fails(&stage, &stage.open(wish)).await;
    assert!(denied(&error).contains("grant.private-network"), "{error}");
    assert_eq!(crm.requests(), 0);

    let by_name = format!("http://localhost:{}", crm.port);
    let wish = Wish::new("fetches").at(&by_name).target(format!("{by_name}/hello"));
    assert_eq!(text(stage.open(wish).scan(None, 10).await.unwrap()), "200 hello");
}

#[tokio::test]
async fn a_redirect_stays_within_its_origin() {
    let (stage, crm, elsewhere) = (Stage::new().await, Crm::start().await, Crm::start().await);
    let redirected =
        |to: &str| stage.open(Wish::new("header").at(&crm.url).target(crm.at(&format!("/redirect?to={to}"))));
    for to in ["http://169.254.169.254/latest/meta-data/", &elsewhere.at("/echo"), "file:///etc/passwd"] {
        let error = scan_fails(&stage, &redirected(to)).await;
        let refusal = denied(&error);
        assert!(refusal.contains(&crm.url) && refusal.contains("redirects to"), "{refusal}");
        assert!(!refusal.contains("meta-data"), "the address itself is not shown: {refusal}");
    }
    assert_eq!((crm.requests(), elsewhere.requests()), (3, 0));

    // Within the origin the secret goes along, and a POST that was answered with 302 becomes a GET.
    let followed = text(redirected("/echo").scan(None, 10).await.unwrap());
    assert_eq!(followed, format!("200 GET\nx-api-key: {SECRET}\naccept-encoding: gzip\n\n"));
    let kept = text(redirected("/echo&status=307").scan(None, 10).await.unwrap());
    assert!(kept.starts_with("200 POST\n"), "{kept}");
}

#[tokio::test]
async fn a_redirect_without_end_ends() {
    let (stage, crm) = (Stage::new().await, Crm::start().await);
    let error =
        scan_fails(&stage, &stage.open(Wish::new("fetches").at(&crm.url).target(crm.at("/round")))).await;
    assert_eq!(error.code(), "connector-limit-redirects");
    assert_eq!(crm.requests(), 6);
}

#[tokio::test]
async fn secrets_are_put_in_as_the_request_leaves() {
    let (stage, crm) = (Stage::new().await, Crm::start().await);
    let basic = "dXNlcjpzM2NyM3QtYXBpLWtleS0wMDAx";
    for (fault, arrived) in [
        ("bearer", format!("POST\nauthorization: Bearer {SECRET}\naccept-encoding: gzip\n\n")),
        ("basic", format!("POST\nauthorization: Basic {basic}\naccept-encoding: gzip\n\n")),
        ("header", format!("POST\nx-api-key: {SECRET}\naccept-encoding: gzip\n\n")),
        (
            "form",
            format!(
                "POST\ncontent-type: application/x-www-form-urlencoded\naccept-encoding: gzip\n\ngrant=a+b&secret={SECRET}"
            ),
        ),
        (
            "json",
            format!(
                "POST\ncontent-type: application/json\naccept-encoding: gzip\n\n{{\"auth\":{{\"user\":\"u\",\"key\":\"{SECRET}\"}}}}"
            ),
        ),
    ] {
        let connection = stage.open(Wish::new(fault).at(&crm.url).target(crm.at("/echo")));
        assert_eq!(text(connection.scan(None, 10).await.unwrap()), format!("200 {arrived}"), "{fault}");
    }
}

#[tokio::test]
async fn a_secret_that_is_not_there_and_a_header_that_is_the_hosts_are_refused() {
    let (stage, crm) = (Stage::new().await, Crm::start().await);
    let error =
        scan_fails(&stage, &stage.open(Wish::new("unknown-secret").at(&crm.url).target(crm.at("/echo"))))
            .await;
    assert!(denied(&error).contains("no secret `other`"), "{error}");
    let error =
        scan_fails(&stage, &stage.open(Wish::new("sets-host").at(&crm.url).target(crm.at("/echo")))).await;
    assert!(denied(&error).contains("`host`"), "{error}");
    assert_eq!(crm.requests(), 0);
}

#[tokio::test]
async fn a_request_without_an_answer_is_the_connectors_to_judge() {
    let (stage, crm) = (Stage::new().await, Crm::start().await);
    let broken = stage.open(Wish::new("fetches").at(&crm.url).target(crm.at("/breaks")));
    let error = scan_fails(&stage, &broken).await;
    assert_eq!(error.code(), "crm-unavailable");
    assert_eq!(error.to_string(), format!("scan: No answer: the connection to {} broke", crm.url));

    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nobody = format!("http://{free}");
    let error = scan_fails(&stage, &stage.open(Wish::new("fetches-url").at(&nobody))).await;
    assert!(error.to_string().contains("cannot be reached"), "{error}");

    let unknown = Wish { url: "https://no-such-crm.invalid".into(), ..Wish::new("fetches-url") };
    let error = scan_fails(&stage, &stage.open(unknown)).await;
    assert!(error.to_string().contains("does not resolve"), "{error}");

    // A status is an answer, whatever it says.
    let busy = stage.open(Wish::new("fetches").at(&crm.url).target(crm.at("/too-many-requests")));
    assert_eq!(text(busy.scan(None, 10).await.unwrap()), "429 slow down");
}

#[tokio::test]
async fn connections_with_one_credential_share_its_pace() {
    let (stage, crm) = (Stage::new().await, Crm::start().await);
    // The connector says 1,000 in 10 s: 200 at once, then one every 12.75 ms.
    let open = || {
        let wish =
            Wish { times: Some(110), ..Wish::new("fetches-often").at(&crm.url).target(crm.at("/hello")) };
        stage.open(wish)
    };
    let (one, other): (Connection, Connection) = (open(), open());
    let start = Instant::now();
    let (first, second) = tokio::join!(one.scan(None, 1), other.scan(None, 1));
    first.unwrap();
    second.unwrap();
    assert!(start.elapsed() >= Duration::from_micros(12_750) * 20, "{:?}", start.elapsed());
    assert_eq!(crm.requests(), 220);
}
