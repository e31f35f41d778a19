//! One import of an overview, a step at a time: a page of members is read, or some are tagged.
//!
//! All members are read before the first tag is written, so that a page that fails takes the tag off nobody. What may
//! be on a profile is written down before it is sent; so an import that was cut off goes on, and ends right.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use tracing::info;

use super::deciding::{Todo, decide, profile_missing};
use crate::apsis::{ApsisError, Client, Kind, Patched, Tags, Target};
use crate::connector::{CallError, Connection, NextStep};
use crate::contact::ContactId;
use crate::error::{ErrorCode, Failure};
use crate::hosting::Fence;
use crate::integration::Integration;
use crate::overview::{
    ImportKind, ImportNumber, ImportState, ImportWork, MemberEnd, MemberSettled, OverviewError, shrinks,
};
use crate::profile::TagId;
use crate::store::Store;
use crate::sync::failure::SyncError;
use crate::sync::holding::Hold;
use crate::sync::line::{Patience, connect};
use crate::sync::patience::patiently;
use crate::sync::service::Service;
use crate::sync::writing::AT_ONCE;

/// Members settled in one step, after which the lane has its turn.
const STEP: u32 = 100;

/// What an import speaks to. It needs no rules: a mapping that is paused keeps nobody from being tagged.
pub struct Sides {
    /// The import that it was opened for.
    pub number: ImportNumber,
    /// The component that it was opened with.
    pub connector: String,
    /// The CRM; none where the tag is taken off everybody, whom the CRM need not name.
    connection: Option<Connection>,
    target: Target,
    tags: Tags,
    page_size: u32,
}

/// How far a step has brought an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Went {
    /// There is more to do.
    On,
    /// It has ended.
    ToItsEnd,
}

impl Sides {
    /// Opens both sides for an import.
    ///
    /// # Errors
    /// A side does not answer or cannot be used; the section has no such tag.
    pub async fn open(
        service: &Service,
        hold: &Hold,
        integration: &Integration,
        work: &ImportWork,
    ) -> Result<Self, SyncError> {
        let is_removal = work.import.kind == ImportKind::Removal;
        let connection = if is_removal { None } else { Some(connect(service, integration).await?) };
        let (valid, secret) = (hold.valid.clone(), service.secrets().of_apsis(integration).await?);
        let client = Client::new(&integration.apsis, secret)?;
        let client = client.while_allowed(Arc::new(move || valid.left())).impatient();
        let target = client.target(&client.definitions().await?, &integration.apsis)?;
        let tags = target.section_tags().await?;
        if !is_removal {
            tags.tag(&work.tag.0)?;
        }
        let page_size = integration.sync.page_size;
        let (number, connector) = (work.import.number, integration.connector.clone());
        Ok(Self { number, connector, connection, target, tags, page_size })
    }

    /// Does the next step of the import.
    ///
    /// # Errors
    /// A side does not answer, or refuses all; the store fails. The import is where it was.
    pub async fn go_on(
        &self,
        store: &dyn Store,
        fence: &Fence,
        work: &ImportWork,
    ) -> Result<Went, SyncError> {
        if work.import.state == ImportState::Writing {
            return self.tag_some(store, fence, work).await;
        }
        let read_to_end = match &self.connection {
            None => true,
            Some(connection) => self.read_page(connection, store, fence, work).await?,
        };
        if read_to_end {
            let (had, would_lose) = store.would_lose(self.number).await?;
            if !work.import.confirmed && shrinks(had, would_lose) {
                return Err(OverviewError::Shrank { had, would_lose }.into());
            }
            store.begin_tagging(fence, self.number).await?;
        }
        Ok(Went::On)
    }

    /// Reads a page; whether it was the last.
    async fn read_page(
        &self,
        connection: &Connection,
        store: &dyn Store,
        fence: &Fence,
        work: &ImportWork,
    ) -> Result<bool, SyncError> {
        let (overview, after) = (&work.import.overview.0, work.cursor.as_ref());
        let page =
            patiently(Patience::Short, || connection.read_members(overview, after, self.page_size)).await;
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                if error.next_step() == NextStep::StartAgain {
                    store.read_members_anew(fence, self.number).await?;
                }
                return Err(error.into());
            }
        };
        if page.next.is_some() && page.next.as_ref() == after {
            return Err(SyncError::CursorRepeated);
        }
        let forgotten = store.forgotten(&fence.integration, &page.contacts).await?;
        // Of whom was forgotten no id is kept.
        let members = page.contacts.into_iter().map(|contact| match forgotten.get(&contact) {
            Some(tombstone) => (tombstone.decided().contact, true),
            None => (contact, false),
        });
        let is_last = page.next.is_none();
        store.commit_members(fence, self.number, members.collect(), page.next).await?;
        Ok(is_last)
    }

    /// Settles the next members; after the last, the import has ended.
    async fn tag_some(&self, store: &dyn Store, fence: &Fence, work: &ImportWork) -> Result<Went, SyncError> {
        let members = store.members(self.number, STEP).await?;
        if members.is_empty() {
            let ended = store.end_import(fence, self.number, None).await?;
            info!(
                integration = %fence.integration,
                import = %self.number,
                read = ended.counters.read,
                added = ended.counters.added,
                removed = ended.counters.removed,
                skipped = ended.counters.skipped,
                "overview imported"
            );
            return Ok(Went::ToItsEnd);
        }
        let ids: Vec<ContactId> = members.iter().map(|member| member.contact.clone()).collect();
        let ledger = store.ledger(&fence.integration, &ids).await?;
        let (mut settled, mut writes, mut noted) =
            (Vec::with_capacity(members.len()), Vec::new(), Vec::new());
        for member in members {
            let entry = ledger.get(&member.contact);
            match decide(member, entry, &work.tag, &self.tags) {
                Todo::Nothing(then) => settled.push(then),
                Todo::Write { tags, may_have, then } => {
                    noted.push((then.contact.clone(), may_have.clone()));
                    writes.push((tags, may_have, then));
                }
            }
        }
        if !noted.is_empty() {
            store.note_tags(fence, self.number, noted).await?;
        }
        let write = |(tags, may_have, then)| async move { self.write(&tags, may_have, then).await }.boxed();
        let written: Vec<MemberSettled> =
            stream::iter(writes).map(write).buffer_unordered(AT_ONCE).try_collect().await?;
        settled.extend(written);
        store.settle_members(fence, self.number, settled).await?;
        Ok(Went::On)
    }

    /// Sets and takes off one profile's tags.
    async fn write(
        &self,
        tags: &std::collections::BTreeMap<TagId, bool>,
        may_have: Vec<TagId>,
        then: MemberSettled,
    ) -> Result<MemberSettled, ApsisError> {
        let is_removal = then.end == MemberEnd::Removed;
        match self.target.tags(&then.contact, tags).await {
            Ok(Patched::Written) => Ok(then),
            // A profile that is gone, or locked, which is done by emptying it, has no tag.
            Ok(Patched::NoProfile) | Err(ApsisError::Locked { .. }) if is_removal => Ok(then),
            Ok(Patched::NoProfile) => Ok(MemberSettled {
                end: MemberEnd::Skipped,
                tags: Vec::new(),
                reason: Some(profile_missing()),
                ..then
            }),
            Err(error) if matches!(error.kind(), Kind::Contact(_)) => {
                let end = if is_removal { MemberEnd::NotRemoved } else { MemberEnd::Skipped };
                let reason = error.reason();
                Ok(MemberSettled { end, tags: may_have, is_settled: false, reason, ..then })
            }
            Err(error) => Err(error),
        }
    }
}

/// Ends an import that cannot go on.
///
/// # Errors
/// When the store fails.
pub async fn give_up(
    store: &dyn Store,
    fence: &Fence,
    number: ImportNumber,
    error: &SyncError,
) -> Result<(), crate::store::StoreError> {
    info!(integration = %fence.integration, import = %number, code = error.code(), "overview import failed");
    store.end_import(fence, number, Some(Failure::from(error))).await?;
    Ok(())
}

/// Whether the CRM says that it offers no overviews.
pub fn is_not_offered(error: &CallError) -> bool {
    matches!(error, CallError::Said { kind: crate::connector::SaidKind::Unsupported, .. })
}
