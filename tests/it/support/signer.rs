//! Signed requests (RFC 9421) and signed bodies (RFC 9530) of a caller that shares a secret with the proxy.

use aws_lc_rs::{
    digest::{Algorithm, SHA256, SHA512, digest},
    hmac,
};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::issuer::now;

/// The secret of the key `acme`.
pub(crate) const SHARED: &str = "a shared secret of more than 32 bytes";

/// The value of `Content-Digest` for this body.
pub(crate) fn content_digest(body: &[u8]) -> String {
    let encode = |algorithm: &'static Algorithm| STANDARD.encode(digest(algorithm, body).as_ref());
    format!("sha-256=:{}:, sha-512=:{}:", encode(&SHA256), encode(&SHA512))
}

/// The components of a request to `gateway.test` without a query that have to be covered at least, with their values.
pub(crate) fn lines<'a>(method: &'a str, path: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("@method", method), ("@authority", "gateway.test"), ("@path", path), ("@query", "?")]
}

/// The parameters of a signature by `acme` made now, with this nonce.
pub(crate) fn sound(nonce: &str) -> String {
    format!("created={};nonce=\"{nonce}\";keyid=\"acme\"", now())
}

/// `Signature-Input` and `Signature` for these components with their values and these parameters, whatever they say.
pub(crate) fn signed(secret: &str, lines: &[(&str, &str)], parameters: &str) -> [(&'static str, String); 2] {
    let covered: Vec<String> = lines.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let params = format!("({});{parameters}", covered.join(" "));
    let values: String = lines.iter().map(|(name, value)| format!("\"{name}\": {value}\n")).collect();
    let base = format!("{values}\"@signature-params\": {params}");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), base.as_bytes());
    let signature = format!("sig=:{}:", STANDARD.encode(tag.as_ref()));
    [("signature-input", format!("sig={params}")), ("signature", signature)]
}

/// `Content-Digest`, `Signature-Input` and `Signature` of a request with this body to `gateway.test`.
pub(crate) fn sign(method: &str, path: &str, body: &[u8], nonce: &str) -> [(&'static str, String); 3] {
    let digest = content_digest(body);
    let covered = [lines(method, path), vec![("content-digest", &digest)]].concat();
    let [input, signature] = signed(SHARED, &covered, &sound(nonce));
    [("content-digest", digest), input, signature]
}
