//! A value read as if a query had opened a quote in front of it: its first quote closes that, and what follows is SQL or it is prose.

use super::lex::{Kind, Lexer, Token};
use super::scan::Scan;
use super::shape::{self, Ending, Shape};
use super::statement;
use super::words::Word;
use crate::inspect::detect::Found;

/// How many quotes are tried: the first, and those behind it as long as they may have been escaped.
const MAX_TRIED: usize = 4;

/// The longest value that is no text in which a quote may stand alone.
const SHORT: usize = 48;

/// The most tokens that are read behind a quote, and behind one that is tried as well.
const MAX_TOKENS: usize = 512;
const MAX_TOKENS_TRIED: usize = 128;

/// Judges what stands behind the first quote of this kind.
pub(super) fn judge(text: &[u8], start: usize, quote: u8, tokens: &mut Vec<Token>, found: &mut Found) {
    let mut from = start;
    for tried in 0..MAX_TRIED {
        let most = if tried == 0 { MAX_TOKENS } else { MAX_TOKENS_TRIED };
        let Some(at) = memchr::memchr(quote, text.get(from..).unwrap_or_default()).map(|at| from + at) else { return };
        let is_doubled = text.get(at + 1) == Some(&quote);
        let is_escaped = at > 0 && text.get(at - 1) == Some(&b'\\');
        if text.get(at + 1..).is_some_and(cuts_off) {
            found.add("sqli.quote-comment", at..text.len());
        }
        if !is_doubled {
            break_out(text, (start, at), quote, most, tokens, found);
        }
        if !is_doubled && !is_escaped {
            return;
        }
        from = at + 1 + usize::from(is_doubled);
    }
}

/// Whether nothing but a NUL follows, at which drivers of Access and programs of C end a query.
fn cuts_off(text: &[u8]) -> bool {
    text.first() == Some(&0) && text.iter().all(|byte| *byte == 0 || byte.is_ascii_whitespace())
}

/// What stands around the quote.
struct Around<'a> {
    text: &'a [u8],
    tokens: &'a [Token],
    /// Whether at most one word stands in front of it.
    is_short: bool,
    /// Whether nothing does but signs by which it may be escaped.
    is_first: bool,
    /// Whether no other quote of the kind closes what this one opens.
    is_odd: bool,
}

fn break_out(
    text: &[u8],
    (start, at): (usize, usize),
    quote: u8,
    most: usize,
    tokens: &mut Vec<Token>,
    found: &mut Found,
) {
    tokens.clear();
    let mut lexer = Lexer::new(text, at + 1);
    // Closing parentheses, of the query's own.
    for token in lexer.by_ref() {
        let is_closing = token.kind == Kind::Close;
        tokens.push(token);
        if !is_closing || tokens.len() > 32 {
            break;
        }
    }
    let Some(first) = tokens.last().copied() else { return };
    let closed = tokens.len();
    lexer.fill(tokens, closed + 1);
    let selects = first.kind == Kind::Open && tokens.last().map(|token| token.kind) == Some(Kind::Word(Word::Select));
    if !continues(first.kind) && !selects {
        return;
    }
    lexer.fill(tokens, closed + 1 + most);
    let closed = tokens.iter().take_while(|token| token.kind == Kind::Close).count();
    let tail = tokens.get(closed..).unwrap_or_default();
    let prefix = text.get(start..at).unwrap_or_default();
    let is_first = prefix.iter().all(|byte| *byte == b'\\');
    let is_odd = memchr::memchr_iter(quote, text.get(at..).unwrap_or_default()).take(64).count() % 2 == 1;
    let around = Around { text, tokens: tail, is_short: is_short(prefix), is_first, is_odd };
    if let Some(rule) = around.judge(quote, closed) {
        found.add(rule, at..text.len());
    }
    Scan { text, tokens: tail, is_statement: false }.run(found);
}

/// Whether a token may follow a text in SQL.
fn continues(kind: Kind) -> bool {
    match kind {
        Kind::Comma
        | Kind::Semicolon
        | Kind::Dot
        | Kind::Compare
        | Kind::Logic
        | Kind::Math(_)
        | Kind::Not
        | Kind::Cast
        | Kind::Comment
        | Kind::Question
        | Kind::Text { open: false }
        | Kind::Close => true,
        Kind::Word(word) => match word {
            Word::Logic
            | Word::Xor
            | Word::Compare
            | Word::RareCompare
            | Word::Math
            | Word::Not
            | Word::Select
            | Word::Union
            | Word::From
            | Word::Into
            | Word::Clause
            | Word::Ordering
            | Word::When
            | Word::Collate
            | Word::Procedure
            | Word::Verb
            | Word::Trailer
            | Word::As => true,
            Word::Constant | Word::All | Word::By | Word::Case | Word::Prefix => false,
        },
        Kind::Number | Kind::Text { open: true } | Kind::Name | Kind::Variable | Kind::Open | Kind::Other => false,
    }
}

/// Whether this is at most a word or two, and not a text in which quotes have their place.
fn is_short(text: &[u8]) -> bool {
    text.len() <= 40
        && !text.contains(&b'?')
        && text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).take(3).count() <= 1
}

/// Verbs that no title begins with of which the quote is cut off.
fn defines(verb: &[u8]) -> bool {
    matches!(verb, b"alter" | b"drop" | b"truncate" | b"exec" | b"execute" | b"declare" | b"shutdown")
}

impl Around<'_> {
    fn slice(&self, at: usize) -> &[u8] {
        self.tokens.get(at).and_then(|token| self.text.get(token.start..token.end)).unwrap_or_default()
    }

    fn judge(&self, quote: u8, closed: usize) -> Option<&'static str> {
        let first = self.tokens.first()?;
        if first.kind == Kind::Comment {
            return self.comment(quote);
        }
        if first.kind == Kind::Semicolon {
            return self.stacked(0);
        }
        if matches!(first.kind, Kind::Word(Word::Verb | Word::Select)) {
            let is_begun = self.is_first && self.is_odd && self.tokens.len() <= 3 && defines(self.slice(0));
            return (statement::begins(self.text, self.tokens, 0) && !self.is_tight(quote) || is_begun)
                .then_some("sqli.quote-statement");
        }
        let shape = shape::read(self.text, self.tokens, false);
        if let Ending::Stacked(at) = shape.ending
            && let Some(rule) = self.stacked(at)
        {
            return Some(rule);
        }
        self.expression(first.kind, &shape, quote, closed)
    }

    /// `admin'--`.
    fn comment(&self, quote: u8) -> Option<&'static str> {
        let first = self.tokens.first()?;
        let hidden = self.text.get(first.start..).unwrap_or_default();
        let is_empty = hidden.iter().filter(|byte| byte.is_ascii_alphanumeric()).count() <= 2;
        let at = |at: Option<usize>| at.and_then(|at| self.text.get(at)).copied();
        let is_close = at(first.start.checked_sub(1)) == Some(quote);
        let names = at(first.start.checked_sub(2))
            .is_none_or(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'%' | b')' | b'-' | b'_'));
        // Options (`'--flag'`), attributes (`#[x]`), inches and numbers (`7" #2 needle`).
        let marks = hidden.first() == Some(&b'#')
            || quote == b'`'
            || hidden.get(2).is_some_and(|byte| byte.is_ascii_graphic() && !b"+-#/*%;".contains(byte));
        // `'--'` is in quotes, and hides nothing.
        let is_quoted = hidden.iter().find(|byte| !matches!(byte, b'-' | b'#')) == Some(&quote);
        let is_attack = if is_quoted {
            false
        } else if marks {
            let is_read = self.is_short && !self.is_first && hidden.get(1) == Some(&b' ');
            is_close && names && (is_empty && !self.is_first || is_read)
                || is_empty && self.is_short && !self.is_first && quote != b'`'
        } else {
            is_empty || self.is_short
        };
        Some(if is_attack { "sqli.quote-comment" } else { "sqli.quote-comment-prose" })
    }

    fn stacked(&self, at: usize) -> Option<&'static str> {
        let is_verb =
            matches!(self.tokens.get(at + 1).map(|token| token.kind), Some(Kind::Word(Word::Verb | Word::Select)));
        if statement::begins(self.text, self.tokens, at + 1) || is_verb && self.is_short {
            return Some("sqli.quote-statement");
        }
        let next = self.tokens.get(at + 1).map(|token| token.kind);
        // The query's quote is closed, and the query ended: `admin';`.
        let is_end = next.is_none() && at == 0 && self.is_odd;
        let hides = next == Some(Kind::Comment)
            || is_end
            || next.is_none() && self.tokens.get(at).is_some_and(|token| token.after_comment);
        (hides && self.is_short).then_some("sqli.quote-comment")
    }

    fn expression(&self, first: Kind, shape: &Shape, quote: u8, closed: usize) -> Option<&'static str> {
        let is_broken = matches!(shape.ending, Ending::Broken(_));
        let computes = shape.known_calls + shape.selects + shape.variables > 0;
        if shape.unions > 0 && shape.selects > 0 {
            return Some("sqli.quote-union");
        }
        if shape.constant_compare > 0 && shape.logic > 0 || computes && !is_broken {
            return Some("sqli.quote-logic");
        }
        // No prose has these.
        if shape.logic > 0 && shape.rare > 0 || self.begins_with_logic(first) {
            return Some("sqli.quote-logic");
        }
        if is_broken {
            return None;
        }
        if self.begins_with_operator(first) {
            return Some("sqli.quote-operator");
        }
        if shape.logic > 0 && shape.calls > 0 && matches!(shape.ending, Ending::Stacked(_)) {
            return Some("sqli.quote-logic");
        }
        if self.names_word(shape, quote) && !(self.is_first && shape.ending == Ending::OpenText) {
            return None;
        }
        let knows = shape.names == 0 || shape.logic > 0 && shape.compare > 0;
        if shape.ending == Ending::Comment
            && self.hides()
            && (knows || self.is_short)
            && shape.operands + shape.clauses > 0
            && (shape.operands > 1 || self.is_short)
        {
            return Some("sqli.quote-hidden-tail");
        }
        if shape.ending == Ending::Comment && !self.hides() {
            return None;
        }
        if shape.ending == Ending::OpenText {
            return self.open_text(shape, quote, closed);
        }
        if shape.operands == 0 || shape.commas > 0 && shape.logic == 0 {
            return None;
        }
        let knows = shape.names == 0;
        if self.names_word(shape, quote) {
            return None;
        }
        if shape.logic > 0 {
            return if shape.compare > 0 || knows || shape.rare > 0 { Some("sqli.quote-logic") } else { None };
        }
        if shape.clauses > 0 {
            let is_ordering =
                matches!(first, Kind::Word(Word::Ordering)) || self.slice(0) == b"having" || self.slice(0) == b"limit";
            return (is_ordering && (knows || self.is_short)).then_some("sqli.quote-clause");
        }
        if shape.rare > 0 || shape.compare > 0 && knows && self.is_short {
            return Some("sqli.quote-operator");
        }
        None
    }

    /// `' or x`, and nothing that closes the quote: no text begins so.
    fn begins_with_logic(&self, first: Kind) -> bool {
        let is_logic = matches!(first, Kind::Logic | Kind::Word(Word::Logic));
        is_logic && self.is_first && self.is_odd && self.text.len() <= SHORT
    }

    /// `` ` regexp ``: an operator that only SQL has, behind a quote that begins the value and is never closed.
    fn begins_with_operator(&self, first: Kind) -> bool {
        first == Kind::Word(Word::RareCompare) && self.is_first && self.is_odd && self.text.len() <= SHORT
    }

    /// The query's own quote closes a text that the value left open: `' or 'a'='a`.
    fn open_text(&self, shape: &Shape, quote: u8, closed: usize) -> Option<&'static str> {
        let last = self.tokens.iter().rfind(|token| matches!(token.kind, Kind::Text { open: true }))?;
        let inner = self.text.get(last.start..last.end).unwrap_or_default();
        let is_same = inner.first() == Some(&quote);
        let joins = shape.logic + shape.compare + shape.math + shape.rare;
        let behind = inner.get(1..).unwrap_or_default();
        // Formats and templates: `'%name'`.
        let knows = shape.operands > shape.names + 1 || shape.names == 0 || shape.compare + shape.logic > 0;
        // An element of a list, in some language: `'+', `.
        let is_listed = matches!(behind.first(), Some(b',' | b')' | b']' | b':' | b';'));
        let is_plain = self.is_short
            && knows
            && !is_listed
            && is_short(behind)
            && (!self.names_word(shape, quote) || behind.is_empty() && self.is_first);
        if joins == 0 || shape.commas > 0 && shape.logic == 0 {
            return None;
        }
        if is_same && shape.compare > 0 && shape.operands > 1 && (shape.logic > 0 || closed > 0) || is_plain {
            return Some("sqli.quote-logic");
        }
        Some("sqli.quote-operator-prose")
    }

    /// Whether it is a word in quotes, in the midst of others: `"LIKE" stamp`, `select 'and'`.
    fn names_word(&self, shape: &Shape, quote: u8) -> bool {
        let Some(first) = self.tokens.first() else { return false };
        let is_word = matches!(
            first.kind,
            Kind::Word(
                Word::Logic
                    | Word::Compare
                    | Word::RareCompare
                    | Word::Math
                    | Word::Not
                    | Word::Clause
                    | Word::From
                    | Word::Into
                    | Word::Ordering
            )
        );
        is_word && self.is_tight(quote) && shape.compare + shape.known_calls <= usize::from(shape.logic == 0)
    }

    /// Whether the first token fills a pair of quotes that stands apart from words.
    fn is_tight(&self, quote: u8) -> bool {
        let Some(first) = self.tokens.first() else { return false };
        let at = |at: Option<usize>| at.and_then(|at| self.text.get(at)).copied();
        at(first.start.checked_sub(1)) == Some(quote)
            && at(Some(first.end)) == Some(quote)
            && at(first.start.checked_sub(2)).is_none_or(|byte| !byte.is_ascii_alphanumeric())
    }

    /// Whether the comment at the end is one, and not a word with a `#` in front of it.
    fn hides(&self) -> bool {
        let hidden = self.tokens.last().and_then(|token| self.text.get(token.start..)).unwrap_or_default();
        hidden.first() != Some(&b'#') || hidden.len() < 4 || !hidden.get(1).is_some_and(u8::is_ascii_alphabetic)
    }
}
