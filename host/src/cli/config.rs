//! `sluice config`: how this host is set up.

use clap::Subcommand;

use super::{Context, output, table};
use crate::config::{DEFAULTS, Settings};

/// What can be done with the set-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Show every setting, what holds, and where that came from. Passwords are left out.
    Show,
    /// Print the file with the defaults, which says what each setting is for.
    Default,
}

/// Runs the command.
pub fn run(context: &Context, settings: &Settings, command: Command) {
    match command {
        Command::Show => show(context, settings),
        Command::Default => output::text(DEFAULTS),
    }
}

fn show(context: &Context, settings: &Settings) {
    if context.json {
        for setting in settings.all() {
            context.line(&serde_json::json!({
                "setting": setting.key, "value": setting.shown(), "from": setting.origin,
            }));
        }
        return;
    }
    let rows = settings.all().iter().map(|setting| {
        let value = setting.shown().to_string();
        let value = if value.is_empty() { "-".to_owned() } else { value };
        vec![setting.key.clone(), value, setting.origin.to_string()]
    });
    output::text(&table::render(&rows.collect::<Vec<_>>()));
}
