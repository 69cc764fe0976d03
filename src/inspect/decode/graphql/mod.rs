//! GraphQL documents: their depth, their aliases, and the texts in them. Only what is one is read so; any other text is left to be one.

use super::json;
use super::walk::Walk;
use crate::inspect::{Fault, FaultKind};

mod fragments;

use fragments::Definition;

/// Gives all strings and comments of a document, and says whether the text is one.
///
/// # Errors
/// It is beyond a limit.
pub(super) fn walk(walk: &mut Walk<'_>, text: &[u8]) -> Result<bool, Fault> {
    let trimmed = start(text);
    let keyword = KEYWORDS.iter().find(|keyword| trimmed.starts_with(keyword));
    let is_start = match keyword {
        Some(keyword) => !trimmed.get(keyword.len()).is_some_and(|byte| is_name(*byte)),
        None => matches!(trimmed.first(), Some(b'{' | b'#' | b'"')),
    };
    if !is_start {
        return Ok(false);
    }
    let mark = walk.trail.mark();
    walk.trail.push_key(b"(graphql)");
    let document = Document {
        rest: trimmed,
        open: Vec::new(),
        arguments: 0,
        last: Token::End,
        name: b"",
        words: 0,
        aliases: 0,
        definition: Definition::default(),
        definitions: Vec::new(),
        walk,
    };
    let is_document = document.read();
    walk.trail.cut(mark);
    if is_document? {
        walk.documents += 1;
        if walk.documents > walk.limits.batch {
            return Err(walk.fault(FaultKind::TooMany));
        }
        return Ok(true);
    }
    Ok(false)
}

/// The text behind what readers ignore (GraphQL 2.1.7).
fn start(text: &[u8]) -> &[u8] {
    let mut rest = text;
    loop {
        let next = rest.strip_prefix(MARK).unwrap_or(rest).trim_ascii_start();
        let next = next.strip_prefix(b",").unwrap_or(next);
        if next.len() == rest.len() {
            return rest;
        }
        rest = next;
    }
}

/// The mark of UTF-8, which readers ignore wherever it stands (GraphQL 2.1.7).
const MARK: &[u8] = b"\xef\xbb\xbf";

/// What a definition starts with, if not with its selection.
const KEYWORDS: [&[u8]; 4] = [b"query", b"mutation", b"subscription", FRAGMENT];

const FRAGMENT: &[u8] = b"fragment";

/// The most words before a definition's selection: `fragment Name on Type`.
const MAX_WORDS: usize = 4;

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// A token (GraphQL 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    Sign(u8),
    Spread,
    Name(&'t [u8]),
    Number,
    String { text: &'t [u8], is_block: bool },
    End,
}

struct Document<'t, 'w, 'l> {
    rest: &'t [u8],
    /// Brackets that are open.
    open: Vec<u8>,
    /// How many of them are `(`.
    arguments: usize,
    /// The token before.
    last: Token<'t>,
    /// The last name in arguments.
    name: &'t [u8],
    /// Words since the last definition ended.
    words: usize,
    /// Of all definitions.
    aliases: usize,
    /// The one that is read now.
    definition: Definition<'t>,
    /// Those that have ended.
    definitions: Vec<Definition<'t>>,
    walk: &'l mut Walk<'w>,
}

impl<'t> Document<'t, '_, '_> {
    /// Reads all of it; says whether it is a document.
    fn read(mut self) -> Result<bool, Fault> {
        while let Some(token) = self.token() {
            if token == Token::End {
                let is_whole = self.open.is_empty() && self.words == 0 && !self.definitions.is_empty();
                return match fragments::check(&self.definitions, self.walk.limits) {
                    Err(kind) if is_whole => Err(self.walk.fault(kind)),
                    Ok(()) | Err(_) => Ok(is_whole),
                };
            }
            let fits = if self.arguments > 0 {
                self.in_arguments(token)
            } else if self.open.is_empty() {
                self.in_definition(token)
            } else {
                self.in_selection(token)
            };
            if !fits {
                return Ok(false);
            }
            if self.open.len() > self.walk.limits.depth {
                return Err(self.walk.fault(FaultKind::TooDeep));
            }
            if self.aliases > self.walk.limits.aliases {
                return Err(self.walk.fault(FaultKind::TooMany));
            }
            self.last = token;
        }
        Ok(false)
    }

    /// Before a selection: `"what it does" query Name($a: Int) @directive`.
    fn in_definition(&mut self, token: Token<'t>) -> bool {
        match token {
            Token::Name(_) if self.last == Token::Sign(b'@') => true,
            Token::Name(name) => {
                self.words += 1;
                if self.last == Token::Name(FRAGMENT) && self.words == 2 {
                    self.definition.name = Some(name);
                }
                self.words <= MAX_WORDS && (self.words > 1 || KEYWORDS.contains(&name))
            }
            Token::String { text, is_block } if self.words == 0 => {
                self.give(text, is_block);
                true
            }
            Token::Sign(b'@') => self.words > 0,
            Token::Sign(b'(') => self.begin_arguments(),
            Token::Sign(b'{') => {
                self.open.push(b'{');
                true
            }
            Token::Sign(_) | Token::Spread | Token::Number | Token::String { .. } | Token::End => false,
        }
    }

    /// Fields: `alias: name(argument: 1) @directive { ... }`, `...Fragment`.
    fn in_selection(&mut self, token: Token<'t>) -> bool {
        let is_after_field = matches!(self.last, Token::Name(_) | Token::Sign(b')'));
        match token {
            Token::Name(name) => {
                let size = &mut self.definition.size;
                size.fields += 1;
                size.depth = size.depth.max(self.open.len());
                if self.last == Token::Spread && name != b"on" {
                    self.definition.spreads.push((name, self.open.len()));
                }
                true
            }
            Token::Spread => true,
            Token::Sign(b':') => {
                self.aliases += 1;
                self.definition.size.aliases += 1;
                matches!(self.last, Token::Name(_))
            }
            Token::Sign(b'@') => is_after_field || self.last == Token::Spread,
            Token::Sign(b'(') => self.begin_arguments(),
            Token::Sign(b'{') => {
                self.open.push(b'{');
                is_after_field || self.last == Token::Spread
            }
            Token::Sign(b'}') => {
                let is_open = self.open.pop() == Some(b'{');
                if self.open.is_empty() {
                    self.words = 0;
                    self.definitions.push(std::mem::take(&mut self.definition));
                }
                // A selection of nothing is none (GraphQL 2.4).
                is_open && (is_after_field || self.last == Token::Sign(b'}'))
            }
            Token::Sign(_) | Token::Number | Token::String { .. } | Token::End => false,
        }
    }

    /// Behind the name of a field, a directive or an operation.
    fn begin_arguments(&mut self) -> bool {
        self.arguments += 1;
        self.open.push(b'(');
        matches!(self.last, Token::Name(_))
    }

    /// Arguments and variables: `(name: $variable, other: [{key: "text"}])`.
    fn in_arguments(&mut self, token: Token<'t>) -> bool {
        match token {
            Token::Name(name) => {
                self.name = name;
                true
            }
            Token::Number => true,
            Token::String { text, is_block } => {
                self.give(text, is_block);
                true
            }
            Token::Sign(sign @ (b'[' | b'{')) => {
                self.open.push(sign);
                true
            }
            Token::Sign(b']') => self.open.pop() == Some(b'['),
            Token::Sign(b'}') => self.open.pop() == Some(b'{'),
            Token::Sign(b')') => {
                self.arguments -= 1;
                self.open.pop() == Some(b'(')
            }
            Token::Sign(b':' | b'$' | b'=' | b'!' | b'@') => true,
            Token::Sign(_) | Token::Spread | Token::End => false,
        }
    }

    fn give(&mut self, text: &[u8], is_block: bool) {
        let mark = self.walk.trail.mark();
        self.walk.trail.push_key(self.name);
        let mut unescaped = Vec::new();
        let has_escapes = !is_block && memchr::memchr(b'\\', text).is_some();
        if has_escapes && json::unescape(text, &mut unescaped).is_ok() {
            self.walk.text(&unescaped);
        } else {
            self.walk.text(text);
        }
        self.walk.trail.cut(mark);
    }

    /// The next token; none where there is no token.
    fn token(&mut self) -> Option<Token<'t>> {
        loop {
            let (first, rest) = match self.rest.split_first() {
                Some((first, rest)) => (*first, rest),
                None => return Some(Token::End),
            };
            match first {
                b' ' | b'\t' | b'\r' | b'\n' | b',' => self.rest = rest,
                0xef => self.rest = self.rest.strip_prefix(MARK)?,
                b'#' => {
                    let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
                    let (comment, rest) = rest.split_at_checked(end)?;
                    self.walk.plain(comment.trim_ascii());
                    self.rest = rest;
                }
                b'.' => {
                    self.rest = rest.strip_prefix(b"..")?;
                    return Some(Token::Spread);
                }
                b'"' => return self.string(rest),
                b'{' | b'}' | b'(' | b')' | b'[' | b']' | b':' | b'=' | b'!' | b'|' | b'&' | b'@' | b'$' => {
                    self.rest = rest;
                    return Some(Token::Sign(first));
                }
                b'-' | b'0'..=b'9' => {
                    let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
                    let end = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
                    self.rest = rest.get(end..)?;
                    return Some(Token::Number);
                }
                _ if is_name(first) => {
                    let end = self.rest.iter().position(|byte| !is_name(*byte)).unwrap_or(self.rest.len());
                    let (name, rest) = self.rest.split_at_checked(end)?;
                    self.rest = rest;
                    return Some(Token::Name(name));
                }
                _ => return None,
            }
        }
    }

    /// A string, behind its first quote.
    fn string(&mut self, rest: &'t [u8]) -> Option<Token<'t>> {
        if let Some(block) = rest.strip_prefix(b"\"\"") {
            let mut quotes = memchr::memmem::find_iter(block, b"\"\"\"");
            // The one escape in a block: `\"""` (GraphQL 2.9.4).
            let end = quotes.find(|at| !block.get(..*at).is_some_and(|before| before.ends_with(b"\\")))?;
            self.rest = block.get(end + 3..)?;
            return Some(Token::String { text: block.get(..end)?, is_block: true });
        }
        let mut at = 0;
        loop {
            at += memchr::memchr3(b'"', b'\\', b'\n', rest.get(at..)?)?;
            match rest.get(at)? {
                b'"' => break,
                b'\\' => at += 2,
                _ => return None,
            }
        }
        self.rest = rest.get(at + 1..)?;
        Some(Token::String { text: rest.get(..at)?, is_block: false })
    }
}
