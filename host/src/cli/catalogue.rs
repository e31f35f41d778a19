//! `sluice connector add`, `list`, `inspect` and `remove`, and `upgrade` and `rollback`: which components are in the
//! store, and which version of its connector an integration uses.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::preview::attribute_in_words;
use super::status::moment;
use super::story::dated;
use super::{Context, End, Opened, OrFail, Result, output, table};
use crate::admin::Admin;
use crate::connector::{Connector, names_component};
use crate::error::Failure;
use crate::integration::IntegrationId;
use crate::profile::Answer;
use crate::signature::Signature;
use crate::upgrade::{
    AnswerChange, Comparison, ConnectorLine, ContactDifference, RolledOut, Rollout, Sample, UpgradeEnd,
    UpgradeError, UpgradeTerms, Upgraded,
};

/// What can be done with the components in the store.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load a component, and keep it in the store.
    Add {
        /// The component: a .wasm file.
        file: PathBuf,
    },
    /// List the components in the store, and which integrations use which.
    List,
    /// Load a component, and show what it says of itself.
    Inspect {
        /// A .wasm file, or the digest of a component in the store, or its first digits.
        component: String,
    },
    /// Take a component out of the store that no integration uses or can return to.
    Remove {
        /// Its digest, or its first digits.
        digest: String,
    },
    /// Have an integration use another version of its connector, once both were compared on its rules and on contacts
    /// that are known; exit code 5 if something would differ and that is not accepted.
    Upgrade(Upgrade),
    /// Have an integration return to the version of its connector that it used before, by the same checks.
    Rollback {
        /// The integration.
        integration: String,
        #[command(flatten)]
        how: How,
    },
}

/// An upgrade.
#[derive(Debug, clap::Args)]
pub struct Upgrade {
    /// The integration.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    integration: Option<String>,
    /// The other version: a .wasm file, or the digest of a component in the store, or its first digits.
    #[arg(long, value_name = "FILE|DIGEST")]
    to: String,
    /// A share of all integrations that use the connector of this id.
    #[arg(long, value_name = "ID", requires = "canary", conflicts_with = "dry_run")]
    all: Option<String>,
    /// How large the share is: 1 to 100 percent, at least one integration. The next time a greater one goes on from there.
    #[arg(long, value_name = "PERCENT", requires = "all")]
    canary: Option<u32>,
    #[command(flatten)]
    how: How,
}

/// How an integration is given another version.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct How {
    /// So many contacts that are known are read with both versions, evenly over all.
    #[arg(long, value_name = "N", default_value_t = Sample::USUAL)]
    sample: u32,
    /// Only compare.
    #[arg(long)]
    dry_run: bool,
    /// Switch though something differs. A full sync is needed then.
    #[arg(long)]
    accept_differences: bool,
}

impl How {
    fn sample(self) -> Result<Sample> {
        Sample::try_from(self.sample).or_fail()
    }

    fn terms(self) -> Result<UpgradeTerms> {
        let sample = self.sample()?;
        Ok(UpgradeTerms { sample, accept_differences: self.accept_differences, revision: None })
    }
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<End> {
    let opened = Opened::new(context).await?;
    let admin = opened.admin()?;
    match command {
        Command::Add { file } => {
            let connector = add(&admin, &file).await?;
            describe(context, &connector);
        }
        Command::List => list(context, &admin.connectors().await?),
        Command::Inspect { component } => {
            let connector = match Named::of(&component) {
                Named::Digest(digest) => admin.connector(digest).await?,
                Named::File(file) => opened.service()?.engine().load(&read(file)?).await.or_fail()?,
            };
            inspect(context, &connector);
        }
        Command::Remove { digest } => {
            let removed = admin.remove_connector(&digest).await?;
            context.answer(&serde_json::json!({ "removed": removed }), || format!("removed {removed}"));
        }
        Command::Upgrade(Upgrade { integration, to, all, canary, how }) => {
            let to = match Named::of(&to) {
                Named::Digest(digest) => admin.connector(digest).await?,
                Named::File(file) => add(&admin, file).await?,
            };
            return match (integration, all) {
                (Some(id), _) => upgrade(context, &admin, &IntegrationId(id), &to, how).await,
                (None, all) => roll_out(context, &admin, all.as_deref(), &to, canary, how).await,
            };
        }
        Command::Rollback { integration, how } => {
            let id = IntegrationId(integration);
            if how.dry_run {
                let to = admin.connector_before(&id).await?;
                return compare(context, &admin, &id, &to, how).await;
            }
            let rolled = Box::pin(admin.rollback(&id, how.terms()?)).await?;
            return upgraded(context, &id, rolled);
        }
    }
    Ok(End::Success)
}

/// A component, as somebody named it.
enum Named<'a> {
    File(&'a Path),
    Digest(&'a str),
}

impl<'a> Named<'a> {
    /// A file that is there is that file, whatever it is called.
    fn of(text: &'a str) -> Self {
        let file = Path::new(text);
        if names_component(text) && !file.is_file() { Self::Digest(text) } else { Self::File(file) }
    }
}

/// The bytes of a component.
pub(super) fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| Failure {
        code: "component-unreadable".to_owned(),
        message: format!(
            "{}: {error}; give the path of a connector's .wasm file, or the digest of one in the store",
            file.display()
        ),
    })
}

async fn add(admin: &Admin, file: &Path) -> Result<Connector> {
    let signature = Signature::beside(file).or_fail()?;
    Box::pin(admin.add_connector(read(file)?, signature.as_ref())).await
}

fn offers(connector: &Connector) -> Vec<&'static str> {
    let exports = connector.exports();
    let all =
        [("deliveries", exports.deliveries), ("related", exports.related), ("overviews", exports.overviews)];
    all.into_iter().filter_map(|(name, offered)| offered.then_some(name)).collect()
}

fn describe(context: &Context, connector: &Connector) {
    let (version, description) = (connector.version(), connector.description());
    let offers = offers(connector);
    let json = serde_json::json!({
        "added": version.connector, "id": version.id, "name": description.name, "version": version.version,
        "offers": offers,
    });
    context.answer(&json, || {
        let offers = if offers.is_empty() { "nothing more".to_owned() } else { offers.join(", ") };
        format!(
            "added {} ({}) {}\n  {}\n  offers contacts and {offers}",
            description.name, version.id, version.version, version.connector
        )
    });
}

fn list(context: &Context, lines: &[ConnectorLine]) {
    if context.json {
        return lines.iter().for_each(|line| context.line(line));
    }
    if lines.is_empty() {
        return context.say("no components; `sluice connector add <file>` adds one");
    }
    let head =
        ["digest", "connector", "version", "added", "used by", "returned to by"].map(str::to_owned).to_vec();
    let joined = |ids: &[IntegrationId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let row = |line: &ConnectorLine| {
        let (id, version) = match (&line.describes, &line.failure) {
            (Some(words), _) => (words.id.clone(), words.version.clone()),
            (None, Some(failure)) => (failure.code.clone(), String::new()),
            (None, None) => (String::new(), String::new()),
        };
        let added = line.added_at.map_or_else(|| "not known".to_owned(), moment);
        vec![line.connector.clone(), id, version, added, joined(&line.used_by), joined(&line.returned_to_by)]
    };
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(lines.iter().map(row)).collect();
    output::text(&table::render(&rows));
}

fn inspect(context: &Context, connector: &Connector) {
    let (description, exports) = (connector.description(), connector.exports());
    if context.json {
        return context.line(&serde_json::json!({
            "digest": connector.version().connector, "id": description.id, "name": description.name,
            "version": description.version, "origins": description.origins,
            "id-field": description.id_field, "email-field": description.email_field,
            "mobile-field": description.mobile_field, "settings-schema": description.settings_schema,
            "rate-limit": description.rate_limit.map(|limit| [limit.requests, limit.seconds]),
            "deliveries": exports.deliveries, "overviews": exports.overviews,
        }));
    }
    let rate = description.rate_limit.map_or_else(
        || "none named".to_owned(),
        |limit| format!("{} requests in {} s", limit.requests, limit.seconds),
    );
    let yes_no = |yes| if yes { "yes" } else { "no" }.to_owned();
    let rows = [
        ("connector", format!("{} ({}) {}", description.name, description.id, description.version)),
        ("digest", connector.version().connector),
        ("origins it asks for", description.origins.join(", ")),
        ("CRM's rate limit", rate),
        ("id field", description.id_field.clone()),
        ("e-mail field", description.email_field.clone()),
        ("mobile field", description.mobile_field.clone().unwrap_or_else(|| "none".to_owned())),
        ("deliveries", yes_no(exports.deliveries)),
        ("overviews", yes_no(exports.overviews)),
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    output::text(&table::render(&rows));
    output::line(&format!("Settings (JSON Schema)\n{:#}", description.settings_schema));
}

async fn upgrade(
    context: &Context,
    admin: &Admin,
    id: &IntegrationId,
    to: &Connector,
    how: How,
) -> Result<End> {
    if how.dry_run {
        return compare(context, admin, id, to, how).await;
    }
    let done = Box::pin(admin.upgrade(id, to, how.terms()?)).await?;
    upgraded(context, id, done)
}

async fn compare(
    context: &Context,
    admin: &Admin,
    id: &IntegrationId,
    to: &Connector,
    how: How,
) -> Result<End> {
    let comparison = Box::pin(admin.compare_connectors(id, to, how.sample()?)).await?;
    context.answer(&serde_json::json!({ "integration": id, "comparison": comparison }), || {
        let mut lines = in_words(&comparison);
        lines.push(format!("{id} was not switched; without --dry-run it is, if it can be"));
        lines.join("\n")
    });
    Ok(End::Success)
}

fn upgraded(context: &Context, id: &IntegrationId, done: Upgraded) -> Result<End> {
    let Upgraded { end, comparison, revision } = done;
    let json = serde_json::json!({
        "integration": id, "end": end, "comparison": comparison, "revision": revision,
    });
    context.answer(&json, || {
        let mut lines = comparison.as_ref().map(in_words).unwrap_or_default();
        lines.push(match end {
            UpgradeEnd::Switched => format!(
                "{id} uses it now; `sluice connector rollback {id}` returns to the version before an upgrade, `sluice status {id}` says \
                 whether a full sync is needed"
            ),
            UpgradeEnd::Already => format!("{id} uses this version already"),
            UpgradeEnd::Held | UpgradeEnd::Refused => {
                format!("{id} was not switched")
            }
        });
        lines.join("\n")
    });
    if end != UpgradeEnd::Held {
        return Ok(End::Success);
    }
    let words = comparison.map(|comparison| comparison.in_words()).unwrap_or_default();
    let held = Failure::from(&UpgradeError::Held { integration: id.clone(), words });
    context.say(&format!("sluice: {}: {}", held.code, held.message));
    Ok(End::Held)
}

async fn roll_out(
    context: &Context,
    admin: &Admin,
    id: Option<&str>,
    to: &Connector,
    canary: Option<u32>,
    how: How,
) -> Result<End> {
    let percent = canary.unwrap_or(100);
    let rollout = Box::pin(admin.rollout(to, id, percent, how.terms()?)).await?;
    let Rollout { to, using, integrations } = &rollout;
    context.answer(&rollout, || {
        let mut lines = vec![format!(
            "{} {}: {} of the {using} integrations that use {}",
            to.id,
            to.version,
            integrations.len(),
            to.id
        )];
        for RolledOut { integration, end, failure, .. } in integrations {
            lines.push(format!("  {integration}  {}", end.as_str()));
            lines.extend(failure.iter().map(|why| format!("    {}: {}", why.code, why.message)));
        }
        lines.join("\n")
    });
    let ends = || integrations.iter().map(|one| one.end);
    Ok(match (ends().any(|end| end == UpgradeEnd::Refused), ends().any(|end| end == UpgradeEnd::Held)) {
        (true, _) => End::Partial,
        (false, true) => End::Held,
        (false, false) => End::Success,
    })
}

/// What differs, for people.
fn in_words(comparison: &Comparison) -> Vec<String> {
    let Comparison { from, to, differing, samples, .. } = comparison;
    let mut lines = vec![
        format!("from  {} {}  {}", from.id, from.version, from.connector),
        format!("to    {} {}  {}", to.id, to.version, to.connector),
        comparison.in_words(),
    ];
    if samples.len() as u64 != *differing {
        lines.push(format!("The first {} of them:", samples.len()));
    }
    lines.extend(samples.iter().flat_map(of_contact));
    lines
}

fn of_contact(difference: &ContactDifference) -> Vec<String> {
    let ContactDifference { contact, before, after, reason, opts_in, opts_out, attributes, consents } =
        difference;
    let becomes = match before == after {
        true => after.as_str().to_owned(),
        false => format!("{} -> {}", before.as_str(), after.as_str()),
    };
    let opts = match (opts_in, opts_out) {
        (true, true) => "  opted in and out",
        (true, false) => "  opted in",
        (false, true) => "  opted out",
        (false, false) => "",
    };
    let mut lines = vec![format!("  {contact}  {becomes}{opts}")];
    lines.extend(reason.iter().map(|reason| format!("    {}: {}", reason.code, reason.message)));
    lines.extend(attributes.iter().map(attribute_in_words));
    for AnswerChange { topic, channel, before, after } in consents {
        let [before, after] = [before, after].map(|answer| answer_in_words(answer.as_ref()));
        lines.push(format!("    {topic} by {channel}: {before} -> {after}"));
    }
    lines
}

fn answer_in_words(answer: Option<&Answer>) -> String {
    match answer {
        Some(Answer::Given(at)) => format!("given{}", dated(*at)),
        Some(Answer::Refused(at)) => format!("refused{}", dated(*at)),
        Some(Answer::Unsaid) | None => "no answer".to_owned(),
    }
}
