//! Short values that are a piece of SQL and no more. Attacks are tried out with them, and put together from them where several parameters become
//! one query: an honest value is no name of a server's own procedures, and leaves nothing open.

use super::super::stands_in;
use super::functions::{self, Function};
use super::lex::{Kind, Token};
use super::statement;
use super::words::{self, Word};
use crate::inspect::detect::{Found, Input};

/// The longest value that is taken for a piece.
const MAX_LENGTH: usize = 96;
/// The most tokens of one.
const MAX_TOKENS: usize = 12;

/// Judges a value that was read from its beginning.
pub(super) fn judge(input: &Input<'_>, tokens: &[Token], found: &mut Found) {
    let text = input.lower;
    if begins_list(text, tokens) {
        found.add("sqli.numeric-clause", 0..text.len());
    }
    if text.trim_ascii().len() > MAX_LENGTH || tokens.is_empty() || tokens.len() > MAX_TOKENS {
        return;
    }
    let piece = Piece { text, tokens };
    let rule = if piece.is_procedure() {
        Some("sqli.server-name")
    } else if input.is_name && piece.is_in_name() {
        Some("sqli.in-name")
    } else if piece.is_cut() {
        Some("sqli.cut")
    } else if piece.stands_open() {
        Some("sqli.open-end")
    } else {
        piece.fragment(input.trail)
    };
    if let Some(rule) = rule {
        found.add(rule, 0..text.len());
    }
}

/// `in (1,2,...`, however long.
fn begins_list(text: &[u8], tokens: &[Token]) -> bool {
    matches!(tokens, [first, open, number, comma, ..]
        if text.get(first.start..first.end) == Some(b"in")
            && (open.kind, number.kind, comma.kind) == (Kind::Open, Kind::Number, Kind::Comma))
}

/// A short value.
struct Piece<'a> {
    text: &'a [u8],
    tokens: &'a [Token],
}

impl Piece<'_> {
    fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    fn slice(&self, at: usize) -> &[u8] {
        self.tokens.get(at).and_then(|token| self.text.get(token.start..token.end)).unwrap_or_default()
    }

    /// Whether the next token stands right behind this one.
    fn is_joined(&self, at: usize) -> bool {
        matches!((self.tokens.get(at), self.tokens.get(at + 1)), (Some(one), Some(next)) if one.end == next.start)
    }

    /// The name of a procedure, package or catalog and nothing else, in quotes or behind `select`.
    fn is_procedure(&self) -> bool {
        let name = match self.tokens {
            [name] => name,
            [select, name] if select.kind == Kind::Word(Word::Select) => name,
            [schema, dot, name]
                if dot.kind == Kind::Dot && self.text.get(schema.start..schema.end) == Some(b"mysql") =>
            {
                return self.text.get(name.start..name.end).is_some_and(|name| matches!(name, b"db" | b"user"));
            }
            _ => return false,
        };
        let name = self.text.get(name.start..name.end).unwrap_or_default();
        let quote = |byte: &u8| matches!(byte, b'\'' | b'"' | b'`' | b'[' | b']');
        let start = name.iter().take_while(|byte| quote(byte)).count();
        let end = name.iter().rposition(|byte| !quote(byte)).map_or(start, |last| last + 1);
        is_server_name(name.get(start..end).unwrap_or_default())
    }

    /// A sign that ends something, and a word of SQL behind it, in what should be a name: programs choose the names of parameters and keys.
    fn is_in_name(&self) -> bool {
        let first = self.tokens.first();
        if first.is_some_and(|first| first.kind == Kind::Word(Word::Verb))
            && statement::begins(self.text, self.tokens, 0)
        {
            return true;
        }
        let ends = |byte: u8| matches!(byte, b'\'' | b'"' | b'`' | b';');
        let text = self.text.trim_ascii();
        let signs = text.iter().filter(|byte| ends(**byte)).count();
        let Some(at) = text.iter().position(|byte| ends(*byte)).filter(|_| signs % 2 == 1) else { return false };
        // `don't`, `5' 6"`.
        let before = at.checked_sub(1).and_then(|at| text.get(at)).copied().unwrap_or(b' ');
        let behind = text.get(at + 1..).unwrap_or_default();
        let blanks = behind.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let word = behind.get(blanks..).unwrap_or_default();
        let word = word.get(..word.iter().take_while(|byte| byte.is_ascii_alphabetic()).count()).unwrap_or_default();
        let is_word = matches!(
            words::word(word),
            Some(Word::Verb | Word::Select | Word::Union | Word::Logic | Word::Ordering | Word::Procedure)
        );
        let is_apart = !before.is_ascii_alphanumeric() || blanks > 0;
        behind.is_empty() && !before.is_ascii_digit() || is_word && is_apart
    }

    /// `*/union/*`: a part of a query that was cut in the midst of comments, to be joined where parameters of one name are.
    fn is_cut(&self) -> bool {
        let text = self.text.trim_ascii();
        text.len() > 4 && text.starts_with(b"*/") && text.ends_with(b"/*")
    }

    /// A comparison, logic or text that is to be finished by what comes behind: `a=(`, `x'||(`, `if(1=`, `name like '`.
    fn stands_open(&self) -> bool {
        let last = self.tokens.len().saturating_sub(1);
        let has_blanks = self.text.trim_ascii().iter().any(u8::is_ascii_whitespace);
        let joins = |kind: Option<Kind>| {
            matches!(
                kind,
                Some(Kind::Compare | Kind::Logic | Kind::Word(Word::Logic | Word::Compare | Word::RareCompare))
            )
        };
        let before = |back: usize| last.checked_sub(back).and_then(|at| self.kind(at));
        let select = usize::from(self.kind(last) == Some(Kind::Word(Word::Select)));
        if before(select) == Some(Kind::Open) {
            // Faces have a colon or a blank before them: `:(`, `sad =(`.
            return joins(before(select + 1)) && last > select + 1 && (select > 0 || !has_blanks);
        }
        if self.kind(last) == Some(Kind::Text { open: true }) && self.slice(last).len() == 1 {
            return matches!(before(1), Some(Kind::Word(Word::Compare | Word::RareCompare))) && last > 1;
        }
        let opens = self.kind(1) == Some(Kind::Open) && functions::function(self.slice(0)).is_some();
        opens && joins(self.kind(last)) && !self.tokens.iter().any(|token| token.kind == Kind::Close) && !has_blanks
    }

    /// What makes no sense on its own, and less as an honest value: `concat(`, `;drop`, `or 88`, `like null`.
    fn fragment(&self, trail: &[u8]) -> Option<&'static str> {
        let text = self.text;
        let is_statement = |at: usize| statement::begins(text, self.tokens, at);
        match self.tokens {
            [.., name, open]
                if open.kind == Kind::Open
                    && self.tokens.len() <= 4
                    && self.tokens.iter().all(|token| token.kind != Kind::Dot) =>
            {
                let called = matches!(name.kind, Kind::Name | Kind::Word(_))
                    && functions::function(text.get(name.start..name.end).unwrap_or_default()).is_some();
                called.then_some("sqli.open-call")
            }
            [open, select] if open.kind == Kind::Open && select.kind == Kind::Word(Word::Select) => {
                Some("sqli.open-call")
            }
            [separator, verb]
                if separator.kind == Kind::Semicolon && matches!(verb.kind, Kind::Word(Word::Verb | Word::Select)) =>
            {
                Some("sqli.stacked")
            }
            [logic, number] if logic.kind == Kind::Word(Word::Logic) && number.kind == Kind::Number => {
                Some("sqli.numeric-logic")
            }
            [compare, constant]
                if compare.kind == Kind::Word(Word::Compare) && constant.kind == Kind::Word(Word::Constant) =>
            {
                (self.slice(0) != b"is" && !is_for_operator(trail)).then_some("sqli.numeric-operator")
            }
            // `/create table x`, `>set @x`: what a statement does not begin with, and the statement.
            [sign, verb, ..]
                if matches!(sign.kind, Kind::Math(_) | Kind::Compare)
                    && verb.kind == Kind::Word(Word::Verb)
                    && self.is_joined(0) =>
            {
                (is_statement(1) || self.slice(1) == b"set" && self.kind(2) == Some(Kind::Variable))
                    .then_some("sqli.stacked")
            }
            // `) when 2 then`: leaves a condition that it did not begin.
            [close, when, ..] if close.kind == Kind::Close && when.kind == Kind::Word(Word::When) => {
                Some("sqli.numeric-clause")
            }
            _ => None,
        }
    }
}

/// Whether it names a procedure, package or table that is part of a database server, and nothing that other things are called as well, such as
/// tools (`pg_dump`), kinds of GeoJSON (`MultiPoint`) and functions of other languages (`readFile`).
fn is_server_name(name: &[u8]) -> bool {
    let is_prefixed =
        [&b"xp_"[..], b"sp_", b"utl_", b"dbms_", b"pg_", b"lo_", b"fn_"].iter().any(|start| name.starts_with(start));
    let is_function = matches!(functions::function(name), Some(Function::Reach | Function::Delay)) && is_prefixed;
    let is_alone = matches!(
        name,
        b"httpuritype"
            | b"load_file"
            | b"msdasql"
            | b"msdb"
            | b"opendatasource"
            | b"openquery"
            | b"openrowset"
            | b"sqloledb"
            | b"sys_eval"
            | b"sys_exec"
            | b"updatexml"
    );
    let is_plain = matches!(name, b"master" | b"mysql" | b"dual");
    is_function || is_alone || words::is_catalog(name) && !is_plain
}

/// Whether a field is one that says how something is compared.
fn is_for_operator(trail: &[u8]) -> bool {
    stands_in(trail, &[b"op", b"cmp", b"comp", b"cond", b"match", b"filter", b"rule", b"expr", b"predicate"])
}
