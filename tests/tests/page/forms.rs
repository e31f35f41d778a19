//! Forms that no page of the session has sent: another site can have a browser send them, and changes nothing by it.

use super::visitor::{Browser, assert_well, host, token_of};
use hyper::Method;
use hyper::StatusCode;
use sluice_tests::rig::ACME;

/// Names and values.
type Fields<'a> = &'a [(&'a str, &'a str)];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_by_a_form_that_no_page_of_the_session_has_sent() {
    let live = host().await;
    let token = token_of(&live, "operator", &[]).await;
    let ours = Browser::log_in(&live, &token).await;
    let second = Browser::log_in(&live, &token).await;
    let other = Browser::log_in(&live, &token_of(&live, "operator", &[]).await).await;
    assert!(ours.proof != second.proof && ours.proof != other.proof);
    let session = ours.cookie.as_deref().unwrap().split_once('=').unwrap().1;
    let proof = ours.proof.as_str();
    let half = &proof[..proof.len() / 2];
    let forged: [(&str, Fields<'_>, Fields<'_>); 11] = [
        ("no proof", &[], &[]),
        ("an empty proof", &[], &[("proof", "")]),
        ("half a proof", &[], &[("proof", half)]),
        ("the session as its proof", &[], &[("proof", session)]),
        ("the proof of another session of the token", &[], &[("proof", second.proof.as_str())]),
        ("the proof of another token's session", &[], &[("proof", other.proof.as_str())]),
        ("the same in the header", &[("x-form-proof", other.proof.as_str())], &[]),
        ("from another site", &[("sec-fetch-site", "cross-site")], &[("proof", proof)]),
        ("from a neighbour", &[("sec-fetch-site", "same-site")], &[("proof", proof)]),
        (
            "from another site by the header",
            &[("sec-fetch-site", "cross-site"), ("x-form-proof", proof)],
            &[],
        ),
        (
            "from another site by htmx",
            &[("sec-fetch-site", "cross-site"), ("hx-request", "true")],
            &[("proof", proof)],
        ),
    ];
    let disable = format!("/integrations/{ACME}/disable");
    let delete = format!("/integrations/{ACME}/delete");
    for path in [disable.as_str(), delete.as_str(), "/logout"] {
        for (what, headers, fields) in forged {
            let seen = ours.ask(Method::POST, path, headers, fields).await;
            seen.assert_not_ours(&format!("{path}: {what}"));
        }
        let in_address = ours.ask(Method::POST, &format!("{path}?proof={proof}"), &[], &[]).await;
        in_address.assert_not_ours(&format!("{path}: the proof in the address"));
        // Nor is there another way to send what only a form may.
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let headers = [
                ("x-form-proof", proof),
                ("x-http-method-override", "POST"),
                ("origin", "https://evil.example"),
            ];
            let seen = ours.ask(method.clone(), path, &headers, &[]).await;
            assert_eq!(seen.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}: {}", seen.text);
            assert!(!seen.headers.contains_key("access-control-allow-origin"), "{method} {path}");
        }
    }
    assert_eq!(live.status().await["enabled"], true);
    assert_well(&live, &ours).await;

    // What a page of the session sends does what it says.
    let seen = ours.post(&disable, &[]).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    assert_eq!(seen.location(), format!("/integrations/{ACME}?done=disabled"));
    assert_eq!(live.status().await["enabled"], false);
    let headers = [("x-form-proof", proof), ("sec-fetch-site", "same-origin")];
    let seen = ours.ask(Method::POST, &format!("/integrations/{ACME}/enable"), &headers, &[]).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    assert_eq!(live.status().await["enabled"], true);
    assert_eq!(ours.post("/logout", &[]).await.location(), "/login");
    assert!(ours.get("/integrations").await.is_to_login());
    assert_well(&live, &second).await;
}

/// Else another site could log somebody in as somebody else, who then sees what is done.
#[tokio::test(flavor = "multi_thread")]
async fn another_site_logs_nobody_in() {
    let live = host().await;
    let token = token_of(&live, "viewer", &[]).await;
    let good = Browser::log_in(&live, &token).await;
    let nobody = Browser::nobody(&live);
    for site in ["cross-site", "same-site"] {
        for browser in [&nobody, &good] {
            let seen =
                browser.ask(Method::POST, "/login", &[("sec-fetch-site", site)], &[("token", &token)]).await;
            seen.assert_not_ours(site);
            assert_eq!(seen.cookie(), None, "{site}");
        }
    }
    assert_well(&live, &good).await;
    for site in ["same-origin", "none"] {
        let seen =
            nobody.ask(Method::POST, "/login", &[("sec-fetch-site", site)], &[("token", &token)]).await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER, "{site}: {}", seen.text);
    }
}

// Scripts in names.
