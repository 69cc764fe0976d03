//! XML in one pass and without a tree (XML 1.0), of the kind that APIs send: without document types, entities, inclusions and style sheets, which
//! make its reader read files and ask addresses (CWE-611).

use super::charset::Charset;
use super::walk::Walk;
use crate::inspect::{Fault, FaultKind};

mod text;

use text::Run;

/// The most attributes of one element, since each is compared with those before it.
const MAX_ATTRIBUTES: usize = 64;

/// The namespace of XInclude.
const XINCLUDE: &[u8] = b"http://www.w3.org/2001/XInclude";

/// Namespaces in which elements name other documents that a reader gets: schemas and style sheets.
const INCLUDING: [&[u8]; 2] = [b"http://www.w3.org/2001/XMLSchema", b"http://www.w3.org/1999/XSL/Transform"];

/// Gives all names, attributes and texts.
///
/// # Errors
/// It is not XML of this kind, not in its charset, or beyond a limit.
pub(super) fn walk(walk: &mut Walk<'_>, declared: Option<Charset>, body: &[u8]) -> Result<(), Fault> {
    let text = text::decode(body, declared).map_err(|kind| walk.fault(kind))?;
    Xml { rest: &text, open: Vec::new(), has_root: false, includes: false, run: Run::default(), walk }.all()
}

struct Xml<'x, 'w, 'l> {
    /// What was not read yet.
    rest: &'x [u8],
    /// The elements that are open: their names, and where the trail was.
    open: Vec<(&'x [u8], usize)>,
    has_root: bool,
    /// Whether one of the namespaces was met in which elements include others' documents.
    includes: bool,
    /// The text of the innermost element since its last tag.
    run: Run<'x>,
    walk: &'l mut Walk<'w>,
}

impl<'x> Xml<'x, '_, '_> {
    fn all(&mut self) -> Result<(), Fault> {
        self.declaration()?;
        while let Some(at) = memchr::memchr(b'<', self.rest) {
            let (text, tag) = self.rest.split_at_checked(at).unwrap_or_default();
            self.text(text)?;
            self.rest = tag;
            match tag {
                [_, b'/', ..] => self.end_tag()?,
                [_, b'?', ..] => self.instruction()?,
                [_, b'!', b'-', b'-', ..] => self.comment()?,
                [_, b'!', b'[', ..] => self.cdata()?,
                // Of these there is none but in or as a document type.
                [_, b'!', ..] => return self.wrong(FaultKind::Doctype),
                _ => self.start_tag()?,
            }
        }
        let rest = std::mem::take(&mut self.rest);
        self.text(rest)?;
        if self.open.is_empty() && self.has_root { Ok(()) } else { self.wrong(FaultKind::Malformed) }
    }

    fn wrong<T>(&self, kind: FaultKind) -> Result<T, Fault> {
        Err(self.walk.fault(kind))
    }

    /// Passes over `<?xml ...?>`, which may only be the first.
    fn declaration(&mut self) -> Result<(), Fault> {
        if let Some(rest) = self.rest.strip_prefix(b"<?xml")
            && rest.first().is_some_and(u8::is_ascii_whitespace)
        {
            self.rest = rest;
            self.until(b"?>")?;
        }
        Ok(())
    }

    /// What stands before this; goes behind it.
    fn until(&mut self, end: &[u8]) -> Result<&'x [u8], Fault> {
        let Some(at) = memchr::memmem::find(self.rest, end) else { return self.wrong(FaultKind::Malformed) };
        let before = self.rest.get(..at).unwrap_or_default();
        self.rest = self.rest.get(at + end.len()..).unwrap_or_default();
        Ok(before)
    }

    fn text(&mut self, text: &'x [u8]) -> Result<(), Fault> {
        if self.open.is_empty() {
            return if text.trim_ascii().is_empty() { Ok(()) } else { self.wrong(FaultKind::Malformed) };
        }
        self.run.add(text).or_else(|kind| self.wrong(kind))?;
        self.is_short(self.run.text())
    }

    fn is_short(&self, text: &[u8]) -> Result<(), Fault> {
        if text.len() > self.walk.limits.string { self.wrong(FaultKind::TooLong) } else { Ok(()) }
    }

    /// Gives the text that a tag ends. What CDATA, comments and references cut it into is one text to its reader.
    fn give_text(&mut self) {
        self.run.give(self.walk);
    }

    fn instruction(&mut self) -> Result<(), Fault> {
        self.rest = self.rest.get(2..).unwrap_or_default();
        let text = self.until(b"?>")?;
        let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
        let (target, data) = text.split_at_checked(end).unwrap_or_default();
        if target.eq_ignore_ascii_case(b"xml-stylesheet") {
            return self.wrong(FaultKind::Doctype);
        }
        if !is_name(target) || target.eq_ignore_ascii_case(b"xml") {
            return self.wrong(FaultKind::Malformed);
        }
        self.aside(b"(instruction)", data);
        Ok(())
    }

    fn comment(&mut self) -> Result<(), Fault> {
        self.rest = self.rest.get(4..).unwrap_or_default();
        let text = self.until(b"--")?;
        let Some(rest) = self.rest.strip_prefix(b">") else { return self.wrong(FaultKind::Malformed) };
        self.rest = rest;
        self.aside(b"(comment)", text);
        Ok(())
    }

    /// Gives what is no text of the element.
    fn aside(&mut self, what: &[u8], text: &[u8]) {
        let mark = self.walk.trail.mark();
        self.walk.trail.push_key(what);
        self.walk.plain(text.trim_ascii());
        self.walk.trail.cut(mark);
    }

    fn cdata(&mut self) -> Result<(), Fault> {
        let Some(rest) = self.rest.strip_prefix(b"<![CDATA[") else { return self.wrong(FaultKind::Doctype) };
        self.rest = rest;
        let text = self.until(b"]]>")?;
        if self.open.is_empty() {
            return self.wrong(FaultKind::Malformed);
        }
        self.run.add_plain(text);
        self.is_short(self.run.text())
    }

    fn end_tag(&mut self) -> Result<(), Fault> {
        self.give_text();
        self.rest = self.rest.get(2..).unwrap_or_default();
        let name = self.until(b">")?.trim_ascii_end();
        match self.open.pop() {
            Some((open, mark)) if open == name => {
                self.walk.trail.cut(mark);
                Ok(())
            }
            Some(_) | None => self.wrong(FaultKind::Malformed),
        }
    }

    fn start_tag(&mut self) -> Result<(), Fault> {
        self.give_text();
        self.rest = self.rest.get(1..).unwrap_or_default();
        let name = self.take_name()?;
        if self.open.is_empty() && std::mem::replace(&mut self.has_root, true) {
            return self.wrong(FaultKind::Malformed);
        }
        let mark = self.walk.trail.mark();
        self.walk.trail.push_key(name);
        self.open.push((name, mark));
        if self.open.len() > self.walk.limits.depth {
            return self.wrong(FaultKind::TooDeep);
        }
        self.walk.count_key()?;
        self.walk.name(name);
        let mut names: Vec<&[u8]> = Vec::new();
        loop {
            let before = self.rest.len();
            self.rest = self.rest.trim_ascii_start();
            if let Some(rest) = self.rest.strip_prefix(b">") {
                self.rest = rest;
                return Ok(());
            }
            if let Some(rest) = self.rest.strip_prefix(b"/>") {
                self.rest = rest;
                self.open.pop();
                self.walk.trail.cut(mark);
                return Ok(());
            }
            if self.rest.len() == before {
                return self.wrong(FaultKind::Malformed);
            }
            let name = self.take_name()?;
            if names.contains(&name) {
                return self.wrong(FaultKind::DuplicateKey);
            }
            names.push(name);
            if names.len() > MAX_ATTRIBUTES {
                return self.wrong(FaultKind::TooMany);
            }
            self.attribute(name)?;
        }
    }

    /// Reads the value of an attribute, behind its name.
    fn attribute(&mut self, name: &[u8]) -> Result<(), Fault> {
        self.walk.count_key()?;
        let Some(rest) = self.rest.trim_ascii_start().strip_prefix(b"=") else {
            return self.wrong(FaultKind::Malformed);
        };
        let (quote, rest) = match rest.trim_ascii_start() {
            [quote @ (b'"' | b'\''), rest @ ..] => (*quote, rest),
            _ => return self.wrong(FaultKind::Malformed),
        };
        self.rest = rest;
        let value = self.until(&[quote])?;
        if memchr::memchr(b'<', value).is_some() {
            return self.wrong(FaultKind::Malformed);
        }
        let mark = self.walk.trail.mark();
        self.walk.trail.push_key(name);
        self.walk.name(name);
        let mut run = Run::default();
        run.add(value).or_else(|kind| self.wrong(kind))?;
        self.is_short(run.text())?;
        let is_namespace = name == b"xmlns" || name.starts_with(b"xmlns:");
        self.includes |= is_namespace && INCLUDING.contains(&run.text());
        if (is_namespace && run.text() == XINCLUDE) || (self.includes && self.is_inclusion(name, run.text())) {
            return self.wrong(FaultKind::Doctype);
        }
        if !is_namespace || !run.text().iter().all(|byte| byte.is_ascii_alphanumeric() || b":/.-_#".contains(byte)) {
            self.walk.text(run.text());
        }
        self.walk.trail.cut(mark);
        Ok(())
    }

    /// Whether the element that is read includes a document from elsewhere by this attribute (CWE-611, CWE-918).
    fn is_inclusion(&self, name: &[u8], value: &[u8]) -> bool {
        let element = self.open.last().map_or(&b""[..], |(name, _)| name);
        let local = element.rsplit(|byte| *byte == b':').next().unwrap_or(element);
        let names_document = match local {
            b"include" | b"redefine" | b"override" => true,
            // A namespace alone is imported by its name, without its document.
            b"import" => name == b"schemaLocation" || name == b"href",
            _ => false,
        };
        let is_address = value.starts_with(b"//") || memchr::memmem::find(value, b"://").is_some();
        names_document && !name.starts_with(b"xmlns") && is_address
    }

    fn take_name(&mut self) -> Result<&'x [u8], Fault> {
        let end = self.rest.iter().position(|byte| !is_name_byte(*byte)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end).unwrap_or_default();
        self.rest = rest;
        if is_name(name) { Ok(name) } else { self.wrong(FaultKind::Malformed) }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || b"_:.-".contains(&byte)
}

/// Whether this is a name (XML 1.0 2.3), as far as ASCII tells.
fn is_name(name: &[u8]) -> bool {
    name.first().is_some_and(|byte| !byte.is_ascii_digit() && !b".-".contains(byte))
        && name.iter().all(|byte| is_name_byte(*byte))
}
