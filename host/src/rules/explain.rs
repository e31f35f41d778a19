//! What each rule makes of a contact, by the same steps that decide it.
//!
//! It goes on where a decision stops: who is excluded sees all conditions, and what the mappings would make of the
//! contact.

use jiff::civil::Date;

use crate::contact::Contact;
use crate::explained::{Explained, FieldVerdict};
use crate::profile::AttributeValue;

use super::{Rules, check_key, consent, email, field};

impl Rules {
    /// What each rule makes of a contact on a day. It agrees with `decide`.
    pub fn explain(&self, contact: &Contact, today: Date) -> Explained {
        let mut conditions = Vec::new();
        let held = self.conditions.iter().map(|one| one.explain(contact, today, &[], &mut conditions));
        let held: Vec<bool> = held.collect();
        let mut fields = Vec::with_capacity(self.fields.len().saturating_add(2));
        if let Some(attribute) = &self.id_attribute {
            let key = check_key(&contact.id);
            fields.push(FieldVerdict {
                field: "id".to_owned(),
                attribute: attribute.clone(),
                input: crate::contact::Value::Text(contact.id.0.clone()),
                output: key.is_ok().then(|| AttributeValue::Text(contact.id.0.clone())),
                reason: key.err(),
            });
        }
        let input = field(contact, &self.email_field);
        let address = email::address(&self.email_field, input).map(AttributeValue::Text);
        fields.push(FieldVerdict {
            field: self.email_field.clone(),
            attribute: self.email_attribute.clone(),
            input: input.clone(),
            output: address.as_ref().ok().cloned(),
            reason: address.err(),
        });
        fields.extend(self.fields.iter().map(|row| {
            let mapped = self.mapped(contact, row);
            FieldVerdict {
                field: row.field.clone(),
                attribute: row.attribute.clone(),
                input: field(contact, &row.field).clone(),
                output: mapped.as_ref().ok().cloned(),
                reason: mapped.err().map(|unmapped| unmapped.reason),
            }
        }));
        Explained {
            conditions_hold: !held.contains(&false),
            conditions,
            fields,
            consents: consent::explain(&self.consents, contact),
        }
    }
}
