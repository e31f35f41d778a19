//! A contact's addresses, one for each channel: as its profile would hold them, whatever the conditions say.
//!
//! Contacts that share an address are found by it. So it is given for a contact that is excluded, or is rejected
//! because of something else, too: what such a person answered still counts for the address.

use crate::contact::Contact;
use crate::profile::AttributeValue;

use super::{FieldMapping, Rules, email, field};

/// Messages go to the number that this attribute holds (`apsis::inferred::address_attribute`).
const MOBILE: &str = "com.apsis1.attributes.mobile";

impl Rules {
    /// The e-mail address, trimmed and in lower case; none if it is missing or is not one.
    pub fn email(&self, contact: &Contact) -> Option<String> {
        email::address(&self.email_field, field(contact, &self.email_field)).ok()
    }

    /// Whether a row says which number a profile has. Without one, it has the one that it had.
    pub fn maps_mobile(&self) -> bool {
        self.mobile_row().is_some()
    }

    /// Whether the contact's number is none that could be written, so that its profile has the one that it had.
    pub fn leaves_mobile(&self, contact: &Contact) -> bool {
        self.mobile_row().is_none_or(|row| self.mapped(contact, row).is_err())
    }

    fn mobile_row(&self) -> Option<&FieldMapping> {
        self.fields.iter().find(|row| row.attribute.0 == MOBILE)
    }

    /// The mobile number, digits with country code; none if no row maps it, or the contact's is none.
    pub fn mobile(&self, contact: &Contact) -> Option<String> {
        match self.mapped(contact, self.mobile_row()?).ok()? {
            AttributeValue::Integer(digits) if digits > 0 => Some(digits.to_string()),
            AttributeValue::Text(text) => {
                let digits = text.strip_prefix('+').unwrap_or(&text);
                (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
                    .then(|| digits.to_owned())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::contact::{ContactId, Value};
    use crate::integration::{AttributeKind, Conversion, OnInvalid};
    use crate::profile::AttributeId;
    use crate::rules::RuleSet;

    fn rules() -> Rules {
        Rules::new(RuleSet {
            conditions: Vec::new(),
            fields: vec![FieldMapping {
                field: "phone".into(),
                attribute: AttributeId(MOBILE.into()),
                kind: AttributeKind::Mobile,
                on_invalid: OnInvalid::Reject,
                on_too_long: None,
                conversion: Conversion::default(),
            }],
            consents: Vec::new(),
            email_field: "email".into(),
            email_attribute: AttributeId("email".into()),
            id_attribute: None,
            default_country: Some("SE".into()),
        })
        .unwrap()
    }

    fn contact(email: &str, phone: &str) -> Contact {
        let text = |text: &str| Value::Text(text.to_owned());
        Contact {
            id: ContactId("1".into()),
            modified_at: None,
            fields: BTreeMap::from([("email".to_owned(), text(email)), ("phone".to_owned(), text(phone))]),
            consents: Vec::new(),
        }
    }

    #[test]
    fn an_address_has_one_form_and_what_is_none_has_none() {
        let rules = rules();
        let both = contact(" Anna@B.Example ", "0736-45 19 74");
        assert_eq!(rules.email(&both).as_deref(), Some("anna@b.example"));
        assert_eq!(rules.mobile(&both).as_deref(), Some("46736451974"));
        for (email, phone) in [("", ""), ("anna at b", "call me")] {
            let none = contact(email, phone);
            assert_eq!((rules.email(&none), rules.mobile(&none)), (None, None));
        }
    }

    #[test]
    fn one_bad_address_does_not_hide_the_other() {
        assert!(rules().mobile(&contact("", "0736451974")).is_some());
        assert!(rules().email(&contact("a@b.example", "12")).is_some());
    }
}
