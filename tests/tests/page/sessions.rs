//! Sessions that somebody planted, that are over, or that somebody tries to guess.

use super::visitor::{Browser, COOKIE, Seen, assert_well, host, no_token, token_of};
use hyper::Method;
use hyper::StatusCode;
use sluice_tests::rig::ACME;

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_somebody_planted_is_nobodys() {
    let live = host().await;
    let token = token_of(&live, "operator", &[]).await;
    let nobody = Browser::nobody(&live);
    let attacker = Browser::log_in(&live, &token_of(&live, "viewer", &[]).await).await;
    let made_up = format!("{COOKIE}={}", "A".repeat(43));
    // One that is none, and one that the attacker has for himself.
    for planted in [made_up.as_str(), attacker.cookie.as_deref().unwrap()] {
        let planted = nobody.with_cookie(planted);
        let seen = planted.enter(&token).await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
        assert_ne!(seen.cookie(), planted.cookie.as_deref());
        assert!(planted.get("/integrations").await.is_to_login());
        assert_eq!(
            nobody.with_cookie(seen.cookie().unwrap()).get("/integrations").await.status,
            StatusCode::OK
        );
    }
    assert!(attacker.get("/integrations").await.is_to_login());

    // Of two nobody knows which was planted.
    let good = Browser::log_in(&live, &token).await;
    let own = good.cookie.as_deref().unwrap();
    let secret = own.split_once('=').unwrap().1;
    for both in [
        format!("{own}; {made_up}"),
        format!("{made_up}; {own}"),
        format!("{own}; {own}"),
        format!("{COOKIE}=; {own}"),
    ] {
        assert!(nobody.with_cookie(&both).get("/integrations").await.is_to_login(), "{both}");
    }
    let in_two_lines = good.ask(Method::GET, "/integrations", &[("cookie", made_up.as_str())], &[]).await;
    assert!(in_two_lines.is_to_login());
    for wrong in [
        String::new(),
        format!("{COOKIE}="),
        format!("{COOKIE}={}", &secret[1..]),
        format!("{COOKIE}={secret}A"),
    ] {
        assert!(nobody.with_cookie(&wrong).get("/integrations").await.is_to_login(), "{wrong}");
    }
    // Others beside it do not matter.
    assert_eq!(
        nobody.with_cookie(&format!("a=b; {own}; __Host-{made_up}; c")).get("/integrations").await.status,
        StatusCode::OK
    );

    // A session is no token, and in no address.
    let as_token = format!("Bearer {secret}");
    let seen = nobody.ask(Method::GET, "/api/v1/me", &[("authorization", &as_token)], &[]).await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
    assert_eq!(good.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    assert!(nobody.get(&format!("/integrations?{own}")).await.is_to_login());
    assert_well(&live, &good).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_over_after_the_next_login_after_logging_out_and_with_its_token() {
    let live = host().await;
    let token = token_of(&live, "operator", &[]).await;
    let first = Browser::log_in(&live, &token).await;
    let seen = first.enter(&token).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    let flags = seen.header("set-cookie");
    let parts: Vec<&str> = flags.split(';').map(str::trim).collect();
    assert!(parts[0].starts_with("sluice-session="), "{flags}");
    for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(parts.contains(&part), "{part}: {flags}");
    }
    assert!(!flags.to_lowercase().contains("domain"), "{flags}");
    assert!(!flags.contains(token.splitn(3, '_').last().unwrap()), "the token is in the cookie");

    let second = first.with_cookie(seen.cookie().unwrap()).at_home().await;
    assert_ne!(first.cookie, second.cookie);
    assert_ne!(first.proof, second.proof);
    assert!(first.get("/integrations").await.is_to_login());
    // Whoever is logged in is not asked to.
    assert_eq!(second.get("/login").await.location(), "/integrations");

    let out = second.post("/logout", &[]).await;
    assert_eq!((out.status, out.location()), (StatusCode::SEE_OTHER, "/login"));
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{}", out.header("set-cookie"));
    assert!(second.get("/integrations").await.is_to_login());
    assert!(second.post(&format!("/integrations/{ACME}/disable"), &[]).await.is_to_login());
    assert_eq!(live.status().await["enabled"], true);

    let good = Browser::log_in(&live, &token).await;
    let revoked = token_of(&live, "operator", &[]).await;
    let ends = [Browser::log_in(&live, &revoked).await, Browser::log_in(&live, &revoked).await];
    let id = revoked.split('_').nth(1).unwrap();
    let done = live.run(&["token", "revoke", id]).await;
    assert_eq!(done.code(), 0, "{}", done.log);
    for browser in &ends {
        assert!(browser.get("/integrations").await.is_to_login());
        assert!(browser.post(&format!("/integrations/{ACME}/disable"), &[]).await.is_to_login());
    }
    assert_eq!(live.status().await["enabled"], true);
    assert_eq!(Browser::nobody(&live).enter(&revoked).await.status, StatusCode::UNAUTHORIZED);
    assert_well(&live, &good).await;
}

// Guessed tokens.

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_tokens_has_to_wait() {
    let live = host().await;
    let token = token_of(&live, "viewer", &[]).await;
    let good = Browser::log_in(&live, &token).await;
    let nobody = Browser::nobody(&live);
    let guesses = [
        no_token(),
        "sluice_".to_owned(),
        String::new(),
        format!("{token}A"),
        token[..token.len() - 1].to_owned(),
    ];
    for number in 1..=11 {
        let seen = nobody.enter(&guesses[number % guesses.len()]).await;
        assert_eq!(seen.cookie(), None);
        match number {
            1..10 => assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "guess {number}: {}", seen.text),
            // Whether the tenth is told already to wait does not matter.
            10 => assert!(seen.status.is_client_error()),
            _ => assert_waits(&seen),
        }
    }
    // A right one, too, since whoever guesses could not tell; and another address is not believed.
    assert_waits(&nobody.enter(&token).await);
    let elsewhere =
        [("x-forwarded-for", "192.0.2.7"), ("x-real-ip", "192.0.2.7"), ("forwarded", "for=192.0.2.7")];
    assert_waits(&nobody.ask(Method::POST, "/login", &elsewhere, &[("token", &token)]).await);
    // A machine at the same address goes on working; guessing there is no way around it.
    let me = async |token: &str| {
        let bearer = format!("Bearer {token}");
        nobody.ask(Method::GET, "/api/v1/me", &[("authorization", &bearer)], &[]).await
    };
    assert_eq!(me(&token).await.status, StatusCode::OK);
    assert_waits(&me(&no_token()).await);
    assert_eq!(me(&token).await.status, StatusCode::OK);
    assert_well(&live, &good).await;
}

fn assert_waits(seen: &Seen) {
    assert_eq!(seen.status, StatusCode::TOO_MANY_REQUESTS, "{}", seen.text);
    assert_eq!(seen.cookie(), None);
    let after: u64 = seen.header("retry-after").parse().expect("it is said in Retry-After when to try again");
    assert!((1..=61).contains(&after), "{after}");
}

// Paths out of the folder, and addresses elsewhere.
