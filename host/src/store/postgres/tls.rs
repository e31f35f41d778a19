//! TLS to the database, where its address asks for it (`sslmode=require`), or where it offers it
//! (`sslmode=prefer`, the default): with a certificate that this machine trusts for its name.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres_rustls::MakeRustlsConnect;

/// # Errors
/// When the machine's certificates cannot be read.
pub(super) fn connector() -> Result<MakeRustlsConnect, String> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_platform_verifier())
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}
