//! What a connector writes while a call runs: log lines, standard output and standard error.
//!
//! All of it becomes tracing events, cleaned by the redactor, on the span of the call. It is counted:
//! beyond `log-lines` or `log-bytes` the call ends. The end of standard error is kept, because a
//! panic's message is nowhere else.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tracing::Level;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::limits::{Limit, Limits};
use super::redact::Redactor;
use super::stand_in::StandIn;
use super::stop::Stop;

/// Where the connector writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Log,
    Stdout,
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Lines of standard error that are kept for the error of a crash.
const KEPT_LINES: usize = 8;

struct Written {
    lines: u64,
    bytes: u64,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    last: std::collections::VecDeque<String>,
}

/// All that one call writes. Clones share it.
#[derive(Clone)]
pub(super) struct Words {
    redactor: Arc<Redactor>,
    limits: Arc<Limits>,
    written: Arc<Mutex<Written>>,
    /// Who is told each line, too.
    stand_in: Option<Arc<dyn StandIn>>,
}

impl Words {
    pub(super) fn new(
        redactor: Arc<Redactor>,
        limits: Arc<Limits>,
        stand_in: Option<Arc<dyn StandIn>>,
    ) -> Self {
        let written = Written {
            lines: 0,
            bytes: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
            last: std::collections::VecDeque::new(),
        };
        Self { redactor, limits, written: Arc::new(Mutex::new(written)), stand_in }
    }

    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// One line of the connector's log.
    pub(super) fn log(&self, level: Level, message: &str) -> Result<(), Stop> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        self.count(&mut written, message.len())?;
        self.line(&mut written, Stream::Log, level, message.as_bytes());
        Ok(())
    }

    /// Bytes of standard output or standard error; whole lines are logged, the rest waits.
    fn write(&self, stream: Stream, bytes: &[u8]) -> Result<(), Stop> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = self.limits.size(Limit::LogLineBytes);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let ends = piece.last() == Some(&b'\n');
            written.bytes = written.bytes.saturating_add(piece.len() as u64);
            if written.bytes > self.limits.get(Limit::LogBytes) {
                return Err(Stop::Limit(Limit::LogBytes));
            }
            let pending = written.pending(stream);
            let room = longest.saturating_sub(pending.len());
            pending.extend(piece.iter().take(room).filter(|byte| **byte != b'\n'));
            if ends {
                let line = std::mem::take(pending);
                self.count(&mut written, 0)?;
                self.line(&mut written, stream, level_of(stream), &line);
            }
        }
        Ok(())
    }

    /// What was begun and not ended with a newline.
    pub(super) fn finish(&self) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in [Stream::Stdout, Stream::Stderr] {
            let line = std::mem::take(written.pending(stream));
            if !line.is_empty() {
                self.line(&mut written, stream, level_of(stream), &line);
            }
        }
    }

    /// The last lines of standard error, cleaned, joined by spaces.
    pub(super) fn last_of_stderr(&self) -> String {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.last.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
    }

    fn count(&self, written: &mut Written, bytes: usize) -> Result<(), Stop> {
        written.lines = written.lines.saturating_add(1);
        written.bytes = written.bytes.saturating_add(bytes as u64);
        if written.lines > self.limits.get(Limit::LogLines) {
            return Err(Stop::Limit(Limit::LogLines));
        }
        if written.bytes > self.limits.get(Limit::LogBytes) {
            return Err(Stop::Limit(Limit::LogBytes));
        }
        Ok(())
    }

    fn line(&self, written: &mut Written, stream: Stream, level: Level, line: &[u8]) {
        let longest = self.limits.size(Limit::LogLineBytes);
        let text = self.redactor.clean(&String::from_utf8_lossy(line), longest);
        emit(stream, level, &text);
        if let Some(stand_in) = &self.stand_in {
            stand_in.wrote(&text);
        }
        if stream == Stream::Stderr {
            if written.last.len() == KEPT_LINES {
                written.last.pop_front();
            }
            written.last.push_back(text);
        }
    }
}

impl Written {
    fn pending(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stderr => &mut self.stderr,
            Stream::Stdout | Stream::Log => &mut self.stdout,
        }
    }
}

fn level_of(stream: Stream) -> Level {
    match stream {
        Stream::Stderr => Level::WARN,
        Stream::Stdout | Stream::Log => Level::INFO,
    }
}

/// The level of a tracing event is fixed where it is written, hence five of them.
fn emit(stream: Stream, level: Level, text: &str) {
    let stream = stream.name();
    match level {
        Level::ERROR => tracing::error!(target: "sluice::connector::words", stream, "{text}"),
        Level::WARN => tracing::warn!(target: "sluice::connector::words", stream, "{text}"),
        Level::INFO => tracing::info!(target: "sluice::connector::words", stream, "{text}"),
        Level::DEBUG => tracing::debug!(target: "sluice::connector::words", stream, "{text}"),
        Level::TRACE => tracing::trace!(target: "sluice::connector::words", stream, "{text}"),
    }
}

/// Standard output or standard error as WASI wants it: always ready, never buffered outside the host.
#[derive(Clone)]
pub(super) struct Output {
    pub(super) words: Words,
    pub(super) stream: Stream,
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only WASI 0.1 and 0.3 come this way, and neither is linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.words.write(self.stream, &bytes).map_err(|stop| StreamError::Trap(wasmtime::Error::new(stop)))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 * 1024)
    }
}
