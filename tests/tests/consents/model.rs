//! Who may be mailed what: the reference that the program is held to. Plain, slow, and sharing nothing with it.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::gaps;

/// People in the CRM.
pub const PEOPLE: usize = 4;

/// Addresses of each channel that they have among them: fewer than people, so that they are shared.
pub const ADDRESSES: u8 = 3;

/// The CRM's consent types that are mapped.
pub const KINDS: [u64; 3] = [1001, 1002, 1003];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    Email,
    Sms,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    Newsletter,
    Invitations,
    Offers,
}

/// A topic on a channel.
pub type Pair = (Topic, Channel);

/// All that the rules may map.
pub const PAIRS: [Pair; 4] = [
    (Topic::Newsletter, Channel::Email),
    (Topic::Newsletter, Channel::Sms),
    (Topic::Invitations, Channel::Email),
    (Topic::Offers, Channel::Email),
];

impl Channel {
    pub fn id(self) -> &'static str {
        match self {
            Self::Email => "com.apsis1.channels.email",
            Self::Sms => "com.apsis1.channels.sms",
        }
    }
}

impl Topic {
    pub fn id(self) -> &'static str {
        match self {
            Self::Newsletter => "usercreated.topics.newsletter-rg4kf3kt24",
            Self::Invitations => "usercreated.topics.invitations-c8v7b6n5m4",
            Self::Offers => "usercreated.topics.offers-d1f2g3h4j5",
        }
    }
}

/// An address as APSIS One has it.
pub fn address(channel: Channel, number: u8) -> String {
    match channel {
        Channel::Email => format!("a{number}@nya.example"),
        Channel::Sms => format!("4670174060{number}"),
    }
}

/// The same as a person's record in the CRM has it: everybody writes it in another way.
pub fn as_written(channel: Channel, number: u8, by: usize) -> String {
    match (channel, by % 2) {
        (Channel::Email, 0) => format!("a{number}@nya.example"),
        (Channel::Email, _) => format!(" A{number}@Nya.Example "),
        (Channel::Sms, 0) => format!("+46 70 174 06 0{number}"),
        (Channel::Sms, _) => format!("070-174060{number}"),
    }
}

/// Where the CRM's third consent type is mapped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Third {
    Invitations,
    Offers,
    /// To what the first one is mapped to, too: both must be given.
    Newsletter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    pub third: Third,
    /// Only who lives in Malmö is synced.
    pub only_malmo: bool,
}

impl Rules {
    pub const FIRST: Self = Self { third: Third::Invitations, only_malmo: false };

    /// The consent types that are asked for a pair.
    pub fn kinds(self, pair: Pair) -> Vec<usize> {
        match (pair, self.third) {
            ((Topic::Newsletter, Channel::Email), Third::Newsletter) => vec![0, 2],
            ((Topic::Newsletter, Channel::Email), _) => vec![0],
            ((Topic::Newsletter, Channel::Sms), _) => vec![1],
            ((Topic::Invitations, Channel::Email), Third::Invitations)
            | ((Topic::Offers, Channel::Email), Third::Offers) => vec![2],
            _ => vec![],
        }
    }

    pub fn maps(self, pair: Pair) -> bool {
        !self.kinds(pair).is_empty()
    }

    /// The consent mapping rows: consent type and pair.
    pub fn rows(self) -> Vec<(u64, Pair)> {
        PAIRS.iter().flat_map(|pair| self.kinds(*pair).into_iter().map(|kind| (KINDS[kind], *pair))).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Yes(Timestamp),
    No,
    Nothing,
}

/// A person as the CRM has them, and what they did in APSIS One.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub there: bool,
    pub email: Option<u8>,
    pub mobile: Option<u8>,
    pub inactive: bool,
    pub in_malmo: bool,
    pub said: [Option<(bool, Timestamp)>; 3],
    /// When they last unsubscribed in APSIS One, by their place in [`PAIRS`].
    pub unsubscribed: [Option<Timestamp>; 4],
}

impl Person {
    pub fn new(number: usize) -> Self {
        Self {
            there: true,
            email: u8::try_from(number).ok().map(|number| number % ADDRESSES),
            mobile: u8::try_from(number).ok().map(|number| (number + 1) % ADDRESSES),
            inactive: false,
            in_malmo: number.is_multiple_of(2),
            said: [None; 3],
            unsubscribed: [None; 4],
        }
    }

    pub fn address(&self, channel: Channel) -> Option<u8> {
        match channel {
            Channel::Email => self.email,
            Channel::Sms => self.mobile,
        }
    }

    /// The record's properties that the rules look at.
    pub fn values(&self, number: usize) -> Value {
        let written = |channel| {
            self.address(channel).map_or_else(String::new, |address| as_written(channel, address, number))
        };
        json!({
            "firstname": format!("P{number}"), "email": written(Channel::Email), "mobilephone": written(Channel::Sms),
            "inactive": self.inactive, "city": if self.in_malmo { "Malmö" } else { "Lund" },
        })
    }

    fn unsubscribed_after(&self, pair: Pair, yes: Timestamp) -> bool {
        let at = PAIRS.iter().position(|known| *known == pair).and_then(|place| self.unsubscribed[place]);
        at.is_some_and(|at| at > yes)
    }
}

/// Everything that decides who may be mailed, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crm {
    pub people: Vec<Person>,
    pub rules: Rules,
}

impl Crm {
    pub fn new() -> Self {
        Self { people: (0..PEOPLE).map(Person::new).collect(), rules: Rules::FIRST }
    }

    pub fn is_synced(&self, person: &Person) -> bool {
        person.there
            && person.email.is_some()
            && !person.inactive
            && (person.in_malmo || !self.rules.only_malmo)
    }

    pub fn answer(&self, person: &Person, pair: Pair) -> Answer {
        let mut answer = None;
        for kind in self.rules.kinds(pair) {
            let said = match person.said[kind] {
                None => Answer::Nothing,
                Some((true, at)) => Answer::Yes(at),
                Some((false, _)) => Answer::No,
            };
            answer = Some(match (answer, said) {
                (None, said) => said,
                (Some(Answer::No), _) | (_, Answer::No) => Answer::No,
                (Some(Answer::Nothing), _) | (_, Answer::Nothing) => Answer::Nothing,
                (Some(Answer::Yes(one)), Answer::Yes(other)) => Answer::Yes(one.min(other)),
            });
        }
        answer.unwrap_or(Answer::Nothing)
    }

    fn holders(&self, channel: Channel, address: u8) -> impl Iterator<Item = &Person> {
        self.people.iter().filter(move |person| person.there && person.address(channel) == Some(address))
    }

    /// Whether somebody who holds the address said no, so that nobody's yes counts.
    pub fn is_refused(&self, pair: Pair, address: u8) -> bool {
        self.holders(pair.1, address).any(|holder| self.answer(holder, pair) == Answer::No)
    }

    /// Whether this person's yes to it stands: given, and not unsubscribed since.
    pub fn says_yes(&self, person: &Person, pair: Pair) -> bool {
        match self.answer(person, pair) {
            Answer::Yes(at) => {
                let others = person.address(pair.1).filter(|_| gaps::UNSUBSCRIBING_IS_THE_ADDRESSES);
                let mut others = others.into_iter().flat_map(|address| self.holders(pair.1, address));
                !person.unsubscribed_after(pair, at)
                    && !others.any(|other| other.unsubscribed_after(pair, at))
            }
            Answer::No | Answer::Nothing => false,
        }
    }

    /// Whether whoever unsubscribed has since said yes anew to one of several consent types of this subscription: opted in
    /// by it, he stays so when another one is mapped there, too, to which his yes is older.
    pub fn gave_anew(&self, person: &Person, pair: Pair) -> bool {
        let kinds = self.rules.kinds(pair);
        let is_anew = |kind: &usize| matches!(person.said[*kind], Some((true, at)) if !person.unsubscribed_after(pair, at));
        kinds.len() > 1 && matches!(self.answer(person, pair), Answer::Yes(_)) && kinds.iter().any(is_anew)
    }

    /// Whether a synced person's profile is to be opted in.
    pub fn is_opted_in(&self, person: &Person, pair: Pair) -> bool {
        let refused = person.address(pair.1).is_some_and(|address| self.is_refused(pair, address));
        self.says_yes(person, pair) && !(gaps::SHARED_ADDRESSES_ARE_STRICT && refused)
    }
}

/// Whether an address may become mailable, if what is known of each contact is as old as one of these moments: some
/// synced contact held it and gave the consent, and of nobody is it known all the time that he holds and refuses it.
/// Of one moment: whether it may be mailed then.
pub fn may(moments: &[Crm], pair: Pair, address: u8) -> bool {
    let holds = |person: &Person| person.there && person.address(pair.1) == Some(address);
    let gives =
        |crm: &Crm, person: &Person| holds(person) && crm.is_synced(person) && crm.says_yes(person, pair);
    let refuses = |crm: &Crm, person: &Person| holds(person) && crm.answer(person, pair) == Answer::No;
    let at_some = |is_so: &dyn Fn(&Crm, &Person) -> bool, number: usize| {
        moments.iter().any(|crm| crm.people.get(number).is_some_and(|person| is_so(crm, person)))
    };
    let somebody = (0..PEOPLE).any(|number| at_some(&gives, number));
    let nobody_refuses = (0..PEOPLE).all(|number| at_some(&|crm, person| !refuses(crm, person), number));
    somebody && (nobody_refuses || !gaps::SHARED_ADDRESSES_ARE_STRICT)
}

impl fmt::Display for Channel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Email => "e-mail",
            Self::Sms => "SMS",
        })
    }
}
