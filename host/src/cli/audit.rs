//! `sluice integration audit`: what APSIS One has, against what it should have.

use std::collections::BTreeMap;

use super::status::moment;
use super::sync::{finish, follow, tell_needs};
use super::{Context, End, Opened, OrFail, Result, output, table};
use crate::integration::IntegrationId;
use crate::profile::ConsentType;
use crate::run::{RunOrder, Source};
use crate::sync::{AuditOrder, Audited, Difference, DriftKind, FoundConsent, ReadBy};

/// What the command is given.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its id.
    integration: String,
    /// Compare only so many contacts, evenly over all, read one by one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    sample: Option<u32>,
    /// Mend what can be mended: opt out at once what is wrongly opted in, and write the contacts that differ, by a full
    /// sync.
    #[arg(long)]
    repair: bool,
    /// List at most this many differences of each kind.
    #[arg(long, default_value_t = 20)]
    limit: usize,
}

/// Runs the command.
pub async fn run(context: &Context, opened: &Opened, args: Args) -> Result<End> {
    let id = opened.integration(&IntegrationId(args.integration)).await?.id;
    if args.sample.is_none() {
        context.say("reading all profiles of APSIS One, which takes as long as it takes APSIS One");
    }
    let mut listed: BTreeMap<DriftKind, Vec<Difference>> = BTreeMap::new();
    let mut keep = |difference: Difference| {
        let of_kind = listed.entry(difference.kind).or_default();
        if of_kind.len() < args.limit {
            of_kind.push(difference);
        }
    };
    let order = AuditOrder { sample: args.sample, doubt: args.repair };
    let audited = opened.service()?.audit(&id, order, &mut keep).await.or_fail()?;
    tell(context, &id, &audited, &listed);
    let mut end = if audited.has(|kind| !kind.is_legitimate()) { End::Partial } else { End::Success };
    if args.repair && audited.doubted > 0 {
        let order = RunOrder::FullSync { forced: false, source: Source::Crm };
        let run = opened.admin()?.start_run(&id, order).await?;
        tell_needs(context, opened, &run).await?;
        let run = follow(context, opened, &run, true).await?;
        let is_left = audited.has(|kind| !kind.is_repairable() && !kind.is_legitimate());
        end = match finish(context, opened, &run).await? {
            End::Success if is_left => End::Partial,
            other => other,
        };
    }
    Ok(end)
}

fn tell(
    context: &Context,
    id: &IntegrationId,
    audited: &Audited,
    listed: &BTreeMap<DriftKind, Vec<Difference>>,
) {
    if context.json {
        for difference in listed.values().flatten() {
            context.line(difference);
        }
        context.line(audited);
        return;
    }
    if let ReadBy::SingleCalls(why) = &audited.read_by {
        output::line(&format!("APSIS One gave no export ({why})"));
        output::line(
            "The profiles were read one by one. Profiles of which nothing is known cannot be found so",
        );
    }
    let mut rows = vec![vec!["compared".to_owned(), table::number(audited.compared)]];
    for (name, count) in [
        ("left out, being written or changed meanwhile", audited.left_out),
        ("could not be read", audited.unreadable),
    ] {
        if count > 0 {
            rows.push(vec![name.to_owned(), table::number(count)]);
        }
    }
    for (kind, count) in &audited.differences {
        rows.push(vec![kind.words().to_owned(), table::number(*count)]);
    }
    output::line(&format!("Audit of {id}"));
    output::text(&table::render_numbers(&rows));
    for (kind, differences) in listed {
        output::line(&format!("Contacts: {}", kind.words()));
        for difference in differences {
            output::line(&format!("  {}{}", difference.contact, details(difference)));
        }
        let count = audited.differences.get(kind).copied().unwrap_or_default();
        let more = count.saturating_sub(differences.len() as u64);
        if more > 0 {
            output::line(&format!(
                "  ... and {} more; `--limit` says how many are listed",
                table::number(more)
            ));
        }
    }
    if audited.differences.is_empty() {
        output::line("APSIS One has what it should have");
    } else if audited.doubted == 0 && audited.has(DriftKind::is_repairable) {
        output::line(&format!("`sluice integration audit {id} --repair` mends what can be mended"));
    }
}

fn details(difference: &Difference) -> String {
    if let Some(consent) = &difference.consent {
        return in_words(consent);
    }
    let names: Vec<&str> = difference.attributes.iter().map(|attribute| attribute.0.as_str()).collect();
    if names.is_empty() { String::new() } else { format!("  {}", names.join(", ")) }
}

fn in_words(consent: &FoundConsent) -> String {
    let state = match consent.state {
        Some(ConsentType::OptIn) => "opted in",
        Some(ConsentType::ConfirmedOptIn) => "opted in and confirmed",
        Some(ConsentType::PendingOptIn) => "asked to confirm",
        Some(ConsentType::OptOut) => "opted out",
        None => "no consent",
    };
    let source = consent.source.as_ref().map_or_else(String::new, |source| format!(", by {source:?}"));
    let when = consent.modified_at.map_or_else(String::new, |at| format!(", {}", moment(at)));
    format!("  {} by {}: {state}{source}{when}", consent.topic, consent.channel)
}
