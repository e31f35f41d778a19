//! Why the sandbox refuses.

/// Why a sandbox does not start, or refuses what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// No port could be taken on the loopback address.
    #[error("the sandbox could not listen on 127.0.0.1: {0}")]
    Listen(#[source] std::io::Error),
    /// Webhooks could not be sent.
    #[error("the sandbox could not make an HTTP client: {0}")]
    Client(#[source] reqwest::Error),
    /// A line of the sandbox's own data cannot be read.
    #[error("the sandbox's file of {file} objects cannot be read at line {line}")]
    Data {
        /// The limetype.
        file: &'static str,
        /// Counted from 1.
        line: usize,
    },
    /// A change of the CRM's data that Lime itself would refuse.
    #[error("{0}")]
    Refused(String),
    /// A request to the sandbox's own address that makes no sense.
    #[error("{0}")]
    Control(String),
}
