//! Rust source as the architecture test reads it: tokens with lines, no comments, no literals, no test-only items.

/// One identifier or one punctuation character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// The identifier or the single character.
    pub(crate) text: String,
    /// Its line, from 1.
    pub(crate) line: usize,
}

/// The tokens of the code that ships: everything marked `#[cfg(test)]` is left out.
pub(crate) fn shipped(source: &str) -> Vec<Token> {
    let tokens = tokens(source);
    if tokens.windows(8).any(|w| spells(w, &["#", "!", "[", "cfg", "(", "test", ")", "]"])) {
        return Vec::new();
    }
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if spells(&tokens[at..], &["#", "[", "cfg", "(", "test", ")", "]"]) {
            at = end_of_item(&tokens, at + 7);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Whether these tokens begin with exactly these words.
pub(crate) fn spells(tokens: &[Token], words: &[&str]) -> bool {
    tokens.len() >= words.len() && tokens.iter().zip(words).all(|(token, word)| token.text == *word)
}

/// The top-level modules that this code names, with lines: what follows `root::`, also in groups, and `super` chains
/// that climb out of a module `depth` levels below the crate's root.
pub(crate) fn edges(tokens: &[Token], root: &str, depth: usize) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let rooted = tokens[at].text == root && (root == "crate" || !follows_path(tokens, at));
        if rooted && spells(&tokens[at + 1..], &[":", ":"]) {
            heads(tokens, at + 3, &mut found);
        } else if tokens[at].text == "super" {
            let mut climbed = 0;
            while spells(&tokens[at..], &["super", ":", ":"]) {
                climbed += 1;
                at += 3;
            }
            if climbed >= depth && climbed > 0 {
                heads(tokens, at, &mut found);
            }
            at -= usize::from(climbed > 0);
        }
        at += 1;
    }
    found
}

/// Places that name an outer crate: `NAME::...`, `use NAME;`, `use NAME as ...`, `extern crate NAME`.
pub(crate) fn crate_uses(tokens: &[Token], is_crate: impl Fn(&str) -> bool) -> Vec<(String, usize)> {
    let named = |at: usize| {
        let after = &tokens[at + 1..];
        let imported = at > 0 && matches!(tokens[at - 1].text.as_str(), "use" | "crate") && !spells(after, &[":", ":"]);
        let absolute = at < 3 || !is_word(&tokens[at - 3].text) || tokens[at - 3].text == "use";
        imported || (spells(after, &[":", ":"]) && (!follows_path(tokens, at) || absolute))
    };
    let places = (0..tokens.len()).filter(|&at| is_crate(&tokens[at].text) && named(at));
    places.map(|at| (tokens[at].text.clone(), tokens[at].line)).collect()
}

/// Whether the token stands after `::`.
fn follows_path(tokens: &[Token], at: usize) -> bool {
    at >= 2 && spells(&tokens[at - 2..], &[":", ":"])
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c == '_' || c.is_alphabetic())
}

/// The first segment of the path at `at`, or of each path in the group that stands there.
fn heads(tokens: &[Token], at: usize, found: &mut Vec<(String, usize)>) {
    let Some(first) = tokens.get(at) else { return };
    if first.text != "{" {
        found.push((first.text.clone(), first.line));
        return;
    }
    let mut depth = 0;
    for (token, before) in tokens[at..].iter().zip(&tokens[at - 1..]) {
        let begins = depth == 1 && matches!(before.text.as_str(), "{" | ",");
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            head if begins => found.push((head.to_owned(), token.line)),
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

/// Where the item that starts at `at` is over: after its body, its `;`, or before the `}` that closes what holds it.
fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" if depth == 0 => return at,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at
}

fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let c = chars[at];
        let end = match skipped(&chars, at) {
            Some(end) => end,
            None => {
                let end = if is_word(&c.to_string()) { word_end(&chars, at) } else { at + 1 };
                if !c.is_whitespace() {
                    tokens.push(Token { text: chars[at..end].iter().collect(), line });
                }
                end
            }
        };
        line += chars[at..end].iter().filter(|c| **c == '\n').count();
        at = end;
    }
    tokens
}

/// Where the comment or literal that starts at `at` ends; nothing when none starts there.
fn skipped(chars: &[char], at: usize) -> Option<usize> {
    let starts = |text: &str| text.chars().eq(chars[at..].iter().copied().take(text.len()));
    if starts("//") {
        return Some(at + chars[at..].iter().take_while(|c| **c != '\n').count());
    }
    if starts("/*") {
        return Some(block_comment_end(chars, at));
    }
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|p| starts(p))?;
    let raw = prefix.ends_with('r');
    let body = at + prefix.len();
    let hashes = if raw { chars[body..].iter().take_while(|c| **c == '#').count() } else { 0 };
    match chars.get(body + hashes)? {
        '"' if raw => {
            let close = |i: &usize| {
                chars[*i] == '"' && chars[*i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
            };
            (body + hashes + 1..chars.len()).find(close).map(|i| i + 1 + hashes).or(Some(chars.len()))
        }
        '"' => Some(quoted_end(chars, body, '"')),
        '\'' if !raw && (chars.get(body + 1) == Some(&'\\') || chars.get(body + 2) == Some(&'\'')) => {
            Some(quoted_end(chars, body, '\''))
        }
        _ => None,
    }
}

fn block_comment_end(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn quoted_end(chars: &[char], open: usize, quote: char) -> usize {
    let mut at = open + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn word_end(chars: &[char], at: usize) -> usize {
    at + chars[at..].iter().take_while(|c| **c == '_' || c.is_alphanumeric()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge_names(source: &str, depth: usize) -> Vec<String> {
        edges(&shipped(source), "crate", depth).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn edges_are_found_however_they_are_written() {
        let cases: &[(&str, &[&str])] = &[
            ("use crate::authn::Verifier;", &["authn"]),
            ("pub(crate) use crate :: authn;", &["authn"]),
            ("use crate::{domain::Name, vault::{Lease, sealed::File}, limit};", &["domain", "vault", "limit"]),
            ("use crate::{\n    self,\n    audit as log,\n};", &["self", "audit"]),
            ("use {crate::authn, crate::authz};", &["authn", "authz"]),
            ("use crate::*;", &["*"]),
            (
                "fn f() -> crate::limit::Slot { crate::limit::take::<crate::domain::Name>() }",
                &["limit", "limit", "domain"],
            ),
            ("macro_rules! m { () => { $crate::audit::record() } }", &["audit"]),
            ("use super::super::vault::Lease;", &["vault"]),
            ("use super::{sibling, other};", &[]),
            ("use super::super::{vault, domain::Name}; use crate::authz;", &["vault", "domain", "authz"]),
            ("#[cfg(feature = \"x\")] use crate::authn;", &["authn"]),
        ];
        for (source, want) in cases {
            assert_eq!(edge_names(source, 2), *want, "{source}");
        }
        assert_eq!(edge_names("use super::vault;", 1), ["vault"], "from a module's own mod.rs one `super` is the root");
    }

    #[test]
    fn comments_literals_and_tests_make_no_edge() {
        for source in [
            "// use crate::authn;",
            "//! [`crate::authn`]",
            "/* a /* nested */ crate::authn */",
            "const A: &str = \"crate::authn \\\" crate::authz\";",
            "const A: &str = r#\"crate::authn \" crate::authz\"#;",
            "const A: &[u8] = b\"crate::authn\";",
            "const A: [char; 2] = ['\"', '\\''];",
            "#[cfg(test)]\nmod tests { use crate::authn; fn f() { if a { b } } }",
            "#[cfg(test)] #[allow(x)] use crate::authn;",
            "#[cfg(test)] fn f() -> [u8; 2] { crate::authn::x() }",
            "#![cfg(test)] use crate::authn;",
        ] {
            assert_eq!(edge_names(source, 2), [""; 0], "{source}");
        }
    }

    #[test]
    fn code_after_what_is_skipped_is_still_read() {
        for source in [
            "#[cfg(test)] mod tests { fn a() {} }\nuse crate::authn;",
            "#[cfg(test)] mod tests;\nuse crate::authn;",
            "fn f<'a>(x: &'a str) { let q = '\\''; crate::authn::x() }",
            "let b = b'\"'; crate::authn::x(); let s = \"\";",
            "let r = r\"\\\"; crate::authn::x();",
            "/* a */ use crate::authn; // b",
        ] {
            assert_eq!(edge_names(source, 2), ["authn"], "{source}");
        }
    }

    #[test]
    fn lines_are_counted_through_comments_and_literals() {
        let source = "/* 1\n2 */\nconst A: &str = \"3\n4\";\n\nuse crate::{\n    authn,\n};\n";
        assert_eq!(edges(&shipped(source), "crate", 1), [("authn".to_owned(), 7)]);
    }

    #[test]
    fn outer_crates_are_told_from_modules_of_the_same_name() {
        let uses = |source: &str| crate_uses(&shipped(source), |name| name == "redis").len();
        for source in [
            "use redis::Client;",
            "use redis;",
            "use redis as r;",
            "use ::redis::Client;",
            "extern crate redis;",
            "use {redis::Client, std::io};",
            "fn f() -> redis::Client { ::redis::open() }",
        ] {
            assert!(uses(source) > 0, "{source}");
        }
        for source in
            ["use crate::cluster::redis::Store;", "mod redis;", "let redis = 1;", "a.redis()", "self::redis::open()"]
        {
            assert_eq!(uses(source), 0, "{source}");
        }
    }
}
