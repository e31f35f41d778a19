//! A host that others reach: by TLS, or by a proxy that speaks it. A browser's session is then sent over TLS alone.

use std::net::Ipv4Addr;

use hyper::{Method, StatusCode};
use reqwest::Certificate;
use sluice_tests::live::Live;
use sluice_tests::processes::{Followed, say};

use super::visitor::{Browser, COOKIE, still, token_of};

const PRIVATE: &str = "__Host-sluice-session";

/// A host that serves as these words say, from a machine with a certificate of its own for `localhost`; its address, and
/// a browser that trusts it.
async fn served(live: &Live, words: &[&str]) -> (Followed, Browser) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (live.path("certificate.pem"), live.path("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    let mut arguments = vec!["serve", "--listen", "0.0.0.0:0"];
    for word in words {
        arguments.push(match *word {
            "CERTIFICATE" => &certificate,
            "KEY" => &key,
            other => other,
        });
    }
    let mut served = Followed::start(live, &arguments);
    let answer = served.until(|line| line["listening"].is_string()).await;
    let port = answer["listening"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    let scheme = if words.contains(&"KEY") { "https" } else { "http" };
    let trusted = Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    (served, Browser::at(&format!("{scheme}://localhost:{port}"), Some(trusted)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_others_could_listen_in_to_does_not_start() {
    let live = still().await;
    let said = say(&live.data(), &["serve", "--listen", "0.0.0.0:0"]).await;
    assert_ne!(said.code, 0);
    for word in ["listen-unprotected", "--tls-certificate", "--behind-proxy"] {
        assert!(said.err.contains(word) || said.out.contains(word), "{word}: {} {}", said.out, said.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_only_the_cookie_counts_that_nobody_can_plant() {
    let live = still().await;
    let token = token_of(&live, "operator", &[]).await;
    let words = ["--tls-certificate", "CERTIFICATE", "--tls-key", "KEY"];
    let (served, nobody) = served(&live, &words).await;
    a_session_is_private(&nobody, &token).await;

    // Whoever does not trust the certificate, or speaks without TLS, is shown nothing.
    let stranger = reqwest::Client::new();
    assert!(stranger.get(format!("{}/login", nobody.place())).send().await.is_err());
    let plain = nobody.place().replace("https:", "http:");
    assert!(stranger.get(format!("{plain}/login")).send().await.is_err());
    assert_eq!(nobody.get("/login").await.status, StatusCode::OK);

    served.signal("TERM");
    assert_eq!(served.end().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_each_visitor_is_known_by_the_address_that_the_proxy_names() {
    let live = still().await;
    let token = token_of(&live, "operator", &[]).await;
    let (served, nobody) = served(&live, &["--behind-proxy"]).await;
    a_session_is_private(&nobody, &token).await;

    // Whoever guesses is made to wait; whoever comes from elsewhere is not.
    let from = |last: u8| Ipv4Addr::new(203, 0, 113, last).to_string();
    let enter = async |address: &str, token: &str| {
        nobody.ask(Method::POST, "/login", &[("x-forwarded-for", address)], &[("token", token)]).await.status
    };
    let guesser = from(1);
    let mut guesses = 0;
    while enter(&guesser, "guessed").await != StatusCode::TOO_MANY_REQUESTS {
        guesses += 1;
        assert!(guesses < 100, "nobody makes the guesser wait");
    }
    // What a visitor claims stands before what the proxy adds.
    assert_eq!(enter(&format!("{}, {guesser}", from(3)), &token).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(enter(&from(2), &token).await, StatusCode::SEE_OTHER);

    served.signal("TERM");
    assert_eq!(served.end().await.0, Some(0));
}

async fn a_session_is_private(nobody: &Browser, token: &str) {
    let seen = nobody.enter(token).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    let flags = seen.header("set-cookie");
    let parts: Vec<&str> = flags.split(';').map(str::trim).collect();
    assert!(parts[0].starts_with(&format!("{PRIVATE}=")), "{flags}");
    for part in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(parts.contains(&part), "{part}: {flags}");
    }
    assert!(!flags.to_lowercase().contains("domain"), "{flags}");
    assert!(seen.header("strict-transport-security").contains("max-age="), "{:?}", seen.headers);

    let own = parts[0];
    let secret = own.split_once('=').unwrap().1;
    let with = async |cookie: String| nobody.with_cookie(&cookie).get("/integrations").await;
    assert_eq!(with(own.to_owned()).await.status, StatusCode::OK);
    assert!(with(format!("{COOKIE}={secret}")).await.is_to_login(), "a name that anybody can plant counts");
    // Nor does one that somebody planted shut the session out.
    assert_eq!(with(format!("{COOKIE}=planted; {own}")).await.status, StatusCode::OK);
}
