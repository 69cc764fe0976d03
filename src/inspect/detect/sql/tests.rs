//! Attacks and look-alikes, of our own writing.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::cases::{ATTACKS, HONEST};
use super::lex::{Kind, Lexer};
use super::words::Word;
use super::*;
use crate::inspect::rules::RuleFile;

/// What the rules of paranoia 1 make of a value.
fn score(part: Part, value: &[u8]) -> (u32, Vec<&'static str>) {
    let rules: BTreeMap<String, u32> = RuleFile::ready_made()
        .expect("rules")
        .into_iter()
        .map(|rule| (rule.id, if rule.paranoia == 1 { rule.score } else { 0 }))
        .collect();
    let lower = value.to_ascii_lowercase();
    let occurs = Bytes::of(value);
    let mut found = Found::default();
    let input = Input { bytes: value, lower: &lower, part, trail: b"q", is_name: false, occurs: &occurs };
    let literal = LITERALS.iter().any(|literal| memchr::memmem::find(&lower, literal.as_bytes()).is_some());
    if literal || wakes(&occurs) {
        run(&input, &mut found);
    }
    let ids: Vec<_> = found.evidence.iter().map(|(id, _)| *id).collect();
    let total = ids.iter().map(|id| *rules.get(*id).unwrap_or_else(|| panic!("no rule {id}"))).sum();
    (total, ids)
}

#[test]
fn attacks_are_stopped() {
    let missed: Vec<_> = ATTACKS
        .iter()
        .filter(|attack| {
            // As a gate would: percent-encoded controls are decoded before.
            let text = attack.replace("%0b", "\u{b}");
            score(Part::Query, text.as_bytes()).0 < 5
        })
        .map(|attack| (attack, score(Part::Query, attack.as_bytes())))
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn honest_values_pass() {
    let stopped: Vec<_> = HONEST
        .iter()
        .filter(|value| score(Part::Body, value.as_bytes()).0 >= 5)
        .map(|value| (value, score(Part::Body, value.as_bytes()).1))
        .collect();
    assert!(stopped.is_empty(), "{stopped:#?}");
}

#[test]
fn attacks_in_paths_are_stopped() {
    for path in ["/items/1 or 1=1", "/items/1' or '1'='1", "/a/b/1 union select 1,2", "/3;drop table t"] {
        assert!(score(Part::Path, path.as_bytes()).0 >= 5, "{path}");
    }
    for path in ["/repos/o'brien/x", "/a/b-c/d.rs", "/users/select/from/where", "/x;v=1/y"] {
        assert!(score(Part::Path, path.as_bytes()).0 < 5, "{path}");
    }
}

#[test]
fn an_attack_behind_a_long_value_is_stopped() {
    let long = format!("{} 1 union select 1,2", "word ".repeat(5_000));
    assert!(score(Part::Body, long.as_bytes()).0 >= 5);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(value in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = score(Part::Query, &value);
    }

    #[test]
    fn anything_like_sql_is_read(value in "['\"`()\\[\\]@#;,.*/!?:=<>|&+ \\\\a-z0-9\\-]{0,80}") {
        let _ = score(Part::Path, value.as_bytes());
    }

    #[test]
    fn spaces_and_case_do_not_matter(which in 0..ATTACKS.len(), upper in any::<bool>(), space in prop::sample::select(vec!["\t", "\n", "\r\n", "\u{b}", "\u{c}", "  "])) {
        let attack = ATTACKS[which].replace(' ', space);
        let attack = if upper { attack.to_ascii_uppercase() } else { attack };
        // A comment to the end of a line is one whatever ends it.
        prop_assume!(!attack.contains("--") && !attack.contains('#') && !attack.contains('%'));
        prop_assert!(score(Part::Query, attack.as_bytes()).0 >= 5, "{attack:?}");
    }
}

#[test]
fn most_honest_words_wake_nothing() {
    for value in [
        "hello",
        "Fix the build on main",
        "550e8400-e29b-41d4-a716-446655440000",
        "2024-01-01T00:00:00Z",
        "https://example.com/a/b",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "user@example.com",
        "O'Brien",
        "gzip, deflate, br",
        "application/json",
    ] {
        let literal = LITERALS.iter().any(|literal| value.to_ascii_lowercase().contains(literal));
        assert!(!literal && !wakes(&Bytes::of(value.as_bytes())), "{value}");
    }
}

#[test]
fn in_backticks_a_backslash_is_itself() {
    let kinds: Vec<_> = Lexer::new(br"`a\` or 'b\' or'", 0).map(|token| token.kind).collect();
    assert_eq!(kinds, [Kind::Name, Kind::Word(Word::Logic), Kind::Text { open: false }]);
}
