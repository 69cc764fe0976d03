//! The configuration: one route for each way to prove who calls.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::{ADA, AUDIENCE};

const HEAD: &str = r#"
[egress]
allow = ["127.0.0.0/8"]
[listen.public]
address = "127.0.0.1:8080"
client_cert_from = ["127.0.0.0/8"]
[vault.files.directory]
path = "secrets"
[target.upstream]
url = "http://127.0.0.1:9"
"#;

/// With who is asked at this address, one API key by prefix and digest, and one user by the digest of a password.
pub(super) fn text(asked: SocketAddr, prefix: &str, digest: &str, password: &str) -> String {
    let mut text = HEAD.to_owned();
    for (name, alg, file) in [("rs256", "RS256", "rsa.pem"), ("es256", "ES256", "ec.pem"), ("eddsa", "EdDSA", "ed.pem")]
    {
        let table = format!(
            "[authn.{name}.jwt]\nissuer = \"https://{name}.example.test\"\naudience = \"{AUDIENCE}\"\n\
             public_key_file = \"{file}\"\nalgorithms = [\"{alg}\"]\nroles = \"groups\"\n"
        );
        text += &table;
    }
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        r#"
[authn.keys.api_key.key.ada]
prefix = "{prefix}"
digest = "{digest}"
owner = "ada"
roles = ["reader"]
[authn.basic.basic]
cache = "1h"
[authn.basic.basic.user.ada]
password_digest = "{password}"
roles = ["reader"]
[authn.introspection.introspection]
url = "http://{asked}/introspect"
client_id = "claviger"
client_secret = "files:shared"
audience = "{AUDIENCE}"
roles = "groups"
cache = "5m"
[authn.review.token_review]
url = "http://{asked}"
audience = "{AUDIENCE}"
token_file = "secrets/shared"
cache = "5m"
[authn.forward.forward_auth]
url = "http://{asked}/check"
credential_headers = ["X-Session"]
id_header = "X-User"
roles_header = "X-Roles"
cache = "5m"
[authn.mtls.mtls]
ca = "clients.pem"
identity = "uri"
roles = ["reader"]
[authn.signed.http_signature]
components = ["@method", "@authority", "@path", "@query"]
nonce = "required"
"#
    );
    for (key, algorithm, from) in [
        ("hmac", "hmac-sha256", "secret = \"files:shared\""),
        ("ed25519", "ed25519", "public_key_file = \"ed.pem\""),
        ("p256", "ecdsa-p256-sha256", "public_key_file = \"ec.pem\""),
    ] {
        let table = format!(
            "[authn.signed.http_signature.key.{key}]\nalgorithm = \"{algorithm}\"\n{from}\nowner = \"ada\"\nroles = [\"reader\"]\n"
        );
        text += &table;
    }
    for name in ["rs256", "es256", "eddsa", "keys", "basic", "introspection", "review", "forward", "mtls", "signed"] {
        let allow = if name == "mtls" { format!("principal = \"mtls:{ADA}\"") } else { "role = \"reader\"".to_owned() };
        let table = format!(
            "[route.{name}]\npath = \"/{name}/**\"\ntarget = \"upstream\"\nauthn = [\"{name}\"]\nallow = [{{ {allow} }}]\n"
        );
        text += &table;
    }
    text
}
