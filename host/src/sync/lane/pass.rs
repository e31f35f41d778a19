//! What a trace tells of one working through of a lane: a span that is there from the first thing that there was to do
//! on. A lane that finds nothing has none.

use tracing::{Span, info_span};

use crate::integration::IntegrationId;

/// One working through of a lane.
pub(super) struct Pass {
    integration: IntegrationId,
    span: Option<Span>,
}

impl Pass {
    /// Nothing to do was found yet.
    pub(super) fn of(integration: &IntegrationId) -> Self {
        Self { integration: integration.clone(), span: None }
    }

    /// For what is to be done.
    pub(super) fn span(&mut self) -> Span {
        let begin = || info_span!("lane", integration = %self.integration);
        self.span.get_or_insert_with(begin).clone()
    }
}
