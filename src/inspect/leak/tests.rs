//! Tests of the whole scanner.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const ALL: [LeakKind; 11] = [
    LeakKind::Token,
    LeakKind::Jwt,
    LeakKind::PrivateKey,
    LeakKind::Card,
    LeakKind::Iban,
    LeakKind::UsSsn,
    LeakKind::UkNino,
    LeakKind::EsDni,
    LeakKind::FrNir,
    LeakKind::ItCf,
    LeakKind::BrCpf,
];

/// Redacts all kinds that can be.
fn profile() -> Arc<LeakProfile> {
    let actions = ALL.iter().map(|kind| (*kind, LeakAction::Redact)).collect();
    Arc::new(LeakProfile::new(&LeakSettings { actions, emails_max: 2, ..LeakSettings::default() }))
}

/// What becomes of a text in these pieces, the counts, and the most that was held.
fn pass(profile: &Arc<LeakProfile>, text: &[u8], mut cuts: Vec<usize>) -> (Vec<u8>, Counts, usize) {
    cuts.retain(|cut| *cut <= text.len());
    cuts.sort_unstable();
    cuts.push(text.len());
    let mut scanner = LeakScanner::new(Arc::clone(profile), true);
    let (mut out, mut from, mut held) = (Vec::new(), 0, 0);
    for cut in cuts {
        out.extend_from_slice(&scanner.push(Bytes::copy_from_slice(&text[from..cut]), false));
        from = cut;
        held = held.max(from - out.len());
    }
    out.extend_from_slice(&scanner.push(Bytes::new(), true));
    (out, scanner.counts(), held)
}

fn whole(text: &str) -> (String, Vec<(LeakKind, u32)>) {
    let (out, counts, _) = pass(&profile(), text.as_bytes(), Vec::new());
    (String::from_utf8(out).expect("text"), counts.iter().collect())
}

/// Checked: 30 characters and their CRC-32 in base 62.
fn summed(prefix: &str) -> String {
    format!("{prefix}zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17")
}

const B64: &str = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";

fn tokens() -> Vec<(LeakKind, String)> {
    let hex = "0123456789abcdef".repeat(4);
    let url =
        "aB3dE6fG9-hJ2kL5_mN8pQ1rS4tU7vW0xY3zA6bC9dE2fG5hJ8kL1mN4pQ7rS0tU3vW6xY9zA2bC5dE8fG1hJ4kL7mN0pQ3rS6tU9vW2";
    let alnum = url.replace(['-', '_'], "x");
    let token = |text: String| (LeakKind::Token, text);
    vec![
        token("AKIAQ3EGRM5X7ZPLD2WN".into()),
        token("ASIAQ3EGRM5X7ZPLD2WN".into()),
        token(summed("ghp_")),
        token(summed("ghs_")),
        token(summed("npm_")),
        token(format!("github_pat_{}_{}", &alnum[..22], &alnum[..59])),
        token(format!("glpat-{}", &url[..20])),
        token(format!("glpat-{}.01.{}", &url[..27], &alnum[..9])),
        token(format!("xoxb-123456789012-123456789013-{}", &alnum[..24])),
        token(format!("xoxp-123456789012-123456789013-{}", &alnum[..24])),
        token(format!("https://hooks.slack.com/services/T01234567/B01234567/{}", &alnum[..24])),
        token(format!("sk-ant-api03-{}AA", &url[..93])),
        token(format!("sk-proj-{}", &url[..100])),
        token(format!("sk-{}T3BlbkFJ{}", &alnum[..20], &alnum[20..40])),
        token(format!("sk_live_{}", &alnum[..24])),
        token(format!("rk_live_{}", &alnum[..99])),
        token(format!("whsec_{}", &alnum[..32])),
        token(format!("AIza{}", &url[..35])),
        token(format!("ya29.{}", &url[..100])),
        token(format!("GOCSPX-{}", &url[..28])),
        token(format!("pypi-AgEIcHlwaS5vcmc{}", &url[..100])),
        token(format!("hvs.{}", &url[..90])),
        token(format!("dop_v1_{hex}")),
        token(format!("SG.{}.{}", &url[..22], &url[..43])),
        token(format!("shpat_{}", &hex[..32])),
        token(format!("EAA{}", alnum.repeat(2).get(..160).expect("long"))),
        token(format!("dapi{}", &hex[..32])),
        token(format!("lin_api_{}", &alnum[..40])),
        token(format!("PMAK-{}-{}", &hex[..24], &hex[..34])),
        token(format!("glsa_{}_{}", &alnum[..32], &hex[..8])),
        token(format!("dckr_pat_{}", &url[..27])),
        token(format!("hf_{}", &alnum[..34])),
        token(format!("AccountKey={}", B64.repeat(2).get(..86).expect("long"))),
        (LeakKind::Jwt, format!("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.{}", &url[..60])),
    ]
}

fn keys() -> Vec<(LeakKind, String)> {
    let (one, other) = (B64, &B64[..40]);
    vec![
        (LeakKind::PrivateKey, format!("-----BEGIN PRIVATE KEY-----\n{one}\n{other}==\n-----END PRIVATE KEY-----")),
        (
            LeakKind::PrivateKey,
            format!("-----BEGIN RSA PRIVATE KEY-----\\n{one}\\n{other}\\n-----END RSA PRIVATE KEY-----"),
        ),
        (
            LeakKind::PrivateKey,
            format!(
                "-----BEGIN EC PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\nDEK-Info: AES-128-CBC,0123456789ABCDEF0123456789ABCDEF\r\n\r\n{one}\r\n-----END EC PRIVATE KEY-----"
            ),
        ),
        (
            LeakKind::PrivateKey,
            format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{one}\n-----END OPENSSH PRIVATE KEY-----"),
        ),
        (
            LeakKind::PrivateKey,
            format!(
                "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: x 1.2\n\n{one}\n-----END PGP PRIVATE KEY BLOCK-----"
            ),
        ),
        (LeakKind::PrivateKey, format!("Private-Lines: 2\r\n{one}\r\n{other}\r\nPrivate-MAC: 00")),
    ]
}

fn numbers() -> Vec<(LeakKind, String)> {
    let numbers = [
        (LeakKind::Card, "4111111111111111"),
        (LeakKind::Card, "4111 1111 1111 1111"),
        (LeakKind::Card, "5500-0000-0000-0004"),
        (LeakKind::Card, "378282246310005"),
        (LeakKind::Card, "3782 822463 10005"),
        (LeakKind::Card, "6759649826438453"),
        (LeakKind::Card, "6304000000000000"),
        (LeakKind::Card, "6200000000000000000"),
        (LeakKind::Card, "3056 930902 5904"),
        (LeakKind::UsSsn, "078-05-1120"),
        (LeakKind::BrCpf, "529.982.247-25"),
        (LeakKind::FrNir, "255081416802538"),
        (LeakKind::FrNir, "2 55 08 14 168 025 38"),
        (LeakKind::Iban, "DE89370400440532013000"),
        (LeakKind::Iban, "GB82 WEST 1234 5698 7654 32"),
        (LeakKind::UkNino, "AB123456C"),
        (LeakKind::UkNino, "AB 12 34 56 C"),
        (LeakKind::EsDni, "12345678Z"),
        (LeakKind::EsDni, "X1234567L"),
        (LeakKind::ItCf, "RSSMRA85T10A562S"),
    ];
    numbers.map(|(kind, text)| (kind, text.to_owned())).into()
}

fn secrets() -> Vec<(LeakKind, String)> {
    [tokens(), keys(), numbers()].concat()
}

/// How a text may stand in a response.
fn frames() -> [(&'static str, &'static str); 8] {
    [
        ("", ""),
        ("{\"a\": \"", "\", \"b\": 1}"),
        ("a=", "&b=2"),
        ("<p>", "</p>"),
        ("see ", ", or not"),
        ("data: ", "\n\n"),
        ("{\"log\":\"first\\n", "\\nlast\"}"),
        ("[\"", "\"]"),
    ]
}

#[test]
fn each_secret_is_masked_wherever_it_stands_and_nothing_around_it() {
    for (kind, secret) in secrets() {
        for (before, behind) in frames() {
            let text = format!("{before}{secret}{behind}");
            let (out, counts) = whole(&text);
            assert_eq!(counts, [(kind, 1)], "{text}\n{out}");
            assert_eq!(out.len(), text.len());
            assert!(out.starts_with(before) && out.ends_with(behind), "{text}\n{out}");
            let own = &out[before.len()..out.len() - behind.len()];
            let stars = own.matches(['*', '9']).count();
            assert!(stars * 10 >= secret.len() * 4, "{own}");
            assert!(!own.contains(&B64[..12]), "{own}");
        }
    }
}

#[test]
fn what_only_looks_like_one_goes_on_as_it_is() {
    let bad_sum = summed("ghp_").replace("17", "18");
    for text in [
        "AKIAIOSFODNN7EXAMPLE",
        "MAKIAQ3EGRM5X7ZPLD2WN",
        "AKIAQ3EGRM5X7ZPLD2WNQ",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        &bad_sum,
        "sk-your-key-here, task-management-and-risk-assessment-of-all-the-disk-drives",
        "glpat-xxxxxxxxxxxxxxxxxxxxxxxx",
        "-----BEGIN PRIVATE KEY----- is how a key begins, and -----END PRIVATE KEY----- how it ends",
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA7VJTUt9Us8cKjMzEfYyj",
        "-----BEGIN CERTIFICATE-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA7VJTUt9Us8cKjMzEfYyj",
        "4111111111111112",
        "41111111111111110000",
        "0.4111111111111111",
        "4111111111111111.25",
        "id-4111111111111111",
        "a4111111111111111",
        "4111111111111111a",
        "41111111-1111-1111-1111-111111111111",
        "f47ac10b-4111-1111-1111-111111111111",
        "1716239022 1700000000000 1700000000000000 1234567890123456",
        "2024-01-02 03:04:05 10.0.0.1 192.168.100.200",
        "0000 0000 0000 0000",
        "/v1/orders/4111111111111111/items",
        "000-05-1120 666-05-1120 900-05-1120 078-00-1120 078-05-0000 1078-05-1120",
        "529.982.247-26 111.111.111-11",
        "DE89370400440532013001 XX89370400440532013000",
        "12345678A BG123456C AB123456E",
        "RSSMRA85T10A562T",
        "eyJhbGciOiJSUzI1NiJ9 eyJhbGciOiJSUzI1NiJ9.x",
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
    ] {
        assert_eq!(whole(text), (text.to_owned(), vec![]), "{text}");
    }
}

#[test]
fn a_number_of_json_stays_a_number() {
    let (out, _) = whole("{\"pan\": 4111111111111111, \"all\":[378282246310005,5500000000000004]}");
    assert_eq!(out, "{\"pan\": 9999999999999999, \"all\":[999999999999999,9999999999999999]}");
    let (out, _) = whole("{\"pan\": \"4111111111111111\"}");
    assert_eq!(out, "{\"pan\": \"****************\"}");
}

#[test]
fn numbers_beside_each_other_are_each_found() {
    let (out, counts) = whole("4111111111111111 5500000000000004 12/26 123\n4111 1111 1111 1111 5500 0000 0000 0004");
    assert_eq!(counts, [(LeakKind::Card, 4)], "{out}");
}

#[test]
fn addresses_are_told_where_there_are_many_different_ones() {
    let few = "a@example.com, b@example.com, a@example.com, A@EXAMPLE.com, pkg@1.2.3, @media, x@localhost";
    assert_eq!(whole(few).1, []);
    assert_eq!(whole("a@example.com b@example.com <c@example.org>").1, [(LeakKind::Emails, 3)]);
    let actions = vec![(LeakKind::Emails, LeakAction::Block)];
    let profile = LeakProfile::new(&LeakSettings { actions, emails_max: 1, ..LeakSettings::default() });
    let mut scanner = LeakScanner::new(Arc::new(profile), false);
    scanner.push("a@example.com ".into(), false);
    assert!(!scanner.is_blocked());
    scanner.push("b@example.com ".into(), false);
    assert!(scanner.is_blocked());
}

#[test]
fn nothing_is_held_behind_an_event() {
    let profile = profile();
    for event in ["data: {\"delta\":\"hello sk\"}\n\n", "data: [DONE]\n\n", "{\"id\":\"4111\"}", "<p>42</p>\n", "x\n"] {
        let mut scanner = LeakScanner::new(Arc::clone(&profile), false);
        assert_eq!(scanner.push(event.into(), false), event);
    }
}

#[test]
fn a_key_without_an_end_is_masked_as_far_as_it_may_be_long() {
    let text = format!("-----BEGIN PRIVATE KEY-----\n{}", "MIIEvQIBADANBgkq".repeat(10_000));
    let profile = profile();
    let (out, _, held) = pass(&profile, text.as_bytes(), (0..text.len()).step_by(1000).collect());
    assert!(held < 1024, "{held}");
    // The line end is one of them.
    assert_eq!(out.iter().filter(|byte| **byte == b'*').count(), 32 * 1024 - 1);
}

#[test]
fn debug_shows_nothing_of_a_stream() {
    let mut scanner = LeakScanner::new(profile(), false);
    scanner.push(Bytes::from_static(b"AKIAQ3EGRM5X7"), false);
    assert!(!format!("{scanner:?}").contains("AKIA"));
}

/// Texts in which much nearly is a secret.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let secrets: Vec<String> = secrets().into_iter().map(|(_, secret)| secret).collect();
    let part = prop_oneof![
        4 => prop::sample::select(secrets.clone()).prop_map(String::into_bytes),
        3 => (prop::sample::select(secrets), 0..200usize).prop_map(|(text, len)| text.as_bytes()[..len.min(text.len())].to_vec()),
        2 => prop::sample::select(vec!["\\n", "\n", " ", "\"", "-", ".", ",", "%3D", "\\u003d", "\\", "@", "=", "/", "_", ": "])
            .prop_map(|text| text.as_bytes().to_vec()),
        2 => "[0-9 -]{0,30}".prop_map(String::into_bytes),
        1 => "[a-z]{1,8}@[a-z]{1,8}\\.(com|org|[0-9])".prop_map(String::into_bytes),
        1 => "[ -~]{0,20}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn however_a_text_is_cut_the_same_comes_out(text in texts(), cuts in prop::collection::vec(0..1500usize, 0..20)) {
        let profile = profile();
        let (want, counts, _) = pass(&profile, &text, Vec::new());
        prop_assert_eq!(want.len(), text.len());
        let (got, told, held) = pass(&profile, &text, cuts);
        prop_assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(&want));
        prop_assert_eq!(told, counts);
        prop_assert!(held <= 700, "{} are held", held);
        let (got, told, _) = pass(&profile, &text, (0..text.len()).collect());
        prop_assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(&want));
        prop_assert_eq!(told, counts);
    }
}

/// The cases that tell of leaks in responses; where there are none, there is nothing to measure.
#[test]
fn details_of_errors_are_found_by_their_classes() {
    let Ok(folder) = std::env::var("CLAVIGER_TEST_DATA") else { return };
    let Ok(packed) = std::fs::read(format!("{folder}/corpus/responses.jsonl.gz")) else { return };
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(&packed[..]), &mut text).expect("gzip");
    let (mut right, mut all, mut wrong) = ([0; 2], [0; 2], Vec::new());
    for line in text.lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let Some(spec) = case["reflect_spec"].as_str() else { continue };
        let parsed: Option<serde_json::Value> = serde_json::from_str(spec).ok();
        let body = parsed.as_ref().and_then(|spec| spec["body"].as_str()).unwrap_or(spec);
        // The sentence that stands before each message of a database would be found by itself.
        let body = body.split_once("[/match]").map_or(body, |(_, behind)| behind);
        let is_match = case["expect"] == "match";
        let mut scanner = LeakScanner::new(profile(), true);
        scanner.push(Bytes::copy_from_slice(body.as_bytes()), true);
        let is_found = scanner.counts().of(LeakKind::ErrorDetails) > 0;
        all[usize::from(is_match)] += 1;
        if is_found == is_match {
            right[usize::from(is_match)] += 1;
        } else {
            wrong.push(format!("{is_match} {}: {body}", case["rule"]));
        }
    }
    assert!(right[1] * 100 >= all[1] * 75, "{right:?} of {all:?}: {}", wrong.join("\n"));
}
