//! The scrubber against a plain and slow reading of what is to be found.

mod reference;

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bytes::Bytes;
use proptest::prelude::*;

use super::{Needles, Scrubber};
use reference::{Sought, expected, is_as, pending_from, sought, written};

const SECRETS: [&[u8]; 12] = [
    b"sk_live_51Hxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    b"abcd",
    b"p%q\\\"r+s/t u&<v>'w",
    b"%25%25%41+%",
    b"ends in \\",
    b"\\\\\"\\x",
    b"aaaaaaaaaaab",
    b"abababab",
    b"\xff\xfe\xfb\xef\xbe\xff\xff\x00\x80",
    b"line\r\nbreak\t\x08\x0c",
    b"5131333337",
    b"&amp;&#39;x",
];

/// Pushes a text in chunks that end at `cuts`; returns what came out after each.
fn scrubbed(needles: &Arc<Needles>, text: &[u8], cuts: &[usize]) -> (Vec<Bytes>, u64) {
    let mut scrubber = Scrubber::new(Arc::clone(needles));
    let (mut out, mut from) = (Vec::new(), 0);
    for cut in cuts {
        out.push(scrubber.push(Bytes::copy_from_slice(&text[from..*cut]), false));
        from = *cut;
    }
    out.push(scrubber.push(Bytes::copy_from_slice(&text[from..]), true));
    (out, scrubber.found())
}

fn check(secrets: &[&[u8]], text: &[u8], cuts: &[usize], is_hold_checked: bool) {
    let needles = Arc::new(Needles::new(secrets));
    let all: Vec<Sought> = secrets.iter().flat_map(|secret| sought(secret)).collect();
    let (wanted, count) = expected(&all, text);
    let (out, found) = scrubbed(&needles, text, cuts);
    let shown = || format!("{} cut at {cuts:?} for {}", text.escape_ascii(), secrets.concat().escape_ascii());
    let joined = out.concat();
    assert!(is_as(&joined, &wanted, text), "{} from {}", joined.escape_ascii(), shown());
    assert_eq!(found, count, "{}", shown());
    assert_eq!(needles.is_in(text), count > 0, "{}", shown());
    let mut gone = 0;
    // Lines of base64 that are shorter than anybody makes them are not waited for.
    let is_hold_checked = is_hold_checked && !text.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
    for (out, cut) in out.iter().zip(cuts).filter(|_| is_hold_checked) {
        gone += out.len();
        assert!(gone <= pending_from(&all, &text[..*cut]), "after {cut} of {}", shown());
    }
}

/// A secret in the many forms that a table can name.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let wrapped = |text: &str, width: usize, end: &str| {
        text.as_bytes().chunks(width).map(|line| String::from_utf8_lossy(line)).collect::<Vec<_>>().join(end)
    };
    let mut all = vec![secret.to_vec(), hex.clone().into_bytes(), hex.to_uppercase().into_bytes()];
    all.push(secret.iter().flat_map(|byte| [*byte, 0]).collect());
    all.push(secret.iter().flat_map(|byte| [0, *byte]).collect());
    for head in ["", "u", "me", "user:"] {
        let text = [head.as_bytes(), secret, b"~tail"].concat();
        let (standard, safe) = (STANDARD.encode(&text), URL_SAFE.encode(&text));
        for (width, end) in
            [(20, "\n"), (21, "\r\n"), (5, "\\n"), (1, "\\r\\n"), (26, "\\u000d\n"), (23, "\r%0A"), (8, "&#13;&#10;")]
        {
            all.push(wrapped(&standard, width, end).into_bytes());
        }
        all.push(standard.replace('/', "\\/").replace('+', "%2B").into_bytes());
        all.extend([standard.into_bytes(), safe.into_bytes()]);
    }
    let count = (0..40).map(|nth| {
        let mut turn = nth;
        written(secret, || {
            turn += nth * 7 + 1;
            turn
        })
    });
    all.extend(count);
    all
}

#[test]
fn every_form_is_masked_at_every_split() {
    // All of them take a minute.
    let most = if std::env::var_os("CLAVIGER_FULL").is_some() { SECRETS.len() } else { 4 };
    for secret in SECRETS.into_iter().take(most) {
        for (nth, form) in forms(secret).into_iter().enumerate() {
            if most < SECRETS.len() && nth > 40 && nth % 4 > 0 {
                continue;
            }
            let text = [b"{\"k\":\"", &form[..], b"\",\n\n"].concat();
            check(&[secret], &text, &[], false);
            let (wanted, _) = expected(&sought(secret), &text);
            let needles = Arc::new(Needles::new(&[secret]));
            for cut in 1..text.len() {
                let halves = scrubbed(&needles, &text, &[cut]).0.concat();
                assert!(
                    is_as(&halves, &wanted, &text),
                    "{} cut at {cut} of {}",
                    halves.escape_ascii(),
                    text.escape_ascii()
                );
            }
            check(&[secret], &text, &(1..text.len()).collect::<Vec<_>>(), true);
        }
    }
}

#[test]
fn what_is_planted_is_gone() {
    let secret = SECRETS[0];
    let needles = Arc::new(Needles::new(&[secret]));
    for form in forms(secret) {
        assert!(needles.is_in(&form), "{}", form.escape_ascii());
        let text = [&b"<"[..], &form, b">"].concat();
        let (out, found) = scrubbed(&needles, &text, &[]);
        let (out, stars) = (out.concat(), out.concat().iter().filter(|byte| **byte == b'*').count());
        assert!(found >= 1 && stars >= secret.len() && out.len() == text.len(), "{}", out.escape_ascii());
    }
}

#[test]
fn masks_the_secret_and_nothing_else() {
    for (secret, text, want) in [
        ("s3cr3t", "a s3cr3t b", "a ****** b"),
        ("s3cr3t", "s3cr3s3cr3t", "s3cr3******"),
        ("s3cr3t", "S3CR3T", "S3CR3T"),
        ("s3cr3t", "key=%73%33cr3t&", "key=**********&"),
        ("s3cr3t", "7333637233743", "************3"),
        ("s3cr3t", "dXNlcjpzM2NyM3Q6eA==", "dXNlcj*********6eA=="),
        ("s3cr3t", "dXNlcj\\u0070zM2NyM3Q6eA==", "dXNlcj**************6eA=="),
        ("abab", "xabababx", "x******x"),
        ("ends\\", "\"ends\\\\\"", "\"******\""),
        ("a b c", "a+b%20c", "*******"),
        ("abc", "abc", "abc"),
    ] {
        let needles = Arc::new(Needles::new(&[secret.as_bytes()]));
        let cuts: Vec<usize> = (1..text.len()).collect();
        assert_eq!(
            scrubbed(&needles, text.as_bytes(), &[]).0.concat().escape_ascii().to_string(),
            want.as_bytes().escape_ascii().to_string()
        );
        if !text.starts_with("dXN") {
            assert_eq!(scrubbed(&needles, text.as_bytes(), &cuts).0.concat(), want.as_bytes(), "{text}");
        }
    }
}

/// What whoever has a text echoed sees of it at once must tell them nothing of the secret.
#[test]
fn what_is_kept_back_does_not_depend_on_the_secret() {
    let secrets: [&[u8]; 4] = [SECRETS[0], b"ghp_R4nd0mTok3nWithM1xedCharacters0123A", b"zzzz", b"aaaaaaaaaaab"];
    let scrubbers = || secrets.map(|secret| Scrubber::new(Arc::new(Needles::new(&[secret]))));
    for guess in [
        "guess: s",
        "sk_live",
        "{\"a\": \"sk_live_51H",
        "ghp_R4nd0m",
        "c2tf",
        "%73%6b",
        "736b5f",
        "zz\n",
        "a",
        "\\u0061",
        "a ",
    ] {
        let seen = scrubbers().map(|mut one| one.push(Bytes::copy_from_slice(guess.as_bytes()), false));
        assert!(seen.iter().all(|out| *out == seen[0]), "{guess}: {seen:?}");
    }
}

#[test]
fn what_can_begin_no_needle_goes_on_at_once() {
    let needles = Arc::new(Needles::new(&[SECRETS[0]]));
    let mut scrubber = Scrubber::new(needles);
    for event in
        ["data: {\"delta\":\"hello\"}\n\n", "data: \\u00e4\r\n\r\n", "100% \n", ": sk_live\n\n", "data: [DONE]\n\n"]
    {
        let chunk = Bytes::from_static(event.as_bytes());
        let out = scrubber.push(chunk.clone(), false);
        assert_eq!(out, chunk);
        assert_eq!(out.as_ptr(), chunk.as_ptr(), "copied {event}");
    }
}

#[test]
fn the_end_lets_go_of_what_was_held() {
    let mut scrubber = Scrubber::new(Arc::new(Needles::new(&[b"s3cr3t"])));
    assert_eq!(scrubber.push(Bytes::from_static(b"a s3cr"), false), "a ");
    assert_eq!(scrubber.push(Bytes::new(), false), "");
    assert_eq!(scrubber.push(Bytes::new(), true), "s3cr");
    assert_eq!(scrubber.found(), 0);
}

#[test]
fn a_character_behind_base64_is_masked_though_it_comes_later() {
    let mut scrubber = Scrubber::new(Arc::new(Needles::new(&[b"s3cr3t!"])));
    // s3cr3t! is c zNjc jN0 IQ==: the last character that is all of it is I.
    assert_eq!(scrubber.push(Bytes::from_static(b"czNjcjN0I"), false), "");
    assert_eq!(scrubber.push(Bytes::from_static(b"Q== "), true), "**********== ");
}

#[test]
fn short_secrets_are_not_looked_for() {
    assert!(Needles::new(&[b"abc", b""]).is_empty());
    assert!(!Needles::new(&[b"abc", b"abcd"]).is_empty());
    assert!(!Needles::new(&[b"abc", b"abcd"]).is_in(b"abc"));
}

#[test]
fn long_runs_come_out_as_the_whole_would_however_small_the_pieces() {
    let secret: Vec<u8> = (0..600_u32).map(|n| b'a' + u8::try_from(n * n % 26).expect("a letter")).collect();
    let needles = Arc::new(Needles::new(&[&secret]));
    let escaped: String = secret.iter().map(|byte| format!("%{byte:02X}")).collect();
    let (run, coded) = ("x".repeat(5000), STANDARD.encode(&secret));
    let text = [run.as_bytes(), &secret, b"/", escaped.as_bytes(), run.as_bytes(), coded.as_bytes(), b"y"];
    let text = [&text.concat()[..], b" ", &text.concat()].concat();
    let whole = scrubbed(&needles, &text, &[]);
    assert_eq!(whole.1, 6);
    for size in [1, 3, 64, 1000, 7000] {
        let cuts: Vec<_> = (1..=text.len() / size).map(|nth| nth * size).collect();
        let (out, found) = scrubbed(&needles, &text, &cuts);
        assert_eq!((out.concat(), found), (whole.0.concat(), whole.1), "{size} at once");
    }
}

#[test]
fn what_ends_a_long_run_lets_all_of_it_go_on() {
    let needles = Arc::new(Needles::new(&[b"sk_live_51Hxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"]));
    let mut scrubber = Scrubber::new(Arc::clone(&needles));
    let event = [b"data: {\"a\":\"".as_slice(), &[b'x'; 2000]].concat();
    let first = scrubber.push(Bytes::from(event.clone()), false).len();
    let more = scrubber.push(Bytes::from_static(b"yz"), false).len();
    let rest = scrubber.push(Bytes::from_static(b"\"}\n\n"), false).len();
    assert_eq!((more, first + rest), (0, event.len() + 6), "an event that has ended waits for nothing");
}

#[test]
fn single_bytes_take_no_more_than_a_few_times_as_long_as_a_whole() {
    let secret: Vec<u8> = (0..500_u32).map(|n| b'a' + u8::try_from((n * n + 18) % 26).expect("a letter")).collect();
    let needles = Arc::new(Needles::new(&[&secret]));
    let text = b"%73".repeat(40_000);
    let cuts: Vec<_> = (1..text.len()).collect();
    let began = Instant::now();
    let (out, found) = scrubbed(&needles, &text, &cuts);
    assert_eq!((found, out.concat().len()), (0, text.len()));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn debug_shows_no_secret() {
    let needles = Arc::new(Needles::new(&[b"canary-4711"]));
    let mut scrubber = Scrubber::new(Arc::clone(&needles));
    scrubber.push(Bytes::from_static(b"canary"), false);
    assert_eq!(format!("{needles:?}"), "[redacted]");
    assert!(!format!("{scrubber:?}").contains("canary"));
}

/// A piece of a text: something planted, a beginning of it, or anything at all.
fn piece(secret: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let planted = (0..5usize, proptest::collection::vec(any::<u8>(), 0..4), any::<u64>(), 0..4u64).prop_map(
        move |(form, head, seed, escapes)| {
            let text = [&head[..], secret, b"t"].concat();
            let bytes = match form {
                0 => secret.to_vec(),
                1 => secret.iter().flat_map(|byte| format!("{byte:02X}").into_bytes()).collect(),
                2 => STANDARD.encode(text).into_bytes(),
                3 => URL_SAFE.encode(text).into_bytes(),
                _ => secret.iter().flat_map(|byte| [*byte, 0]).collect(),
            };
            let mut state = seed;
            written(&bytes, || {
                state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
                let roll = state >> 33;
                if roll % 4 < escapes { (roll >> 3) as usize } else { 0 }
            })
        },
    );
    prop_oneof![
        planted.clone(),
        (planted, any::<prop::sample::Index>()).prop_map(|(text, to)| text[..to.index(text.len())].to_vec()),
        proptest::collection::vec(any::<u8>(), 0..12),
        "[%\\\\&+x0-9#;nru\"\r\n]{0,8}".prop_map(String::into_bytes),
        proptest::collection::vec(proptest::sample::select(secret), 0..12),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn chunks_come_out_as_the_whole_would(
        (secret, pieces) in proptest::sample::select(&SECRETS[..])
            .prop_flat_map(|secret| (Just(secret), proptest::collection::vec(piece(secret), 1..5))),
        other in proptest::sample::select(&SECRETS[..]),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let text = pieces.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.sort_unstable();
        check(&[secret], &text, &cuts, true);
        if other != secret {
            check(&[secret, other], &text, &cuts, true);
        }
    }
}
