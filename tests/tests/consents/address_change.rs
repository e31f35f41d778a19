//! Somebody's address changes, and the host is killed at each single request of that, before and after it took effect:
//! no instant is wrong, the end is right, and its outcome is told. How killing in this process is as good as `kill -9`
//! is told in `host`.

use futures::{StreamExt, stream};
use sluice::lane::DeliveryFilter;
use sluice::run::Phase;
use sluice_sandbox::{Consent, ConsentType, Moment, WebhookSwitches};

use crate::gaps;
use crate::model::{Channel, KINDS, PAIRS, address};
use crate::steps::{Setting, Step};
use crate::world::{Found, World};

/// Worlds at the same time.
const AT_ONCE: usize = 16;

/// The address that is left, and the one that is taken.
const OLD: u8 = 0;
const NEW: u8 = 2;

/// What is changed, and how the world is meanwhile.
#[derive(Debug, Clone, Copy)]
struct Case {
    channel: Channel,
    /// The CRM's messages are lost, and a full sync finds it.
    by_full_sync: bool,
    /// The run of it uses imports.
    imports: bool,
    /// APSIS One's consents belong to the address.
    stay_with_address: bool,
    /// Somebody signed up by a form with the old address: a profile that is no contact's.
    by_form: bool,
    /// Another contact has the old address, too, and says yes.
    shared: bool,
}

impl Case {
    /// Everybody is synced, and person 0 is opted in to all.
    async fn prepared(self) -> World {
        let setting = Setting {
            daily: false,
            imports: self.imports,
            stay_with_address: self.stay_with_address,
            untidy: false,
            fresh: true,
        };
        let mut world = World::new(setting).await;
        for person in 1..3 {
            world.step(Step::Delete { person }).await;
        }
        for channel in [Channel::Email, Channel::Sms] {
            world.step(Step::Address { person: 0, channel, address: Some(OLD) }).await;
            world
                .step(Step::Address { person: 3, channel, address: Some(if self.shared { OLD } else { 1 }) })
                .await;
        }
        for kind in 0..KINDS.len() {
            world.step(Step::Say { person: 0, kind, says: Some(true) }).await;
            world.step(Step::Say { person: 3, kind, says: Some(true) }).await;
        }
        world.end().await;
        if self.by_form {
            let keyspace = match self.channel {
                Channel::Email => "com.apsis1.keyspaces.email",
                Channel::Sms => "com.apsis1.keyspaces.mobile",
            };
            for (topic, _) in PAIRS.into_iter().filter(|(_, channel)| *channel == self.channel).take(2) {
                let consent = Consent {
                    topic: topic.id().to_owned(),
                    channel: self.channel.id().to_owned(),
                    state: ConsentType::OptIn,
                    modified_at: None,
                };
                world.sandbox.put_consent_at(keyspace, &address(self.channel, OLD), &consent).unwrap();
            }
        }
        let found = [world.found(), world.compare()].concat();
        assert!(found.is_empty(), "{self:?}: {found:?}");
        if self.by_full_sync {
            world
                .sandbox
                .set_webhook_switches(WebhookSwitches { drop: 1.0, ..world.sandbox.webhook_switches() });
        }
        world.sandbox.reset_log();
        world
    }

    async fn change(self, world: &mut World) {
        world.step(Step::Address { person: 0, channel: self.channel, address: Some(NEW) }).await;
        if self.by_full_sync {
            world.step(Step::FullSync { forced: false }).await;
        }
        world.step(Step::Quiet).await;
    }

    /// What is wrong after the change.
    async fn wrong(self, world: &World) -> Found {
        let mut found = [world.found(), world.compare()].concat();
        let (crm, mailable) = (world.crm(), world.sandbox.mailable());
        let is_mailable = |topic: &str, number: u8| {
            mailable.iter().any(|it| {
                it.channel == self.channel.id()
                    && it.topic == topic
                    && it.address == address(self.channel, number)
            })
        };
        for pair in PAIRS.into_iter().filter(|pair| pair.1 == self.channel && crm.rules.maps(*pair)) {
            if !is_mailable(pair.0.id(), NEW) {
                found.push(format!("the new address is not mailable for {:?}", pair.0));
            }
            let whole = gaps::ADDRESS_CHANGES_ARE_WHOLE || !self.by_form;
            if whole && is_mailable(pair.0.id(), OLD) != self.shared {
                let is = if self.shared { "no more mailable" } else { "still mailable" };
                found.push(format!("the old address is {is} for {:?}", pair.0));
            }
        }
        let store = &world.host().store;
        let told = store.deliveries(&World::id(), &DeliveryFilter::default(), None, 10_000).await.unwrap();
        for line in told.iter().filter(|line| line.outcome.is_none() || line.dead) {
            found.push(format!("a message has no outcome, or is a dead letter: {line:?}"));
        }
        let run = store.runs(&World::id(), 1).await.unwrap().remove(0);
        if run.phase != Phase::Completed {
            found.push(format!("the run is not completed: {run:?}"));
        }
        if self.by_full_sync && run.counters.updated != 1 {
            found.push(format!("the run tells of another number of updates: {:?}", run.counters));
        }
        found
    }

    /// How many requests the change takes, if nothing disturbs it.
    async fn undisturbed(self) -> u64 {
        let mut world = self.prepared().await;
        self.change(&mut world).await;
        let found = self.wrong(&world).await;
        assert!(found.is_empty(), "{self:?}, undisturbed: {found:?}");
        let counts = world.sandbox.counts();
        let of_apsis = counts.iter().filter(|(route, _)| route.starts_with("apsis"));
        let requests = of_apsis.flat_map(|(_, statuses)| statuses.values()).sum();
        world.close().await;
        requests
    }

    /// Killed at one request.
    async fn killed(self, skip: u64, moment: Moment) -> Option<String> {
        let mut world = self.prepared().await;
        world.step(Step::Crash { skip, moment }).await;
        self.change(&mut world).await;
        let mut found = self.wrong(&world).await;
        if world.crashes != 1 {
            found.push(format!("it was killed {} times", world.crashes));
        }
        let told = world.told();
        world.close().await;
        let says = || {
            format!(
                "{self:?}, killed at request {} ({moment:?}):\n{}\n{}",
                skip + 1,
                found.join("\n"),
                told.join("\n")
            )
        };
        (!found.is_empty()).then(says)
    }

    async fn at_every_request(self) {
        let requests = self.undisturbed().await;
        let points = (0..requests).flat_map(|skip| [(skip, Moment::Before), (skip, Moment::After)]);
        let killed =
            stream::iter(points).map(|(skip, moment)| self.killed(skip, moment)).buffer_unordered(AT_ONCE);
        let wrong: Vec<String> = killed.filter_map(async |wrong| wrong).collect().await;
        println!("{self:?}: killed at each of {requests} requests, before and after");
        assert!(requests >= 2, "{self:?}: {requests} requests");
        assert!(wrong.is_empty(), "{} of {} points:\n{}", wrong.len(), requests * 2, wrong.join("\n\n"));
    }
}

async fn in_real_time(channel: Channel) {
    every(channel, false, false).await;
}

async fn by_a_full_sync(channel: Channel) {
    every(channel, true, false).await;
}

async fn every(channel: Channel, by_full_sync: bool, imports: bool) {
    let case =
        Case { channel, by_full_sync, imports, stay_with_address: false, by_form: false, shared: false };
    case.at_every_request().await;
    Case { shared: true, ..case }.at_every_request().await;
    if gaps::ADDRESS_CHANGES_ARE_WHOLE {
        for stay_with_address in [false, true] {
            for (by_form, shared) in [(true, false), (true, true), (false, false)] {
                if stay_with_address || by_form {
                    Case { stay_with_address, by_form, shared, ..case }.at_every_request().await;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_each_request_of_a_changed_e_mail_address_in_real_time() {
    in_real_time(Channel::Email).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_each_request_of_a_changed_mobile_number_in_real_time() {
    in_real_time(Channel::Sms).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_each_request_of_a_changed_e_mail_address_in_a_full_sync() {
    by_a_full_sync(Channel::Email).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_each_request_of_a_changed_mobile_number_in_a_full_sync() {
    by_a_full_sync(Channel::Sms).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_each_request_of_a_changed_e_mail_address_in_a_full_sync_that_imports() {
    every(Channel::Email, true, true).await;
}
