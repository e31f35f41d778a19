//! Overviews that are imported, their imports, and who has which of their tags.

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::contact::{ContactId, Cursor};
use crate::error::Failure;
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::overview::{
    ImportCounters, ImportKind, ImportNumber, ImportWork, Member, MemberSettled, Overview, OverviewId,
    OverviewImport, SkippedMember,
};
use crate::profile::TagId;

/// An import that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewImport {
    /// What it is for.
    pub kind: ImportKind,
    /// Whether it takes the tag off however many, without asking.
    pub confirmed: bool,
    /// The moment up to which recurring imports are done with it.
    pub done: Option<Timestamp>,
}

/// Overviews that are imported, their imports, and who has which of their tags.
#[async_trait]
pub trait OverviewStore: Send + Sync {
    /// Sets an overview up, or changes it; whether it is new. A recurring one is due for the first time after now.
    /// Refused if another overview has the tag, or may have set it.
    async fn put_overview(&self, id: &IntegrationId, overview: &Overview) -> Result<bool, StoreError>;

    /// One that is set up.
    async fn overview(&self, id: &IntegrationId, overview: &OverviewId) -> Result<Overview, StoreError>;

    /// All that are set up, by name, with the newest import of each.
    async fn overviews(
        &self,
        id: &IntegrationId,
    ) -> Result<Vec<(Overview, Option<OverviewImport>)>, StoreError>;

    /// Those that are imported by themselves, with the moment up to which that is done.
    async fn recurring_overviews(&self, id: &IntegrationId)
    -> Result<Vec<(Overview, Timestamp)>, StoreError>;

    /// Forgets an overview. What it has set in APSIS One stays. Refused while an import of it is under way.
    async fn drop_overview(&self, id: &IntegrationId, overview: &OverviewId) -> Result<(), StoreError>;

    /// Accepts an import. Refused while one of the overview is under way. A removal marks the overview as leaving.
    async fn accept_import(
        &self,
        id: &IntegrationId,
        overview: &OverviewId,
        new: NewImport,
    ) -> Result<OverviewImport, StoreError>;

    /// The oldest import that is under way.
    async fn active_import(&self, id: &IntegrationId) -> Result<Option<ImportWork>, StoreError>;

    /// One import; none if it is gone with its overview.
    async fn overview_import(&self, number: ImportNumber) -> Result<Option<OverviewImport>, StoreError>;

    /// An overview's imports, the newest first, older than `before`, at most `limit`.
    async fn overview_imports(
        &self,
        id: &IntegrationId,
        overview: &OverviewId,
        before: Option<ImportNumber>,
        limit: u32,
    ) -> Result<Vec<OverviewImport>, StoreError>;

    /// Stores a page of members, and where reading goes on. Of each: whether it stands for somebody who was forgotten.
    /// One that was read already is counted once.
    async fn commit_members(
        &self,
        fence: &Fence,
        number: ImportNumber,
        members: Vec<(ContactId, bool)>,
        next: Option<Cursor>,
    ) -> Result<ImportCounters, StoreError>;

    /// Reading starts anew: nobody counts as read.
    async fn read_members_anew(&self, fence: &Fence, number: ImportNumber) -> Result<(), StoreError>;

    /// How many have a tag of the import's overview, and how many of them were not read.
    async fn would_lose(&self, number: ImportNumber) -> Result<(u64, u64), StoreError>;

    /// All are read: what the import before this one left aside is forgotten, and tags are written from now on.
    async fn begin_tagging(&self, fence: &Fence, number: ImportNumber) -> Result<(), StoreError>;

    /// Who is to be settled next, by id, at most `limit`.
    async fn members(&self, number: ImportNumber, limit: u32) -> Result<Vec<Member>, StoreError>;

    /// Writes down which tags may be on profiles soon, before they are sent.
    async fn note_tags(
        &self,
        fence: &Fence,
        number: ImportNumber,
        tags: Vec<(ContactId, Vec<TagId>)>,
    ) -> Result<(), StoreError>;

    /// Stores what became of those that were to be settled next, all or nothing.
    async fn settle_members(
        &self,
        fence: &Fence,
        number: ImportNumber,
        settled: Vec<MemberSettled>,
    ) -> Result<ImportCounters, StoreError>;

    /// Ends an import. A removal that has left no tag ends its overview, too.
    async fn end_import(
        &self,
        fence: &Fence,
        number: ImportNumber,
        failure: Option<Failure>,
    ) -> Result<OverviewImport, StoreError>;

    /// Whom the newest import left as they are, and why; by id, after `after`, at most `limit`.
    async fn skipped_members(
        &self,
        id: &IntegrationId,
        overview: &OverviewId,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<SkippedMember>, StoreError>;
}
