//! Evidence of classes `ssti` and `jndi`: expressions that a template engine, an expression language or a logger would evaluate (CWE-1336, CWE-917).
//!
//! Placeholders are honest: `{{name}}`, `${HOME}`, `${{ secrets.TOKEN }}`, `{% if user %}`. What attackers put between the same brackets computes
//! something to see whether it is computed, climbs from a text to a class, or calls what reads files and runs commands.

use super::{Detector, Found, Input};
use crate::inspect::Class;
use crate::inspect::gate::Bytes;

mod expression;
mod lookup;
#[cfg(test)]
mod tests;

/// The rules that this gives evidence for.
#[rustfmt::skip]
const IDS: &[&str] = &[
    "jndi.hidden", "jndi.lookup", "jndi.nested", "ssti.arithmetic", "ssti.context", "ssti.gadget", "ssti.interpolation",
];

pub(super) const DETECTOR: Detector = Detector {
    ids: IDS,
    classes: &[Class::Ssti, Class::Jndi],
    literals: &["${", "{{", "#{", "%{", "*{", "~{", "@{", "@(", "<%", "{%"],
    wakes,
    run,
};

fn wakes(_: &Bytes) -> bool {
    false
}

/// The most of an expression that is looked at.
const FAR: usize = 240;

/// What opens an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opener {
    /// `{{`: Jinja, Twig, Handlebars, Angular and more.
    Double,
    /// `${`: JSP EL, FreeMarker, Thymeleaf, Mako, loggers.
    Dollar,
    /// `#{`: JSF EL, SpEL, Ruby, Pug.
    Hash,
    /// `%{`: OGNL.
    Percent,
    /// `*{`, `~{`: Thymeleaf.
    Star,
    /// `@{`: Razor, Perl within strings, Thymeleaf.
    At,
    /// `@(`: Razor.
    Paren,
    /// `{%`: statements of Jinja, Twig, Liquid.
    Statement,
    /// `<%`: ERB, JSP, ASP, Mako, EEx.
    Angle,
}

impl Opener {
    /// What opens with this byte and the one before it.
    fn of(before: u8, byte: u8) -> Option<Self> {
        match (before, byte) {
            (b'{', b'{') => Some(Self::Double),
            (b'$', b'{') => Some(Self::Dollar),
            (b'#', b'{') => Some(Self::Hash),
            (b'%', b'{') => Some(Self::Percent),
            (b'*' | b'~', b'{') => Some(Self::Star),
            (b'@', b'{') => Some(Self::At),
            (b'@', b'(') => Some(Self::Paren),
            (b'{', b'%') => Some(Self::Statement),
            (b'<', b'%') => Some(Self::Angle),
            _ => None,
        }
    }

    /// Whether the expression ends with this byte and the next.
    fn ends(self, byte: u8, next: u8) -> bool {
        match self {
            Self::Double => byte == b'}' && next == b'}',
            Self::Dollar | Self::Hash | Self::Percent | Self::Star | Self::At => byte == b'}',
            Self::Paren => byte == b')' && next != b'.' && next != b')',
            Self::Statement => byte == b'%' && next == b'}',
            Self::Angle => byte == b'%' && next == b'>',
        }
    }
}

fn run(input: &Input<'_>, found: &mut Found) {
    let text = input.lower;
    // They stand close where there are many, and what has none does not come here.
    for n in text.iter().enumerate().filter(|(_, byte)| matches!(byte, b'{' | b'%' | b'(')).map(|(n, _)| n) {
        let Some(opener) = n.checked_sub(1).and_then(|before| Opener::of(at(text, before), at(text, n))) else {
            continue;
        };
        let inner = expression(text, n + 1, opener);
        crate::inspect::steps::count(16 + inner.len() * 5);
        if let Some(rule) = expression::judge(opener, inner) {
            found.add(rule, n - 1..n + 1 + inner.len());
        }
    }
    if input.occurs.has(b'$') && input.occurs.has(b':') {
        lookup::scan(text, found);
    }
}

/// What is between the brackets, or up to where the next expression opens: so each byte is read once.
fn expression(text: &[u8], start: usize, opener: Opener) -> &[u8] {
    let rest = text.get(start..).unwrap_or_default();
    let rest = rest.get(..FAR).unwrap_or(rest);
    let end = (0..rest.len()).find(|n| {
        let byte = at(rest, *n);
        opener.ends(byte, at(rest, n + 1)) || *n > 0 && Opener::of(at(rest, n - 1), byte).is_some()
    });
    rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
}

/// The byte there, or NUL beyond the end.
fn at(text: &[u8], n: usize) -> u8 {
    text.get(n).copied().unwrap_or(0)
}
