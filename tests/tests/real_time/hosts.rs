//! Three hosts on one PostgreSQL, behind a balancer: one is killed, another one frozen until its lease has ended,
//! again and again. Order and equality hold, and what the frozen one still wants to write is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use sluice_sandbox::{Fault, FaultRule, People, SandboxConfig, WebhookSwitches, When};
use sluice_tests::balancer::Balancer;
use sluice_tests::dice::Dice;
use sluice_tests::ports::free_port;
use sluice_tests::postgres;
use sluice_tests::processes::Followed;
use sluice_tests::rig::{ACME, Rig, at_full_size, ended, eventually};

use crate::live::{IMMEDIATELY, Live};

/// Seconds.
const LEASE: u64 = 2;

struct Host {
    data: String,
    listen: SocketAddr,
    served: Followed,
    /// Its name, as the store knows it.
    name: String,
}

impl Host {
    async fn start(rig: &Rig, data: &str, listen: SocketAddr, public_url: &str) -> Self {
        let (address, lease) = (listen.to_string(), LEASE.to_string());
        let arguments = ["serve", "--listen", &address, "--public-url", public_url, "--lease", &lease];
        let mut served = Followed::start_on(rig, data, &arguments);
        let answer = served.until(|line| line["listening"].is_string()).await;
        let name = answer["host"].as_str().unwrap().to_owned();
        Self { data: data.to_owned(), listen, served, name }
    }

    fn log(&self, rig: &Rig) -> String {
        std::fs::read_to_string(rig.path(&format!("{}.log", self.data))).unwrap()
    }
}

struct Hosts {
    hosts: Vec<Host>,
    url: String,
    _balancer: Balancer,
}

impl Hosts {
    async fn start(rig: &Rig) -> Self {
        let addresses: Vec<SocketAddr> = (0..3).map(|_| ([127, 0, 0, 1], free_port()).into()).collect();
        let balancer = Balancer::start(addresses.clone()).await;
        let url = format!("http://{}", balancer.address);
        let mut hosts = Vec::new();
        for (number, address) in addresses.into_iter().enumerate() {
            hosts.push(Host::start(rig, &format!("host-{number}"), address, &url).await);
        }
        Self { hosts, url, _balancer: balancer }
    }

    /// Kills one, and starts another one in its place.
    async fn replace(&mut self, rig: &Rig, number: usize) {
        let host = self.hosts.remove(number);
        host.served.signal("KILL");
        drop(host.served.end().await);
        let host = Host::start(rig, &host.data, host.listen, &self.url).await;
        self.hosts.insert(number, host);
    }

    fn number_of(&self, name: &str) -> Option<usize> {
        self.hosts.iter().position(|host| host.name == name)
    }
}

/// Whether a host says that it no longer holds what it held.
fn was_told(log: &str) -> bool {
    log.contains("lease-lost") || log.contains("another host has taken over")
}

/// Which host holds the integration now; waits until one does.
async fn holder(live: &Live, hosts: &Hosts, but: Option<usize>) -> usize {
    eventually("another host holds it", async || {
        let status = live.status().await;
        let held = status["host"].as_str().and_then(|name| hosts.number_of(name));
        held.filter(|number| Some(*number) != but)
    })
    .await
}

#[tokio::test]
async fn hosts_that_die_and_hosts_that_freeze_are_replaced() {
    let rounds = if at_full_size() { 40 } else { 4 };
    let webhooks = WebhookSwitches {
        parallel: 8,
        duplicates: 0.1,
        delay_max_millis: 50,
        reorder: 0.1,
        timeout_millis: 1500,
        first_pause_millis: 20,
        longest_pause_millis: 200,
        ..WebhookSwitches::default()
    };
    // So that something is always on its way.
    let slow = FaultRule {
        route: "apsis.attributes.patch".to_owned(),
        fault: Fault::Latency { min_millis: 5, max_millis: 150 },
        when: When::Probability(1.0),
    };
    let people = People::Generated { persons: 200, seed: 5 };
    let config = SandboxConfig { people, webhooks, faults: vec![slow], ..SandboxConfig::default() };
    let live = Live::still(Some(postgres::database().url), config, |text| text + IMMEDIATELY).await;
    let mut hosts = Hosts::start(&live).await;
    live.until_subscribed_at(&hosts.url).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");

    let mut editor = live.editor();
    let mut dice = Dice::seeded();
    let (mut told, mut refused) = (false, 0);
    let mut runs = Vec::new();
    for round in 0..rounds {
        if round % 8 == 3 {
            runs.push(live.spawn(&["sync", "start", ACME]));
        }
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..dice.below(40) {
            pace.tick().await;
            editor.edit(&live.sandbox, 2).unwrap();
        }
        // The one that is at work stands still until another one has taken over, and then goes on.
        let frozen = holder(&live, &hosts, None).await;
        let before = hosts.hosts[frozen].log(&live).len();
        hosts.hosts[frozen].served.signal("STOP");
        editor.edit(&live.sandbox, 20).unwrap();
        let next = holder(&live, &hosts, Some(frozen)).await;
        // Now and then the one that has taken over dies at once.
        if dice.below(2) == 0 {
            hosts.replace(&live, next).await;
        }
        hosts.hosts[frozen].served.signal("CONT");
        for _ in 0..dice.below(20) {
            pace.tick().await;
            editor.edit(&live.sandbox, 2).unwrap();
        }
        let log = hosts.hosts[frozen].log(&live)[before..].to_owned();
        told |= was_told(&log);
        refused += log.matches("a late write was refused").count();
        if round % 3 == 0 {
            let killed = usize::try_from(dice.below(3)).unwrap();
            hosts.replace(&live, killed).await;
        }
    }
    for run in runs {
        let run = ended(run).await;
        assert!(
            run.last()["phase"] == "completed" || run.last()["error"]["code"] == "run-active",
            "{}",
            run.log
        );
    }
    let sent = live.until_quiet().await;
    println!("{rounds} rounds, {refused} late writes refused, {} edits, {sent:?}", editor.made());
    live.assert_equal();
    live.assert_in_order();
    let outcomes = live.outcomes().await;
    println!("{outcomes:?}");
    assert_eq!(outcomes.values().sum::<u64>(), sent.acknowledged, "each has its outcome, and exactly one");
    // A host that has much to do says so a moment later.
    eventually("one that was frozen is told that it was replaced", async || {
        (told || hosts.hosts.iter().any(|host| was_told(&host.log(&live)))).then_some(())
    })
    .await;
    assert!(refused > 0 || !at_full_size(), "something was on its way when they were frozen");
}

#[tokio::test]
async fn work_spreads_over_the_hosts_by_itself() {
    let live = Live::still(Some(postgres::database().url), SandboxConfig::default(), |text| text).await;
    let text = std::fs::read_to_string(live.path("acme.toml")).unwrap();
    for number in 0..5 {
        let file = live.path(&format!("{number}.toml"));
        std::fs::write(&file, text.replace(ACME, &format!("more-{number}"))).unwrap();
        let applied = live.run(&["integration", "apply", &file.display().to_string()]).await;
        assert_eq!(applied.code(), 0, "{}", applied.log);
    }
    let mut hosts = Hosts::start(&live).await;
    let share = async |names: BTreeSet<String>, each: usize| {
        eventually("they share the work", async || {
            let status = live.run(&["status"]).await;
            let mut held: BTreeMap<String, usize> = BTreeMap::new();
            for line in &status.lines {
                *held.entry(line["host"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
            }
            names.iter().all(|name| held.get(name) == Some(&each)).then_some(())
        })
        .await;
    };
    share(hosts.hosts.iter().map(|host| host.name.clone()).collect(), 2).await;
    let gone = hosts.hosts.remove(0);
    gone.served.signal("KILL");
    drop(gone.served.end().await);
    share(hosts.hosts.iter().map(|host| host.name.clone()).collect(), 3).await;
    // Told to stop, a host gives back what it holds at once.
    let gone = hosts.hosts.remove(0);
    gone.served.signal("TERM");
    assert_eq!(gone.served.end().await.0, Some(0));
    share(hosts.hosts.iter().map(|host| host.name.clone()).collect(), 6).await;
}
