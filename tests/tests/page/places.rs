//! Addresses that should lead out: to files of the host, or to another host.

use super::visitor::{Browser, Seen, assert_well, encoded, host, throw_head, token_of};
use hyper::Method;
use hyper::StatusCode;
use sluice_tests::rig::ACME;

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_to_a_file() {
    let live = host().await;
    let good = Browser::log_in(&live, &token_of(&live, "operator", &[]).await).await;
    let cookie = format!("Cookie: {}\r\n", good.cookie.as_deref().unwrap());
    let there = throw_head(&live, b"/assets/page.css", "").await;
    assert_eq!(there.status, Some(200), "{}", there.text);
    let ways: [&[u8]; 24] = [
        b"/assets/../../etc/passwd",
        b"/assets/../../../../../../../../etc/passwd",
        b"/../../../../../../etc/passwd",
        b"/assets/..%2f..%2f..%2f..%2fetc%2fpasswd",
        b"/assets/%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        b"/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        b"/assets/%252e%252e%252f%252e%252e%252fetc%252fpasswd",
        b"/assets/..\\..\\..\\etc\\passwd",
        b"/assets/..%5c..%5c..%5cetc%5cpasswd",
        b"/assets/....//....//etc/passwd",
        b"/assets//etc/passwd",
        b"/assets/%2fetc%2fpasswd",
        b"/assets/..%c0%af..%c0%afetc%c0%afpasswd",
        b"/assets/%ff%fe",
        b"/assets/page.css%00",
        b"/assets/page.css%00.svg",
        b"/assets/%00",
        b"/assets/page.css\0",
        b"/assets/\0",
        b"/assets/",
        b"/assets/page.css/",
        b"/assets/../sluice.db",
        b"/assets/..%2fsluice.db",
        b"file:///etc/passwd",
    ];
    for way in ways {
        let said = String::from_utf8_lossy(way);
        for headers in ["", cookie.as_str()] {
            let thrown = throw_head(&live, way, headers).await;
            assert!(matches!(thrown.status, Some(400 | 404)), "{said}: {:?} {}", thrown.status, thrown.text);
            for content in ["root:", "SQLite format", ".brand"] {
                assert!(!thrown.text.contains(content), "{said}: {}", thrown.text);
            }
        }
    }
    // The same as parts of addresses that are there.
    for part in ["..%2f..%2fetc%2fpasswd", "%00", "%2e%2e", "..%5c.."] {
        for path in [
            format!("/integrations/{part}"),
            format!("/integrations/new/{part}"),
            format!("/integrations/{ACME}/overviews/{part}"),
            format!("/integrations/{ACME}/runs/{part}"),
            format!("/integrations/{ACME}/activity/{part}"),
        ] {
            let thrown = throw_head(&live, path.as_bytes(), &cookie).await;
            // What becomes of `..` in an address is the client's; here it is a name that nothing has.
            assert!(matches!(thrown.status, Some(400 | 404)), "{path}: {:?} {}", thrown.status, thrown.text);
        }
        let contact = format!("/integrations/{ACME}/contacts/{part}");
        let thrown = throw_head(&live, contact.as_bytes(), &cookie).await;
        assert!(
            thrown.status.is_some_and(|status| status < 500),
            "{contact}: {:?} {}",
            thrown.status,
            thrown.text
        );
        assert!(!thrown.text.contains("root:"), "{contact}: {}", thrown.text);
    }
    assert_well(&live, &good).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_to_another_host() {
    let live = host().await;
    let token = token_of(&live, "operator", &[]).await;
    let good = Browser::log_in(&live, &token).await;
    let nobody = Browser::nobody(&live);
    let own = reqwest::Url::parse(&live.url()).unwrap();
    // As a browser reads it.
    let assert_here = |what: &str, seen: &Seen| {
        let there = own.join(seen.location()).unwrap();
        assert_eq!(there.origin(), own.origin(), "{what}: {}", seen.location());
        assert!(!seen.location().contains("://"), "{what}: {}", seen.location());
    };
    let place = format!("/integrations/{ACME}/activity?outcome=dead");
    let login = format!("/login?next={}", encoded(&place));
    assert_eq!(good.get(&login).await.location(), place);
    assert_eq!(
        nobody.ask(Method::POST, "/login", &[], &[("token", &token), ("next", &place)]).await.location(),
        place
    );

    for evil in [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "\\/evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "https://evil.example",
        "https:evil.example",
        "http:\\\\evil.example",
        "evil.example",
        "@evil.example",
        ".evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "/\r\nSet-Cookie: a=b",
        "/\r\nLocation: //evil.example",
    ] {
        let seen = good.get(&format!("/login?next={}", encoded(evil))).await;
        assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, "/integrations"), "{evil:?}");
        let seen = nobody.ask(Method::POST, "/login", &[], &[("token", &token), ("next", evil)]).await;
        assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, "/integrations"), "{evil:?}");
        assert_eq!(seen.headers.get_all("set-cookie").iter().count(), 1, "{evil:?}");
        // What a form is shown with, it sends.
        let shown = nobody.get(&format!("/login?next={}", encoded(evil))).await;
        assert!(shown.text.contains("name=\"next\" value=\"/integrations\""), "{evil:?}: {}", shown.text);
        // Whatever else takes part of an address into another.
        for rest in ["/contacts?id=", "/activity?contact="] {
            let path = format!("/integrations/{ACME}{rest}{}", encoded(evil));
            let seen = good.get(&path).await;
            assert_eq!(seen.status, StatusCode::SEE_OTHER, "{path}: {}", seen.text);
            assert!(
                seen.location().starts_with(&format!("/integrations/{ACME}/contacts/")),
                "{path}: {}",
                seen.location()
            );
            assert_here(&path, &seen);
        }
        let seen = good.post(&format!("/integrations/{ACME}/look-again"), &[("tab", evil)]).await;
        assert_eq!(seen.location(), format!("/integrations/{ACME}"), "{evil:?}");
    }
    // Nor by the host that is asked for, or by what stands before the path.
    for (target, headers) in [
        ("/", "Host: evil.example\r\nX-Forwarded-Host: evil.example\r\n"),
        ("/integrations", "X-Forwarded-Host: evil.example\r\n"),
        ("http://evil.example/integrations", ""),
        ("//evil.example/integrations", ""),
    ] {
        let thrown = throw_head(&live, target.as_bytes(), headers).await;
        let sent = thrown
            .text
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("location:").map(str::to_owned));
        assert!(
            sent.is_none_or(|to| to.trim().starts_with('/') && !to.trim().starts_with("//")),
            "{target}: {}",
            thrown.text
        );
    }
    assert_well(&live, &good).await;
}

// Whoever sends slowly.
