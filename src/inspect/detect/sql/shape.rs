//! What a run of tokens amounts to as an expression of SQL: read from left to right by a machine of two states (an operand is due, an operator
//! is due), as far as it makes sense. Prose stops making sense at its second or third word; what is meant for a database goes on to the end.

use super::functions::{self, Function};
use super::lex::{Kind, Token};
use super::words::Word;

/// How a reading came to its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Ending {
    /// All of it was an expression.
    #[default]
    Whole,
    /// All of it was the beginning of one.
    Dangling,
    /// A comment hides what follows.
    Comment,
    /// The value ends in a text that the query it is put in closes.
    OpenText,
    /// A `;` ended it; at this token.
    Stacked(usize),
    /// It made no sense any more at this token.
    Broken(usize),
}

/// An operand, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operand {
    /// A number, text or `null`: known to the attacker.
    Constant,
    /// A column, or a word of prose.
    Name,
    /// What a function gave, or a subselect, or a variable.
    Computed,
}

/// What was read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shape {
    pub(super) ending: Ending,
    /// How many operands there were.
    pub(super) operands: usize,
    /// How many of `and`, `or`, `&&`, `||`.
    pub(super) logic: usize,
    /// How many comparisons.
    pub(super) compare: usize,
    /// Comparisons of what the attacker knows with what the attacker knows, behind a logical operator or in front of one.
    pub(super) constant_compare: usize,
    /// How many arithmetic operators.
    pub(super) math: usize,
    /// Operators that no prose has: `xor`, `rlike`, `div`, `:=`, `collate`, `binary`.
    pub(super) rare: usize,
    /// Calls of any function.
    pub(super) calls: usize,
    /// Calls of functions that databases have.
    pub(super) known_calls: usize,
    /// Names that are bare words.
    pub(super) names: usize,
    /// `select` in it.
    pub(super) selects: usize,
    /// `case when`.
    pub(super) cases: usize,
    /// Texts with a type behind them: `'1'::int`.
    pub(super) casts: usize,
    /// `union`, and such, of queries.
    pub(super) unions: usize,
    /// `where`, `order by`, `having` and such.
    pub(super) clauses: usize,
    /// Variables.
    pub(super) variables: usize,
    /// Commas.
    pub(super) commas: usize,
    /// Opened and not closed.
    pub(super) depth: i32,
    /// Closed and never opened.
    pub(super) closed: i32,
}

/// The machine.
pub(super) struct Reader<'a> {
    pub(super) text: &'a [u8],
    pub(super) tokens: &'a [Token],
    pub(super) shape: Shape,
    /// The operand before, while an operator is due.
    pub(super) before: Operand,
    /// The left side of a comparison of which the right side is due.
    pub(super) compared: Option<Operand>,
    /// Whether a name may stand next to a name: in the list or tables of a `select`.
    pub(super) takes_alias: bool,
    pub(super) wants_operand: bool,
    pub(super) in_case: bool,
    /// The `and` of a `between` is due.
    pub(super) in_between: bool,
    /// What the shape is to be read on.
    pub(super) ending: Option<Ending>,
}

/// Reads tokens from the first. `wants_operand` says in which state it begins.
pub(super) fn read(text: &[u8], tokens: &[Token], wants_operand: bool) -> Shape {
    let mut reader = Reader {
        text,
        tokens,
        shape: Shape::default(),
        before: Operand::Constant,
        compared: None,
        takes_alias: false,
        wants_operand,
        in_case: false,
        in_between: false,
        ending: None,
    };
    for at in 0..tokens.len() {
        crate::inspect::steps::count(4);
        if reader.wants_operand {
            reader.operand(at);
        } else {
            reader.operator(at);
        }
        if let Some(ending) = reader.ending {
            reader.shape.ending = ending;
            return reader.shape;
        }
    }
    reader.shape.ending = if reader.wants_operand || reader.shape.depth > 0 { Ending::Dangling } else { Ending::Whole };
    reader.shape
}

impl Reader<'_> {
    pub(super) fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    pub(super) fn slice(&self, at: usize) -> &[u8] {
        self.tokens.get(at).and_then(|token| self.text.get(token.start..token.end)).unwrap_or_default()
    }

    pub(super) fn previous(&self, at: usize) -> Option<Kind> {
        at.checked_sub(1).and_then(|at| self.kind(at))
    }

    fn take(&mut self, operand: Operand) {
        self.shape.operands += 1;
        if let Some(left) = self.compared.take()
            && left == Operand::Constant
            && operand == Operand::Constant
        {
            self.shape.constant_compare += 1;
        }
        self.before = operand;
        self.wants_operand = false;
    }

    fn call(&mut self, at: usize) {
        self.shape.calls += 1;
        if functions::function(self.slice(at)).is_some() {
            self.shape.known_calls += 1;
        }
        // What is compared with is what the call gives; its arguments are an expression of their own.
        self.take(Operand::Computed);
        self.wants_operand = true;
    }

    /// At a token where an operand is due.
    fn operand(&mut self, at: usize) {
        let Some(kind) = self.kind(at) else { return };
        match kind {
            Kind::Number | Kind::Text { open: false } => self.take(Operand::Constant),
            Kind::Text { open: true } => {
                self.take(Operand::Constant);
                self.ending = Some(Ending::OpenText);
            }
            Kind::Name => self.name(at),
            Kind::Variable => {
                self.shape.variables += 1;
                self.take(Operand::Computed);
            }
            Kind::Open => self.shape.depth += 1,
            Kind::Close if self.previous(at) == Some(Kind::Open) => {
                self.shape.depth -= 1;
                self.wants_operand = false;
            }
            Kind::Math(b'+' | b'-' | b'~') | Kind::Not => {}
            Kind::Math(b'*') if self.takes_all(at) => self.take(Operand::Computed),
            // A placeholder.
            Kind::Question if matches!(self.kind(at + 1), Some(Kind::Comment | Kind::Close)) => {
                self.take(Operand::Computed)
            }
            Kind::Word(word) => self.operand_word(at, word),
            Kind::Comment => self.ending = Some(Ending::Comment),
            Kind::Semicolon => self.ending = Some(Ending::Stacked(at)),
            Kind::Close
            | Kind::Comma
            | Kind::Dot
            | Kind::Compare
            | Kind::Logic
            | Kind::Math(_)
            | Kind::Cast
            | Kind::Question
            | Kind::Other => self.ending = Some(Ending::Broken(at)),
        }
    }

    fn name(&mut self, at: usize) {
        if self.kind(at + 1) == Some(Kind::Open) {
            return self.call(at);
        }
        // `similar to` is one operator.
        if self.slice(at) == b"to" && self.slice(at.wrapping_sub(1)) == b"similar" {
            return;
        }
        self.shape.names += 1;
        self.take(Operand::Name);
    }

    /// Whether `*` stands for all columns here.
    fn takes_all(&self, at: usize) -> bool {
        matches!(self.previous(at), Some(Kind::Open | Kind::Comma | Kind::Dot | Kind::Word(Word::Select | Word::All)))
    }

    fn operand_word(&mut self, at: usize, word: Word) {
        let calls = self.kind(at + 1) == Some(Kind::Open);
        let previous = self.previous(at);
        match word {
            Word::Constant => self.take(Operand::Constant),
            Word::Clause | Word::Compare | Word::RareCompare | Word::Verb | Word::Math if calls => self.call(at),
            Word::Clause | Word::Verb if previous == Some(Kind::Dot) => self.take(Operand::Name),
            Word::Not | Word::All => {}
            Word::Case => self.in_case = true,
            Word::When if self.in_case => self.when(),
            Word::Prefix => self.shape.rare += usize::from(matches!(self.slice(at), b"binary" | b"exists")),
            Word::Select => {
                self.shape.selects += 1;
                self.takes_alias = true;
                self.compared = None;
            }
            // `is not null`, `not in`, `sounds like`, `order by`; anything else cannot follow an operator.
            Word::Compare | Word::RareCompare | Word::By | Word::From
                if matches!(
                    previous,
                    Some(Kind::Word(Word::Not | Word::Compare | Word::Ordering | Word::Clause)) | None
                ) => {}
            Word::Clause | Word::Into if matches!(previous, Some(Kind::Word(Word::Clause | Word::Trailer))) => {}
            Word::Logic
            | Word::Xor
            | Word::Compare
            | Word::RareCompare
            | Word::Math
            | Word::Union
            | Word::From
            | Word::Into
            | Word::Clause
            | Word::Ordering
            | Word::By
            | Word::When
            | Word::Trailer
            | Word::As
            | Word::Collate
            | Word::Procedure
            | Word::Verb => self.ending = Some(Ending::Broken(at)),
        }
    }

    pub(super) fn when(&mut self) {
        self.shape.cases += 1;
        self.compared = None;
        self.wants_operand = true;
    }

    pub(super) fn compares(&mut self) {
        self.shape.compare += 1;
        self.compared = Some(self.before);
        self.wants_operand = true;
    }

    pub(super) fn clause(&mut self) {
        self.shape.clauses += 1;
        self.compared = None;
        self.wants_operand = true;
    }
}

/// The function of which a call stands at this token, if databases have it.
pub(super) fn called(text: &[u8], tokens: &[Token], at: usize) -> Option<Function> {
    let token = tokens.get(at)?;
    let opens = tokens.get(at + 1)?.kind == Kind::Open;
    let can_call = matches!(token.kind, Kind::Name | Kind::Word(_));
    (opens && can_call).then(|| functions::function(text.get(token.start..token.end)?))?
}
