//! Every page at a desk's and at a phone's width, in light and in dark: nothing that axe-core finds serious, no error in the
//! browser, nothing wider than the screen. Pictures are kept in `target/pictures`, to be looked at.

use serde_json::Value;
use sluice_sandbox::Editor;
use sluice_tests::live::{Live, On};
use sluice_tests::rig::{ACME, made_up};

use crate::browser::{Chrome, VIEWS};
use crate::marketer::{empty_host, operator};

/// Looks at pages in every way.
async fn look(chrome: &Chrome, pages: &[(&str, String)]) {
    let mut wrong = Vec::new();
    for view in VIEWS {
        chrome.view(view).await;
        for (name, path) in pages {
            chrome.open(path).await;
            chrome.until("main").await;
            chrome.picture(&format!("{name}-{}", view.name)).await;
            let wide = "return [document.documentElement.scrollWidth, window.innerWidth]";
            let widths: Value = chrome.page.execute(wide, Vec::new()).await.unwrap();
            if widths[0].as_u64() > widths[1].as_u64() {
                wrong.push(format!("{name}, {}: wider than the screen: {widths}", view.name));
            }
            for found in chrome.hindrances().await {
                wrong.push(format!("{name}, {}: {found}", view.name));
            }
            // A page that says that something is not there is answered with 404, which the browser notes down.
            let own = |error: &String| *name == "failure" && error.contains("status of 404");
            for error in chrome.errors().await.into_iter().filter(|error| !own(error)) {
                wrong.push(format!("{name}, {}: {error}", view.name));
            }
        }
    }
    chrome.view(VIEWS[0]).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Pages without anything on them.
#[tokio::test(flavor = "multi_thread")]
async fn empty_pages_can_be_used_by_everybody() {
    let live = empty_host(3).await;
    let token = operator(&live).await;
    let chrome = Chrome::start(live.url()).await;
    look(&chrome, &[("login", "/login".to_owned())]).await;
    chrome.log_in(&token).await;
    chrome.open("/integrations/new").await;
    chrome.press("Lime CRM").await;
    chrome.until("#id").await;
    let new = chrome.place().await;
    let pages =
        [("empty", "/integrations".to_owned()), ("connectors", "/integrations/new".to_owned()), ("new", new)];
    look(&chrome, &pages).await;
    chrome.end().await;
}

/// Pages of an integration that has been at work.
#[tokio::test(flavor = "multi_thread")]
async fn pages_can_be_used_by_everybody() {
    let live = Live::start(On::Sqlite, made_up(300), |text| text).await;
    assert_eq!(live.run(&["sync", "start", ACME, "--dry-run"]).await.code(), 3);
    assert_eq!(live.run(&["sync", "start", ACME]).await.code(), 3);
    let mut editor = Editor::new(&live.sandbox, 3).unwrap();
    editor.edit(&live.sandbox, 40).unwrap();
    live.until_quiet().await;
    let token = operator(&live).await;
    let chrome = Chrome::start(live.url()).await;
    chrome.log_in(&token).await;
    let of = |rest: &str| format!("/integrations/{ACME}{rest}");
    look(
        &chrome,
        &[
            ("integrations", "/integrations".to_owned()),
            ("status", of("")),
            ("conditions", of("/conditions")),
            ("fields", of("/fields")),
            ("consents", of("/consents")),
            ("full-sync", of("/full-sync")),
            ("dry-run", of("/runs/1")),
            ("differences", of("/runs/1/differences")),
            ("run", of("/runs/2")),
            ("rejected", of("/runs/2/contacts?outcome=rejected")),
            ("overviews", of("/overviews")),
            ("activity", of("/activity")),
            ("delivery", of("/activity/1")),
            ("contact", of("/contacts/5001")),
            ("unknown-contact", of("/contacts/nobody")),
            ("settings", of("/settings")),
            ("failure", of("/runs/99")),
        ],
    )
    .await;
    chrome.end().await;
}
