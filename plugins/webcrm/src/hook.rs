//! The hooks in webCRM: one for each table and event, made once, found again when asked for twice.
//!
//! What webCRM's definition says of hooks is used, and no more: the list shows the caller's own hooks, and what a POST
//! answers is not read, since the list tells the id.

use serde::Deserialize;
use serde_json::json;
use sluice_sdk::Error;
use sluice_sdk::request::Method;

use crate::WebCrm;
use crate::api::ok;
use crate::delivery::{Event, HOOKS, address, is_of};
use crate::settings::HookToken;
use crate::table::Table;

const WHAT: &str = "the hooks";

/// Between the ids that are handed to the host as one.
const SEPARATOR: char = ',';

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Hook {
    id: i64,
    #[serde(default)]
    target_url: Option<String>,
    #[serde(default)]
    event_type: Option<String>,
    #[serde(default)]
    is_enabled: Option<bool>,
}

impl Hook {
    fn posts_to(&self, target: &str, event: Event) -> bool {
        self.target_url.as_deref() == Some(target)
            && self.event_type.as_deref() == Some(event.name())
            && self.is_enabled != Some(false)
    }
}

fn path(table: Table) -> String {
    format!("{}/Hooks", table.path())
}

impl WebCrm {
    /// The hooks that post to `url`. Those that are there are kept; what else there is for this address, of an older
    /// token or twice, is deleted when the new ones are there.
    pub(crate) fn set_hooks_up(&self, url: &str) -> Result<String, Error> {
        let Some(token) = HookToken::read()? else {
            return Err(Error::misconfigured(
                "webCRM signs no messages, so that its hooks need a token in their address. Give 32 random letters and \
                 digits or more as the setting `hook-word`.",
            ));
        };
        let mut kept = Vec::new();
        for table in [Table::Person, Table::Organisation] {
            let wanted: Vec<(Event, String)> = HOOKS
                .iter()
                .filter(|(of, _)| *of == table)
                .map(|(_, event)| (*event, address(url, &token, table, *event)))
                .collect();
            let there = self.hooks(table)?;
            for (event, target) in &wanted {
                if !there.iter().any(|hook| hook.posts_to(target, *event)) {
                    self.make_hook(table, *event, target)?;
                }
            }
            let mut there = self.hooks(table)?;
            for (event, target) in &wanted {
                let at = there
                    .iter()
                    .position(|hook| hook.posts_to(target, *event))
                    .ok_or_else(|| Error::malformed("webCRM made a hook and does not show it. Report it."))?;
                kept.push(format!("{} {}", table.name(), there.swap_remove(at).id));
            }
            for hook in
                there.iter().filter(|hook| hook.target_url.as_deref().is_some_and(|at| is_of(at, url)))
            {
                self.delete_hook(table, hook.id)?;
            }
        }
        Ok(kept.join(&SEPARATOR.to_string()))
    }

    pub(crate) fn hooks_readable(&self) -> Result<(), Error> {
        self.hooks(Table::Person).map(drop)
    }

    fn hooks(&self, table: Table) -> Result<Vec<Hook>, Error> {
        self.api.read(&path(table), WHAT)
    }

    fn make_hook(&self, table: Table, event: Event, target: &str) -> Result<(), Error> {
        let body = json!({
            "Id": 0, "TargetUrl": target, "EventType": event.name(), "IsEnabled": true, "Filter": ["All"],
        });
        ok(self.api.send(Method::Post, &path(table), Some(&body), WHAT)?, WHAT).map(drop)
    }

    fn delete_hook(&self, table: Table, id: i64) -> Result<(), Error> {
        let reply = self.api.send(Method::Delete, &format!("{}/{id}", path(table)), None, WHAT)?;
        if reply.status() == 404 { Ok(()) } else { ok(reply, WHAT).map(drop) }
    }

    /// Deletes the hooks that were handed to the host as one id; those that are gone already are fine.
    pub(crate) fn take_hooks_down(&self, id: &str) -> Result<(), Error> {
        for one in id.split(SEPARATOR).filter(|one| !one.is_empty()) {
            let hook = one.split_once(' ').and_then(|(name, id)| {
                let table =
                    [Table::Person, Table::Organisation].into_iter().find(|table| table.name() == name)?;
                Some((table, id.parse().ok()?))
            });
            let (table, id) = hook.ok_or_else(|| {
                Error::malformed("The host named a hook that this connector did not make. Report it.")
            })?;
            self.delete_hook(table, id)?;
        }
        Ok(())
    }
}
