//! `sluice status`: how each integration is, at one glance.

use jiff::{SignedDuration, SignedDurationRound, Timestamp, Unit};

use super::{Context, End, Opened, OrFail, Result, output, table};
use crate::integration::IntegrationId;
use crate::lane::{Health, LaneStatus};
use crate::need::Need;

/// What the command is given.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which integration; left out: all.
    integration: Option<String>,
}

/// Runs the command.
pub async fn run(context: &Context, args: Args) -> Result<End> {
    let opened = Opened::new(context).await?;
    let ids: Vec<IntegrationId> = match args.integration {
        Some(id) => vec![opened.integration(&IntegrationId(id)).await?.id],
        None => opened.store.integrations().await.or_fail()?.into_iter().map(|one| one.id).collect(),
    };
    if ids.is_empty() {
        context.say("no integrations; `sluice integration apply <file>` adds one");
    }
    for id in ids {
        let status = opened.store.lane_status(&id).await.or_fail()?;
        if context.json {
            let mut json = serde_json::to_value(&status).unwrap_or_default();
            if let Some(json) = json.as_object_mut() {
                json.insert("full-sync-needed".into(), (!status.needs.is_empty()).into());
            }
            context.line(&json);
            continue;
        }
        output::line(&format!("{id}: {}", health(&status)));
        output::text(&table::render(&rows(&status)));
    }
    Ok(End::Success)
}

/// An integration's health in a few words.
fn health(status: &LaneStatus) -> String {
    let why = status.pause.as_ref().map_or_else(String::new, |pause| format!(" ({})", pause.cause.code));
    match status.health() {
        Health::Disabled => "disabled".to_owned(),
        Health::NeedsAttention => format!("needs attention{why}"),
        Health::Held => format!("waits for approval{why}"),
        Health::Waiting => format!("waits for a remote{why}"),
        Health::Running => "a run is active".to_owned(),
        Health::DeadLetters => "works; dead letters need attention".to_owned(),
        Health::Works => "works".to_owned(),
    }
}

fn rows(status: &LaneStatus) -> Vec<Vec<String>> {
    let now = Timestamp::now();
    let mut rows: Vec<(&str, String)> = Vec::new();
    if let Some(pause) = &status.pause {
        rows.push(("why", pause.cause.message.clone()));
        rows.push(("since", format!("{}, tried again at {}", moment(pause.since), moment(pause.until))));
    }
    rows.push(("host", status.host.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string)));
    rows.push((
        "gate",
        status.gate_closed_by.map_or_else(|| "open".to_owned(), |run| format!("closed by run {run}")),
    ));
    rows.push((
        "waiting",
        format!(
            "{} deliveries to decode, {} contacts; {} of them for another attempt",
            table::number(status.deliveries_waiting),
            table::number(status.contacts_waiting),
            table::number(status.retrying)
        ),
    ));
    if let Some(oldest) = status.oldest {
        rows.push(("oldest", format!("{} ago", age(now.duration_since(oldest)))));
    }
    rows.push(("dead letters", table::number(status.dead)));
    rows.push(("new contacts", format!("{} wait for the daily run", table::number(status.newcomers))));
    let (forged, stale) = status.refused;
    rows.push(("turned away", format!("{} forged, {} stale", table::number(forged), table::number(stale))));
    let webhook = match (&status.webhook.standing, &status.webhook.failure) {
        (_, Some(failure)) => format!("not as it should be: {} ({})", failure.message, failure.code),
        (Some(_), None) => "set up in the CRM".to_owned(),
        (None, None) => "not set up; `sluice serve --public-url` does it".to_owned(),
    };
    rows.push(("webhook", webhook));
    rows.extend(status.needs.iter().map(|need| ("full sync", need_in_words(need))));
    rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect()
}

/// What a full sync is needed for, in one line.
pub fn need_in_words(need: &Need) -> String {
    let Need { message, times, since, last, .. } = need;
    let when = if *times == 1 {
        format!("since {}", moment(*since))
    } else {
        format!("{} times from {} to {}", table::number(*times), moment(*since), moment(*last))
    };
    format!("needed: {message} ({when})")
}

/// A moment to the second.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn age(age: SignedDuration) -> String {
    let rounded = age.round(SignedDurationRound::new().smallest(Unit::Second)).unwrap_or(age);
    format!("{rounded:#}")
}
