//! `sluice doctor`: whether an integration can work, one line for each thing that is checked.
//!
//! Nothing is written to either side.

use super::{Context, End, Opened, Result};
use crate::admin::{Finding, checkup};
use crate::error::Failure;
use crate::integration::IntegrationId;

/// What the command is given.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which integration.
    integration: String,
}

/// Runs the command.
pub async fn run(context: &Context, args: Args) -> Result<End> {
    let opened = Opened::new(context).await?;
    let integration = opened.integration(&IntegrationId(args.integration)).await?;
    let mut failed = 0_u32;
    let mut tell = |finding: Finding| {
        failed += u32::from(!finding.ok);
        context.answer(&finding, || in_words(&finding));
    };
    checkup(&opened.service()?, &integration, &mut tell).await;
    match failed {
        0 => Ok(End::Success),
        failed => Err(Failure {
            code: "doctor-found-trouble".to_owned(),
            message: format!("{failed} of the checks of {} failed; see above", integration.id),
        }),
    }
}

fn in_words(finding: &Finding) -> String {
    let Finding { check, message, error, .. } = finding;
    match error {
        Some(Failure { code, message }) => format!("  FAILED  {check}: {code}: {message}"),
        None => format!("  ok      {check}: {}", message.as_deref().unwrap_or_default()),
    }
}
