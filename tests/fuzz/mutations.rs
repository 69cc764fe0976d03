//! What is done to an attack so that it is written otherwise and is one still.

use std::fmt::Write as _;

use crate::numbers::Numbers;
use crate::request::{Request, percent};
use crate::spellings::{self, Spelling};

/// How a text is changed.
pub(crate) enum Mutation {
    /// Texts in it are spelled otherwise.
    Spelling(&'static Spelling),
    /// It is rewritten, for these classes, or for all where there are none.
    Text(&'static str, &'static [&'static str], fn(&str, &mut Numbers) -> String),
}

impl Mutation {
    pub(crate) fn all() -> Vec<Self> {
        let texts = TEXTS.iter().map(|(name, classes, change)| Self::Text(name, classes, *change));
        spellings::all().map(Self::Spelling).chain(texts).collect()
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Spelling(spelling) => spelling.name,
            Self::Text(name, ..) => name,
        }
    }

    pub(crate) fn is_for(&self, class: &str) -> bool {
        match self {
            Self::Spelling(spelling) => spelling.classes.contains(&class),
            Self::Text(_, classes, _) => classes.is_empty() || classes.contains(&class),
        }
    }

    /// Whether the whole text is written in another encoding, and not merely otherwise.
    pub(crate) fn is_encoding(&self) -> bool {
        let begins = ["percent", "references", "escapes", "full width", "JSON in"];
        begins.iter().any(|begin| self.name().starts_with(begin))
    }

    /// Another text; none where it does not apply.
    pub(crate) fn apply(&self, text: &str, numbers: &mut Numbers) -> Option<String> {
        let changed = match self {
            Self::Spelling(spelling) => spell(text, spelling, numbers),
            Self::Text(.., change) => change(text, numbers),
        };
        (changed != text).then_some(changed)
    }
}

/// One of the texts that occur is replaced wherever it does; those of one byte in each place anew.
fn spell(text: &str, spelling: &Spelling, numbers: &mut Numbers) -> String {
    let lower = text.to_ascii_lowercase();
    let occur: Vec<_> = spelling.pairs.iter().filter(|(from, _)| lower.contains(&from.to_ascii_lowercase())).collect();
    if occur.is_empty() {
        return text.to_owned();
    }
    let (from, into) = occur[numbers.below(occur.len())];
    let (from, once) = (from.to_ascii_lowercase(), *numbers.pick(into));
    let (mut out, mut at) = (String::new(), 0);
    while let Some(found) = lower[at..].find(&from) {
        out.push_str(&text[at..at + found]);
        out.push_str(if from.len() == 1 && numbers.is_one_in(2) { numbers.pick::<&str>(into) } else { once });
        at += found + from.len();
    }
    out + &text[at..]
}

const CASELESS: &[&str] = &["sqli", "xss", "jndi", "ssi", "ldap", "ssrf", "php"];

/// Prose that somebody could write to a shop.
const PROSE: &[&str] = &[
    "Hello, I would like to ask about the order that I placed with you last week.",
    "Thanks for the quick answer! It arrived in time, but one of the boxes was open.",
    "Could you please tell me when the next delivery to Vienna is planned?",
    "We have been your customers for years and have never had a reason to complain.",
    "As to the price: the invoice says 120, the offer said 100 with everything in it.",
    "Please send the new one to the office and not to the warehouse; nobody is there on Fridays.",
];

fn prose(count: usize, numbers: &mut Numbers) -> String {
    (0..count).map(|_| *numbers.pick(PROSE)).collect::<Vec<_>>().join(" ")
}

/// Some of the characters are written otherwise.
fn some(text: &str, numbers: &mut Numbers, write: impl Fn(&mut String, char)) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if c.is_ascii() && !c.is_ascii_control() && numbers.is_one_in(2) {
            write(&mut out, c)
        } else {
            out.push(c)
        }
        out
    })
}

/// Whether it stays an attack with text before or after it: not what has to be a value's beginning, or a number, or goes on to its end.
fn is_within_prose(text: &str, before: bool) -> bool {
    let whole = ["javascript:", "php:", "phar:", "data:", "O:8", "class.", "';alert", "T(", "\" on"];
    let is_number = text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains('\'');
    let goes_on = text.contains("' ") && !text.contains("-- -") || text.contains("UNION") && !text.contains('\'');
    !whole.iter().any(|start| text.starts_with(start)) && if before { !is_number } else { !goes_on && !is_number }
}

fn around(before: &str, text: &str, after: &str) -> String {
    let fits = (before.is_empty() || is_within_prose(text, true)) && (after.is_empty() || is_within_prose(text, false));
    if fits { format!("{before}{text}{after}") } else { text.to_owned() }
}

/// `union select a, b` in parentheses, without any blank where that is possible.
fn union_in_parentheses(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let found = ["union select ", "union all select "].iter().find_map(|word| Some((lower.find(word)?, word.len())));
    let Some((at, length)) = found else { return text.to_owned() };
    let (select, end) = text[at + length..].split_once("--").unwrap_or((&text[at + length..], ""));
    let end = if end.is_empty() { String::new() } else { format!("--{end}") };
    let from = select.replacen(" FROM ", ")from(", 1);
    format!("{}union(select({from})){end}", text[..at].trim_end())
}

/// What stays one in the midst of prose.
const IN_PROSE: &[&str] = &["sqli", "xss", "rce", "ssti", "jndi", "java", "php", "node", "ssi"];

const ENCODED: &[&str] =
    &["sqli", "xss", "rce", "lfi", "ssrf", "ssti", "jndi", "java", "php", "node", "ldap", "ssi", "rfi"];

const TEXTS: &[(&str, &[&str], fn(&str, &mut Numbers) -> String)] = &[
    ("case", CASELESS, |text, numbers| {
        text.chars()
            .map(|c| if numbers.is_one_in(2) { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
            .collect()
    }),
    ("percent once more", ENCODED, |text, _| percent(text)),
    ("percent twice more", ENCODED, |text, _| percent(&percent(text))),
    ("percent, some", ENCODED, |text, numbers| {
        some(text, numbers, |out, c| write!(out, "%{:02x}", u32::from(c)).expect("written"))
    }),
    ("percent u, some", ENCODED, |text, numbers| {
        some(text, numbers, |out, c| write!(out, "%u{:04x}", u32::from(c)).expect("written"))
    }),
    ("references, some", ENCODED, |text, numbers| {
        some(text, numbers, |out, c| write!(out, "&#{};", u32::from(c)).expect("written"))
    }),
    ("references without end", &["xss"], |text, numbers| {
        some(text, numbers, |out, c| write!(out, "&#x{:08x} ", u32::from(c)).expect("written")).replace(" ", ";")
    }),
    ("escapes, some", ENCODED, |text, numbers| {
        some(text, numbers, |out, c| write!(out, "\\u{:04x}", u32::from(c)).expect("written"))
    }),
    ("full width, some", ENCODED, |text, numbers| {
        some(text, numbers, |out, c| out.push(char::from_u32(u32::from(c) + 0xFEE0).filter(|_| c != ' ').unwrap_or(c)))
    }),
    ("JSON in a string", ENCODED, |text, _| serde_json::json!({ "a": [{ "b": text }] }).to_string()),
    ("whitespace around", IN_PROSE, |text, _| format!(" \t\n{text}\n \t")),
    ("prose before: a sentence", IN_PROSE, |text, numbers| around(&(prose(1, numbers) + " "), text, "")),
    ("prose before: five", IN_PROSE, |text, numbers| around(&(prose(5, numbers) + " "), text, "")),
    ("prose before: a page", IN_PROSE, |text, numbers| around(&(prose(50, numbers) + " "), text, "")),
    ("prose after: a sentence", IN_PROSE, |text, numbers| around("", text, &(" ".to_owned() + &prose(1, numbers)))),
    ("prose after: a page", IN_PROSE, |text, numbers| around("", text, &(" ".to_owned() + &prose(50, numbers)))),
    ("prose on other lines", IN_PROSE, |text, numbers| {
        around(&(prose(3, numbers) + "\n\n"), text, &("\n\n".to_owned() + &prose(3, numbers)))
    }),
    ("a long word before", &["sqli", "ssti", "jndi"], |text, numbers| {
        format!("{}{text}", "A1b2".repeat(1 + numbers.below(5_000)))
    }),
    ("empty lines before", IN_PROSE, |text, numbers| format!("{}{text}", "\n".repeat(1 + numbers.below(9_000)))),
    ("digits before", &["sqli", "ssti", "jndi"], |text, numbers| format!("{}{text}", numbers.below(100_000))),
    ("comment as padding", &["sqli"], |text, numbers| {
        text.replacen(' ', &format!("/*{}*/", "a b ".repeat(1 + numbers.below(2_000))), 1)
    }),
    ("honest SQL words before", &["sqli"], |text, _| {
        around("select a colour from the list, and order by size ", text, "")
    }),
    ("union in parentheses", &["sqli"], |text, _| union_in_parentheses(text)),
];

/// Where a value stands otherwise than alone in a parameter or a field.
pub(crate) const PLACES: &[(&str, fn(&str) -> Request)] = &[
    ("deep in JSON, after other keys", |text| {
        let more: serde_json::Map<String, serde_json::Value> =
            (0..60).map(|n| (format!("key{n}"), serde_json::json!([n, "a value", null]))).collect();
        let body = serde_json::json!({ "a": [{ "b": { "c": [more, { "d": { "e": text } }] } }] });
        Request::with_body("application/json", body.to_string())
    }),
    ("JSON, all escaped", |text| {
        let escaped = text.encode_utf16().fold(String::new(), |mut out, unit| {
            write!(out, "\\u{unit:04X}").expect("written");
            out
        });
        Request::with_body("application/json", format!("{{\"note\":\"{escaped}\"}}"))
    }),
    ("JSON without its type", |text| {
        Request::with_body("text/plain", serde_json::json!({ "id": 7, "note": text }).to_string())
    }),
    ("a key in JSON", |text| Request::with_body("application/json", serde_json::json!({ text: 1 }).to_string())),
    ("a name of a parameter", |text| Request::with_query(format!("{}=1", percent(text)))),
    ("a form", |text| Request::with_body("application/x-www-form-urlencoded", format!("a=1&b={}", percent(text)))),
    ("after 200 parameters", |text| {
        let before = (0..200).fold(String::new(), |mut out, n| {
            write!(out, "p{n}=v{n}&").expect("written");
            out
        });
        Request::with_query(format!("{before}q={}", percent(text)))
    }),
    ("split over parameters of one name", |text| {
        // ASP joins them with a comma, which comments take in.
        let joined: Vec<String> = text.split(' ').map(percent).collect();
        Request::with_query(format!("q={}", joined.join("/*&q=*/")))
    }),
    ("multipart", |text| {
        let body = format!("--b1\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{text}\r\n--b1--\r\n");
        Request::with_body("multipart/form-data; boundary=b1", body)
    }),
];
