//! What a connector says reaches the log, and only what may be there.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use super::{SECRET, Stage, Wish};

/// A log that a test reads.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Everything at every level, until the guard is dropped, on this thread.
    pub fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn all_three_ways_lead_to_the_log_without_personal_data_and_secrets() {
    let stage = Stage::new().await;
    let connection = stage.open(Wish::new("tells-all").target(SECRET));
    let (log, guard) = Log::start();
    let error = connection.scan(None, 10).await.unwrap_err();
    drop(guard);
    let text = log.text();
    for (stream, level) in [("log", "INFO"), ("stdout", "INFO"), ("stderr", "WARN")] {
        let line = text
            .lines()
            .find(|line| line.contains(&format!("end-of-{stream}")))
            .unwrap_or_else(|| panic!("{text}"));
        assert!(line.contains(level) && line.contains(&format!("stream=\"{stream}\"")), "{line}");
        assert!(
            line.contains("call=\"scan\"") && line.contains("integration=\"acme\""),
            "on the call's span: {line}"
        );
        assert!(line.contains("[e-mail]") && line.contains("[secret]"), "{line}");
    }
    for leak in ["anna", "svensson", "123 45 67", SECRET] {
        assert!(!text.contains(leak), "{leak} in {text}");
        assert!(!error.to_string().contains(leak), "{leak} in {error}");
    }
}

#[tokio::test]
async fn a_long_line_is_cut() {
    let stage = Stage::new().await;
    let connection = stage.open(Wish::new("long-line").limit("log-line-bytes", 100));
    let (log, guard) = Log::start();
    connection.scan(None, 10).await.unwrap();
    drop(guard);
    let text = log.text();
    assert!(text.contains(&"x".repeat(100)) && !text.contains(&"x".repeat(101)), "{} bytes", text.len());
}

#[tokio::test]
async fn the_message_of_a_discarded_record_is_cleaned_and_cut() {
    let stage = Stage::new().await;
    let page = stage.open(Wish::new("discards-and-tells").target(SECRET)).scan(None, 10).await.unwrap();
    let message = &page.discarded[0].message;
    assert!(message.starts_with("[e-mail] [secret] xxx"), "{message}");
    assert!(message.ends_with('…') && (900..=1_003).contains(&message.len()), "{message}");
}
