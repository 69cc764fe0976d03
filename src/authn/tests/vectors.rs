//! Public test vectors: every JWS and every signature of an algorithm taken here, each with what it should come to and what it does. They
//! are read from `CLAVIGER_TEST_DATA`, by default `../shared`.

#![allow(clippy::print_stdout, reason = "totals are told to whoever asks for them")]

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value, json};

use crate::authn::Alg;
use crate::authn::alg::{Algs, Family};
use crate::authn::jwks::KeySet;
use crate::authn::key::Key;
use crate::authn::token::Token;
use crate::domain::AuthnFault;

/// The folder of vectors; none, said aloud, where there is none.
fn folder() -> Option<PathBuf> {
    let given = std::env::var_os("CLAVIGER_TEST_DATA").map(PathBuf::from);
    let root = given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let folder = root.join("vectors");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: vectors absent");
    None
}

fn read(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a vector comes to here.
type Got = Result<(), &'static str>;

#[derive(Default)]
struct Tally {
    accepted: usize,
    refused: usize,
    by_policy: usize,
    wrong: Vec<String>,
}

impl Tally {
    /// One vector. A sound one may be refused for a reason that the policy gives; nothing unsound may be accepted.
    fn count(&mut self, what: &str, is_sound: bool, got: Got, policy: Option<&str>) {
        let wanted = if is_sound { "valid" } else { "invalid" };
        match (is_sound, got, policy) {
            (true, Ok(()), None) => self.accepted += 1,
            (false, Err(_), _) => self.refused += 1,
            (true, Err(fault), Some(reason)) => {
                self.by_policy += 1;
                println!("{what}: {wanted}, refused by policy ({fault}): {reason}");
            }
            (true, Ok(()), Some(_)) | (true, Err(_), None) | (false, Ok(()), _) => {
                self.wrong.push(format!("{what}: {wanted}, got {got:?}, policy {policy:?}"));
            }
        }
    }

    fn end(self, name: &str) {
        let Self { accepted, refused, by_policy, wrong } = self;
        let total = accepted + refused + by_policy + wrong.len();
        println!(
            "vectors: {name}: {total}: {accepted} sound ones accepted, {by_policy} refused by policy, {refused} unsound ones refused, {} wrong",
            wrong.len()
        );
        assert!(wrong.is_empty() && accepted > 0, "{wrong:#?}");
    }
}

/// What this key, as it would stand in a published set or a configuration, says of this JWS.
fn judge_jws(jwk: &Value, text: &str) -> Got {
    // The payloads of vectors are no claims.
    let any = |segment: &str| match URL_SAFE_NO_PAD.decode(segment) {
        Ok(_) => Ok(Map::new()),
        Err(_) => Err(AuthnFault::Malformed),
    };
    let token = Token::parse_with(text, any).map_err(told)?;
    let alg = jwk["alg"].as_str().and_then(Alg::parse);
    if jwk["kty"] == "oct" {
        let secret = URL_SAFE_NO_PAD.decode(jwk["k"].as_str().expect("a key")).map_err(|_| "key")?;
        let alg = alg.filter(|alg| alg.family() == Family::Hmac && secret.len() >= alg.shortest_shared_key());
        let key = Key::new(None, Algs::of([alg.ok_or("key")?]), DecodingKey::from_secret(&secret)).ok_or("key")?;
        return key.verify(&token).map_err(told);
    }
    let keys = KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes(), Algs::asymmetric()).map_err(|_| "key")?;
    if keys.is_empty() {
        return Err("key");
    }
    keys.pick(token.kid().map_err(told)?, token.alg).and_then(|key| key.verify(&token)).map_err(told)
}

fn told(fault: AuthnFault) -> &'static str {
    crate::domain::Denial::Unauthenticated(fault).detail()
}

/// Why a sound JWS of this key is not taken here.
fn policy(jwk: &Value, text: &str) -> Option<&'static str> {
    let head = text.split('.').next().and_then(|head| URL_SAFE_NO_PAD.decode(head).ok());
    let head: Value = head.and_then(|head| serde_json::from_slice(&head).ok()).unwrap_or_default();
    if jwk["crv"] == "P-521" {
        Some("P-521 is not taken")
    } else if head.get("b64").is_some() {
        Some("a payload that is not encoded (RFC 7797) is not taken")
    } else if jwk["alg"].is_string() && jwk["alg"] != head["alg"] {
        Some("a key is good for the algorithm alone that it names (RFC 7517 §4.4)")
    } else if text.bytes().any(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'-' | b'_' | b'.')) {
        Some("a character outside base64url is not passed over (RFC 7515 §2)")
    } else {
        None
    }
}

/// Why a vector says nothing about this verifier.
fn skipped(group: &Value, test: &Value) -> Option<&'static str> {
    let tests = group["tests"].as_array()?;
    let is_sound_elsewhere = |other: &Value| other["jws"] == test["jws"] && other["result"] == "valid";
    if !test["jws"].is_string() {
        Some("no compact JWS")
    } else if group["private"]["keys"].as_array().is_some_and(|keys| keys.len() != 1) {
        Some("a configuration has one shared key for an issuer, and no sets of them")
    } else if group["comment"] == "jws_rsa_roca_key" {
        Some("an issuer's RSA keys are not searched for the weakness of one maker's generator")
    } else if test["result"] == "invalid" && tests.iter().any(is_sound_elsewhere) {
        Some("the same text as a sound vector of its group: its flaw was lost")
    } else {
        None
    }
}

fn run_jws(file: &Path, tally: &mut Tally) {
    for group in read(file)["testGroups"].as_array().expect("groups") {
        let key = group.get("public").unwrap_or(&group["private"]);
        let jwk = key["keys"].get(0).unwrap_or(key);
        for test in group["tests"].as_array().expect("tests") {
            let what = format!("{} {} {}", group["comment"], test["tcId"], test["comment"]);
            if let Some(reason) = skipped(group, test) {
                println!("{what}: skipped: {reason}");
                continue;
            }
            let jws = test["jws"].as_str().expect("a JWS");
            tally.count(&what, test["result"] == "valid", judge_jws(jwk, jws), policy(jwk, jws));
        }
    }
}

#[test]
fn vectors_of_jws() {
    let Some(folder) = folder() else { return };
    for file in ["json_web_signature_test.json", "json_web_crypto_test.json", "json_web_key_test.json"] {
        let mut tally = Tally::default();
        run_jws(&folder.join("wycheproof").join(file), &mut tally);
        tally.end(file);
    }
}

#[test]
fn vectors_of_the_jose_cookbook() {
    let Some(folder) = folder() else { return };
    let mut tally = Tally::default();
    let folders = ["jws", "curve25519", "rfc7797"];
    let listed =
        folders.iter().flat_map(|name| fs::read_dir(folder.join("jose-cookbook").join(name)).expect("a folder"));
    let mut files: Vec<PathBuf> = listed.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    for path in files {
        let vector = read(&path);
        let what = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let output = &vector["output"];
        let detached = output["json"].get("payload").is_none() && output["json"].is_object();
        if vector.get("signing").is_none() {
            println!("{what}: skipped: no JWS");
            continue;
        }
        match output["compact"].as_str() {
            Some(jws) => {
                let mut jwk = vector["input"]["key"].clone();
                // A set publishes the public half.
                if jwk["kty"] != "oct" {
                    let members = jwk.as_object_mut().expect("a key");
                    members.retain(|name, _| !["d", "p", "q", "dp", "dq", "qi"].contains(&name.as_str()));
                }
                let elsewhere = detached.then_some("a payload that is elsewhere is not taken");
                tally.count(&what, true, judge_jws(&jwk, jws), elsewhere.or(policy(&jwk, jws)));
            }
            // As text, it is what a client could send.
            None => {
                let got = Token::parse(&output["json"].to_string()).map(drop).map_err(told);
                tally.count(&what, true, got, Some("only the compact form is taken"));
            }
        }
    }
    tally.end("JOSE cookbook");
}

#[test]
fn vectors_of_signatures() {
    let Some(folder) = folder() else { return };
    for (file, member, alg) in [
        ("ecdsa_secp256r1_sha256_p1363_test.json", "publicKeyJwk", Alg::Es256),
        ("ecdsa_secp384r1_sha384_p1363_test.json", "publicKeyJwk", Alg::Es384),
        ("ed25519_test.json", "publicKeyJwk", Alg::EdDsa),
        ("rsa_signature_2048_sha256_test.json", "keyJwk", Alg::Rs256),
        ("rsa_pss_2048_sha256_mgf1_32_test.json", "publicKeyJwk", Alg::Ps256),
    ] {
        let mut tally = Tally::default();
        for group in read(&folder.join("wycheproof").join(file))["testGroups"].as_array().expect("groups") {
            let keys = json!({ "keys": group.get(member).into_iter().collect::<Vec<_>>() }).to_string();
            let keys = KeySet::parse(keys.as_bytes(), Algs::of([alg])).expect("a set");
            for test in group["tests"].as_array().expect("tests") {
                let what = format!("{file} {} {}", test["tcId"], test["comment"]);
                let bytes = |member: &str| unhex(test[member].as_str().expect("hexadecimal"));
                let key = keys.pick(None, alg);
                let got = key.and_then(|key| key.verify_bytes(&bytes("msg"), &bytes("sig"), alg)).map_err(told);
                let policy = group.get(member).is_none().then_some("the file has no JWK of this key");
                // What a verifier may accept, it may refuse.
                tally.count(&what, test["result"] == "valid", got, policy);
            }
        }
        tally.end(file);
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    digits.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal")).collect()
}
