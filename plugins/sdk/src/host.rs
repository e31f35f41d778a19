//! The seam to the host: its imports in a component, the test bench on a native target.
//!
//! The only place that knows which of the two it is.

#[cfg(target_arch = "wasm32")]
pub(crate) use imports::*;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::bench::host::*;

#[cfg(target_arch = "wasm32")]
mod imports {
    use crate::bindings::complete::sluice::crm_connector as wit;

    pub(crate) fn fetch(request: &wit::http::Request) -> Result<wit::http::Response, wit::http::Error> {
        wit::http::fetch(request)
    }

    pub(crate) fn setting(name: &str) -> Option<String> {
        wit::settings::get(name)
    }

    pub(crate) fn session_get(key: &str) -> Option<String> {
        wit::session::get(key)
    }

    pub(crate) fn session_put(key: &str, value: &str, ttl_seconds: u32) {
        wit::session::put(key, value, ttl_seconds);
    }

    pub(crate) fn verify_hmac_sha256(name: &str, data: &[u8], mac: &[u8]) -> bool {
        wit::secrets::verify_hmac_sha256(name, data, mac)
    }

    pub(crate) fn log(level: wit::log::Level, message: &str) {
        wit::log::log(level, message);
    }
}
