//! How deliveries are signed: by Lime's webhook pages (version 1), and as Lime's own receiver checks it
//! (version 2).
//!
//! Promises: without a secret there is no signature; a delivery of version 1 carries neither id nor time.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// The headers of one delivery; `seconds` is the time of its first attempt.
pub(crate) fn headers(
    secret: Option<&str>,
    version_2: bool,
    delivery_id: &str,
    seconds: i64,
    body: &[u8],
) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    if version_2 {
        headers.push(("x-lime-delivery-id", delivery_id.to_owned()));
        headers.push(("x-lime-delivery-timestamp", seconds.to_string()));
    }
    if let Some(secret) = secret {
        let signature = if version_2 {
            let signed = format!("v2:{delivery_id}:{seconds}:{}", hex::encode(Sha256::digest(body)));
            format!("v2={}", mac(secret, signed.as_bytes()))
        } else {
            format!("sha256={}", mac(secret, body))
        };
        headers.push(("x-lime-signature", signature));
    }
    headers
}

fn mac(secret: &str, signed: &[u8]) -> String {
    // A key may have any length, so that this never fails.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(signed);
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const BODY: &[u8] = br#"{"event":"person.delete","body":{"id":1042,"limetype":"person"}}"#;
    const ID: &str = "7f9c24e8-3b1a-4d0e-9a51-2f6f1c0b7a10";

    #[test]
    fn version_1_signs_the_body() {
        let v1 = "sha256=7e8f3806b43efa3990fb68f8edfeb6bba3774aa9d2d8170910050a5d373d429a";
        assert_eq!(
            headers(Some(SECRET), false, ID, 1_764_000_000, BODY),
            [("x-lime-signature", v1.to_owned())]
        );
        assert!(headers(None, false, ID, 1_764_000_000, BODY).is_empty());
    }

    #[test]
    fn version_2_signs_id_time_and_body() {
        let v2 = "v2=628b3c5f598ebf9bf8461e0827054b7e35643092167f24d7647ee13e853aeef3";
        let id = ("x-lime-delivery-id", ID.to_owned());
        let time = ("x-lime-delivery-timestamp", "1764000000".to_owned());
        let signature = ("x-lime-signature", v2.to_owned());
        let signed = headers(Some(SECRET), true, ID, 1_764_000_000, BODY);
        assert_eq!(signed, [id.clone(), time.clone(), signature]);
        assert_eq!(headers(None, true, ID, 1_764_000_000, BODY), [id, time]);
    }
}
