//! What a token says it is bound to: the `cnf` claim (RFC 7800 §3.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::domain::{AuthnFault, Confirmation};

/// Reads `cnf`: `x5t#S256` (RFC 8705 §3.1), `jkt` (RFC 9449 §6.1) or both, of which then each has to be met.
///
/// # Errors
/// [`AuthnFault::Claim`] for what is malformed. [`AuthnFault::Binding`] where only other members stand in it: the token is bound to
/// something, and that cannot be shown here. Beside a known member, others are passed over (RFC 7800 §3.1).
pub(super) fn read(cnf: Option<&Value>) -> Result<Confirmation, AuthnFault> {
    let Some(cnf) = cnf else { return Ok(Confirmation::default()) };
    let cnf = cnf.as_object().ok_or(AuthnFault::Claim)?;
    let digest = |name: &str| cnf.get(name).map(|text| digest(text).ok_or(AuthnFault::Claim)).transpose();
    let bound = Confirmation { certificate: digest("x5t#S256")?, key: digest("jkt")? };
    if bound == Confirmation::default() { Err(AuthnFault::Binding) } else { Ok(bound) }
}

/// A SHA-256 in base64url without padding, spelled in the one canonical way.
pub(super) fn digest(text: &Value) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text.as_str()?).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_binding_is_understood_or_the_token_is_refused() {
        let (text, bytes) = (URL_SAFE_NO_PAD.encode([7; 32]), Some([7; 32]));
        let key = Confirmation { key: bytes, certificate: None };
        let certificate = Confirmation { certificate: bytes, key: None };
        use AuthnFault::{Binding, Claim};
        for (cnf, want) in [
            (json!({"jkt": text}), Ok(key)),
            (json!({"x5t#S256": text}), Ok(certificate)),
            (json!({"x5t#S256": text, "jkt": text}), Ok(Confirmation { certificate: bytes, key: bytes })),
            (json!({"jkt": text, "kid": "k"}), Ok(key)),
            (json!({}), Err(Binding)),
            (json!({"jwk": {}}), Err(Binding)),
            (json!({"kid": "k"}), Err(Binding)),
            (json!({"x5t#S512": text}), Err(Binding)),
            (json!({"JKT": text}), Err(Binding)),
            (json!(null), Err(Claim)),
            (json!(text), Err(Claim)),
            (json!([{"jkt": text}]), Err(Claim)),
            (json!({"jkt": null}), Err(Claim)),
            (json!({"jkt": 7}), Err(Claim)),
            (json!({"jkt": ""}), Err(Claim)),
            (json!({"jkt": format!("{text}=")}), Err(Claim)),
            (json!({"jkt": URL_SAFE_NO_PAD.encode([7; 31])}), Err(Claim)),
            (json!({"jkt": URL_SAFE_NO_PAD.encode([7; 33])}), Err(Claim)),
            (json!({"jkt": text, "x5t#S256": "x"}), Err(Claim)),
            // The last of 43 characters has two bits that say nothing: one spelling has them zero.
            (json!({"jkt": format!("{}d", &text[..42])}), Err(Claim)),
        ] {
            assert_eq!(read(Some(&cnf)), want, "{cnf}");
        }
        assert_eq!(read(None), Ok(Confirmation::default()));
    }
}
