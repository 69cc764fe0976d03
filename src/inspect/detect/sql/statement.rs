//! Whether a statement begins at a token: its verb with an object, not a verb alone, since English has the same verbs.

use super::functions::Function;
use super::lex::{Kind, Token};
use super::shape;
use super::words::Word;

/// How many parentheses, signs and separators in front of something are passed over.
const MAX_SKIPPED: usize = 16;

/// Whether a statement begins here.
pub(super) fn begins(text: &[u8], tokens: &[Token], at: usize) -> bool {
    let skips = |at: &usize| matches!(kind(tokens, *at), Some(Kind::Open | Kind::Semicolon));
    // Bounded, since each of many separators comes here.
    let at = at + (at..at + MAX_SKIPPED).take_while(skips).count();
    match kind(tokens, at) {
        Some(Kind::Word(Word::Select)) => selects(tokens, at + 1),
        Some(Kind::Word(Word::Verb)) => verb(text, tokens, at),
        // Only after a separator, where no sentence goes on with it.
        Some(Kind::Name) => matches!(shape::called(text, tokens, at), Some(Function::Reach | Function::Delay)),
        Some(_) | None => false,
    }
}

fn kind(tokens: &[Token], at: usize) -> Option<Kind> {
    tokens.get(at).map(|token| token.kind)
}

fn slice<'a>(text: &'a [u8], tokens: &[Token], at: usize) -> &'a [u8] {
    tokens.get(at).and_then(|token| text.get(token.start..token.end)).unwrap_or_default()
}

/// Whether the list of a `select` begins here.
fn selects(tokens: &[Token], at: usize) -> bool {
    let skips = |at: &usize| {
        matches!(kind(tokens, *at), Some(Kind::Word(Word::All | Word::Prefix) | Kind::Open | Kind::Math(b'-' | b'+')))
    };
    let at = at + (at..at + MAX_SKIPPED).take_while(skips).count();
    match kind(tokens, at) {
        Some(
            Kind::Number
            | Kind::Text { .. }
            | Kind::Variable
            | Kind::Math(b'*')
            | Kind::Word(Word::Constant | Word::Case),
        ) => true,
        Some(Kind::Name | Kind::Word(_)) => matches!(
            kind(tokens, at + 1),
            Some(Kind::Open | Kind::Comma | Kind::Dot | Kind::Word(Word::From | Word::Into) | Kind::Semicolon)
        ),
        Some(_) | None => false,
    }
}

/// Whether this verb has an object that SQL gives it.
fn verb(text: &[u8], tokens: &[Token], at: usize) -> bool {
    let next = slice(text, tokens, at + 1);
    let next_kind = kind(tokens, at + 1);
    let is_end =
        |at| matches!(kind(tokens, at), None | Some(Kind::Comment | Kind::Semicolon | Kind::Word(Word::Trailer)));
    match slice(text, tokens, at) {
        b"drop" | b"create" | b"alter" | b"truncate" | b"rename" => defines(text, tokens, at),
        b"insert" | b"replace" | b"merge" => {
            next == b"into"
                || next == b"ignore"
                || next_kind == Some(Kind::Name)
                    && matches!(slice(text, tokens, at + 2), b"(" | b"values" | b"using" | b"set")
        }
        b"update" => {
            slice(text, tokens, at + 2) == b"set"
                || kind(tokens, at + 2) == Some(Kind::Dot) && slice(text, tokens, at + 4) == b"set"
        }
        b"delete" => next_kind == Some(Kind::Word(Word::From)),
        b"exec" | b"execute" => {
            matches!(next_kind, Some(Kind::Open | Kind::Variable))
                || next.starts_with(b"xp_")
                || next.starts_with(b"sp_")
                || next == b"immediate"
                || next_kind == Some(Kind::Name)
                    && (is_end(at + 2)
                        || matches!(
                            kind(tokens, at + 2),
                            Some(Kind::Dot | Kind::Text { .. } | Kind::Variable | Kind::Number)
                        ))
        }
        b"declare" => next_kind == Some(Kind::Variable) || is_type(slice(text, tokens, at + 2)),
        b"shutdown" => is_end(at + 1) || next == b"with" || next == b"immediate" || next == b"abort",
        b"waitfor" => matches!(next, b"delay" | b"time"),
        b"set" => {
            next_kind == Some(Kind::Variable)
                || next_kind == Some(Kind::Name) && kind(tokens, at + 2) == Some(Kind::Compare)
        }
        b"grant" | b"revoke" => {
            next == b"all" || slice(text, tokens, at + 2) == b"on" || slice(text, tokens, at + 2) == b"to"
        }
        b"call" => next_kind == Some(Kind::Name) && matches!(kind(tokens, at + 2), Some(Kind::Open | Kind::Dot)),
        b"handler" => matches!(slice(text, tokens, at + 2), b"open" | b"read" | b"close"),
        b"copy" => {
            next_kind == Some(Kind::Open)
                || matches!(slice(text, tokens, at + 2), b"from" | b"to") && kind(tokens, at + 3).is_some()
        }
        b"begin" => verb_or_select(text, tokens, at + 1) || next == b"transaction",
        b"prepare" => slice(text, tokens, at + 2) == b"from",
        b"lock" | b"unlock" => next == b"tables",
        b"openrowset" => next_kind == Some(Kind::Open),
        _ => administers(text, tokens, at),
    }
}

/// `drop table`, `create user`; a name alone only where a comment or separator follows.
fn defines(text: &[u8], tokens: &[Token], at: usize) -> bool {
    let next = slice(text, tokens, at + 1);
    let is_object = matches!(
        next,
        b"table"
            | b"database"
            | b"schema"
            | b"view"
            | b"index"
            | b"user"
            | b"procedure"
            | b"function"
            | b"trigger"
            | b"role"
            | b"login"
            | b"column"
            | b"tablespace"
            | b"sequence"
            | b"temporary"
            | b"or"
            | b"unique"
            | b"alias"
            | b"aggregate"
            | b"assembly"
            | b"extension"
            | b"server"
            | b"session"
            | b"system"
    );
    let behind = kind(tokens, at + 2);
    is_object && (behind.is_some() || next != b"or")
        || kind(tokens, at + 1) == Some(Kind::Name) && matches!(behind, Some(Kind::Comment | Kind::Semicolon))
}

/// What administrators do.
fn administers(text: &[u8], tokens: &[Token], at: usize) -> bool {
    let next = slice(text, tokens, at + 1);
    let next_kind = kind(tokens, at + 1);
    let is_end = |at| ends(tokens, at);
    match slice(text, tokens, at) {
        b"load" => matches!(next, b"data" | b"xml"),
        b"backup" | b"restore" => matches!(next, b"database" | b"log"),
        b"bulk" => next == b"insert",
        b"kill" => next_kind == Some(Kind::Number),
        b"dbcc" | b"pragma" => next_kind == Some(Kind::Name),
        b"attach" | b"detach" => next == b"database",
        b"reconfigure" | b"vacuum" => is_end(at + 1) || next == b"with" || next == b"into",
        b"do" => {
            matches!(shape::called(text, tokens, at + 1), Some(Function::Delay | Function::Reach))
                || next.starts_with(b"$$")
        }
        b"use" | b"goto" => matches!(next_kind, Some(Kind::Name)) && is_end(at + 2) && kind(tokens, at + 2).is_some(),
        b"if" | b"while" => sets_condition(text, tokens, at + 1),
        _ => false,
    }
}

/// Whether a statement may end here.
fn ends(tokens: &[Token], at: usize) -> bool {
    matches!(kind(tokens, at), None | Some(Kind::Comment | Kind::Semicolon | Kind::Word(Word::Trailer)))
}

fn verb_or_select(text: &[u8], tokens: &[Token], at: usize) -> bool {
    matches!(kind(tokens, at), Some(Kind::Word(Word::Verb | Word::Select))) && begins(text, tokens, at)
}

/// Whether the condition of `if` is SQL's: constants compared, or a subselect, with a statement behind it.
fn sets_condition(text: &[u8], tokens: &[Token], at: usize) -> bool {
    let tail = tokens.get(at..).unwrap_or_default();
    let read = shape::read(text, tail.get(..tail.len().min(24)).unwrap_or_default(), true);
    read.constant_compare > 0 || read.selects > 0
}

fn is_type(name: &[u8]) -> bool {
    matches!(
        name,
        b"int"
            | b"integer"
            | b"varchar"
            | b"varchar2"
            | b"nvarchar"
            | b"char"
            | b"text"
            | b"sysname"
            | b"cursor"
            | b"bit"
            | b"number"
    )
}
