//! A value read as it is: behind a number, or as a statement of its own.

use std::ops::Range;

use super::functions::Function;
use super::lex::{Kind, Token};
use super::shape::{self, Ending, Shape};
use super::statement;
use super::words::Word;
use crate::inspect::detect::Found;

/// Judges a value from its beginning. Says whether it is a statement of its own, which is not an attack where queries are asked for.
pub(super) fn judge(text: &[u8], tokens: &[Token], found: &mut Found) -> bool {
    let Some(first) = tokens.first() else { return false };
    let range = first.start..text.len();
    let calls = tokens.get(1).is_some_and(|token| token.kind == Kind::Open);
    if text.get(first.start..first.end) == Some(b"with") && has_query(tokens) {
        // `with t as (select ...) select ...`.
        found.add("sqli.statement", range);
        return true;
    }
    if matches!(first.kind, Kind::Word(Word::Select | Word::Verb)) && !(calls && first.kind == Kind::Word(Word::Verb)) {
        let shape = shape::read(text, tokens, true);
        return statement(text, tokens, &shape, range, found);
    }
    let begins = match begins(first.kind) {
        // A sign of a number, or the dot of a list.
        Begins::Sign => tokens.get(1).map_or(Begins::Word, |second| match begins(second.kind) {
            Begins::Constant if second.kind != Kind::Variable => Begins::Constant,
            Begins::Sign | Begins::Open => Begins::Open,
            Begins::Constant | Begins::Operator | Begins::Word => Begins::Word,
        }),
        begins @ (Begins::Constant | Begins::Operator | Begins::Open | Begins::Word) => begins,
    };
    let shape = shape::read(text, tokens, begins != Begins::Operator);
    if let Some(rule) = expression(text, tokens, begins, &shape) {
        found.add(rule, range);
    }
    false
}

/// Whether a name is given to a query, and a query follows.
fn has_query(tokens: &[Token]) -> bool {
    let selects = |token: &Token| token.kind == Kind::Word(Word::Select);
    let names = tokens.iter().take(8).any(|token| token.kind == Kind::Word(Word::As));
    names && tokens.windows(2).any(|two| matches!(two, [close, select] if close.kind == Kind::Close && selects(select)))
}

/// How a value begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    /// With a number, text, variable: what it is put behind is a comparison, most likely.
    Constant,
    /// With an operator or what closes: it goes on with what is in front of it.
    Operator,
    /// With a sign.
    Sign,
    /// With `(`.
    Open,
    /// With a word.
    Word,
}

fn begins(kind: Kind) -> Begins {
    match kind {
        Kind::Number | Kind::Text { .. } | Kind::Variable | Kind::Word(Word::Constant) => Begins::Constant,
        Kind::Close
        | Kind::Comma
        | Kind::Semicolon
        | Kind::Compare
        | Kind::Logic
        | Kind::Word(
            Word::Logic
            | Word::Xor
            | Word::Compare
            | Word::RareCompare
            | Word::Union
            | Word::Ordering
            | Word::Clause
            | Word::From
            | Word::Into
            | Word::Procedure,
        ) => Begins::Operator,
        Kind::Math(b'-' | b'+' | b'~') | Kind::Not => Begins::Sign,
        // Paths and patterns of files.
        Kind::Math(_) => Begins::Word,
        Kind::Open => Begins::Open,
        Kind::Name | Kind::Dot | Kind::Cast | Kind::Comment | Kind::Question | Kind::Other | Kind::Word(_) => {
            Begins::Word
        }
    }
}

/// A value that begins as a statement.
fn statement(text: &[u8], tokens: &[Token], shape: &Shape, range: Range<usize>, found: &mut Found) -> bool {
    let is_hidden = tokens.last().is_some_and(|token| token.kind == Kind::Comment);
    if is_hidden && tokens.len() > 2 && statement::begins(text, tokens, 0) && is_unread(text, tokens) {
        found.add("sqli.hidden-tail", range);
        return false;
    }
    let is_select = tokens.first().is_some_and(|token| token.kind == Kind::Word(Word::Select));
    // A sentence has neither a list, nor a call, nor a comparison.
    let is_sql =
        shape.commas + shape.calls + shape.compare + shape.variables + shape.math > 0 || shape.operands > shape.names;
    match shape.ending {
        Ending::Broken(_) | Ending::OpenText if is_select => false,
        Ending::Dangling | Ending::Comment if is_select && is_sql => {
            // An honest query ends; one that is to be finished by what it is put into does not.
            found.add("sqli.unfinished", range);
            false
        }
        Ending::Whole | Ending::Stacked(_) if is_select => {
            if is_sql {
                found.add("sqli.statement", range);
            }
            is_sql
        }
        Ending::Whole
        | Ending::Stacked(_)
        | Ending::Dangling
        | Ending::Comment
        | Ending::Broken(_)
        | Ending::OpenText => {
            let is_own = statement::begins(text, tokens, 0);
            if is_own {
                found.add("sqli.statement", range);
            }
            // These have clauses and subselects by right; what else begins a statement is of no use to honest clients.
            is_own && matches!(text_at(text, tokens, 0), b"insert" | b"update" | b"delete" | b"merge" | b"create")
        }
    }
}

/// What rule an expression meets.
fn expression(text: &[u8], tokens: &[Token], begins: Begins, shape: &Shape) -> Option<&'static str> {
    if let Ending::Broken(at) = shape.ending {
        // `21 update t set ...`: where statements need no separator.
        let is_verb = matches!(tokens.get(at).map(|token| token.kind), Some(Kind::Word(Word::Verb | Word::Select)));
        let is_stacked = begins == Begins::Constant && at <= 2 && is_verb && statement::begins(text, tokens, at);
        return is_stacked.then_some("sqli.stacked");
    }
    let is_numeric = matches!(begins, Begins::Constant | Begins::Operator);
    let first = tokens.first().map(|token| token.kind);
    let joins = shape.logic + shape.compare + shape.math + shape.rare + shape.clauses > 0;
    let is_joined = tokens.first().is_some_and(|token| matches!(token.kind, Kind::Logic | Kind::Word(Word::Logic)));
    // Lines of code may begin with `&&`, sentences with `and`: what is compared with a constant, or cut off, is neither.
    let is_decided = !is_joined || shape.operands > shape.names || shape.ending == Ending::Dangling;
    if shape.logic > 0 && shape.compare > 0 && (is_numeric && is_decided || shape.constant_compare > 0) {
        return Some("sqli.numeric-logic");
    }
    let decides = matches!(text_at(text, tokens, 0), b"if" | b"iif" | b"elt" | b"nullif" | b"ifnull" | b"greatest");
    if shape.constant_compare > 0 && decides && shape.ending != Ending::Dangling || repeats(text, tokens) {
        return Some("sqli.numeric-logic");
    }
    let computes = shape.rare + shape.selects + shape.variables > 0;
    if shape.logic > 0 && is_numeric && (computes || shape.known_calls > 0 && !is_joined || informs(text, tokens)) {
        return Some("sqli.numeric-logic");
    }
    // `pi() and cos(pi())=-1`: nothing but calls and constants.
    if shape.logic > 0 && shape.compare > 0 && shape.names == 0 && shape.known_calls > 1 {
        return Some("sqli.numeric-logic");
    }
    // `1) or (true`: closes what it did not open, and opens what the query closes.
    if shape.logic > 0 && shape.closed > 0 && shape.depth > 0 && shape.names == 0 && begins == Begins::Constant {
        return Some("sqli.numeric-logic");
    }
    if shape.cases > 0 && shape.operands > shape.names {
        return Some("sqli.case");
    }
    if is_numeric
        && joins
        && (shape.rare + shape.selects > 0
            || shape.math + shape.compare > 0 && shape.known_calls > 0 && !matches!(first, Some(Kind::Text { .. })))
    {
        return Some("sqli.numeric-operator");
    }
    // `) like (`: closes what it did not open, and opens what it does not close.
    let goes_on =
        first == Some(Kind::Close) && shape.closed > 0 && tokens.last().is_some_and(|token| token.kind == Kind::Open);
    if goes_on && shape.compare > 0 || shape.clauses > 0 && clauses(text, tokens, begins, shape) {
        return Some("sqli.numeric-clause");
    }
    if shape.known_calls > 1 && informs(text, tokens) {
        return Some("sqli.function-chain");
    }
    if compares_constants(text, tokens) || shape.names == 0 && shape.constant_compare > 1 {
        return Some("sqli.constant-compare");
    }
    if shape.selects > 0 && matches!(begins, Begins::Open) && shape.operands > shape.names {
        return Some("sqli.subselect");
    }
    if shape.ending == Ending::Comment {
        return hidden_tail(text, tokens, begins, shape);
    }
    None
}

/// Whether a clause continues a query that is not here.
fn clauses(text: &[u8], tokens: &[Token], begins: Begins, shape: &Shape) -> bool {
    let is_numeric = matches!(begins, Begins::Constant | Begins::Operator);
    // `1950 union made` is prose, `-1 union` is not.
    let unites = || {
        (0..tokens.len().min(64)).any(|at| {
            text_at(text, tokens, at) == b"union"
                && matches!(
                    tokens.get(at + 1).map(|token| token.kind),
                    None | Some(Kind::Comment | Kind::Open | Kind::Word(Word::All | Word::Select))
                )
        })
    };
    let has = || (0..tokens.len().min(64)).any(|at| text_at(text, tokens, at) == b"having");
    let first = tokens.first().map(|token| token.kind);
    // `) as x from`, `1) from users where name=`: closes what it did not open.
    let closes =
        shape.closed > 0 && shape.ending == Ending::Dangling && matches!(first, Some(Kind::Close | Kind::Number));
    // ``from `a`.`b` limit``.
    let is_cut = first == Some(Kind::Word(Word::From))
        && shape.ending == Ending::Dangling
        && matches!(text_at(text, tokens, 1).first(), Some(b'`' | b'['));
    // `from users where name='x'`, `1 as "x" from t`.
    let is_tail = matches!(tokens, [from, _, clause, ..] if from.kind == Kind::Word(Word::From) && clause.kind == Kind::Word(Word::Clause))
        && shape.compare > 0
        && shape.operands > shape.names;
    let is_head = matches!(tokens, [value, naming, name, from, ..]
        if value.kind == Kind::Number
            && naming.kind == Kind::Word(Word::As)
            && matches!(name.kind, Kind::Text { .. })
            && from.kind == Kind::Word(Word::From));
    is_numeric && orders(text, tokens, begins)
        || is_tail
        || is_head
        || begins == Begins::Constant && unites()
        || has() && shape.logic + shape.compare > 0 && shape.operands > shape.names
        || closes
        || is_cut
}

/// `-1 or 1`, `-1 or true`, `7 and 7`: nobody counts so.
fn repeats(text: &[u8], tokens: &[Token]) -> bool {
    let is_number = |token: &Token| token.kind == Kind::Number;
    let is_logic = |token: &Token| matches!(token.kind, Kind::Logic | Kind::Word(Word::Logic));
    match tokens {
        [sign, left, logic, right] => {
            let is_truth = matches!(text.get(right.start..right.end), Some(b"true" | b"false"));
            sign.kind == Kind::Math(b'-') && is_number(left) && is_logic(logic) && (is_number(right) || is_truth)
        }
        [left, logic, right] => {
            is_number(left)
                && is_logic(logic)
                && is_number(right)
                && text.get(left.start..left.end) == text.get(right.start..right.end)
        }
        _ => false,
    }
}

/// `1=1`, `'a'<>'b`, and nothing else, or behind one column or text and a comma.
fn compares_constants(text: &[u8], tokens: &[Token]) -> bool {
    let is_constant = |kind| matches!(kind, Kind::Number | Kind::Text { .. });
    let tokens = match tokens {
        [first, comma, rest @ ..]
            if comma.kind == Kind::Comma && (first.kind == Kind::Name || is_constant(first.kind)) =>
        {
            rest
        }
        _ => tokens,
    };
    match tokens {
        [left, operator, right] => {
            let is_same = matches!(
                (left.kind, right.kind),
                (Kind::Number, Kind::Number) | (Kind::Text { .. }, Kind::Text { .. })
            );
            is_same
                && is_constant(left.kind)
                && matches!(text.get(operator.start..operator.end), Some(b"=" | b"!=" | b"<>" | b"==" | b"like"))
        }
        _ => false,
    }
}

/// Whether it asks for what the database knows of itself.
fn informs(text: &[u8], tokens: &[Token]) -> bool {
    (0..tokens.len().min(64)).any(|at| shape::called(text, tokens, at) == Some(Function::Inform))
}

fn text_at<'a>(text: &'a [u8], tokens: &[Token], at: usize) -> &'a [u8] {
    tokens.get(at).and_then(|token| text.get(token.start..token.end)).unwrap_or_default()
}

/// `order by 3`, `group by x having 1=1`, `having 1=1`.
fn orders(text: &[u8], tokens: &[Token], begins: Begins) -> bool {
    tokens.windows(3).take(64).any(|three| match three {
        [first, second, third] => match (first.kind, second.kind) {
            (Kind::Word(Word::Ordering), Kind::Word(Word::By)) => {
                matches!(third.kind, Kind::Number | Kind::Open)
                    || begins == Begins::Constant && matches!(third.kind, Kind::Name | Kind::Word(_))
            }
            (Kind::Word(Word::Clause), Kind::Number | Kind::Text { .. }) => {
                text.get(first.start..first.end) == Some(b"having")
            }
            _ => false,
        },
        _ => false,
    })
}

/// An expression with a comment that ends it, and nothing to read in the comment.
fn hidden_tail(text: &[u8], tokens: &[Token], begins: Begins, shape: &Shape) -> Option<&'static str> {
    let comment = tokens.last().filter(|token| token.kind == Kind::Comment)?;
    let hidden = text.get(comment.start..).unwrap_or_default();
    let is_empty = is_unread(text, tokens);
    // `#` and `/*` (in `*/*`) have other uses, where the expression is not sure to be one.
    let is_dash = hidden.first() == Some(&b'-') || shape.selects > 0 || shape.logic > 0 && shape.operands > shape.names;
    let has_parts = shape.logic + shape.compare + shape.math + shape.calls + shape.selects + shape.rare > 0
        || begins == Begins::Open
        || tokens.len() == 2 && begins == Begins::Constant;
    let is_value =
        shape.operands > 0 && shape.names == 0 || shape.known_calls + shape.selects > 0 || begins != Begins::Word;
    (is_empty && has_parts && is_value && is_dash && shape.operands > 0).then_some("sqli.hidden-tail")
}

/// Whether the comment at the end has nothing in it that anybody might read.
fn is_unread(text: &[u8], tokens: &[Token]) -> bool {
    let hidden = tokens.last().and_then(|token| text.get(token.start..)).unwrap_or_default();
    hidden.iter().filter(|byte| byte.is_ascii_alphanumeric()).count() <= 2
}
