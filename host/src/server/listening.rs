//! Where the server listens, and how what is said there is kept from others: by TLS of its own, by a proxy that does it,
//! or by the machine itself. Anything else is refused, since tokens and personal data go over it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;

use crate::error::ErrorCode;

/// What keeps what is said from others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Protection {
    /// Nothing: it is said on this machine only.
    #[default]
    Machine,
    /// Nothing, since nothing that is secret is said there.
    NotNeeded,
    /// A proxy speaks TLS with everybody, and only it reaches this host. It says in `X-Forwarded-For` who is there.
    Proxy,
    /// TLS.
    Tls {
        /// The certificate and those that signed it, PEM.
        certificate: PathBuf,
        /// Its private key, PEM.
        key: PathBuf,
    },
}

/// Why the server cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The system does not give the address.
    #[error(
        "this host cannot listen on {address} ({message}); give another address with --listen, or stop who has it"
    )]
    Failed {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        message: String,
    },
    /// Others could read what is said there.
    #[error(
        "{0} can be reached from other machines, and nothing protects what is said there: give --tls-certificate and \
         --tls-key, or say with --behind-proxy that a proxy speaks TLS and only it reaches this address"
    )]
    Unprotected(SocketAddr),
    /// The certificate or its key cannot be used.
    #[error("{file} cannot be used for TLS ({message}); give a PEM file that this user may read")]
    Certificate {
        /// Which file.
        file: String,
        /// What is wrong with it.
        message: String,
    },
}

impl ErrorCode for ListenError {
    fn code(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "listen-failed",
            Self::Unprotected(_) => "listen-unprotected",
            Self::Certificate { .. } => "listen-certificate",
        }
    }
}

/// An address that was taken.
pub struct Listening {
    pub(super) listener: TcpListener,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) protection: Protection,
    /// Where.
    pub address: SocketAddr,
}

impl Listening {
    /// Takes the address; port 0 for any that is free.
    ///
    /// # Errors
    /// Somebody else has it, or this user may not; nothing protects it; its certificate cannot be used.
    pub async fn on(address: SocketAddr, protection: Protection) -> Result<Self, ListenError> {
        if protection == Protection::Machine && !address.ip().to_canonical().is_loopback() {
            return Err(ListenError::Unprotected(address));
        }
        let tls = match &protection {
            Protection::Tls { certificate, key } => Some(Arc::new(tls(certificate, key)?)),
            Protection::Machine | Protection::NotNeeded | Protection::Proxy => None,
        };
        let failed = |error: std::io::Error| ListenError::Failed { address, message: error.to_string() };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, tls, protection, address })
    }

    /// How its address begins.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

fn tls(certificate: &Path, key: &Path) -> Result<ServerConfig, ListenError> {
    let wrong = |file: &Path, message: &str| ListenError::Certificate {
        file: file.display().to_string(),
        message: message.to_owned(),
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(certificate, &error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(certificate, "there is no certificate in it"));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(|error| wrong(certificate, &error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_others_could_read_is_refused() {
        for outside in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
            let refused = Listening::on(outside.parse().unwrap(), Protection::Machine).await;
            assert_eq!(refused.err().unwrap().code(), "listen-unprotected", "{outside}");
        }
        assert!(Listening::on("127.0.0.1:0".parse().unwrap(), Protection::Machine).await.is_ok());
        assert!(Listening::on("0.0.0.0:0".parse().unwrap(), Protection::Proxy).await.is_ok());
    }

    #[tokio::test]
    async fn a_file_that_is_no_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let certificate = folder.path().join("sluice.pem");
        let taken = async || {
            let protection =
                Protection::Tls { certificate: certificate.clone(), key: folder.path().join("key.pem") };
            Listening::on("127.0.0.1:0".parse().unwrap(), protection).await.err().unwrap()
        };
        for content in [None, Some("no certificate")] {
            if let Some(content) = content {
                std::fs::write(&certificate, content).unwrap();
            }
            let error = taken().await;
            assert_eq!(error.code(), "listen-certificate");
            assert!(error.to_string().contains("sluice.pem"), "{error}");
        }
    }
}
