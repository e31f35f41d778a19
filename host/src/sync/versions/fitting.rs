//! What an integration uses of its connector, held against what another version of it has. Pure.
//!
//! Only what the other version takes away counts: what a rule names and neither version has was missing before, and its
//! row is paused already.

use std::collections::{BTreeMap, BTreeSet};

use crate::connector::{Description, Exports};
use crate::contact::{ConsentInfo, FieldInfo, FieldType};
use crate::integration::Integration;
use crate::overview::{Overview, OverviewId};
use crate::rules::check_condition;
use crate::upgrade::{Obstacle, ObstacleKind};

/// What a version has for one integration.
pub struct Offer<'a> {
    /// What it says of itself.
    pub description: &'a Description,
    /// Its optional interfaces.
    pub exports: Exports,
    /// The rest; none: it does not say.
    pub lists: Option<Lists>,
}

/// What a version finds in the CRM.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    /// Fields.
    pub fields: Vec<FieldInfo>,
    /// Consent types; empty where no rule names one.
    pub consents: Vec<ConsentInfo>,
    /// Overviews; empty where none is set up.
    pub overviews: BTreeSet<OverviewId>,
}

impl Lists {
    fn field(&self, name: &str) -> Option<&FieldInfo> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// What an integration uses beside its rules.
pub struct InUse {
    /// Whether the CRM sends to it, or was asked to.
    pub webhook: bool,
    /// The overviews that are set up.
    pub overviews: Vec<Overview>,
}

/// What keeps an integration from using `after` in place of `before`.
pub fn obstacles(
    integration: &Integration,
    in_use: &InUse,
    before: &Offer<'_>,
    after: &Offer<'_>,
) -> Vec<Obstacle> {
    let mut found = interfaces(in_use, before.exports, after.exports);
    let Some(now) = &after.lists else { return found };
    let then = before.lists.as_ref();
    found.extend(own_fields(before, after, now));
    for (name, used_by) in fields_in_use(integration) {
        let was = then.map(|then| then.field(name));
        found.extend(of_field(name, used_by, was, now.field(name)));
    }
    found.extend(conditions(integration, then, now));
    found.extend(consents(integration, then, now));
    if after.exports.overviews {
        found.extend(overviews(in_use, then, now));
    }
    found
}

fn obstacle(kind: ObstacleKind, subject: &str, used_by: Vec<String>, what: &str) -> Obstacle {
    let message = format!("{what}, and it is used by {}", used_by.join(", "));
    Obstacle { kind, subject: subject.to_owned(), used_by, message }
}

fn interfaces(in_use: &InUse, before: Exports, after: Exports) -> Vec<Obstacle> {
    let webhook = || vec!["the webhook in the CRM".to_owned()];
    let overviews = || in_use.overviews.iter().map(in_words).collect();
    let gone = |name: &str, was: bool, is: bool, used_by: Vec<String>| {
        let what = format!("the connector does not offer `{name}` any more");
        let is_gone = was && !is && !used_by.is_empty();
        is_gone.then(|| obstacle(ObstacleKind::InterfaceGone, name, used_by, &what))
    };
    let of_webhook = if in_use.webhook { webhook() } else { Vec::new() };
    [
        gone("deliveries", before.deliveries, after.deliveries, of_webhook.clone()),
        gone("related", before.related, after.related, of_webhook),
        gone("overviews", before.overviews, after.overviews, overviews()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn in_words(overview: &Overview) -> String {
    format!("the overview {} ({})", overview.id, overview.name)
}

/// Every field that a row names, with the rows.
fn fields_in_use(integration: &Integration) -> BTreeMap<&str, Vec<String>> {
    let mut used: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (number, row) in (1_usize..).zip(&integration.conditions) {
        for one in row.fields() {
            let by = used.entry(one.field.as_str()).or_default();
            let name = condition_in_words(number);
            if !by.contains(&name) {
                by.push(name);
            }
        }
    }
    for (number, row) in (1_usize..).zip(&integration.fields) {
        let name = format!("field mapping {number} ({} to {})", row.field, row.attribute);
        used.entry(row.field.as_str()).or_default().push(name);
    }
    for (number, row) in (1_usize..).zip(&integration.consents) {
        if let Some(field) = &row.field {
            let name = format!("consent mapping {number} ({field} to {} on {})", row.topic, row.channel);
            used.entry(field.as_str()).or_default().push(name);
        }
    }
    used
}

fn condition_in_words(number: usize) -> String {
    format!("sync condition {number}")
}

/// `was`: none where the version before does not say what it has.
fn of_field(
    name: &str,
    used_by: Vec<String>,
    was: Option<Option<&FieldInfo>>,
    is: Option<&FieldInfo>,
) -> Option<Obstacle> {
    match (was, is) {
        // It was missing before.
        (Some(None), _) => None,
        (Some(Some(_)) | None, None) => {
            Some(obstacle(ObstacleKind::FieldGone, name, used_by, &format!("the field `{name}` is gone")))
        }
        (Some(Some(was)), Some(is)) if was.field_type != is.field_type => {
            let [was, is] = [was, is].map(|field| type_in_words(field.field_type));
            let what = format!("the field `{name}` is {is} now, and was {was}");
            Some(obstacle(ObstacleKind::FieldTypeChanged, name, used_by, &what))
        }
        (Some(Some(_)) | None, Some(_)) => None,
    }
}

fn type_in_words(of: FieldType) -> &'static str {
    match of {
        FieldType::Boolean => "boolean",
        FieldType::Integer => "integer",
        FieldType::Decimal => "decimal",
        FieldType::Text => "text",
        FieldType::Date => "date",
        FieldType::Timestamp => "timestamp",
        FieldType::Choice => "choice",
        FieldType::Choices => "choices",
        FieldType::Json => "json",
    }
}

/// The fields that the connector itself names: the contact's id, its address, its number.
fn own_fields(before: &Offer<'_>, after: &Offer<'_>, now: &Lists) -> Vec<Obstacle> {
    let (was, is) = (before.description, after.description);
    let all = [
        ("the contact's id", Some(&was.id_field), Some(&is.id_field)),
        ("the e-mail address", Some(&was.email_field), Some(&is.email_field)),
        ("the mobile number", was.mobile_field.as_ref(), is.mobile_field.as_ref()),
    ];
    let then = before.lists.as_ref();
    let one = |(role, was, is): (&str, Option<&String>, Option<&String>)| {
        let was = was?;
        let used_by = vec![role.to_owned()];
        let Some(is) = is else {
            let what = format!("the connector names no field for {role} any more, and named `{was}`");
            return Some(obstacle(ObstacleKind::FieldGone, was, used_by, &what));
        };
        of_field(is, used_by, then.map(|then| then.field(was)), now.field(is))
    };
    all.into_iter().filter_map(one).collect()
}

/// Conditions that fitted the options of their fields and do not any more.
fn conditions(integration: &Integration, then: Option<&Lists>, now: &Lists) -> Vec<Obstacle> {
    let mut found = Vec::new();
    for (number, row) in (1_usize..).zip(&integration.conditions) {
        for one in row.fields() {
            let Some(field) = now.field(&one.field) else { continue };
            let was = then.and_then(|then| then.field(&one.field));
            let is_other_type = was.is_some_and(|was| was.field_type != field.field_type);
            let fitted = was.is_none_or(|was| check_condition(one, was).is_ok());
            if let Err(clash) = check_condition(one, field)
                && fitted
                && !is_other_type
            {
                found.push(Obstacle {
                    kind: ObstacleKind::ConditionUnfit,
                    subject: one.field.clone(),
                    used_by: vec![condition_in_words(number)],
                    message: clash.to_string(),
                });
            }
        }
    }
    found
}

fn consents(integration: &Integration, then: Option<&Lists>, now: &Lists) -> Vec<Obstacle> {
    let has = |lists: &Lists, name: &str| lists.consents.iter().any(|one| one.name == name);
    let mut used: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (number, row) in (1_usize..).zip(&integration.consents) {
        if let Some(name) = &row.consent {
            let by = format!("consent mapping {number} ({name} to {} on {})", row.topic, row.channel);
            used.entry(name.as_str()).or_default().push(by);
        }
    }
    let gone = |(name, used_by): (&str, Vec<String>)| {
        let was = then.is_none_or(|then| has(then, name));
        let is_gone = was && !has(now, name);
        is_gone.then(|| {
            obstacle(ObstacleKind::ConsentGone, name, used_by, &format!("the consent type `{name}` is gone"))
        })
    };
    used.into_iter().filter_map(gone).collect()
}

fn overviews(in_use: &InUse, then: Option<&Lists>, now: &Lists) -> Vec<Obstacle> {
    let is_gone = |one: &&Overview| {
        then.is_none_or(|then| then.overviews.contains(&one.id)) && !now.overviews.contains(&one.id)
    };
    let gone = |one: &Overview| {
        let what = format!("the CRM's list {} is gone", one.id);
        obstacle(ObstacleKind::OverviewGone, &one.id.0, vec![in_words(one)], &what)
    };
    in_use.overviews.iter().filter(is_gone).map(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::Choice;

    const FILE: &str = r#"
id = "acme"
name = "Acme"
connector = "sha256:00"
[apsis]
url = "https://api.apsis.one"
client-id = "1"
client-secret = { env = "SECRET" }
section = "Nordics"
[[conditions]]
any = [{ field = "kind", equals = "a" }, { field = "kind", equals = "b" }]
[[fields]]
field = "city"
attribute = "City"
[[fields]]
field = "never-there"
attribute = "Country"
[[consents]]
consent = "news"
topic = "Newsletter"
channel = "email"
"#;

    fn description() -> Description {
        Description {
            id: "acme".to_owned(),
            name: "Acme".to_owned(),
            version: "1.0.0".to_owned(),
            settings_schema: serde_json::json!({}),
            origins: Vec::new(),
            id_field: "id".to_owned(),
            email_field: "email".to_owned(),
            mobile_field: Some("mobile".to_owned()),
            rate_limit: None,
            features: Vec::new(),
        }
    }

    fn field(name: &str, field_type: FieldType, options: &[&str]) -> FieldInfo {
        let options = options.iter().map(|key| Choice { key: (*key).to_owned(), label: String::new() });
        FieldInfo { name: name.to_owned(), label: name.to_owned(), field_type, options: options.collect() }
    }

    fn lists() -> Lists {
        Lists {
            fields: vec![
                field("email", FieldType::Text, &[]),
                field("mobile", FieldType::Text, &[]),
                field("kind", FieldType::Choice, &["a", "b"]),
                field("city", FieldType::Text, &[]),
            ],
            consents: vec![ConsentInfo { name: "news".to_owned(), label: "News".to_owned() }],
            overviews: BTreeSet::from([OverviewId("7".to_owned())]),
        }
    }

    const ALL: Exports = Exports { deliveries: true, overviews: true, related: true };

    fn in_use() -> InUse {
        let overview = Overview {
            id: OverviewId("7".to_owned()),
            name: "Friends".to_owned(),
            tag: crate::profile::TagId("t".to_owned()),
            tag_name: "T".to_owned(),
            recurring: false,
            at: crate::overview::MORNING,
            leaving: false,
        };
        InUse { webhook: true, overviews: vec![overview] }
    }

    /// The kind and subject of what stands in the way, with what uses it.
    fn found(before: Option<Lists>, after: Lists, exports: Exports) -> Vec<(ObstacleKind, String, String)> {
        let integration: Integration = toml::from_str(FILE).unwrap();
        let description = description();
        let before = Offer { description: &description, exports: ALL, lists: before };
        let after = Offer { description: &description, exports, lists: Some(after) };
        let found = obstacles(&integration, &in_use(), &before, &after);
        found.into_iter().map(|one| (one.kind, one.subject, one.used_by.join(", "))).collect()
    }

    fn one(kind: ObstacleKind, subject: &str, used_by: &str) -> Vec<(ObstacleKind, String, String)> {
        vec![(kind, subject.to_owned(), used_by.to_owned())]
    }

    #[test]
    fn what_was_missing_before_stands_in_nobodys_way() {
        assert_eq!(found(Some(lists()), lists(), ALL), []);
    }

    #[test]
    fn what_is_gone_or_other_is_named_with_what_uses_it() {
        let mut after = lists();
        after.fields.retain(|field| field.name != "city");
        let city = one(ObstacleKind::FieldGone, "city", "field mapping 1 (city to City)");
        assert_eq!(found(Some(lists()), after, ALL), city);

        let mut after = lists();
        after.fields[2].field_type = FieldType::Text;
        let kind = one(ObstacleKind::FieldTypeChanged, "kind", "sync condition 1");
        assert_eq!(found(Some(lists()), after, ALL), kind);

        let mut after = lists();
        after.fields[2].options.pop();
        let kind = one(ObstacleKind::ConditionUnfit, "kind", "sync condition 1");
        assert_eq!(found(Some(lists()), after, ALL), kind);

        let mut after = lists();
        after.fields.remove(0);
        let email = one(ObstacleKind::FieldGone, "email", "the e-mail address");
        assert_eq!(found(Some(lists()), after, ALL), email);

        let after = Lists { consents: Vec::new(), ..lists() };
        let news = one(ObstacleKind::ConsentGone, "news", "consent mapping 1 (news to Newsletter on e-mail)");
        assert_eq!(found(Some(lists()), after, ALL), news);

        let after = Lists { overviews: BTreeSet::new(), ..lists() };
        let friends = one(ObstacleKind::OverviewGone, "7", "the overview 7 (Friends)");
        assert_eq!(found(Some(lists()), after, ALL), friends);
    }

    #[test]
    fn an_interface_that_is_used_may_not_go() {
        let less = Exports { deliveries: false, overviews: false, related: true };
        let kinds: Vec<String> = found(Some(lists()), lists(), less).into_iter().map(|one| one.1).collect();
        assert_eq!(kinds, ["deliveries", "overviews"]);
    }

    #[test]
    fn where_the_version_before_does_not_say_all_that_is_used_must_be_there() {
        let gone: Vec<String> = found(None, lists(), ALL).into_iter().map(|one| one.1).collect();
        assert_eq!(gone, ["id", "never-there"]);
    }
}
