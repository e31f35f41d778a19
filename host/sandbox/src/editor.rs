//! People at work in the simulated CRM: they add, change and delete persons, and change what they consent to.

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::SandboxError;
use crate::sandbox::Sandbox;

/// The consent types of the sandbox's CRM, but for one that nobody changes.
const TYPES: [u64; 6] = [1001, 1002, 1003, 1004, 1005, 1006];

/// More visits than anybody has at first.
const FIRST_VISITS: u64 = 1_000_000;

/// Edits to one person, one right after the other.
const BURST: u64 = 10;

/// Whoever edits. The same seed makes the same edits.
#[derive(Debug)]
pub struct Editor {
    chance: StdRng,
    /// Who is there, as far as the editor knows.
    persons: Vec<u64>,
    /// When the last answer was given.
    answered: Timestamp,
    made: u64,
}

impl Editor {
    /// Somebody who edits those who are in the CRM now.
    ///
    /// # Errors
    /// When the CRM has no persons.
    pub fn new(sandbox: &Sandbox, seed: u64) -> Result<Self, SandboxError> {
        let persons = sandbox.lime_ids("person")?;
        let chance = StdRng::seed_from_u64(seed);
        Ok(Self { chance, persons, answered: Timestamp::now(), made: 0 })
    }

    /// How many edits were made.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// Makes so many edits, or a few more: what belongs together is done whole. A person's visits only ever grow.
    ///
    /// # Errors
    /// When the CRM refuses one.
    pub fn edit(&mut self, sandbox: &Sandbox, times: u64) -> Result<(), SandboxError> {
        let until = self.made + times;
        while self.made < until {
            match self.chance.random_range(0..100) {
                0..8 => self.create(sandbox)?,
                8..50 => self.change(sandbox)?,
                50..85 => self.answer(sandbox)?,
                85..90 => self.delete(sandbox)?,
                _ => self.burst(sandbox)?,
            }
        }
        Ok(())
    }

    fn person(&mut self) -> Result<u64, SandboxError> {
        let person = self.persons.choose(&mut self.chance).copied();
        person.ok_or_else(|| SandboxError::Refused("the CRM has no persons left to edit".to_owned()))
    }

    fn create(&mut self, sandbox: &Sandbox) -> Result<(), SandboxError> {
        let number: u64 = self.chance.random_range(0..1_000_000_000);
        let first = ["Tuva", "Åsa", "Søren", "Олена", "Nguyễn"].choose(&mut self.chance).copied();
        let person = json!({
            "firstname": first, "lastname": format!("Number {number}"), "email": format!("n{number}@nya.example"),
            "mobilephone": format!("+4670{:07}", number % 10_000_000), "city": "Malmö", "inactive": number.is_multiple_of(9),
        });
        let person = sandbox.lime_create("person", &person)?;
        self.persons.push(person);
        self.made += 1;
        if self.chance.random() {
            self.answer_of(sandbox, person)?;
        }
        Ok(())
    }

    fn change(&mut self, sandbox: &Sandbox) -> Result<(), SandboxError> {
        let number: u32 = self.chance.random_range(0..1_000_000);
        let mut values = match self.chance.random_range(0..7) {
            0 => json!({ "email": format!("changed{number}@nya.example") }),
            1 => json!({ "email": if number.is_multiple_of(4) { "no address" } else { "" } }),
            2 => json!({ "inactive": number.is_multiple_of(2) }),
            3 => json!({ "lastname": format!("Changed {number}"), "score": number % 100 }),
            4 => json!({ "mobilephone": format!("+4670{number:07}") }),
            5 => json!({ "language": "sv", "position": "" }),
            _ => json!({ "city": format!("City {number}"), "potential": f64::from(number) / 4.0 }),
        };
        if let Some(values) = values.as_object_mut() {
            values.insert("visits".to_owned(), json!(FIRST_VISITS + self.made));
        }
        let person = self.person()?;
        sandbox.lime_update("person", person, &values)?;
        self.made += 1;
        Ok(())
    }

    fn burst(&mut self, sandbox: &Sandbox) -> Result<(), SandboxError> {
        let person = self.person()?;
        for _ in 0..BURST {
            sandbox.lime_update("person", person, &json!({ "visits": FIRST_VISITS + self.made }))?;
            self.made += 1;
        }
        Ok(())
    }

    fn answer(&mut self, sandbox: &Sandbox) -> Result<(), SandboxError> {
        let person = self.person()?;
        self.answer_of(sandbox, person)
    }

    fn answer_of(&mut self, sandbox: &Sandbox, person: u64) -> Result<(), SandboxError> {
        let kind = TYPES.choose(&mut self.chance).copied().unwrap_or_default();
        let approved: bool = self.chance.random();
        self.say(sandbox, person, kind, Some(approved))?;
        self.made += 1;
        Ok(())
    }

    /// A moment later than every one before it, and than now, however coarse the CRM's clock is.
    pub fn moment(&mut self) -> Timestamp {
        let coarse = SignedDuration::from_millis(10);
        self.answered = self.answered.max(Timestamp::now()) + coarse;
        self.answered
    }

    /// Has a person say yes or no to a consent type, or takes back that anything was said; when that was. A change of
    /// mind is on the record that is there, as the consent add-on has it.
    ///
    /// # Errors
    /// When the CRM refuses.
    pub fn say(
        &mut self,
        sandbox: &Sandbox,
        person: u64,
        kind: u64,
        approved: Option<bool>,
    ) -> Result<Timestamp, SandboxError> {
        let at = self.moment();
        let values = json!({
            "person": person, "consenttype": kind, "approved": approved, "date": at.to_string(), "source": "webform",
        });
        let mut held = None;
        for consent in sandbox.lime_related("consent", "person", person)? {
            let of = sandbox.lime_object("consent", consent)?;
            if of.get("consenttype").and_then(Value::as_u64) == Some(kind) {
                held = Some(consent);
            }
        }
        match (held, approved) {
            (Some(consent), Some(_)) => sandbox.lime_update("consent", consent, &values)?,
            (None, Some(_)) => drop::<u64>(sandbox.lime_create("consent", &values)?),
            (Some(consent), None) => sandbox.lime_delete("consent", consent)?,
            (None, None) => {}
        }
        Ok(at)
    }

    fn delete(&mut self, sandbox: &Sandbox) -> Result<(), SandboxError> {
        let person = self.person()?;
        self.persons.retain(|other| *other != person);
        sandbox.lime_delete("person", person)?;
        self.made += 1;
        Ok(())
    }
}
