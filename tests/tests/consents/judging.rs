//! The judge: whether somebody who becomes mailable may be, by what the CRM has or had since all was last quiet.

use std::fmt::Write as _;

use sluice_sandbox::MailableChange;

use crate::gaps;
use crate::model::{ADDRESSES, Channel, Crm, PAIRS, Rules, address, may};

/// What was found wrong, with what led to it.
pub type Found = Vec<String>;

/// The judge of each write.
pub struct Judge {
    /// The CRM as it was at the moments since all was quiet, and as it is: what is written now was read then, or
    /// later.
    pub since_quiet: Vec<Crm>,
    /// The number of the step that is being done.
    pub step: usize,
    /// Addresses that somebody had and left, in an account that keeps consents by address.
    pub left: Vec<(Channel, u8)>,
    pub found: Found,
    /// What became mailable and what no more, in words.
    pub told: Vec<String>,
}

impl Judge {
    pub fn now(&self) -> &Crm {
        self.since_quiet.last().expect("there always is a now")
    }

    /// What may be known now: of each moment since all was quiet the CRM, with the rules of it, or of any of them.
    fn moments(&self) -> Vec<Crm> {
        let mut rules: Vec<Rules> = Vec::new();
        for crm in &self.since_quiet {
            if !rules.contains(&crm.rules) {
                rules.push(crm.rules);
            }
        }
        if gaps::NEW_RULES_HOLD_AT_ONCE || rules.len() == 1 {
            return self.since_quiet.clone();
        }
        let with_each = |crm: &Crm| -> Vec<Crm> {
            rules.iter().map(|rules| Crm { people: crm.people.clone(), rules: *rules }).collect()
        };
        self.since_quiet.iter().flat_map(with_each).collect()
    }

    pub fn judge(&mut self, change: &MailableChange) {
        let what = format!(
            "{} {} mailable for {} on {}",
            change.of.address,
            if change.mailable { "becomes" } else { "is no more" },
            change.of.topic,
            change.of.channel
        );
        self.told.push(format!("step {}, write {}: {what}", self.step, change.write));
        if !change.mailable {
            return;
        }
        let pair = PAIRS
            .iter()
            .find(|(topic, channel)| topic.id() == change.of.topic && channel.id() == change.of.channel);
        let Some(pair) = pair.copied() else {
            self.found.push(format!("step {}: {what}, which no rule maps", self.step));
            return;
        };
        let number = (0..ADDRESSES).find(|number| address(pair.1, *number) == change.of.address);
        let Some(number) = number else {
            self.found.push(format!("step {}: {what}, which nobody has", self.step));
            return;
        };
        // What is not mapped is nobody's affair, and goes where its profile's address goes.
        let is_unmapped = self.since_quiet.iter().any(|crm| !crm.rules.maps(pair));
        // It is ended a request later, which is looked at when all is quiet.
        let comes_back = !gaps::WHAT_COMES_BACK_IS_RIGHT_AT_ONCE && self.left.contains(&(pair.1, number));
        if !is_unmapped && !comes_back && !may(&self.moments(), pair, number) {
            let crm = self.now();
            let mut why = String::new();
            for (at, person) in crm.people.iter().enumerate() {
                if person.address(pair.1) == Some(number) {
                    let (answer, synced) = (crm.answer(person, pair), crm.is_synced(person));
                    let _ = write!(
                        why,
                        "; person {at} has it, says {answer:?}, synced {synced}, there {}",
                        person.there
                    );
                }
            }
            self.found.push(format!(
                "step {}: {what} (by profile {:?}), and may not{why}",
                self.step, change.profile
            ));
        }
    }
}
