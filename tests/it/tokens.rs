//! The mistakes that verifiers of tokens are known for, a test each: every row is a token that somebody, somewhere, took.
//!
//! Where a row is signed rightly, its signature is no reason to refuse it: what is wrong is what the row says.

use std::time::{Duration, Instant};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    http1::Message,
    issuer::{AUDIENCE, Issuer, jws, now},
    load::within,
    scene::{self, Extra, Scene},
};

const HEADER: &[u8] = br#"{"alg":"ES256","typ":"JWT","kid":"ec"}"#;

fn header() -> Value {
    serde_json::from_slice(HEADER).expect("JSON")
}

fn good(scene: &Scene) -> Value {
    scene.claims_of("ada", &["reader"])
}

fn ask(scene: &Scene, path: &str, token: &str) -> Message {
    scene.gateway.get(path, &[("Host", "api.test"), ("Authorization", &format!("Bearer {token}"))])
}

/// Presents each, before and after a good one was seen; says of all at once which was taken, or refused for another reason. A reason that
/// ends in `*` only begins so.
fn refused(scene: &Scene, rows: &[(&str, String, &str)]) {
    let mut wrong = Vec::new();
    for round in ["before", "after"] {
        for (what, token, detail) in rows {
            let response = ask(scene, "/api/x", token);
            let got = scene.record_of(&response)["detail"].as_str().unwrap_or_default().to_owned();
            let fits = detail.split('|').any(|detail| got == detail);
            if response.status() != 401 || !fits {
                wrong.push(format!("{what} ({round}): {} {got:?} instead of {detail:?}", response.status()));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(ask(scene, "/api/x", &scene.issuer.token(&good(scene))).status(), 200, "a good one");
    }
    assert_eq!(scene.upstream.requests().len(), 2, "the good ones alone went upstream");
}

/// The public keys in every form that might be taken for a shared secret.
fn public_forms(issuer: &Issuer) -> Vec<(&'static str, Vec<u8>)> {
    let jwks = issuer.jwks();
    let (rsa, ec) = (&jwks["keys"][0], &jwks["keys"][1]);
    let bytes = |value: &Value| URL_SAFE_NO_PAD.decode(value.as_str().expect("text")).expect("base64url");
    let point = [&[4][..], &bytes(&ec["x"]), &bytes(&ec["y"])].concat();
    // SubjectPublicKeyInfo of a P-256 key, RFC 5480 §2.
    let prefix = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    let der = [&prefix[..], &point].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&der));
    vec![
        ("modulus", bytes(&rsa["n"])),
        ("modulus in base64url", rsa["n"].as_str().expect("text").into()),
        ("RSA JWK", rsa.to_string().into()),
        ("point", point.clone()),
        ("coordinates", point[1..].into()),
        ("x", bytes(&ec["x"])),
        ("EC JWK", ec.to_string().into()),
        ("DER", der),
        ("PEM", pem.clone().into()),
        ("PEM without its last line end", pem.trim_end().into()),
    ]
}

#[test]
fn the_algorithm_is_the_keys_and_never_the_tokens() {
    let scene = Scene::new(&Extra::default());
    let claims = good(&scene);
    let mut rows = Vec::new();
    for alg in [json!("none"), json!("None"), json!("NONE"), json!("nOnE"), json!("es256"), json!("ES256K"), json!("")]
    {
        for signature in ["", "AAAA"] {
            let token = jws(&json!({"alg": alg, "kid": "ec"}), &claims, |_| signature.to_owned());
            rows.push(("alg", token, "algorithm|malformed"));
        }
    }
    for alg in [json!(null), json!(["ES256"]), json!({"ES256": 1}), json!(256), json!(true)] {
        let token = scene
            .issuer
            .sign_bytes(json!({"alg": alg, "kid": "ec"}).to_string().as_bytes(), claims.to_string().as_bytes());
        rows.push(("alg of another type", token, "malformed|algorithm"));
    }
    rows.push((
        "no alg",
        scene.issuer.sign_bytes(br#"{"kid":"ec"}"#, claims.to_string().as_bytes()),
        "malformed|algorithm",
    ));
    for (form, secret) in public_forms(&scene.issuer) {
        for (algorithm, name) in [(Algorithm::HS256, "HS256"), (Algorithm::HS384, "HS384"), (Algorithm::HS512, "HS512")]
        {
            let kid = if form.contains("RSA") || form.contains("modulus") { "rsa" } else { "ec" };
            let token = jws(&json!({"alg": name, "kid": kid}), &claims, |input| {
                jsonwebtoken::crypto::sign(input, &EncodingKey::from_secret(&secret), algorithm).expect("a signature")
            });
            rows.push((form, token, "algorithm"));
        }
    }
    refused(&scene, &rows);
}

#[test]
fn a_signature_is_one_canonical_form() {
    let scene = Scene::new(&Extra::default());
    let claims = good(&scene);
    let token = scene.issuer.token(&claims);
    let (input, signature) = token.rsplit_once('.').expect("a signature");
    let raw = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let with = |bytes: &[u8]| format!("{input}.{}", URL_SAFE_NO_PAD.encode(bytes));
    let integer = |bytes: &[u8]| [&[2, 33, 0][..], bytes].concat();
    let der = [&[0x30, 70][..], &integer(&raw[..32]), &integer(&raw[32..])].concat();
    // The order of P-256's group, for r = n.
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order: Vec<u8> = (0..32).map(|n| u8::from_str_radix(&order[2 * n..2 * n + 2], 16).expect("hex")).collect();
    let rsa = |bytes: &[u8]| jws(&json!({"alg": "RS256", "kid": "rsa"}), &claims, |_| URL_SAFE_NO_PAD.encode(bytes));
    refused(
        &scene,
        &[
            ("r = s = 0", with(&[0; 64]), "signature"),
            ("r = n", with(&[&order[..], &raw[32..]].concat()), "signature"),
            ("s = n", with(&[&raw[..32], &order[..]].concat()), "signature"),
            ("r = s = n", with(&[&order[..], &order].concat()), "signature"),
            ("DER", with(&der), "signature"),
            ("a byte less", with(&raw[..63]), "signature"),
            ("a byte more", with(&[&raw[..], &[0]].concat()), "signature"),
            ("r and s exchanged", with(&[&raw[32..], &raw[..32]].concat()), "signature"),
            ("none", with(&[]), "signature|malformed"),
            ("RSA of zeros", rsa(&[0; 256]), "signature"),
            ("RSA of ones", rsa(&[0xff; 256]), "signature"),
            ("RSA of one", rsa(&[&[0; 255][..], &[1]].concat()), "signature"),
        ],
    );
}

#[test]
fn no_key_comes_with_the_token_and_no_kid_is_more_than_a_name() {
    let scene = Scene::new(&Extra::default());
    let (claims, forger) = (good(&scene), Issuer::start());
    let forged = |more: Value| {
        let mut header = header();
        header.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        forger.sign(&header, &claims)
    };
    let jwk = forger.jwks()["keys"][1].clone();
    let certificate = STANDARD.encode(b"a certificate");
    let long = "k".repeat(129);
    let mut rows = vec![
        ("jwk", forged(json!({"jwk": jwk})), "signature"),
        ("jwk without kid", forged(json!({"jwk": jwk, "kid": "other"})), "unknown_key"),
        ("jku", forged(json!({"jku": forger.jwks_url(), "kid": "other"})), "unknown_key"),
        ("jku under our kid", forged(json!({"jku": forger.jwks_url()})), "signature"),
        ("x5u", forged(json!({"x5u": forger.jwks_url()})), "signature"),
        ("x5c", forged(json!({"x5c": [certificate]})), "signature"),
        ("x5t", forged(json!({"x5t": "AAAA", "x5t#S256": "AAAA"})), "signature"),
    ];
    for kid in [
        json!("../../../../dev/null"),
        json!("/dev/null"),
        json!("ec' OR '1'='1"),
        json!("http://127.0.0.1/key"),
        json!("ec\r\nX: y"),
        json!("ec\0"),
        json!("ec "),
        json!(long),
        json!(""),
        json!(["ec"]),
        json!(7),
        json!({"ec": 1}),
    ] {
        rows.push(("kid", forged(json!({"kid": kid})), "malformed|unknown_key"));
    }
    refused(&scene, &rows);
    assert_eq!(forger.asks(), 0, "nobody asks where a token says");
}

#[test]
fn a_token_is_three_parts_of_a_form_that_is_understood_whole() {
    let scene = Scene::new(&Extra::default());
    let claims = good(&scene);
    let token = scene.issuer.token(&claims);
    let parts: Vec<&str> = token.split('.').collect();
    let with = |more: Value| {
        let mut header = header();
        header.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        scene.issuer.sign(&header, &claims)
    };
    let flattened = json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]}).to_string();
    let unencoded = scene.issuer.sign_text(&format!(
        "{}.{claims}",
        URL_SAFE_NO_PAD.encode(br#"{"alg":"ES256","b64":false,"crit":["b64"],"kid":"ec"}"#)
    ));
    let encrypted = format!("{}.AAAA.AAAA.AAAA.AAAA", URL_SAFE_NO_PAD.encode(br#"{"alg":"dir","enc":"A256GCM"}"#));
    refused(
        &scene,
        &[
            ("crit", with(json!({"crit": ["exp"]})), "critical"),
            ("crit of nothing", with(json!({"crit": []})), "critical"),
            ("crit of another type", with(json!({"crit": "exp"})), "critical"),
            ("b64 false", with(json!({"b64": false, "crit": ["b64"]})), "critical"),
            ("an unencoded payload", unencoded, "malformed|several"),
            ("b64 false without crit", with(json!({"b64": false})), "critical|malformed"),
            ("zip", with(json!({"zip": "DEF"})), "critical|malformed"),
            ("encrypted", encrypted, "malformed"),
            ("JSON serialisation", flattened, "malformed|several"),
            ("two parts", format!("{}.{}", parts[0], parts[1]), "malformed"),
            ("four parts", format!("{token}.{}", parts[2]), "malformed"),
            ("a dot behind", format!("{token}."), "malformed"),
            ("a dot before", format!(".{token}"), "malformed"),
            ("dots", ".".repeat(8000), "malformed"),
            (
                "9 KiB",
                {
                    let mut long = claims.clone();
                    long["x"] = json!("x".repeat(9000));
                    scene.issuer.token(&long)
                },
                "malformed",
            ),
        ],
    );
}

#[test]
fn times_are_numbers_that_are_there() {
    let scene = Scene::new(&Extra::default());
    let claims = good(&scene);
    // As text, since no library would write some of these.
    let with = |name: &str, value: Option<&str>| {
        let mut rest = claims.clone();
        rest.as_object_mut().expect("an object").remove(name);
        let text = rest.to_string();
        let text = value.map_or(text.clone(), |value| text.replacen('{', &format!("{{\"{name}\":{value},"), 1));
        scene.issuer.sign_bytes(HEADER, text.as_bytes())
    };
    let mut rows = vec![("no exp", with("exp", None), "claim")];
    for value in ["null", "\"9999999999\"", "true", "[9999999999]", "{}", "1e400", "-1e400", "\"\"", "NaN"] {
        rows.push(("exp", with("exp", Some(value)), "claim|malformed"));
    }
    for value in ["-1", "0", "1", "1.5"] {
        rows.push(("exp in the past", with("exp", Some(value)), "expired|claim"));
    }
    for value in ["\"0\"", "true", "[0]", "{}", "1e400"] {
        rows.push(("nbf", with("nbf", Some(value)), "claim|malformed"));
    }
    rows.push(("nbf in the future", with("nbf", Some(&(now() + 3600).to_string())), "not_yet_valid"));
    refused(&scene, &rows);
}

#[test]
fn who_made_it_and_for_whom_is_compared_exactly() {
    let scene = Scene::new(&Extra::default());
    let (claims, url) = (good(&scene), scene.issuer.url());
    let with = |name: &str, value: Option<Value>| {
        let mut claims = claims.clone();
        let members = claims.as_object_mut().expect("an object");
        members.remove(name);
        members.extend(value.map(|value| (name.to_owned(), value)));
        scene.issuer.token(&claims)
    };
    let mut rows =
        vec![("no iss", with("iss", None), "claim|malformed|issuer"), ("no aud", with("aud", None), "claim|audience")];
    for iss in [
        json!(null),
        json!(""),
        json!([url]),
        json!({"iss": url}),
        json!(7),
        json!(format!("{url}/")),
        json!(format!("{url}.evil.test")),
        json!(format!("x{url}")),
        json!(url.to_uppercase()),
        json!(format!("{url}\0")),
        json!(format!(" {url}")),
        json!(&url[..url.len() - 1]),
    ] {
        rows.push(("iss", with("iss", Some(iss)), "issuer|claim|malformed"));
    }
    for aud in [
        json!(null),
        json!(""),
        json!([]),
        json!({"aud": AUDIENCE}),
        json!(7),
        json!([["x", AUDIENCE]]),
        json!([AUDIENCE, 7]),
        json!(format!("{AUDIENCE}/")),
        json!(format!("{AUDIENCE}.evil.test")),
        json!(format!("x{AUDIENCE}")),
        json!(AUDIENCE.to_uppercase()),
        json!(format!("{AUDIENCE}\0")),
        json!(format!("{AUDIENCE} other")),
        json!(["other"]),
    ] {
        rows.push(("aud", with("aud", Some(aud)), "audience|claim|malformed"));
    }
    refused(&scene, &rows);
    assert_eq!(ask(&scene, "/api/x", &with("aud", Some(json!(["other", AUDIENCE])))).status(), 200, "RFC 7519 §4.1.3");
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_read_by_none() {
    let scene = Scene::new(&Extra::default());
    let claims = good(&scene).to_string();
    let sign = |header: &[u8], claims: &[u8]| scene.issuer.sign_bytes(header, claims);
    let first = |member: &str| claims.replacen('{', &format!("{{{member},"), 1);
    let utf16: Vec<u8> = claims.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let deep = format!("\"x\":{}{}", "[".repeat(500), "]".repeat(500));
    let mut spoiled = claims.clone().into_bytes();
    let at = claims.find("ada").expect("a subject");
    spoiled[at] = 0xff;
    refused(
        &scene,
        &[
            ("alg twice", sign(br#"{"alg":"none","alg":"ES256","kid":"ec"}"#, claims.as_bytes()), "malformed"),
            ("kid twice", sign(br#"{"alg":"ES256","kid":"x","kid":"ec"}"#, claims.as_bytes()), "malformed"),
            ("sub twice", sign(HEADER, first("\"sub\":\"root\"").as_bytes()), "malformed"),
            ("sub twice, once escaped", sign(HEADER, first("\"s\\u0075b\":\"root\"").as_bytes()), "malformed"),
            (
                "a member of a member twice",
                sign(HEADER, first("\"act\":{\"sub\":\"a\",\"sub\":\"b\"}").as_bytes()),
                "malformed",
            ),
            ("bytes behind the claims", sign(HEADER, format!("{claims}{{}}").as_bytes()), "malformed"),
            ("bytes behind the header", sign(&[HEADER, b"x"].concat(), claims.as_bytes()), "malformed"),
            ("UTF-16", sign(HEADER, &utf16), "malformed"),
            ("a byte order mark", sign(HEADER, format!("\u{feff}{claims}").as_bytes()), "malformed"),
            ("no UTF-8", sign(HEADER, &spoiled), "malformed"),
            ("an array", sign(HEADER, format!("[{claims}]").as_bytes()), "malformed"),
            ("a text", sign(HEADER, b"\"ada\""), "malformed"),
            ("nothing", sign(HEADER, b""), "malformed"),
            ("too deep", sign(HEADER, first(&deep).as_bytes()), "malformed"),
            ("a comment", sign(HEADER, format!("/**/{claims}").as_bytes()), "malformed"),
        ],
    );
}

#[test]
fn a_token_is_spelled_in_one_way() {
    let scene = Scene::new(&Extra::default());
    // Of a length whose last character has bits to spare.
    let claims = |n: usize| {
        let mut claims = good(&scene);
        claims["x"] = json!("x".repeat(n));
        claims
    };
    let spare = |part: &str| !part.len().is_multiple_of(4);
    let token = (0..3)
        .map(|n| scene.issuer.token(&claims(n)))
        .find(|token| token.split('.').nth(1).is_some_and(spare))
        .expect("one of three");
    let parts: Vec<&str> = token.split('.').collect();
    // The next character differs in a bit that belongs to no byte.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = |part: &str| {
        let last = alphabet.find(&part[part.len() - 1..]).expect("base64url");
        format!("{}{}", &part[..part.len() - 1], &alphabet[last + 1..last + 2])
    };
    let signature = |signature: String| format!("{}.{}.{signature}", parts[0], parts[1]);
    let standard = (0..200)
        .map(|n| scene.issuer.token(&claims(n % 7)))
        .find(|token| token.rsplit('.').next().is_some_and(|part| part.contains(['-', '_'])))
        .expect("a signature that needs both alphabets")
        .replace('-', "+")
        .replace('_', "/");
    refused(
        &scene,
        &[
            ("spare bits in the signature", signature(next(parts[2])), "malformed|signature"),
            (
                "spare bits in signed claims",
                scene.issuer.sign_text(&format!("{}.{}", parts[0], next(parts[1]))),
                "malformed",
            ),
            ("padded", format!("{token}=="), "malformed"),
            ("padded inside", format!("{}=.{}.{}", parts[0], parts[1], parts[2]), "malformed"),
            ("the other alphabet", standard, "malformed|signature"),
            ("a space inside", signature(format!("{} {}", &parts[2][..40], &parts[2][40..])), "malformed"),
            ("a space before", format!(" {token}"), "malformed"),
            ("a tab inside", signature(format!("{}\t{}", &parts[2][..40], &parts[2][40..])), "malformed"),
            ("quoted", format!("\"{token}\""), "malformed"),
        ],
    );
}

/// Another authenticator and its route, and a route that needs another role.
fn beside(other: &Issuer) -> String {
    format!(
        r#"
[authn.other.jwt]
issuer = "{}"
audience = "https://other.test"
jwks_url = "{}"
roles = "roles"
[route.other]
path = "/other/**"
target = "api"
authn = ["other"]
allow = [{{ role = "reader" }}]
[route.both]
path = "/both/**"
target = "api"
authn = ["corp", "other"]
allow = [{{ role = "reader" }}]
"#,
        other.url(),
        other.jwks_url()
    )
}

#[test]
fn what_is_remembered_of_one_token_is_said_of_no_other_and_nowhere_else() {
    let other = Issuer::start();
    let scene = Scene::new(&Extra { tables: &beside(&other), ..Extra::default() });
    let ada = scene.token_of("ada", &["reader"]);
    let nobody = scene.token_of("bob", &[]);
    for _ in 0..2 {
        assert_eq!(ask(&scene, "/api/x", &ada).status(), 200);
        assert_eq!(ask(&scene, "/both/x", &ada).status(), 200);
        // The same first half, and the same length.
        let (head, _) = ada.rsplit_once('.').expect("a signature");
        let (_, theirs) = nobody.rsplit_once('.').expect("a signature");
        assert_eq!(ask(&scene, "/api/x", &format!("{head}.{theirs}")).status(), 401);
        assert_eq!(ask(&scene, "/api/x", &ada[..ada.len() - 1]).status(), 401);
        assert_eq!(ask(&scene, "/api/x", &nobody).status(), 403, "proved, and nobody else's roles");
        assert_eq!(
            ask(&scene, "/other/x", &ada).status(),
            401,
            "proved by an authenticator that the route does not take"
        );
    }
    // Of another issuer, with the same id: another principal.
    let mut theirs = other.claims("ada");
    (theirs["aud"], theirs["roles"]) = (json!("https://other.test"), json!([]));
    assert_eq!(ask(&scene, "/both/x", &other.token(&theirs)).status(), 403);
    assert_eq!(ask(&scene, "/both/x", &ada).status(), 200);
}

#[test]
fn what_is_remembered_ends_with_the_token_its_key_and_its_configuration() {
    let scene = Scene::new(&Extra::default());
    let configure = |from: &str, to: &str| {
        let text = scene::config(scene.gateway.site(), &scene.issuer, &scene.upstream, &Extra::default());
        assert!(text.contains(from), "{from}");
        scene.gateway.reload(&text.replace(from, to));
    };
    let token = scene.token();
    assert_eq!(ask(&scene, "/api/x", &token).status(), 200);
    configure(&format!("audience = \"{AUDIENCE}\""), "audience = \"https://new.test\"");
    assert_eq!(ask(&scene, "/api/x", &token).status(), 401, "for an audience that is no longer ours");
    configure("roles = \"roles\"", "roles = \"groups\"");
    assert_eq!(ask(&scene, "/api/x", &token).status(), 403, "its roles are read from another claim");
    configure("roles = \"roles\"", "roles = \"roles\"");
    assert_eq!(ask(&scene, "/api/x", &token).status(), 200);
    // No answer outlives a token by more than the leeway for clocks that differ, 10 s where nothing else is said.
    let mut claims = good(&scene);
    claims["exp"] = json!(now() - 7);
    let ending = scene.issuer.token(&claims);
    let first = ask(&scene, "/api/x", &ending).status();
    assert!(first == 200 || now() > claims["exp"].as_u64().expect("a number") + 10, "within the leeway");
    within(Duration::from_secs(15), "it is over, although it was remembered", || {
        ask(&scene, "/api/x", &ending).status() == 401
    });
    // What the set of keys no longer has proves nothing, however well it is remembered.
    let mut keys = scene.issuer.jwks();
    keys["keys"].as_array_mut().expect("keys").retain(|key| key["kid"] != "ec");
    scene.issuer.publish(200, keys.to_string());
    let unknown = scene.issuer.sign(&json!({"alg": "ES256", "kid": "new"}), &good(&scene));
    within(Duration::from_secs(60), "the key is gone", || {
        // A key that is not known has the set fetched, at most twice a minute.
        assert_eq!(ask(&scene, "/api/x", &unknown).status(), 401);
        ask(&scene, "/api/x", &token).status() == 401
    });
}

#[test]
fn a_set_of_keys_holds_no_shared_secret_and_a_flood_of_kids_is_one_fetch() {
    let scene = Scene::new(&Extra::default());
    let mut keys = scene.issuer.jwks();
    let secret = [7; 32];
    let shared = json!({"kty": "oct", "kid": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(secret)});
    keys["keys"].as_array_mut().expect("keys").push(shared);
    scene.issuer.publish(200, keys.to_string());
    let fetched = scene.issuer.fetches();
    let shared = jws(&json!({"alg": "HS256", "kid": "oct"}), &good(&scene), |input| {
        jsonwebtoken::crypto::sign(input, &EncodingKey::from_secret(&secret), Algorithm::HS256).expect("a signature")
    });
    for n in 0..200 {
        let unknown = scene.issuer.sign(&json!({"alg": "ES256", "kid": format!("kid-{n}")}), &good(&scene));
        let began = Instant::now();
        assert_eq!(ask(&scene, "/api/x", &unknown).status(), 401);
        assert!(began.elapsed() < Duration::from_secs(1), "nobody waits for a fetch: {:?}", began.elapsed());
        // By then the set with the shared secret is there.
        if n == 0 {
            eventually("the set was fetched again", || (scene.issuer.fetches() > fetched).then_some(()));
        }
    }
    let response = ask(&scene, "/api/x", &shared);
    assert_eq!((response.status(), &scene.record_of(&response)["detail"]), (401, &json!("algorithm")));
    assert_eq!(scene.issuer.fetches(), fetched + 1, "at most one fetch in half a minute");
    assert_eq!(ask(&scene, "/api/x", &scene.token()).status(), 200);
}
