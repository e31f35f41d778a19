//! Whoever sends slowly, too much, or without end. Each is refused or cut off, and others are served meanwhile.

use super::visitor::{
    Browser, address, assert_well, host, status_of, throw, throw_head, to_the_end, token_of,
};
use sluice_tests::live::Live;
use sluice_tests::rig::ACME;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinSet;

/// Connections of one attack.
const CRAWLERS: usize = 200;
/// Between two bytes.
const PACE: Duration = Duration::from_millis(250);
/// What the host gives for a head (`server::listener`), and for a form (`server::page::door`).
const HEAD_WITHIN: Duration = Duration::from_secs(15);
const FORM_WITHIN: Duration = Duration::from_secs(30);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(30);

/// Somebody who sends slowly.
#[derive(Clone)]
struct Crawler {
    address: SocketAddr,
    begun: UnboundedSender<()>,
    /// How many of all were closed.
    closed: Arc<AtomicUsize>,
}

impl Crawler {
    /// Sends some bytes at once, and then one after the other for as long as they are taken: how long the host left the
    /// connection open, and what it said.
    async fn crawl(self, at_once: Vec<u8>, then: Vec<u8>) -> (Duration, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let start = Instant::now();
        let (reading, mut writing) = stream.split();
        writing.write_all(&at_once).await.unwrap();
        self.begun.send(()).unwrap();
        let write = async {
            let mut pace = tokio::time::interval(PACE);
            for byte in then.into_iter().chain(std::iter::repeat(b'a')) {
                pace.tick().await;
                if writing.write_all(&[byte]).await.is_err() {
                    break;
                }
            }
        };
        let read = async {
            let said = to_the_end(reading).await;
            self.closed.fetch_add(1, Ordering::SeqCst);
            (start.elapsed(), said)
        };
        tokio::join!(write, read).1
    }
}

/// Has all of them crawl; while they do, others are served; and each is closed within the limit.
async fn crawl(
    live: &Live,
    good: &Browser,
    crawlers: Vec<(Vec<u8>, Vec<u8>)>,
    limit: Duration,
) -> Vec<String> {
    let (begun, mut begins) = unbounded_channel();
    let closed = Arc::new(AtomicUsize::new(0));
    let crawler = Crawler { address: address(live), begun, closed: Arc::clone(&closed) };
    let (mut all, number) = (JoinSet::new(), crawlers.len());
    for (at_once, then) in crawlers {
        let crawling = crawler.clone().crawl(at_once, then);
        all.spawn(async move { tokio::time::timeout(limit, crawling).await });
    }
    drop(crawler);
    for _ in 0..number {
        begins.recv().await.expect("all begin");
    }
    assert_well(live, good).await;
    assert_eq!(closed.load(Ordering::SeqCst), 0, "others are served while all of them are open");
    let mut said = Vec::new();
    let mut open = 0;
    while let Some(crawled) = all.join_next().await {
        match crawled.unwrap() {
            Ok((after, text)) => {
                assert!(after <= limit, "{after:?}");
                said.push(text);
            }
            Err(_) => open += 1,
        }
    }
    assert_eq!(open, 0, "so many of {number} are open after {limit:?}");
    assert_well(live, good).await;
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_come_byte_by_byte_keep_nobody_waiting_and_are_cut_off() {
    let live = host().await;
    let good = Browser::log_in(&live, &token_of(&live, "viewer", &[]).await).await;
    let head = (b"G".to_vec(), b"ET /login HTTP/1.1\r\nHost: sluice\r\nX-Slow: ".to_vec());
    let said = crawl(&live, &good, vec![head; CRAWLERS], HEAD_WITHIN + SLACK).await;
    for text in said {
        assert!(matches!(status_of(&text), None | Some(400 | 408)), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_that_come_byte_by_byte_keep_nobody_waiting_and_are_cut_off() {
    let live = host().await;
    let good = Browser::log_in(&live, &token_of(&live, "operator", &[]).await).await;
    let head = |path: &str, cookie: &str, length: &str| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: sluice\r\n{cookie}Content-Type: application/x-www-form-urlencoded\r\n{length}\r\n\r\n"
        );
        (head.into_bytes(), b"next=".to_vec())
    };
    let cookie = format!("Cookie: {}\r\n", good.cookie.as_deref().unwrap());
    let disable = format!("/integrations/{ACME}/disable");
    // Longer than would come within the limit; and never a whole piece.
    let (long, pieces) = ("Content-Length: 1000", "Transfer-Encoding: chunked\r\n\r\n3e8");
    let kinds = [
        head("/login", "", long),
        head("/login", "", pieces),
        head(&disable, &cookie, long),
        head(&disable, &cookie, pieces),
    ];
    let crawlers = kinds.iter().cycle().take(CRAWLERS).cloned().collect();
    let said = crawl(&live, &good, crawlers, FORM_WITHIN + SLACK).await;
    for text in said {
        assert!(matches!(status_of(&text), None | Some(400 | 408 | 413)), "{text}");
    }
    assert_eq!(live.status().await["enabled"], true);
}

// Whoever sends without end.

const PIECE: usize = 64 * 1024;
/// 100 MB.
const HUGE: usize = 100 * 1024 * 1024;

/// A body of 100 MB, with its length said or in pieces.
fn huge(path: &str, headers: &str, is_chunked: bool) -> impl Iterator<Item = Vec<u8>> {
    let length =
        if is_chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {HUGE}") };
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: sluice\r\nConnection: close\r\n{headers}Content-Type: \
         application/x-www-form-urlencoded\r\n{length}\r\n\r\n"
    );
    let mut piece = vec![b'a'; PIECE];
    if is_chunked {
        piece = [format!("{PIECE:x}\r\n").as_bytes(), piece.as_slice(), &b"\r\n"[..]].concat();
    }
    std::iter::once(head.into_bytes()).chain(std::iter::repeat_n(piece, HUGE / PIECE))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_body_is_not_read_to_its_end() {
    let live = host().await;
    let good = Browser::log_in(&live, &token_of(&live, "operator", &[]).await).await;
    let cookie = format!("Cookie: {}\r\n", good.cookie.as_deref().unwrap());
    let proven = format!("{cookie}X-Form-Proof: {}\r\n", good.proof);
    let of = |rest: &str| format!("/integrations/{ACME}{rest}");
    let (cookie, proven) = (cookie.as_str(), proven.as_str());
    let cases: [(String, &str, &[u16]); 9] = [
        ("/login".to_owned(), "", &[413]),
        ("/login".to_owned(), cookie, &[413]),
        (of("/disable"), proven, &[413]),
        (of("/conditions"), proven, &[413]),
        (of("/fields/try"), cookie, &[403, 413]),
        ("/logout".to_owned(), cookie, &[403, 413]),
        // Whoever is not logged in is sent to the login, and nothing of it is read.
        (of("/disable"), "", &[303]),
        ("/nowhere".to_owned(), cookie, &[404, 413]),
        ("/assets/page.css".to_owned(), "", &[405, 413]),
    ];
    for is_chunked in [false, true] {
        for (path, headers, statuses) in &cases {
            let what = format!("{path} {headers:?}, in pieces: {is_chunked}");
            let thrown = throw(&live, huge(path, headers, is_chunked)).await;
            thrown.assert_refused(&what, statuses);
            // What the system's buffers hold was taken by nobody.
            assert!(thrown.taken < HUGE / 2, "{what}: {} bytes", thrown.taken);
        }
    }
    assert_eq!(live.status().await["enabled"], true);
    assert_well(&live, &good).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_headers_is_refused() {
    let live = host().await;
    let good = Browser::log_in(&live, &token_of(&live, "viewer", &[]).await).await;
    let cookie = format!("Cookie: {}\r\n", good.cookie.as_deref().unwrap());
    let many = |name: &str, times: usize| format!("{name}: a\r\n").repeat(times);
    let long = "a".repeat(1024 * 1024);
    // So much is taken of everybody, or this would try nothing.
    assert_eq!(throw_head(&live, b"/integrations", &(many("X-A", 40) + &cookie)).await.status, Some(200));

    let (line, path) = (format!("/login?next=/{long}"), format!("/assets/{long}"));
    for (what, target, headers) in [
        ("1,000 headers", "/integrations", many("X-A", 1_000) + &cookie),
        ("100,000 headers", "/integrations", many("X-A", 100_000)),
        ("1,000 cookies", "/integrations", cookie.repeat(1_000)),
        ("a header of 1 MB", "/integrations", format!("{cookie}X-A: {long}\r\n")),
        ("a cookie of 1 MB", "/integrations", format!("Cookie: sluice-session={long}\r\n")),
        ("a name of 1 MB", "/integrations", format!("{long}: a\r\n")),
        ("a request line of 1 MB", line.as_str(), String::new()),
        ("a path of 1 MB", path.as_str(), String::new()),
    ] {
        let thrown = throw_head(&live, target.as_bytes(), &headers).await;
        thrown.assert_refused(what, &[400, 414, 431]);
    }
    // A line that never ends, and what is no HTTP at all.
    let endless = throw(&live, std::iter::repeat_n(vec![b'a'; PIECE], HUGE / PIECE)).await;
    endless.assert_refused("no line", &[400, 414, 431]);
    assert!(endless.taken < HUGE / 2, "{}", endless.taken);
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /login HTTP/9.9\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: sluice\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\ntoken",
        b"POST /login HTTP/1.1\r\nHost: sluice\r\nContent-Length: -1\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: sluice\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
        b"POST /login HTTP/1.1\r\nHost: sluice\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ] {
        let thrown = throw(&live, [nonsense.to_vec()]).await;
        thrown.assert_refused(&String::from_utf8_lossy(nonsense), &[400, 413, 431, 505]);
    }
    assert_well(&live, &good).await;
}
