//! One call: a fresh store and instance, run within the limits, and its end told apart.
//!
//! Two clocks end a call: the CPU budget counts the ticks in which the component's own code ran, the
//! wall deadline everything. Neither alone would do: a component that waits uses no CPU, and one that
//! computes without end still yields, so that the deadline is noticed. One that has computed for long, or
//! did, or did what it must not, when it was made last, goes on aside. The store is dropped whatever happens; an
//! instance is never used twice.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument as _;
use tracing::field::Empty;
use wasmtime::component::Instance;
use wasmtime::{Store, Trap, WasmBacktrace};

use super::aside::Caller;
use super::bindings::exported::connector;
use super::bindings::imported::types;
use super::component::Bound;
use super::convert::{self, Misfit};
use super::error::CallError;
use super::limits::{Limit, Limits};
use super::outbound::Refusal;
use super::state::{CallState, Purpose};
use super::stop::Stop;
use crate::error::ErrorCode;
use crate::integration::IntegrationId;
use crate::metrics;
use crate::traces;

/// A call that has not begun.
pub(super) struct Call {
    name: &'static str,
    bound: Bound,
    limits: Arc<Limits>,
    /// Whose it is, for who counts it.
    integration: String,
    store: Store<CallState>,
    span: tracing::Span,
    /// Behind the store, so that it is given back after the store's memory was.
    room: Option<OwnedSemaphorePermit>,
}

impl Call {
    pub(super) fn new(name: &'static str, bound: &Bound, purpose: Purpose, limits: &Arc<Limits>) -> Self {
        let span = match &purpose {
            Purpose::Describe => span_of(name, None),
            Purpose::Call(environment) => span_of(name, Some(&environment.integration)),
        };
        let integration = match &purpose {
            Purpose::Describe => String::new(),
            Purpose::Call(environment) => environment.integration.0.clone(),
        };
        let mut store = Store::new(bound.pre.engine(), CallState::new(purpose, Arc::clone(limits)));
        store.limiter(|state| state);
        store.set_hostcall_fuel(limits.size(Limit::ResultBytes));
        store.epoch_deadline_callback(CallState::on_tick);
        store.set_epoch_deadline(1);
        Self { name, bound: bound.clone(), limits: Arc::clone(limits), integration, store, span, room: None }
    }

    /// Runs `work` on a fresh instance. `work` gets what it needs to find its function and call it.
    pub(super) async fn run<T: Send + 'static>(
        mut self,
        work: impl for<'a> FnOnce(&'a mut Store<CallState>, &'a Instance, &'a Bound) -> Answer<'a, T>
        + Send
        + 'static,
    ) -> Result<T, CallError> {
        // Waiting for room is not the component's time. Nobody closes the room; were it closed, the
        // allocation of the instance would say that there is none.
        self.room = Arc::clone(&self.bound.room).acquire_owned().await.ok();
        let (span, name, began) = (self.span.clone(), self.name, Instant::now());
        let (aside, place) = (Arc::clone(&self.bound.aside), self.store.data().place());
        let caller = Caller { integration: self.integration.clone(), call: name };
        let call = self.within_limits(work).instrument(span.clone());
        let is_fault = |ended: &Result<T, CallError>| ended.as_ref().is_err_and(CallError::is_fault);
        let broken_off = || CallError::Host { call: name, reason: "the host is stopping".to_owned() };
        let ended = aside.run(&caller, &place, call, is_fault).await.unwrap_or_else(|| Err(broken_off()));
        let result = ended.as_ref().map_or_else(ErrorCode::code, |_| "ok");
        if let Err(error) = &ended {
            span.in_scope(|| traces::failed(error.code()));
        }
        metrics::connector_called(&caller.integration, name, result, began.elapsed());
        ended
    }

    /// The call itself: an answer, or what ended it.
    async fn within_limits<T>(
        mut self,
        work: impl for<'a> FnOnce(&'a mut Store<CallState>, &'a Instance, &'a Bound) -> Answer<'a, T>,
    ) -> Result<T, CallError> {
        let (pre, wall) = (self.bound.pre.clone(), self.limits.time(Limit::WallMs));
        let began = Instant::now();
        let mut instantiated = false;
        let all = async {
            let instance = pre.instantiate_async(&mut self.store).await?;
            instantiated = true;
            work(&mut self.store, &instance, &self.bound).await
        };
        let ended = tokio::time::timeout(wall, all).await;
        self.store.data().words.finish();
        let memory = self.store.data().memory();
        tracing::trace!(memory, "call ended");
        if let Some(stand_in) = self.store.data().stand_in() {
            stand_in.ended(self.name, memory, began.elapsed());
        }
        match ended {
            Err(_) => Err(self.limit(Limit::WallMs)),
            Ok(Err(error)) => Err(self.stopped(&error, instantiated)),
            Ok(Ok(Err(said))) => Err(self.said(said)),
            Ok(Ok(Ok(answer))) => Ok(answer),
        }
    }

    pub(super) async fn describe(self) -> Result<connector::Description, CallError> {
        self.run(|store, instance, bound| {
            Box::pin(async move {
                let guest = bound.connector.load(&mut *store, instance)?;
                Ok(Ok(guest.call_describe(&mut *store).await?))
            })
        })
        .await
    }

    fn limit(&self, limit: Limit) -> CallError {
        CallError::Limit { call: self.name, limit, allowed: self.limits.get(limit) }
    }

    fn clean(&self, text: &str) -> String {
        self.store.data().words.redactor().clean(text, 1_000)
    }

    /// The component did not come to an answer.
    fn stopped(&self, error: &wasmtime::Error, instantiated: bool) -> CallError {
        match error.downcast_ref::<Stop>() {
            Some(Stop::Limit(limit)) => return self.limit(*limit),
            Some(stop @ Stop::ImportInDescribe(_)) => {
                return CallError::Crashed { call: self.name, reason: stop.to_string() };
            }
            None => {}
        }
        // wasmtime has no public type for this one.
        if error.root_cause().to_string().contains("fuel allocated for hostcalls has been exhausted") {
            return self.limit(Limit::ResultBytes);
        }
        let cause =
            error.downcast_ref::<Trap>().map_or_else(|| error.root_cause().to_string(), Trap::to_string);
        let trace = error.downcast_ref::<WasmBacktrace>();
        // No instance, and no code of the component on the stack: the host had no room for it.
        if !instantiated && trace.is_none() {
            return CallError::Host { call: self.name, reason: self.clean(&cause) };
        }
        let words = self.store.data().words.last_of_stderr();
        let mut reason = cause;
        if let Some(place) = trace.and_then(place) {
            reason.push_str(&format!(" in {place}"));
        }
        if !words.is_empty() {
            reason.push_str(&format!("; it said: {words}"));
        }
        CallError::Crashed { call: self.name, reason: self.clean(&reason) }
    }

    /// The component's own error; where the host itself ended the request before it, the host's reason
    /// is the better one.
    fn said(&self, said: types::Error) -> CallError {
        match &self.store.data().used.refusal {
            Some(Refusal::Limit(limit)) => return self.limit(*limit),
            Some(Refusal::Denied(refusal)) => {
                return CallError::Denied { call: self.name, refusal: self.clean(refusal) };
            }
            None => {}
        }
        let (kind, retry_after) = convert::said(&said);
        let details = said.details.iter().take(20).map(|(name, value)| (self.clean(name), self.clean(value)));
        CallError::Said {
            call: self.name,
            kind,
            message: self.clean(&said.message),
            retry_after,
            details: details.collect(),
        }
    }
}

fn span_of(call: &'static str, integration: Option<&IntegrationId>) -> tracing::Span {
    tracing::info_span!(
        "connector",
        otel.name = format_args!("connector {call}"),
        call,
        integration = integration.map(|id| id.0.as_str()),
        code = Empty,
        otel.status_code = Empty
    )
}

/// What a call's work comes to: a trap, the component's own error, or its answer.
pub(super) type Answer<'a, T> =
    std::pin::Pin<Box<dyn Future<Output = wasmtime::Result<Result<T, types::Error>>> + Send + 'a>>;

/// An answer that cannot be taken, as an error of its call.
pub(super) fn misfit(call: &'static str, limits: &Limits, misfit: Misfit) -> CallError {
    match misfit {
        Misfit::Wrong(field, problem) => CallError::Malformed { call, field, problem: problem.to_owned() },
        Misfit::Limit(limit) => CallError::Limit { call, limit, allowed: limits.get(limit) },
    }
}

/// The innermost function of the component that is not of the panic machinery.
fn place(trace: &WasmBacktrace) -> Option<String> {
    let names = trace.frames().iter().filter_map(|frame| frame.func_name());
    let own = |name: &&str| {
        !["panic", "abort", "core::", "std::", "alloc::", "rust_", "__rust"]
            .iter()
            .any(|part| name.contains(part))
    };
    names.clone().find(own).or_else(|| names.into_iter().next()).map(str::to_owned)
}
