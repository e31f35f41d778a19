//! Memory stays flat however many contacts there are, and large runs add up.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_sandbox::Addresses;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use sluice_tests::rig::{ACME, Installation, assert_adds_up, at_full_size, counter, ended};

/// No process of the program may take more, in kB.
const MOST: u64 = 150_000;

/// Ten times as many contacts may take so much more, in kB.
const GROWTH: u64 = 20_000;

#[tokio::test]
async fn memory_does_not_grow_with_the_number_of_contacts() {
    let [few, many] = if at_full_size() { [20_000, 200_000] } else { [2_000, 6_000] };
    let less = peak_of_a_sync_of(few).await;
    let more = peak_of_a_sync_of(many).await;
    println!("{few} contacts: peak {less} kB; {many} contacts: peak {more} kB");
    assert!(more < MOST, "{many} contacts took {more} kB");
    assert!(more < less + GROWTH, "{few} contacts took {less} kB, {many} took {more} kB");
}

/// The most memory, in kB, that the program had during a full sync, which is right in all else, too.
async fn peak_of_a_sync_of(persons: u64) -> u64 {
    let (_sandbox, addresses) = sandbox_process(persons).await;
    let installation = Installation::new(addresses.clone(), |text| text).await;
    let start = Instant::now();
    let child = installation.spawn(&["sync", "start", ACME]);
    let id = child.id().expect("the program runs");
    let ended = tokio::spawn(ended(child));
    let mut peak = 0;
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    while !ended.is_finished() {
        pace.tick().await;
        peak = high_water_mark(id).unwrap_or(0).max(peak);
    }
    let ended = ended.await.expect("the program can be waited for");
    let took = start.elapsed();
    let run = ended.last();
    assert_eq!(ended.code(), 3, "some contacts are rejected: {}", ended.log);
    assert_eq!(run["phase"], "completed", "{run}");
    assert_adds_up(run);
    assert_eq!(counter(run, "read"), persons);
    println!("{persons} contacts in {:.1} s, peak {peak} kB: {}", took.as_secs_f64(), run["counters"]);
    let counts: Value =
        serde_json::from_str(&get(&addresses.control_url, "counts").await).expect("counts are JSON");
    println!("requests by route and status: {counts}");
    println!("peaks of rates: {}", get(&addresses.control_url, "peaks").await);

    let shown = installation.run(&["sync", "show", ACME]).await;
    let rejected: Vec<&Value> = shown.lines.iter().filter(|line| line["outcome"] == "rejected").collect();
    assert_eq!(rejected.len() as u64, counter(run, "rejected"), "each rejected contact is listed");
    let too_long = rejected.iter().filter(|line| line["reason"]["code"] == "value-too-long").count();
    assert!(too_long > 0, "there are over-long values among the generated ones");
    let profiles = get(&addresses.control_url, "profiles").await.lines().count() as u64;
    assert_eq!(profiles, counter(run, "created"), "each contact that was created has its profile");
    assert_eq!(counter(run, "updated") + counter(run, "unchanged"), 0, "there were no profiles before");
    peak
}

/// A sandbox in a process of its own, so that its memory is not this one's; it ends with the child.
async fn sandbox_process(persons: u64) -> (Child, Addresses) {
    let mut child = Command::new(sluice_tests::rig::program("sandbox-under-test"))
        .args(["--persons", &persons.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the sandbox can be started");
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().expect("its output is piped"));
    output.read_line(&mut line).await.expect("the sandbox says its addresses");
    (child, serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
}

/// The most memory that a process ever had resident, in kB; none when it has ended.
fn high_water_mark(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Asks the sandbox's own address.
async fn get(control_url: &str, what: &str) -> String {
    let (address, path) =
        control_url.trim_start_matches("http://").split_once('/').expect("the URL has a path");
    let mut stream = TcpStream::connect(address).await.expect("the sandbox answers");
    let request = format!("GET /{path}/{what} HTTP/1.0\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("the sandbox takes a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the sandbox answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("the answer has a head");
    assert!(head.contains(" 200 "), "{head}");
    body.to_owned()
}
