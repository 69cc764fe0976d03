//! Whether a 404 is Vault's own.

use serde_json::Value;

use crate::net::NetError;
use crate::vault::VaultError;

/// The status of what may be Vault's own 404.
pub(super) const BARE_404: u16 = 404;

/// What a 404 means: Vault's own has `errors`, `warnings`, or the `data` of what was deleted. One that says nothing, or has the `error` of
/// RustyVault, may be of such a server or of somebody in front of it; any other is of somebody in front.
pub(super) fn not_found(body: &[u8]) -> VaultError {
    let said: Option<serde_json::Map<String, Value>> = serde_json::from_slice(body).ok();
    let is_like =
        |name: &str, is_such: fn(&Value) -> bool| said.as_ref().and_then(|said| said.get(name)).is_some_and(is_such);
    if is_like("errors", Value::is_array) || is_like("warnings", Value::is_array) || is_like("data", Value::is_object) {
        VaultError::NotFound
    } else if body.is_empty() || is_like("error", Value::is_string) {
        VaultError::Call(NetError::Status(BARE_404))
    } else {
        VaultError::Answer
    }
}

/// Whether what was read is such a 404.
pub(super) fn is_bare_404<T>(read: &Result<T, VaultError>) -> bool {
    matches!(read, Err(VaultError::Call(NetError::Status(BARE_404))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_vault_says_itself_is_gone() {
        for (body, means) in [
            (r#"{"errors":[]}"#, VaultError::NotFound),
            (r#"{"data":{"data":null,"metadata":{"deletion_time":"x"}}}"#, VaultError::NotFound),
            ("<html>default backend - 404</html>", VaultError::Answer),
            (r#"{"message":"no Route matched with those values"}"#, VaultError::Answer),
            (r#"{"error":"Router mount not found."}"#, VaultError::Call(NetError::Status(404))),
            ("", VaultError::Call(NetError::Status(404))),
        ] {
            assert_eq!(not_found(body.as_bytes()), means, "{body}");
        }
    }
}
