//! The machine of `shape` where an operator is due.

use super::lex::Kind;
use super::shape::{Ending, Reader};
use super::words::{self, Word};

impl Reader<'_> {
    fn logic(&mut self) {
        self.shape.logic += 1;
        self.wants_operand = true;
        self.compared = None;
    }

    fn casts(&mut self, at: usize) {
        self.shape.casts += usize::from(matches!(self.previous(at), Some(Kind::Text { .. } | Kind::Close)));
        let is_type = self.tokens.get(at + 1).is_some_and(|_| words::is_type(self.slice(at + 1)));
        self.shape.rare += usize::from(is_type || self.slice(at) == b"collate");
        self.wants_operand = true;
    }

    fn close(&mut self) {
        self.shape.depth -= 1;
        if self.shape.depth < 0 {
            self.shape.depth = 0;
            self.shape.closed += 1;
        }
    }

    /// At a token where an operator is due.
    pub(super) fn operator(&mut self, at: usize) {
        let Some(kind) = self.kind(at) else { return };
        let previous = self.previous(at);
        match kind {
            Kind::Word(word) => self.operator_word(at, word),
            Kind::Logic => self.logic(),
            // PostgreSQL matches with `~`.
            Kind::Compare | Kind::Math(b'~') => self.compares(),
            Kind::Question if self.asks_json(at) => self.compares(),
            Kind::Math(_) => {
                self.shape.math += 1;
                self.wants_operand = true;
            }
            Kind::Comma => {
                self.shape.commas += 1;
                self.wants_operand = true;
            }
            // PostgreSQL lets anybody define operators.
            Kind::Dot | Kind::Not => self.wants_operand = true,
            Kind::Cast => self.casts(at),
            Kind::Close => self.close(),
            Kind::Open if matches!(previous, Some(Kind::Word(_) | Kind::Name | Kind::Variable)) => {
                self.shape.depth += 1;
                self.wants_operand = true;
            }
            // An index, in PostgreSQL.
            Kind::Name if self.slice(at).first() == Some(&b'[') && previous == Some(Kind::Name) => {}
            // Texts next to each other are one.
            Kind::Text { open: false } if matches!(previous, Some(Kind::Text { .. }) | None) => {}
            Kind::Name | Kind::Text { open: false } if self.takes_alias && names(previous) => {
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
            | Kind::Other => self.ending = Some(Ending::Broken(at)),
        }
    }

    /// Whether `?` asks JSON for a key, as PostgreSQL has it.
    fn asks_json(&self, at: usize) -> bool {
        matches!(self.previous(at), Some(Kind::Text { .. } | Kind::Name | Kind::Close))
            && matches!(self.kind(at + 1), Some(Kind::Text { .. }))
    }

    /// Whether `in`, `is`, `like`, `between` stand in front of what SQL has there.
    fn compares_in_sql(&self, at: usize) -> bool {
        let skips = |at: usize| {
            matches!(self.kind(at), Some(Kind::Word(Word::Not | Word::Compare | Word::RareCompare | Word::Prefix)))
        };
        let next = at + 1 + usize::from(skips(at + 1)) + usize::from(skips(at + 1) && skips(at + 2));
        match self.slice(at) {
            b"is" => self.slice(next) == b"null" || self.kind(next) == Some(Kind::Number) || next > at + 1,
            b"in" => self.kind(next) == Some(Kind::Open),
            _ if self.slice(next + 1) == b"escape" => true,
            _ => matches!(
                self.kind(next),
                Some(Kind::Number | Kind::Text { .. } | Kind::Open | Kind::Variable | Kind::Word(Word::Constant))
            ),
        }
    }

    fn operator_word(&mut self, at: usize, word: Word) {
        match word {
            Word::Logic if std::mem::take(&mut self.in_between) => self.wants_operand = true,
            Word::Logic | Word::Xor => {
                self.shape.rare += usize::from(word == Word::Xor);
                self.logic();
            }
            Word::Compare => {
                self.in_between = self.slice(at) == b"between";
                self.compares();
                // Prose has the words as well: what they compare with tells.
                self.shape.compare -= usize::from(!self.compares_in_sql(at));
            }
            Word::RareCompare => {
                self.shape.rare += 1;
                self.compares();
                // `notnull` has no right side.
                self.wants_operand = !self.slice(at).ends_with(b"null");
            }
            Word::Math => {
                self.shape.math += 1;
                self.shape.rare += 1;
                self.wants_operand = true;
            }
            Word::Not | Word::Trailer => {}
            Word::As => self.wants_operand = true,
            Word::When if self.in_case => self.when(),
            Word::Prefix if self.slice(at) == b"escape" => self.wants_operand = true,
            Word::Collate => self.casts(at),
            Word::Union => {
                self.shape.unions += 1;
                self.clause();
            }
            Word::From | Word::Into | Word::Clause | Word::Ordering | Word::By | Word::Procedure => self.clause(),
            Word::When | Word::Constant | Word::Select | Word::All | Word::Case | Word::Prefix | Word::Verb => {
                self.ending = Some(Ending::Broken(at));
            }
        }
    }
}

/// Whether an alias may follow.
fn names(previous: Option<Kind>) -> bool {
    matches!(previous, Some(Kind::Name | Kind::Close | Kind::Text { .. } | Kind::Number | Kind::Variable))
}
