//! Consents: the block of mass e-mail, and boxes that people tick.
//!
//! A block is a refusal by e-mail. Its absence says that nobody objected, which is no consent, so it is no answer,
//! unless the customer says that it is one. A box is a yes when it is ticked, and a no when it is not: webCRM does not
//! tell one that was never asked for from one that was withdrawn, and only a no takes an earlier yes back. Whoever
//! blocks mass e-mail refuses every box by e-mail as well. When an answer was given is not known: a record's own
//! time moves with every edit.

use sluice_sdk::{Channel, Consent, ConsentInfo, Error};

use crate::metadata::Model;
use crate::record::Record;
use crate::settings::Settings;
use crate::value::yes_no;

/// The field that blocks mass e-mail to the person's first address, which is the one that is synced.
const BLOCK: &str = "PersonBlockMassEmail";

/// The consent types.
pub fn types(model: &Model) -> Vec<ConsentInfo> {
    let block = ConsentInfo { name: BLOCK.to_owned(), label: "Mass e-mail is not blocked".to_owned() };
    let boxes =
        model.boxes.iter().map(|field| ConsentInfo { name: field.name.clone(), label: field.label.clone() });
    std::iter::once(block).chain(boxes).collect()
}

/// A person's answers.
///
/// # Errors
/// `misconfigured` where the record comes without the field of the block: that nobody blocks anything would be a guess.
pub fn answers(record: &Record, model: &Model, settings: &Settings) -> Result<Vec<Consent>, Error> {
    let raw = record.raw(BLOCK).ok_or_else(|| {
        Error::misconfigured(format!(
            "webCRM sends persons without their field `{BLOCK}`. Give the application token the right to read it."
        ))
    })?;
    let block = match raw.get() {
        "null" => None,
        // What is neither yes nor no is no permission.
        _ => Some(yes_no(raw).unwrap_or(true)),
    };
    let mut answers = Vec::new();
    if block == Some(true) || block == Some(false) && settings.unblocked_is_consent {
        answers.push(consent(BLOCK, Some(Channel::Email), block == Some(false)));
    }
    for field in &model.boxes {
        // A box that does not come with the record says nothing.
        let Some(raw) = record.raw(&field.name) else { continue };
        let given = yes_no(raw).unwrap_or(false);
        answers.push(consent(&field.name, None, given));
        if given && block == Some(true) {
            answers.push(consent(&field.name, Some(Channel::Email), false));
        }
    }
    Ok(answers)
}

fn consent(name: &str, channel: Option<Channel>, given: bool) -> Consent {
    Consent { name: name.to_owned(), channel, given, changed_at: None }
}
