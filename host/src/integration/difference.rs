//! What a change of an integration's definition makes wrong in APSIS One until a full sync, pure.
//!
//! Mapping rows, and what they depend on, decide what profiles hold; conditions decide who is synced from then on,
//! and everything else how. What cannot be told apart without APSIS One's own definitions is taken as it looks: an
//! attribute's name and a discriminator that was made of that name are the same attribute.

use super::{ApsisSettings, ConsentRow, FieldRow, Integration};
use crate::need::{NeedCode, NewNeed};

/// How many letters of a name APSIS One takes into a discriminator (our reading).
const SLUG: usize = 41;

/// What a full sync is needed for once `after` takes the place of `before`.
pub fn needs_full_sync(before: &Integration, after: &Integration) -> Vec<NewNeed> {
    let fields = changed(&before.fields, &after.fields, |row| {
        let name = format!("{} to {}", row.field.trim(), row.attribute.trim());
        (name, Named(row.attribute.clone()), normal_field(row))
    });
    let consents = changed(&before.consents, &after.consents, |row| {
        let from = row.consent.as_deref().or(row.field.as_deref()).unwrap_or_default().trim();
        let name = format!("{from} to {} by {}", row.topic.trim(), row.channel);
        (name, Named(row.topic.clone()), ConsentRow { topic: String::new(), ..row.clone() })
    });
    let mut needs = Vec::new();
    for (code, subjects) in [
        (NeedCode::FieldMappingsChanged, fields),
        (NeedCode::ConsentMappingsChanged, consents),
        (NeedCode::ApsisAccountChanged, changed_place(&before.apsis, &after.apsis)),
    ] {
        if !subjects.is_empty() {
            needs.push(NewNeed::about(code, subjects));
        }
    }
    let country = |integration: &Integration| {
        integration.default_country.as_ref().map(|country| country.trim().to_ascii_uppercase())
    };
    if country(before) != country(after) {
        needs.push(NewNeed::of(NeedCode::DefaultCountryChanged));
    }
    needs
}

fn normal_field(row: &FieldRow) -> FieldRow {
    FieldRow { field: row.field.trim().to_owned(), attribute: String::new(), ..row.clone() }
}

/// Which rows are there on one side only, in words. `of`: a row's name, what it fills, and the rest of it in the form in
/// which two that mean the same are equal.
fn changed<T, N: PartialEq>(before: &[T], after: &[T], of: impl Fn(&T) -> (String, Named, N)) -> Vec<String> {
    let of = |row: &T| {
        let (name, fills, rest) = of(row);
        (name, (fills, rest))
    };
    let mut gone: Vec<(String, (Named, N))> = before.iter().map(of).collect();
    let mut new: Vec<(String, (Named, N))> = Vec::new();
    for (name, row) in after.iter().map(of) {
        match gone.iter().position(|(_, known)| *known == row) {
            Some(at) => drop(gone.remove(at)),
            None => new.push((name, row)),
        }
    }
    let mut words = Vec::new();
    for (name, _) in new {
        match gone.iter().position(|(known, _)| *known == name) {
            Some(at) => {
                gone.remove(at);
                words.push(format!("{name} (changed)"));
            }
            None => words.push(format!("{name} (new)")),
        }
    }
    words.extend(gone.into_iter().map(|(name, _)| format!("{name} (removed)")));
    words
}

/// The settings that say to which account, section and keyspace is written.
fn changed_place(before: &ApsisSettings, after: &ApsisSettings) -> Vec<String> {
    [
        ("apsis.url", before.url.trim_end_matches('/') != after.url.trim_end_matches('/')),
        ("apsis.client-id", before.client_id.trim() != after.client_id.trim()),
        ("apsis.section", Named(before.section.clone()) != Named(after.section.clone())),
        ("apsis.keyspace", Named(before.keyspace.clone()) != Named(after.keyspace.clone())),
    ]
    .into_iter()
    .filter(|(_, differs)| *differs)
    .map(|(setting, _)| setting.to_owned())
    .collect()
}

/// What something in APSIS One is called: its name, or its discriminator.
struct Named(String);

impl Named {
    fn is_discriminator(&self) -> bool {
        ["usercreated.", "com.apsis1."].iter().any(|start| self.0.trim().starts_with(start))
    }
}

impl PartialEq for Named {
    /// Whether both may be the same. Two discriminators, or two names, can be told apart; of one of each, the
    /// discriminator may have been made of the name.
    fn eq(&self, other: &Self) -> bool {
        match (self.is_discriminator(), other.is_discriminator()) {
            (true, true) => self.0.trim() == other.0.trim(),
            (false, false) => self.0.trim().to_lowercase() == other.0.trim().to_lowercase(),
            _ => plain_name(&self.0) == plain_name(&other.0),
        }
    }
}

/// One form of a name and of the discriminators that may have been made of it: `Customer type`,
/// `usercreated.attributes.customer_type-q8w7e6r5t4` and `customer type` are `customertype`.
fn plain_name(name_or_id: &str) -> String {
    let name = name_or_id.trim();
    let own = name.strip_prefix("usercreated.").and_then(|rest| rest.split_once('.')).map(|(_, own)| own);
    let standard = name.strip_prefix("com.apsis1.").and_then(|rest| rest.split_once('.')).map(|(_, own)| own);
    let slug = match (own, standard) {
        // Ten letters and digits make it unique.
        (Some(own), _) => {
            own.rsplit_once('-').filter(|(_, end)| end.len() == 10).map_or(own, |(slug, _)| slug)
        }
        (None, Some(standard)) => standard,
        (None, None) => name,
    };
    let kept = slug.chars().take(SLUG).filter(|letter| !matches!(letter, ' ' | '_' | '-' | '\''));
    kept.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::integration::{AttributeKind, OnInvalid};

    fn needs(change: impl FnOnce(&mut Integration)) -> Vec<(NeedCode, Vec<String>)> {
        let before = sample();
        let mut after = before.clone();
        change(&mut after);
        needs_full_sync(&before, &after).into_iter().map(|need| (need.code, need.subjects)).collect()
    }

    fn sample() -> Integration {
        let text = include_str!("../../demo/acme-lime.toml");
        let text = text.replace("{lime_url}", "https://lime.example/acme");
        let text = text.replace("{lime_origin}", "https://lime.example");
        let text = text.replace("{apsis_url}", "https://api.apsis.one");
        Integration::parse(&text, Path::new("acme.toml")).unwrap()
    }

    #[test]
    fn b09_each_change_of_a_field_mapping_is_named() {
        let one = |words: &str| vec![(NeedCode::FieldMappingsChanged, vec![words.to_owned()])];
        let added = FieldRow { field: "fax".into(), attribute: "Fax".into(), ..sample().fields[0].clone() };
        assert_eq!(needs(|it| it.fields.push(added)), one("fax to Fax (new)"));
        assert_eq!(needs(|it| drop(it.fields.remove(0))), one("firstname to First name (removed)"));
        assert_eq!(
            needs(|it| it.fields[0].on_invalid = OnInvalid::Skip),
            one("firstname to First name (changed)")
        );
        assert_eq!(
            needs(|it| it.fields[0].kind = Some(AttributeKind::Number)),
            one("firstname to First name (changed)")
        );
        let other_field = needs(|it| it.fields[0].field = "nickname".into());
        assert_eq!(
            other_field,
            [(
                NeedCode::FieldMappingsChanged,
                vec![
                    "nickname to First name (new)".to_owned(),
                    "firstname to First name (removed)".to_owned()
                ]
            )]
        );
    }

    #[test]
    fn b15_each_change_of_a_consent_mapping_is_named() {
        let one = |words: &str| vec![(NeedCode::ConsentMappingsChanged, vec![words.to_owned()])];
        assert_eq!(
            needs(|it| drop(it.consents.remove(4))),
            one("1005 to usercreated.topics.offers-d1f2g3h4j5 by e-mail (removed)")
        );
        let other = needs(|it| it.consents[0].consent = Some("1009".into()));
        assert_eq!(other[0].1.len(), 2, "{other:?}");
    }

    #[test]
    fn b09_and_what_the_mappings_depend_on() {
        assert_eq!(
            needs(|it| it.default_country = Some("NO".into())),
            [(NeedCode::DefaultCountryChanged, vec![])]
        );
        assert_eq!(needs(|it| it.default_country = Some("se".into())), []);
        for (change, setting) in [
            (
                (|it: &mut ApsisSettings| it.section = "Other".into()) as fn(&mut ApsisSettings),
                "apsis.section",
            ),
            (|it| it.keyspace = "com.apsis1.keyspaces.other".into(), "apsis.keyspace"),
            (|it| it.client_id = "another".into(), "apsis.client-id"),
            (|it| it.url = "https://api-apac.apsis.one".into(), "apsis.url"),
        ] {
            let expected = [(NeedCode::ApsisAccountChanged, vec![setting.to_owned()])];
            assert_eq!(needs(|it| change(&mut it.apsis)), expected);
        }
    }

    #[test]
    fn b06_b25_conditions_and_everything_else_ask_for_none() {
        assert_eq!(needs(|_| ()), []);
        assert_eq!(needs(|it| it.conditions.clear()), []);
        let condition = sample().conditions[0].clone();
        assert_eq!(needs(|it| it.conditions.push(condition)), []);
        assert_eq!(needs(|it| it.name = "Another name".into()), []);
        assert_eq!(needs(|it| it.time_zone = "Europe/Oslo".into()), []);
        assert_eq!(needs(|it| it.sync.page_size = 10), []);
        assert_eq!(needs(|it| it.real_time.keep_days = 30), []);
        assert_eq!(needs(|it| it.connector = "sha256:01".into()), []);
        assert_eq!(needs(|it| it.apsis.requests_per_second = 50), []);
    }

    #[test]
    fn rows_in_another_order_and_an_attribute_by_its_other_name_are_no_change() {
        assert_eq!(needs(|it| it.fields.reverse()), []);
        assert_eq!(needs(|it| it.consents.reverse()), []);
        for (name, id) in [
            ("First name", "com.apsis1.attributes.firstname"),
            ("Customer type", "usercreated.attributes.customer_type-q8w7e6r5t4"),
            ("City", " city "),
        ] {
            let renamed = needs(|it| {
                let row = it.fields.iter_mut().find(|row| row.attribute == name).unwrap();
                row.attribute = id.to_owned();
            });
            assert_eq!(renamed, [], "{name} {id}");
        }
        assert_eq!(needs(|it| it.consents[4].topic = "Offers".into()), []);
        assert_eq!(needs(|it| it.apsis.section = "usercreated.sections.nordics-a1b2c3d4e5".into()), []);
        assert_ne!(needs(|it| it.consents[4].topic = "Invitations".into()), []);
    }
}
