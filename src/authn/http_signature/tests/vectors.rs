//! The vectors of RFC 9421's appendix B, and changed ones.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, Method};

use super::{key_entry, settings};
use crate::authn::http_signature::*;
use crate::authn::testing::{at, with_request};
use crate::crypto::SignatureKeyFault;
use crate::domain::Secret;

/// Where the public vectors are.
fn vectors() -> Option<PathBuf> {
    let data = std::env::var_os("CLAVIGER_TEST_DATA").map(PathBuf::from);
    let data = data.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let folder = data.join("vectors/rfc9421");
    folder.is_dir().then_some(folder)
}

fn vector_key(folder: &std::path::Path, keyid: &str, secret: &str) -> Result<SignatureKey, SignatureKeyFault> {
    let pem = |file: &str| std::fs::read(folder.join(file)).expect("a key");
    match keyid {
        "test-shared-secret" => SignatureKey::shared(&Secret::new(STANDARD.decode(secret).expect("base64"))),
        "test-key-ed25519" => SignatureKey::public(SignatureAlgorithm::Ed25519, &pem("test-key-ed25519.pem")),
        "test-key-ecc-p256" => SignatureKey::public(SignatureAlgorithm::EcdsaP256Sha256, &pem("test-key-ecc-p256.pem")),
        "test-key-rsa-pss" => SignatureKey::public(SignatureAlgorithm::RsaPssSha512, &pem("test-key-rsa-pss.pem")),
        other => panic!("no key {other}"),
    }
}

/// Each vector: whether the signature is right, and whether the default components, without a nonce, admit the request with its body. What
/// is not signed right must not be admitted, nor what the vectors call a matter of policy.
#[test]
#[allow(clippy::print_stdout, reason = "the table is what the test is for")]
fn vectors_of_signed_requests() {
    let Some(folder) = vectors() else {
        println!("skipped: vectors absent");
        return;
    };
    let text = std::fs::read_to_string(folder.join("rfc9421.json")).expect("vectors");
    let all: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let secret = text(&all["shared_secret_b64"]);
    let (mut run, mut failed, mut admitted) = (0, 0, 0);
    for vector in all["vectors"].as_array().expect("a list") {
        let request = &vector["request"];
        let mut headers = HeaderMap::new();
        for pair in request["headers"].as_array().expect("pairs") {
            headers.append(
                text(&pair[0]).parse::<HeaderName>().expect("a name"),
                text(&pair[1]).parse().expect("a value"),
            );
        }
        headers.append(SIGNATURE_INPUT, text(&vector["signature_input"]).parse().expect("a value"));
        headers.append(SIGNATURE, text(&vector["signature"]).parse().expect("a value"));
        let (method, target) =
            (text(&request["method"]).parse::<Method>().expect("a method"), text(&request["target"]));
        let (authority, keyid) = (text(&request["headers"][0][1]), text(&vector["keyid"]));
        let key = vector_key(&folder, &keyid, &secret).expect("a key");
        let (got, policy) = with_request(&[], |view| {
            let has_body = request["body"] != "";
            let view = RequestView {
                method: &method,
                headers: &headers,
                target: &target,
                authority: &authority,
                has_body,
                ..*view
            };
            let field = |name| headers.get(name).expect("a field").as_bytes();
            let presented = input::parse(field(SIGNATURE_INPUT), field(SIGNATURE), None).expect("a signature");
            let base = base::signature_base(&presented, &view);
            let is_base = base.as_deref() == Ok(text(&vector["signature_base"]).as_str());
            let got = base.is_ok_and(|base| key.verify(base.as_bytes(), &presented.signature));
            let keys = vec![key_entry(&keyid, key)];
            let settings = HttpSignatureSettings { keys, nonce_required: false, ..settings() };
            let proof = HttpSignature::new(settings)
                .expect("one")
                .verify_here(&view, at(1_618_884_473))
                .map(|(proof, _)| proof);
            let is_right = |digest: BodyDigest| {
                let mut check = digest.begin();
                check.update(text(&request["body"]).as_bytes());
                check.is_right()
            };
            (got && is_base, proof.is_ok_and(|proof| proof.body.is_none_or(is_right)))
        });
        let want = vector["crypto_valid"] == true;
        println!("{} | expected {want} | got {got} | admitted {policy}", text(&vector["name"]));
        run += 1;
        let may_pass = want && !text(&vector["name"]).starts_with("POLICY");
        failed += u32::from(got != want || policy && !may_pass);
        admitted += u32::from(policy);
    }
    println!("vectors: rfc9421.json: {run}: {admitted} admitted by the defaults without nonces, {failed} wrong");
    assert!(run > 0 && failed == 0 && admitted > 0, "{failed} of {run}");
}
