//! A shared key that its vault withdraws proves nothing any more, though no configuration can be compiled without it.

use aws_lc_rs::hmac;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::json;

use crate::support::{
    eventually,
    gateway::Gateway,
    issuer::{jws, now},
    setup::{Parts, config},
    upstream::Upstream,
};

const SHARED: &str = "a shared secret of more than 32 bytes";

const TABLES: &str = r#"
[authn.partners.http_signature]
components = ["@method", "@path"]
nonce = "optional"
[authn.partners.http_signature.key.acme]
algorithm = "hmac-sha256"
secret = "files:acme"
owner = "acme"
[authn.own.jwt]
issuer = "https://own.test"
audience = "api"
algorithms = ["HS256"]
hmac_secret = "files:own"
[route.shared]
path = "/shared/**"
target = "api"
credential = "api"
authn = ["partners", "own"]
allow = [{ principal = "partners:acme" }, { principal = "own:ada" }]
"#;

fn tag(text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SHARED.as_bytes()), text.as_bytes()).as_ref().to_vec()
}

fn signed(gateway: &Gateway) -> u16 {
    let params = format!("(\"@method\" \"@path\");created={};keyid=\"acme\"", now());
    let base = format!("\"@method\": GET\n\"@path\": /shared/x\n\"@signature-params\": {params}");
    let (input, signature) = (format!("sig={params}"), format!("sig=:{}:", STANDARD.encode(tag(&base))));
    gateway.get("/shared/x", &[("Signature-Input", &input), ("Signature", &signature)]).status()
}

fn token() -> String {
    let claims = json!({"iss": "https://own.test", "aud": "api", "sub": "ada", "exp": now() + 3600});
    format!(
        "Bearer {}",
        jws(&json!({"alg": "HS256"}), &claims, |input| URL_SAFE_NO_PAD
            .encode(tag(std::str::from_utf8(input).expect("text"))))
    )
}

#[test]
fn what_a_vault_withdrew_proves_nothing_from_then_on() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| {
        site.write("secrets/acme", SHARED);
        site.write("secrets/own", SHARED);
        config(site, &upstream, &Parts { more: TABLES, ..Parts::default() })
    });
    let token = token();
    let bearer = |token: &str| gateway.get("/shared/x", &[("Authorization", token)]).status();
    assert_eq!((signed(&gateway), bearer(&token), bearer(&token)), (200, 200, 200));
    for name in ["acme", "own"] {
        std::fs::remove_file(gateway.site().folder().join("secrets").join(name)).expect("removed");
    }
    eventually("both keys are void", || ((signed(&gateway), bearer(&token)) == (503, 503)).then_some(()));
    let reached = upstream.requests().len();
    assert_eq!((signed(&gateway), bearer(&token)), (503, 503), "also a token that was verified before");
    assert_eq!(upstream.requests().len(), reached);
    gateway.site().write("secrets/acme", SHARED);
    gateway.site().write("secrets/own", SHARED);
    eventually("both are back", || ((signed(&gateway), bearer(&token)) == (200, 200)).then_some(()));
}
