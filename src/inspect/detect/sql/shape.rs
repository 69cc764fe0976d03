//! What a run of tokens amounts to as an expression of SQL: read from left to right by a machine of two states (an operand is due, an operator
//! is due), as far as it makes sense. Prose stops making sense at its second or third word; what is meant for a database goes on to the end.

use super::lex::{Kind, Token};
use super::words::{self, Function, Word};

/// How a reading came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// All of it was an expression.
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
enum Operand {
    /// A number, text or `null`: known to the attacker.
    Constant,
    /// A column, or a word of prose.
    Name,
    /// What a function gave, or a subselect, or a variable.
    Computed,
}

/// What was read.
#[derive(Debug, Clone, Copy)]
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
struct Reader<'a> {
    text: &'a [u8],
    tokens: &'a [Token],
    shape: Shape,
    /// The operand before, while an operator is due.
    before: Operand,
    /// The left side of a comparison of which the right side is due.
    compared: Option<Operand>,
    /// Whether a name may stand next to a name: in the list or tables of a `select`.
    takes_alias: bool,
    wants_operand: bool,
    in_case: bool,
    /// The `and` of a `between` is due.
    in_between: bool,
    /// What the shape is to be read on.
    ending: Option<Ending>,
}

/// Reads tokens from the first. `wants_operand` says in which state it begins.
pub(super) fn read(text: &[u8], tokens: &[Token], wants_operand: bool) -> Shape {
    let shape = Shape {
        ending: Ending::Whole,
        operands: 0,
        logic: 0,
        compare: 0,
        constant_compare: 0,
        math: 0,
        rare: 0,
        calls: 0,
        known_calls: 0,
        names: 0,
        selects: 0,
        cases: 0,
        casts: 0,
        unions: 0,
        clauses: 0,
        variables: 0,
        commas: 0,
        depth: 0,
        closed: 0,
    };
    let mut reader = Reader {
        text,
        tokens,
        shape,
        before: Operand::Constant,
        compared: None,
        takes_alias: false,
        wants_operand,
        in_case: false,
        in_between: false,
        ending: None,
    };
    for at in 0..tokens.len() {
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
    fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    fn slice(&self, at: usize) -> &[u8] {
        self.tokens.get(at).and_then(|token| self.text.get(token.start..token.end)).unwrap_or_default()
    }

    fn previous(&self, at: usize) -> Option<Kind> {
        at.checked_sub(1).and_then(|at| self.kind(at))
    }

    fn take(&mut self, operand: Operand) {
        self.shape.operands += 1;
        if let Some(left) = self.compared.take()
            && left != Operand::Name
            && operand != Operand::Name
        {
            self.shape.constant_compare += 1;
        }
        self.before = operand;
        self.wants_operand = false;
    }

    fn call(&mut self, at: usize) {
        self.shape.calls += 1;
        if words::function(self.slice(at)).is_some() {
            self.shape.known_calls += 1;
        }
        // What is compared with is what the call gives; its arguments are an expression of their own.
        self.take(Operand::Computed);
        self.wants_operand = true;
    }

    /// At a token where an operand is due.
    fn operand(&mut self, at: usize) {
        let Some(kind) = self.kind(at) else { return };
        let calls = self.kind(at + 1) == Some(Kind::Open);
        match kind {
            Kind::Number | Kind::Text { open: false } | Kind::Word(Word::Constant) => self.take(Operand::Constant),
            Kind::Text { open: true } => {
                self.take(Operand::Constant);
                self.ending = Some(Ending::OpenText);
            }
            Kind::Word(Word::Clause | Word::Compare | Word::Verb | Word::Math) | Kind::Name if calls => self.call(at),
            Kind::Word(Word::Clause | Word::Verb) if matches!(self.previous(at), Some(Kind::Dot)) => {
                self.take(Operand::Name)
            }
            // `similar to`.
            Kind::Name if self.slice(at) == b"to" && self.slice(at.wrapping_sub(1)) == b"similar" => {}
            Kind::Name => {
                self.shape.names += 1;
                self.take(Operand::Name);
            }
            Kind::Variable => {
                self.shape.variables += 1;
                self.take(Operand::Computed);
            }
            Kind::Open => self.shape.depth += 1,
            Kind::Close if self.previous(at) == Some(Kind::Open) => {
                self.shape.depth -= 1;
                self.wants_operand = false;
            }
            Kind::Math(b'+' | b'-' | b'~') | Kind::Not | Kind::Word(Word::Not | Word::All) => {}
            Kind::Word(Word::Case) => self.in_case = true,
            Kind::Word(Word::When) if self.in_case => self.when(),
            Kind::Math(b'*')
                if matches!(
                    self.previous(at),
                    Some(Kind::Open | Kind::Comma | Kind::Dot | Kind::Word(Word::Select | Word::All))
                ) =>
            {
                self.take(Operand::Computed);
            }
            Kind::Word(Word::Prefix) => self.shape.rare += usize::from(matches!(self.slice(at), b"binary" | b"exists")),
            // A placeholder.
            Kind::Question if matches!(self.kind(at + 1), Some(Kind::Comment | Kind::Close)) => {
                self.take(Operand::Computed)
            }
            Kind::Word(Word::Select) => {
                self.shape.selects += 1;
                self.takes_alias = true;
                self.compared = None;
            }
            // `is not null`, `not in`, `sounds like`, `order by`; anything else cannot follow an operator.
            Kind::Word(Word::Compare | Word::RareCompare | Word::By | Word::From)
                if matches!(
                    self.previous(at),
                    Some(Kind::Word(Word::Not | Word::Compare | Word::Ordering | Word::Clause)) | None
                ) => {}
            Kind::Word(Word::Clause | Word::Into)
                if matches!(self.previous(at), Some(Kind::Word(Word::Clause | Word::Trailer))) => {}
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
            | Kind::Other
            | Kind::Word(
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
                | Word::Verb,
            ) => self.ending = Some(Ending::Broken(at)),
        }
    }

    fn when(&mut self) {
        self.shape.cases += 1;
        self.compared = None;
        self.wants_operand = true;
    }

    fn compares(&mut self) {
        self.shape.compare += 1;
        self.compared = Some(self.before);
        self.wants_operand = true;
    }

    fn clause(&mut self) {
        self.shape.clauses += 1;
        self.compared = None;
        self.wants_operand = true;
    }

    /// At a token where an operator is due.
    fn operator(&mut self, at: usize) {
        let Some(kind) = self.kind(at) else { return };
        match kind {
            Kind::Word(Word::Logic) if std::mem::take(&mut self.in_between) => self.wants_operand = true,
            Kind::Logic | Kind::Word(Word::Logic | Word::Xor) => {
                self.shape.logic += 1;
                self.shape.rare += usize::from(kind == Kind::Word(Word::Xor));
                self.wants_operand = true;
                self.compared = None;
            }
            Kind::Compare | Kind::Word(Word::Compare) => {
                self.in_between = self.slice(at) == b"between";
                self.compares();
            }
            Kind::Word(Word::RareCompare) => {
                self.shape.rare += 1;
                self.compares();
                // `notnull` has no right side.
                self.wants_operand = !self.slice(at).ends_with(b"null");
            }
            Kind::Question
                if matches!(self.previous(at), Some(Kind::Text { .. } | Kind::Name))
                    && matches!(self.kind(at + 1), Some(Kind::Text { .. })) =>
            {
                self.compares();
            }
            // PostgreSQL matches with it.
            Kind::Math(b'~') => self.compares(),
            Kind::Math(_) | Kind::Word(Word::Math) => {
                self.shape.math += 1;
                self.shape.rare += usize::from(kind == Kind::Word(Word::Math));
                self.wants_operand = true;
            }
            Kind::Word(Word::Not) => {}
            Kind::Comma => {
                self.shape.commas += 1;
                self.wants_operand = true;
            }
            Kind::Dot | Kind::Word(Word::As) => self.wants_operand = true,
            Kind::Word(Word::When) if self.in_case => self.when(),
            // `escape '!'`.
            Kind::Word(Word::Prefix) if self.slice(at) == b"escape" => self.wants_operand = true,
            // PostgreSQL indexes arrays, and lets anybody define operators.
            Kind::Name if self.slice(at).first() == Some(&b'[') && self.previous(at) == Some(Kind::Name) => {}
            Kind::Not => self.wants_operand = true,
            // Texts next to each other are one.
            Kind::Text { open: false } if matches!(self.previous(at), Some(Kind::Text { .. }) | None) => {}
            Kind::Cast | Kind::Word(Word::Collate) => {
                self.shape.casts += usize::from(matches!(self.previous(at), Some(Kind::Text { .. } | Kind::Close)));
                self.shape.rare += 1;
                self.wants_operand = true;
            }
            Kind::Close => {
                self.shape.depth -= 1;
                if self.shape.depth < 0 {
                    self.shape.depth = 0;
                    self.shape.closed += 1;
                }
            }
            Kind::Open if matches!(self.previous(at), Some(Kind::Word(_) | Kind::Name | Kind::Variable)) => {
                self.shape.depth += 1;
                self.wants_operand = true;
            }
            Kind::Word(Word::Union) => {
                self.shape.unions += 1;
                self.clause();
            }
            Kind::Word(Word::From | Word::Into | Word::Clause | Word::Ordering | Word::By | Word::Procedure) => {
                self.clause()
            }
            Kind::Word(Word::Trailer) => {}
            Kind::Name | Kind::Text { open: false }
                if self.takes_alias
                    && matches!(
                        self.previous(at),
                        Some(Kind::Name | Kind::Close | Kind::Text { .. } | Kind::Number | Kind::Variable)
                    ) =>
            {
                // One alias, and not a sentence.
                self.takes_alias = self.shape.commas > 0 || self.shape.clauses > 0;
            }
            Kind::Other if self.slice(at) == b"[" && self.slice(at.wrapping_sub(1)) == b"array" => {
                self.ending = Some(Ending::Whole);
            }
            Kind::Comment => self.ending = Some(Ending::Comment),
            Kind::Semicolon => self.ending = Some(Ending::Stacked(at)),
            Kind::Text { open: true } if self.shape.selects > 0 => self.ending = Some(Ending::OpenText),
            Kind::Number
            | Kind::Text { .. }
            | Kind::Name
            | Kind::Variable
            | Kind::Open
            | Kind::Question
            | Kind::Other
            | Kind::Word(
                Word::When | Word::Constant | Word::Select | Word::All | Word::Case | Word::Prefix | Word::Verb,
            ) => {
                self.ending = Some(Ending::Broken(at));
            }
        }
    }
}

/// The function of which a call stands at this token, if databases have it.
pub(super) fn called(text: &[u8], tokens: &[Token], at: usize) -> Option<Function> {
    let token = tokens.get(at)?;
    let opens = tokens.get(at + 1)?.kind == Kind::Open;
    let can_call = matches!(token.kind, Kind::Name | Kind::Word(_));
    (opens && can_call).then(|| words::function(text.get(token.start..token.end)?))?
}
