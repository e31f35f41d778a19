//! Connectors: added, listed, taken away; and which version of its connector an integration uses.
//!
//! An integration is given another version only once that was tried beside the one that it uses, whichever way it goes:
//! `sync::compare` says whether it can be used and what would differ; what differs is not done unless somebody accepts
//! it.

use sha2::{Digest, Sha256};

use super::{About, Admin, Done, failed};
use crate::connector::{Connector, component_name, find_component};
use crate::error::Failure;
use crate::integration::IntegrationId;
use crate::kit::check::{Against, check};
use crate::lane::Standing;
use crate::need::{NeedCode, NewNeed};
use crate::signature::Signature;
use crate::store::{ComponentRecord, StoreError, Switch};
use crate::sync;
use crate::upgrade::{
    Comparison, ConnectorLine, ConnectorWords, RolledOut, Rollout, Sample, UpgradeEnd, UpgradeError,
    UpgradeTerms, Upgraded, Version,
};

/// Which way an integration goes.
#[derive(Clone, Copy)]
enum Way<'a> {
    /// To a version that somebody named. It can return.
    Upgrade(&'a Connector),
    /// To the version before.
    Rollback,
}

impl Way<'_> {
    fn what(self) -> &'static str {
        match self {
            Self::Upgrade(_) => "connector.upgrade",
            Self::Rollback => "connector.rollback",
        }
    }

    fn named(self) -> Option<String> {
        match self {
            Self::Upgrade(to) => Some(to.version().connector),
            Self::Rollback => None,
        }
    }
}

impl Admin {
    /// Takes a connector's component into the store, once it has been loaded; `signature` is the one that came with it.
    ///
    /// # Errors
    /// It is no connector that this host can load; somebody is to have signed it and has not; the store fails.
    pub async fn add_connector(
        &self,
        component: Vec<u8>,
        signature: Option<&Signature>,
    ) -> Result<Connector, Failure> {
        let about = About { integration: None, about: Some(component_name(&component)) };
        let doing = async {
            self.service.trusted().check(&component, signature).map_err(failed)?;
            let connector = Box::pin(self.service.engine().load(&component)).await.map_err(failed)?;
            let version = connector.version();
            self.store().put_component(&version.connector, component).await.map_err(failed)?;
            Ok(Done::with_after(connector, &version))
        };
        self.noted("connector.add", about, doing).await
    }

    /// The components in the store, with the integrations of the caller's that use them. One that this host cannot load
    /// is listed with why.
    ///
    /// # Errors
    /// The store fails.
    pub async fn connectors(&self) -> Result<Vec<ConnectorLine>, Failure> {
        let mut lines = Vec::new();
        for record in self.store().components().await.map_err(failed)? {
            let ComponentRecord { name, added_at, used_by, returned_to_by } = record;
            let seen = |ids: Vec<IntegrationId>| {
                ids.into_iter().filter(|id| self.caller.scope.holds(id)).collect::<Vec<_>>()
            };
            let (describes, failure) = match self.load(&name).await {
                Ok(connector) => (Some(words(&connector)), None),
                Err(failure) => (None, Some(failure)),
            };
            let (used_by, returned_to_by) = (seen(used_by), seen(returned_to_by));
            lines.push(ConnectorLine {
                connector: name,
                describes,
                failure,
                added_at,
                used_by,
                returned_to_by,
            });
        }
        let order = |line: &ConnectorLine| {
            let id = line.describes.as_ref().map(|words| words.id.clone());
            (id, line.added_at, line.connector.clone())
        };
        lines.sort_by_key(order);
        Ok(lines)
    }

    /// A connector in the store; some of the first digits of its digest are enough where no other one begins so.
    ///
    /// # Errors
    /// There is none, or several; this host cannot load it; the store fails.
    pub async fn connector(&self, given: &str) -> Result<Connector, Failure> {
        let names = self.store().component_names().await.map_err(failed)?;
        self.load(&find_component(given, &names).map_err(failed)?).await
    }

    async fn load(&self, name: &str) -> Result<Connector, Failure> {
        Box::pin(sync::load_component(&self.service, name)).await.map_err(failed)
    }

    /// Takes a component out of the store; its name.
    ///
    /// # Errors
    /// There is none, or several; an integration uses it, or can return to it; the store fails.
    pub async fn remove_connector(&self, given: &str) -> Result<String, Failure> {
        let names = self.store().component_names().await.map_err(failed)?;
        let name = find_component(given, &names).map_err(failed)?;
        let about = About { integration: None, about: Some(name.clone()) };
        let doing = async {
            self.store().remove_component(&name).await.map_err(failed)?;
            Ok(Done { value: name.clone(), before: Some(name.as_str().into()), after: None })
        };
        self.noted("connector.remove", about, doing).await
    }

    /// What another version of its connector would make of an integration's contacts: of so many that are known. It holds
    /// personal data.
    ///
    /// # Errors
    /// There is no such integration; it cannot use that version; a side does not answer; the store fails.
    pub async fn compare_connectors(
        &self,
        id: &IntegrationId,
        to: &Connector,
        sample: Sample,
    ) -> Result<Comparison, Failure> {
        let standing = self.standing(id).await?;
        keeps_rules(id, to).await?;
        self.compared(&standing, to, sample).await
    }

    async fn compared(
        &self,
        standing: &Standing,
        to: &Connector,
        sample: Sample,
    ) -> Result<Comparison, Failure> {
        Box::pin(sync::compare(&self.service, standing, to, sample)).await.map_err(failed)
    }

    async fn standing(&self, id: &IntegrationId) -> Result<Standing, Failure> {
        let standing = self.store().standing(id).await.map_err(failed)?;
        standing.ok_or_else(|| failed(StoreError::NoIntegration(id.clone())))
    }

    /// Has an integration use another version of its connector, if it can, and if nothing differs or that is accepted. A
    /// run that is active goes on with it.
    ///
    /// # Errors
    /// As `compare_connectors`; the integration was changed meanwhile.
    pub async fn upgrade(
        &self,
        id: &IntegrationId,
        to: &Connector,
        terms: UpgradeTerms,
    ) -> Result<Upgraded, Failure> {
        self.switch(id, Way::Upgrade(to), terms).await
    }

    /// Has an integration return to the version of its connector that it used before, by the same checks.
    ///
    /// # Errors
    /// As `upgrade`; there is no version before.
    pub async fn rollback(&self, id: &IntegrationId, terms: UpgradeTerms) -> Result<Upgraded, Failure> {
        self.switch(id, Way::Rollback, terms).await
    }

    /// The version that an integration used before.
    ///
    /// # Errors
    /// There is none, or this host cannot load it; the store fails.
    pub async fn connector_before(&self, id: &IntegrationId) -> Result<Connector, Failure> {
        self.before(&self.standing(id).await?).await
    }

    async fn before(&self, standing: &Standing) -> Result<Connector, Failure> {
        let nothing = || failed(UpgradeError::NothingBefore(standing.integration.id.clone()));
        self.load(standing.connector_before.as_ref().ok_or_else(nothing)?).await
    }

    async fn switch(
        &self,
        id: &IntegrationId,
        way: Way<'_>,
        terms: UpgradeTerms,
    ) -> Result<Upgraded, Failure> {
        let mut known = None;
        let about = About { integration: Some(id), about: way.named() };
        let doing = async {
            let standing = self.standing(id).await?;
            if terms.revision.is_some_and(|seen| seen != standing.revision) {
                let changed = StoreError::Changed { integration: id.clone(), revision: standing.revision };
                return Err(failed(changed));
            }
            let to = match way {
                Way::Upgrade(to) => to.clone(),
                Way::Rollback => self.before(&standing).await?,
            };
            let name = to.version().connector;
            if name == standing.integration.connector {
                let already = Upgraded { end: UpgradeEnd::Already, comparison: None, revision: None };
                return Ok(Done::plain(already));
            }
            if matches!(way, Way::Upgrade(_)) {
                keeps_rules(id, &to).await?;
            }
            let comparison = self.compared(&standing, &to, terms.sample).await?;
            let is_neutral = comparison.is_neutral();
            if !is_neutral && !terms.accept_differences {
                let held = UpgradeError::Held { integration: id.clone(), words: comparison.in_words() };
                known = Some(comparison);
                return Err(failed(held));
            }
            let need =
                (!is_neutral).then(|| NewNeed::about(NeedCode::ConnectorChanged, vec![way_of(&comparison)]));
            let may_return = matches!(way, Way::Upgrade(_));
            let switch = Switch { revision: standing.revision, to: name, may_return, need };
            let revision = self.store().switch_connector(id, &switch).await.map_err(failed)?;
            let [before, after] =
                [&comparison.from, &comparison.to].map(|version| serde_json::to_value(version).ok());
            let value = Upgraded {
                end: UpgradeEnd::Switched,
                comparison: Some(comparison),
                revision: Some(revision),
            };
            Ok(Done { value, before, after })
        };
        let done = self.noted(way.what(), about, doing).await;
        match (done, known) {
            // It is noted down as refused; whoever asked is told what differs.
            (Err(_), Some(comparison)) => {
                Ok(Upgraded { end: UpgradeEnd::Held, comparison: Some(comparison), revision: None })
            }
            (done, _) => done,
        }
    }

    /// Has a share of the integrations that use a connector use this version of it: always the same ones for the same
    /// share, and those of a smaller share among those of a greater. One that cannot is told with why, and the others go
    /// on. `id`: that of the connector, as whoever asks for it believes.
    ///
    /// # Errors
    /// The share is none; the connector is of another id; the store fails.
    pub async fn rollout(
        &self,
        to: &Connector,
        id: Option<&str>,
        percent: u32,
        terms: UpgradeTerms,
    ) -> Result<Rollout, Failure> {
        if percent == 0 || percent > 100 {
            return Err(failed(UpgradeError::Share));
        }
        let version = to.version();
        if let Some(id) = id.filter(|id| *id != version.id) {
            let message = format!(
                "{} is a version of the connector `{}`, and not of `{id}`; give one of that",
                version.connector, version.id
            );
            return Err(Failure { code: "upgrade-other-connector".to_owned(), message });
        }
        let using = self.using(&version).await?;
        let share = share(using.len(), percent);
        let mut integrations = Vec::with_capacity(share);
        for id in using.iter().take(share) {
            let upgraded = Box::pin(self.upgrade(id, to, UpgradeTerms { revision: None, ..terms })).await;
            integrations.push(rolled_out(id.clone(), upgraded));
        }
        Ok(Rollout { to: version, using: using.len() as u64, integrations })
    }

    /// The integrations that use some version of a connector, in the order in which they get another one: by chance, but
    /// always the same.
    pub(super) async fn using(&self, version: &Version) -> Result<Vec<IntegrationId>, Failure> {
        let mut using = Vec::new();
        for integration in self.store().integrations().await.map_err(failed)? {
            // Of one whose component this host cannot load, nobody knows what it uses.
            let Ok(connector) = self.load(&integration.connector).await else { continue };
            if connector.description().id == version.id {
                using.push(integration.id);
            }
        }
        using.sort_by_key(|id| Sha256::digest(&id.0).to_vec());
        Ok(using)
    }
}

/// How many a share of so many is: at least one, if there is any.
fn share(of: usize, percent: u32) -> usize {
    let percent = usize::try_from(percent).unwrap_or(100);
    of.saturating_mul(percent).div_ceil(100).min(of)
}

fn rolled_out(integration: IntegrationId, upgraded: Result<Upgraded, Failure>) -> RolledOut {
    match upgraded {
        Ok(Upgraded { end, comparison, .. }) => {
            let comparison = comparison.map(Comparison::without_samples);
            let held = comparison.as_ref().filter(|_| end == UpgradeEnd::Held);
            let failure = held.map(|held| {
                failed(UpgradeError::Held { integration: integration.clone(), words: held.in_words() })
            });
            RolledOut { integration, end, failure, comparison }
        }
        Err(failure) => {
            RolledOut { integration, end: UpgradeEnd::Refused, failure: Some(failure), comparison: None }
        }
    }
}

/// From which version to which, in words.
fn way_of(comparison: &Comparison) -> String {
    let Comparison { from, to, .. } = comparison;
    let digits = |version: &Version| version.connector.chars().take(19).collect::<String>();
    format!("{} {} to {} ({} to {})", from.id, from.version, to.version, digits(from), digits(to))
}

fn words(connector: &Connector) -> ConnectorWords {
    let description = connector.description();
    ConnectorWords {
        id: description.id.clone(),
        name: description.name.clone(),
        version: description.version.clone(),
    }
}

/// Tries the rules that can be tried on a connector alone: its CRM is a customer's, and not to be tried on.
async fn keeps_rules(id: &IntegrationId, to: &Connector) -> Result<(), Failure> {
    let checked = check(to, &Against::Nothing, 0).await.map_err(failed)?;
    let broken: Vec<String> =
        checked.broken().map(|(rule, seen)| format!("{} ({})", rule.id, seen.join("; "))).collect();
    if broken.is_empty() {
        return Ok(());
    }
    Err(failed(UpgradeError::Rules { integration: id.clone(), broken: broken.join(", ") }))
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn a_share_is_at_least_one_and_grows_to_all() {
        let shares: Vec<usize> =
            [1, 10, 34, 50, 99, 100].into_iter().map(|percent| share(3, percent)).collect();
        assert_eq!(shares, [1, 1, 2, 2, 3, 3]);
        assert_eq!(share(0, 100), 0);
        assert_eq!(share(200, 10), 20);
    }
}
