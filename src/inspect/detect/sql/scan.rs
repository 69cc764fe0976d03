//! What is an attack wherever it stands in a value: queries joined to a query, statements behind a separator, functions that wait or reach
//! out, tables that tell of tables.

use super::functions::{self, Function};
use super::lex::{Kind, Token};
use super::shape;
use super::statement;
use super::words::{self, Word};
use crate::inspect::detect::Found;

/// Where tokens are looked through, and in what manner.
pub(super) struct Scan<'a> {
    pub(super) text: &'a [u8],
    pub(super) tokens: &'a [Token],
    /// Whether all of it is a statement that begins as one: it has the right to have clauses and subselects.
    pub(super) is_statement: bool,
}

impl Scan<'_> {
    fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    fn before(&self, at: usize, back: usize) -> Option<Kind> {
        at.checked_sub(back).and_then(|at| self.kind(at))
    }

    fn slice(&self, at: usize) -> &[u8] {
        self.tokens.get(at).and_then(|token| self.text.get(token.start..token.end)).unwrap_or_default()
    }

    /// Looks at each token once, with a bounded look-ahead.
    pub(super) fn run(&self, found: &mut Found) {
        crate::inspect::steps::count(self.tokens.len() * 4);
        for (at, token) in self.tokens.iter().enumerate() {
            let hit = self.at(at, token.kind);
            if let Some(rule) = hit {
                found.add(rule, token.start..self.tokens.get(at + 3).map_or(self.text.len(), |last| last.end));
            }
            if token.after_comment && self.splits(at) {
                found.add("sqli.split", token.start..token.end);
            }
        }
    }

    fn at(&self, at: usize, kind: Kind) -> Option<&'static str> {
        let opens = self.kind(at + 1) == Some(Kind::Open);
        match kind {
            Kind::Word(Word::Union) => self.union(at),
            Kind::Word(Word::Select) => self.select(at),
            Kind::Word(Word::Logic | Word::Xor) | Kind::Logic => self.logic(at),
            Kind::Semicolon => statement::begins(self.text, self.tokens, at + 1).then_some("sqli.stacked"),
            Kind::Word(Word::From | Word::Clause) => {
                self.catalog(at).or_else(|| if opens { self.call(at) } else { None })
            }
            Kind::Word(Word::Into) => self.into(at),
            Kind::Word(Word::Procedure) => {
                (self.slice(at + 1) == b"analyse" && self.kind(at + 2) == Some(Kind::Open)).then_some("sqli.error")
            }
            Kind::Word(Word::Verb) => self.verb(at),
            Kind::Variable => is_system(self.slice(at)).then_some("sqli.variable"),
            Kind::Text { .. } | Kind::Close if self.kind(at + 1) == Some(Kind::Cast) => self.cast(at),
            Kind::Name | Kind::Word(_) if opens => self.call(at).or_else(|| self.spells(at)),
            Kind::Name => self.name(at),
            // A text in hexadecimal is selected; a number is written as one.
            Kind::Number if self.before(at, 1) == Some(Kind::Word(Word::Select)) => {
                (self.slice(at).starts_with(b"0x") && self.slice(at).len() > 7).then_some("sqli.char-codes")
            }
            Kind::Number
            | Kind::Text { .. }
            | Kind::Word(_)
            | Kind::Open
            | Kind::Close
            | Kind::Comma
            | Kind::Dot
            | Kind::Compare
            | Kind::Math(_)
            | Kind::Not
            | Kind::Cast
            | Kind::Comment
            | Kind::Question
            | Kind::Other => None,
        }
    }

    /// `union [all] select`, with something to select.
    fn union(&self, at: usize) -> Option<&'static str> {
        let mut next = at + 1;
        // `+` where a space was encoded twice.
        while matches!(self.kind(next), Some(Kind::Word(Word::All) | Kind::Open | Kind::Math(b'+'))) && next < at + 6 {
            next += 1;
        }
        if self.slice(next) == b"values" && self.kind(next + 1) == Some(Kind::Open) || self.takes_table(at, next) {
            return Some("sqli.union");
        }
        if self.kind(next) != Some(Kind::Word(Word::Select)) {
            return None;
        }
        if self.is_statement {
            return Some("sqli.union-in-statement");
        }
        let is_prose = self.kind(next + 1) == Some(Kind::Name)
            && matches!(self.kind(next + 2), None | Some(Kind::Name | Kind::Other))
            && self.kind(next + 3) != Some(Kind::Word(Word::From));
        Some(if is_prose { "sqli.union-words" } else { "sqli.union" })
    }

    /// `1 union table users`, which MySQL and PostgreSQL read as `select * from users`: behind a value, or with the rest hidden.
    fn takes_table(&self, at: usize, next: usize) -> bool {
        let behind = self.kind(next + 2);
        let is_value = matches!(
            self.before(at, 1),
            Some(Kind::Number | Kind::Close | Kind::Variable | Kind::Word(Word::Constant))
        );
        self.slice(next) == b"table"
            && self.kind(next + 1) == Some(Kind::Name)
            && (is_value
                && matches!(
                    behind,
                    None | Some(Kind::Semicolon | Kind::Close | Kind::Word(Word::Clause | Word::Ordering))
                )
                || behind == Some(Kind::Comment))
    }

    /// `(select ...` as an operand.
    fn select(&self, at: usize) -> Option<&'static str> {
        if self.is_statement || self.before(at, 1) != Some(Kind::Open) {
            return None;
        }
        self.selects(at).then_some("sqli.subselect")
    }

    /// Whether what follows `select` is a list of a query and not a sentence.
    fn selects(&self, at: usize) -> bool {
        let mut next = at + 1;
        while matches!(
            self.kind(next),
            Some(Kind::Word(Word::All | Word::Prefix) | Kind::Open | Kind::Math(b'-' | b'+' | b'~') | Kind::Not)
        ) && next < at + 12
        {
            next += 1;
        }
        match self.kind(next) {
            Some(
                Kind::Number
                | Kind::Text { .. }
                | Kind::Variable
                | Kind::Math(b'*')
                | Kind::Word(Word::Constant | Word::Case | Word::Select),
            ) => true,
            Some(Kind::Name | Kind::Word(_)) => match self.kind(next + 1) {
                Some(Kind::Open | Kind::Comma | Kind::Dot) => true,
                Some(Kind::Word(Word::From)) => !matches!(self.kind(next + 3), Some(Kind::Name)),
                Some(_) | None => false,
            },
            Some(_) | None => false,
        }
    }

    /// `or 1=1`, `and 'a' like 'a'`, `|| sleep(1)`: what is compared does not depend on the data.
    fn logic(&self, at: usize) -> Option<&'static str> {
        if self.is_statement {
            return None;
        }
        let tail = self.tokens.get(at + 1..).unwrap_or_default();
        let read = shape::read(self.text, tail.get(..tail.len().min(12)).unwrap_or_default(), true);
        // Words that follow make prose of it: `or 1 = true story`.
        let is_broken = matches!(read.ending, shape::Ending::Broken(end) if matches!(tail.get(end).map(|token| token.kind), Some(Kind::Name)));
        (read.constant_compare > 0 && !is_broken).then_some("sqli.tautology")
    }

    /// `from information_schema.tables`.
    fn catalog(&self, at: usize) -> Option<&'static str> {
        let next = if self.kind(at + 1) == Some(Kind::Open) { at + 2 } else { at + 1 };
        if self.kind(next) != Some(Kind::Name) || !words::is_catalog(self.slice(next)) {
            return None;
        }
        // Branches are called `master`, and databases `mysql`, in prose as well.
        let is_plain = matches!(self.slice(next), b"master" | b"mysql" | b"dual");
        if is_plain && self.kind(next + 1) != Some(Kind::Dot) {
            return None;
        }
        Some(if self.is_statement { "sqli.catalog-in-statement" } else { "sqli.catalog" })
    }

    /// `into outfile 'x'`.
    fn into(&self, at: usize) -> Option<&'static str> {
        matches!(self.slice(at + 1), b"outfile" | b"dumpfile").then_some("sqli.file")
    }

    /// Statements that need no separator in front of them to tell what they are.
    fn verb(&self, at: usize) -> Option<&'static str> {
        match self.slice(at) {
            b"waitfor" if matches!(self.slice(at + 1), b"delay" | b"time") => {
                matches!(self.kind(at + 2), Some(Kind::Text { .. } | Kind::Variable) | None).then_some("sqli.delay")
            }
            b"exec" | b"execute" if self.kind(at + 1) == Some(Kind::Open) => {
                matches!(self.kind(at + 2), Some(Kind::Variable | Kind::Text { .. })).then_some("sqli.stacked")
            }
            b"exec" | b"execute" => {
                let name = self.slice(at + 1);
                let is_procedure = name.starts_with(b"xp_") || name.starts_with(b"sp_") || name == b"master";
                let is_text = self.kind(at + 1) == Some(Kind::Word(Word::Constant))
                    || (name == b"immediate" && matches!(self.kind(at + 2), Some(Kind::Text { .. } | Kind::Name)));
                (is_procedure || is_text).then_some("sqli.reach")
            }
            b"declare" if self.kind(at + 1) == Some(Kind::Variable) && !self.is_statement => Some("sqli.stacked"),
            b"set"
                if self.kind(at + 1) == Some(Kind::Variable)
                    && self.kind(at + 2) == Some(Kind::Compare)
                    && !self.is_statement =>
            {
                Some("sqli.stacked")
            }
            b"load" if self.slice(at + 1) == b"data" && self.slice(at + 2).ends_with(b"file") => Some("sqli.file"),
            _ if self.kind(at + 1) == Some(Kind::Open) => self.call(at),
            _ => None,
        }
    }

    /// A call of a function that waits or reaches out.
    fn call(&self, at: usize) -> Option<&'static str> {
        let function = shape::called(self.text, self.tokens, at)?;
        // A method of some object in some language: `time.sleep(1)`.
        let is_method =
            matches!(self.before(at, 1), Some(Kind::Dot | Kind::Cast)) && !matches!(function, Function::Reach);
        let has_argument = self.kind(at + 2) != Some(Kind::Close);
        if is_method || matches!(self.before(at, 1), Some(Kind::Word(Word::Verb))) && function == Function::Delay {
            return None;
        }
        let in_expression = match self.before(at, 1) {
            None | Some(Kind::Name | Kind::Other | Kind::Close | Kind::Dot | Kind::Cast) => false,
            Some(Kind::Text { .. } | Kind::Comment | Kind::Question) => false,
            Some(_) => true,
        };
        match function {
            Function::Delay if !has_argument => None,
            Function::Delay if in_expression => Some("sqli.delay"),
            Function::Delay => {
                // It is all there is, or prose goes on behind it.
                let end = self
                    .tokens
                    .get(at..)
                    .unwrap_or_default()
                    .iter()
                    .take(16)
                    .position(|token| token.kind == Kind::Close);
                let is_all = at == 0
                    && end.is_none_or(|end| !matches!(self.kind(at + end + 1), Some(Kind::Name | Kind::Word(_))));
                Some(if is_all { "sqli.delay" } else { "sqli.delay-word" })
            }
            Function::Reach => Some("sqli.reach"),
            Function::Inform if in_expression && !self.is_statement => Some("sqli.inform"),
            Function::Inform | Function::Shape => None,
        }
    }

    /// `'1'::int`, `)::jsonb`: PostgreSQL's own way to change a type.
    fn cast(&self, at: usize) -> Option<&'static str> {
        let is_type = words::is_type(self.slice(at + 2));
        (is_type && !self.is_statement).then_some("sqli.cast")
    }

    /// `chr(97)||chr(98)`: a text in codes, so that it needs no quotes.
    fn spells(&self, at: usize) -> Option<&'static str> {
        let is_code = |at: usize| {
            matches!(self.slice(at), b"char" | b"chr" | b"nchar" | b"nvarchar")
                && self.kind(at + 1) == Some(Kind::Open)
                && self.kind(at + 2) == Some(Kind::Number)
        };
        let is_list = is_code(at)
            && (self.kind(at + 3) == Some(Kind::Close)
                && (self.kind(at + 4) == Some(Kind::Logic)
                    || self.kind(at + 4) == Some(Kind::Math(b'+')) && self.slice(at) != b"chr")
                && is_code(at + 5)
                || self.kind(at + 3) == Some(Kind::Comma) && self.kind(at + 4) == Some(Kind::Number));
        // `concat(0x27,...)`.
        let is_hex = matches!(self.slice(at), b"concat" | b"concat_ws" | b"unhex" | b"ascii" | b"ord" | b"char")
            && self.slice(at + 2).starts_with(b"0x");
        (is_list || is_hex).then_some("sqli.char-codes")
    }

    /// Packages and procedures by name alone: `dbms_pipe.receive_message`, `master..xp_cmdshell`.
    fn name(&self, at: usize) -> Option<&'static str> {
        let name = self.slice(at);
        let is_procedure = name.starts_with(b"xp_") && functions::function(name) == Some(Function::Reach);
        let is_package = (name.starts_with(b"utl_") || name.starts_with(b"dbms_") || name == b"ctxsys")
            && self.kind(at + 1) == Some(Kind::Dot)
            && self.kind(at + 2) == Some(Kind::Name)
            && self.kind(at + 3) == Some(Kind::Open);
        (is_procedure || is_package).then_some("sqli.reach")
    }

    /// Whether a comment parts what only a filter would have to be misled about: `union/**/select`, `or/**/1`.
    fn splits(&self, at: usize) -> bool {
        let is_keyword = |kind: Option<Kind>| {
            matches!(
                kind,
                Some(Kind::Word(
                    Word::Union
                        | Word::Select
                        | Word::From
                        | Word::Logic
                        | Word::Compare
                        | Word::Clause
                        | Word::Ordering
                        | Word::All
                ))
            )
        };
        let between = at.checked_sub(1).and_then(|before| Some((self.tokens.get(before)?, self.tokens.get(at)?)));
        let Some((before, token)) = between else { return false };
        let gap = self.text.get(before.end..token.start).unwrap_or_default();
        (is_keyword(Some(before.kind)) || is_keyword(Some(token.kind)))
            && gap.starts_with(b"/*")
            && !gap.ends_with(b" ")
    }
}

/// Variables that tell of the server.
fn is_system(variable: &[u8]) -> bool {
    matches!(
        variable,
        b"@@version"
            | b"@@servername"
            | b"@@hostname"
            | b"@@datadir"
            | b"@@basedir"
            | b"@@tmpdir"
            | b"@@global"
            | b"@@session"
            | b"@@language"
            | b"@@spid"
            | b"@@version_compile_os"
            | b"@@version_comment"
            | b"@@innodb_version"
            | b"@@identity"
            | b"@@secure_file_priv"
            | b"@@microsoftversion"
            | b"@@plugin_dir"
    )
}
