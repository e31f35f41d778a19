//! `OverviewStore`, each method one transaction.

use async_trait::async_trait;
use jiff::Timestamp;

use super::SqlStore;
use crate::contact::{ContactId, Cursor};
use crate::error::Failure;
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::overview::{
    ImportCounters, ImportNumber, ImportWork, Member, MemberSettled, Overview, OverviewId, OverviewImport,
    SkippedMember,
};
use crate::profile::TagId;
use crate::store::sql::{Engine, members, overviews};
use crate::store::{NewImport, OverviewStore, StoreError};

#[async_trait]
impl<E: Engine> OverviewStore for SqlStore<E> {
    async fn put_overview(&self, id: &IntegrationId, overview: &Overview) -> Result<bool, StoreError> {
        let (id, overview) = (id.clone(), overview.clone());
        self.engine.write(move |sql| overviews::put(sql, &id, &overview)).await
    }

    async fn overview(&self, id: &IntegrationId, overview: &OverviewId) -> Result<Overview, StoreError> {
        let (id, overview) = (id.clone(), overview.clone());
        self.engine.read(move |sql| overviews::get(sql, &id, &overview)).await
    }

    async fn overviews(
        &self,
        id: &IntegrationId,
    ) -> Result<Vec<(Overview, Option<OverviewImport>)>, StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| overviews::all(sql, &id)).await
    }

    async fn recurring_overviews(
        &self,
        id: &IntegrationId,
    ) -> Result<Vec<(Overview, Timestamp)>, StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| overviews::recurring(sql, &id)).await
    }

    async fn drop_overview(&self, id: &IntegrationId, overview: &OverviewId) -> Result<(), StoreError> {
        let (id, overview) = (id.clone(), overview.clone());
        self.engine.write(move |sql| overviews::forget(sql, &id, &overview)).await
    }

    async fn accept_import(
        &self,
        id: &IntegrationId,
        overview: &OverviewId,
        new: NewImport,
    ) -> Result<OverviewImport, StoreError> {
        let (id, overview) = (id.clone(), overview.clone());
        self.engine.write(move |sql| overviews::accept(sql, &id, &overview, new)).await
    }

    async fn active_import(&self, id: &IntegrationId) -> Result<Option<ImportWork>, StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| overviews::active_of(sql, &id)).await
    }

    async fn overview_import(&self, number: ImportNumber) -> Result<Option<OverviewImport>, StoreError> {
        self.engine.read(move |sql| overviews::import(sql, number)).await
    }

    async fn overview_imports(
        &self,
        id: &IntegrationId,
        overview: &OverviewId,
        before: Option<ImportNumber>,
        limit: u32,
    ) -> Result<Vec<OverviewImport>, StoreError> {
        let (id, overview) = (id.clone(), overview.clone());
        self.engine.read(move |sql| overviews::newest_of(sql, &id, &overview, before, limit)).await
    }

    async fn commit_members(
        &self,
        fence: &Fence,
        number: ImportNumber,
        read: Vec<(ContactId, bool)>,
        next: Option<Cursor>,
    ) -> Result<ImportCounters, StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| members::commit(sql, &fence, number, &read, next.as_ref())).await
    }

    async fn read_members_anew(&self, fence: &Fence, number: ImportNumber) -> Result<(), StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| members::read_anew(sql, &fence, number)).await
    }

    async fn would_lose(&self, number: ImportNumber) -> Result<(u64, u64), StoreError> {
        self.engine.read(move |sql| members::would_lose(sql, number)).await
    }

    async fn begin_tagging(&self, fence: &Fence, number: ImportNumber) -> Result<(), StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| overviews::begin_tagging(sql, &fence, number)).await
    }

    async fn members(&self, number: ImportNumber, limit: u32) -> Result<Vec<Member>, StoreError> {
        self.engine.read(move |sql| members::next(sql, number, limit)).await
    }

    async fn note_tags(
        &self,
        fence: &Fence,
        number: ImportNumber,
        tags: Vec<(ContactId, Vec<TagId>)>,
    ) -> Result<(), StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| members::note_tags(sql, &fence, number, &tags)).await
    }

    async fn settle_members(
        &self,
        fence: &Fence,
        number: ImportNumber,
        settled: Vec<MemberSettled>,
    ) -> Result<ImportCounters, StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| members::settle(sql, &fence, number, &settled)).await
    }

    async fn end_import(
        &self,
        fence: &Fence,
        number: ImportNumber,
        failure: Option<Failure>,
    ) -> Result<OverviewImport, StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| overviews::end(sql, &fence, number, failure.as_ref())).await
    }

    async fn skipped_members(
        &self,
        id: &IntegrationId,
        overview: &OverviewId,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<SkippedMember>, StoreError> {
        let (id, overview, after) = (id.clone(), overview.clone(), after.cloned());
        self.engine.read(move |sql| members::skipped(sql, &id, &overview, after.as_ref(), limit)).await
    }
}
