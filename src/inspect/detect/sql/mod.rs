//! SQL injection (CWE-89): a value that, put into a query, is more than a value.
//!
//! A value is read as it would be in each place that a careless program may put it: as it is (behind `=`), and behind each quote that it has
//! first, as if the query had opened it (`'` ... `'`). In the manner of libinjection, what counts is whether the tokens go on making sense
//! as SQL, not which words there are: prose breaks off, and a query of its own has no break-out.

use std::cell::Cell;

use super::{Detector, Found, Input, Part};
use crate::inspect::Class;
use crate::inspect::gate::Bytes;

mod bytes;
#[cfg(test)]
mod cases;
mod functions;
mod lex;
mod operators;
mod probe;
mod quoted;
mod scan;
mod shape;
mod statement;
#[cfg(test)]
mod tests;
mod whole;
mod words;

/// The rules that this gives evidence for.
#[rustfmt::skip]
const IDS: &[&str] = &[
    "sqli.case", "sqli.cast", "sqli.catalog", "sqli.catalog-in-statement", "sqli.char-codes", "sqli.constant-compare", "sqli.cut",
    "sqli.delay", "sqli.delay-word", "sqli.error", "sqli.file", "sqli.function-chain", "sqli.hidden-tail",
    "sqli.in-name", "sqli.inform", "sqli.numeric-clause", "sqli.numeric-logic", "sqli.numeric-operator", "sqli.open-call", "sqli.open-end",
    "sqli.quote-clause", "sqli.quote-comment", "sqli.quote-comment-prose", "sqli.quote-hidden-tail", "sqli.quote-logic",
    "sqli.quote-operator", "sqli.quote-operator-prose", "sqli.quote-statement", "sqli.quote-union", "sqli.reach",
    "sqli.server-name", "sqli.split", "sqli.stacked", "sqli.statement", "sqli.subselect", "sqli.tautology", "sqli.unfinished", "sqli.union",
    "sqli.union-in-statement", "sqli.union-words", "sqli.variable",
];

pub(super) const DETECTOR: Detector = Detector { ids: IDS, classes: &[Class::Sqli], literals: LITERALS, wakes, run };

/// What wakes it without quotes and operators: words of SQL that prose seldom has, and logic behind a number.
#[rustfmt::skip]
const LITERALS: &[&str] = &[
    "select", "union", "waitfor", "sleep", "benchmark", "pg_", "xp_", "sp_", "utl_", "dbms_", "_schema", "sysobjects", "msdb", "msdasql", "msysaccess", "openrowset", "openquery", "opendatasource", "load_file", "sys_exec", "sys_eval", "httpuritype", "rdb$", "mysql.", "/create",
    "outfile", "dumpfile", "procedure", "having", "order by", "group by", "exec", "declare", "drop", "insert", "delete",
    "truncate", "alter", "shutdown", "0x", "case", "rlike", "regexp", "xor", "--", "/*", "@@", "::", "e-308", "except",
    "intersect", "not null", "0 or", "1 or", "2 or", "3 or", "4 or", "5 or", "6 or", "7 or", "8 or", "9 or", "0 and", "1 and",
    "2 and", "3 and", "4 and", "5 and", "6 and", "7 and", "8 and", "9 and", ")or", ") or", ")and", ") and", "0or", "1or",
    "1and", "  or", "  and", "'or", "' or", "\"or", "\" or", "'and", "' and", "\"and", "\" and", "`or", "` or", "` and",
    "'mod", "'div", " div", "`_", "`.", "like", "between", "sounds", "collate", "binary",
];

const QUOTES: Bytes = Bytes::set(b"'\"`");
const COMPARES: Bytes = Bytes::set(b"=<>|&");
const SIGNS: Bytes = Bytes::set(b"#()+*^%!~/,;?-");
const CONTROLS: Bytes = Bytes::set(b"\t\n\r\x0b\x0c\xa0");
const SPACES: Bytes = Bytes::set(b" \t\n\r\x0b\x0c\xa0()*'\"!");
const DIGITS: Bytes = Bytes::set(b"0123456789");

/// Quotes with signs or a NUL, comparisons that are no pair of a name and a value, calls, parentheses that do not match, numbers among control
/// characters or separators.
fn wakes(occurs: &Bytes) -> bool {
    let compares = occurs.any(&COMPARES);
    occurs.any(&QUOTES) && (compares || occurs.any(&SIGNS) || occurs.has(0))
        || compares && (occurs.any(&SPACES) || occurs.any(&DIGITS))
        || occurs.has(b'(') && (!occurs.has(b' ') || occurs.any(&DIGITS))
        || occurs.has(b'(') != occurs.has(b')')
        || occurs.any(&DIGITS) && (occurs.any(&CONTROLS) || occurs.has(b';'))
}

/// The most tokens that are held at once; a longer value is read in pieces that overlap.
const PIECE: usize = 1024;

/// How many tokens of a piece are read again with the next.
const OVERLAP: usize = 24;

thread_local! {
    /// Room for tokens, used again for each value: at most one piece.
    static TOKENS: Cell<Vec<lex::Token>> = const { Cell::new(Vec::new()) };
}

fn run(input: &Input<'_>, found: &mut Found) {
    let text = input.lower;
    let start = match input.part {
        Part::Path => last_segment(text),
        Part::Body if input.trail.is_empty() => behind_name(text),
        Part::Query | Part::Header | Part::Cookie | Part::Body if input.is_name => behind_name(text),
        Part::Query | Part::Header | Part::Cookie | Part::Body => 0,
    };
    let mut tokens = TOKENS.take();
    tokens.clear();
    let mut lexer = lex::Lexer::new(text, start);
    let mut is_first = true;
    let mut is_statement = false;
    loop {
        lexer.fill(&mut tokens, PIECE);
        if is_first {
            is_statement = whole::judge(text, &tokens, found);
            probe::judge(input, &tokens, found);
            is_first = false;
        }
        scan::Scan { text, tokens: &tokens, is_statement }.run(found);
        if tokens.len() < PIECE {
            break;
        }
        tokens.drain(..PIECE - OVERLAP);
    }
    for quote in [b'\'', b'"', b'`'] {
        if input.occurs.has(quote) {
            quoted::judge(text, start, quote, &mut tokens, found);
        }
    }
    TOKENS.set(tokens);
}

/// Where the value begins in `name=value`, which is a name as a whole when its `=` was encoded, or a body when nobody said what it is.
fn behind_name(text: &[u8]) -> usize {
    let len = text
        .iter()
        .take(40)
        .take_while(|byte| bytes::is_name(**byte) || matches!(byte, b'[' | b']' | b'-' | b'.'))
        .count();
    if len > 0 && text.get(len) == Some(&b'=') { len + 1 } else { 0 }
}

/// Where in a path the segment begins that holds the first byte which names of files do not have.
fn last_segment(path: &[u8]) -> usize {
    let odd = path.iter().position(|byte| {
        !byte.is_ascii_alphanumeric() && !matches!(byte, b'/' | b'.' | b'_' | b'-' | b'~' | b'%' | b':')
    });
    let head = path.get(..odd.unwrap_or(path.len())).unwrap_or_default();
    memchr::memrchr(b'/', head).map_or(0, |slash| slash + 1)
}
