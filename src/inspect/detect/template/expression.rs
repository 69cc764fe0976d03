//! Judges what stands in an expression.

use super::{Opener, at};

/// What an expression (in lower case) is evidence of; `None` for placeholders and conditions that pages have.
pub(super) fn judge(opener: Opener, inner: &[u8]) -> Option<&'static str> {
    // Signs by which engines trim white space or write unescaped.
    let lead = inner
        .iter()
        .position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'-' | b'=' | b'~' | b'!'))
        .unwrap_or(inner.len());
    let body = inner.get(lead..).unwrap_or_default().trim_ascii_end();
    // No name that tells anything has a single letter.
    if body.len() < 2 && opener != Opener::At && opener != Opener::Statement {
        return None;
    }
    if opener == Opener::At && at(body, 0) == b'[' {
        return Some("ssti.interpolation");
    }
    if opener == Opener::Percent && (body.starts_with(b"#") || body.starts_with(b"(#")) && body.contains(&b'=') {
        return Some("ssti.gadget");
    }
    if is_plain(body) {
        return plain(opener, body);
    }
    if computes(opener, body) || filters_constant(body) {
        return Some("ssti.arithmetic");
    }
    if opener != Opener::Paren && climbs(body) || has_gadget(body) || runs(opener, body) {
        return Some("ssti.gadget");
    }
    (opener == Opener::Statement).then(|| statement(body)).flatten()
}

/// A name, a way through names, and nothing else.
fn is_plain(body: &[u8]) -> bool {
    body.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b' ' | b'-'))
}

/// Names that are honest placeholders but for a few.
fn plain(opener: Opener, body: &[u8]) -> Option<&'static str> {
    if has_dunder(body) || body.ends_with(b".secret_key") {
        return Some("ssti.gadget");
    }
    let shows = match opener {
        Opener::Double => {
            matches!(body, b"config" | b"self" | b"app.request" | b"_self" | b"debug" | b"request" | b"this")
        }
        Opener::Dollar | Opener::Hash => {
            matches!(body, b"applicationscope" | b"sessionscope" | b"pagecontext" | b"requestscope" | b"servletcontext")
        }
        Opener::Statement => return statement(body),
        Opener::Percent | Opener::Star | Opener::At | Opener::Paren | Opener::Angle => false,
    };
    shows.then_some("ssti.context")
}

/// A product, sum or repetition of constants. Between `{{` ranges of years and fractions are honest, in notations other than templates.
fn computes(opener: Opener, body: &[u8]) -> bool {
    let is_operand = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'\'' | b'"');
    let is_constant = is_constant(body);
    let mut before = 0;
    let mut n = 0;
    while n < body.len() {
        let byte = at(body, n);
        n += 1;
        let is_operator = matches!(byte, b'*' | b'+' | b'%')
            || matches!(byte, b'-' | b'/') && opener != Opener::Double && is_constant;
        if is_operator && is_operand(before) {
            let rest = body.get(n..).unwrap_or_default();
            let next = rest.iter().find(|byte| !matches!(byte, b' ' | b'*' | b'(')).copied().unwrap_or(0);
            // Texts are put together honestly; a number times a text is no more than a probe.
            if is_operand(next)
                && (before.is_ascii_digit() || next.is_ascii_digit())
                && !(byte == b'%' && before == b'"')
            {
                return byte != b'+' && byte != b'%' || is_constant;
            }
        }
        if byte != b' ' && byte != b')' {
            before = byte;
        }
    }
    false
}

/// `49|abs`: a number through a filter, to see whether it is computed.
fn filters_constant(body: &[u8]) -> bool {
    let digits = body.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = body.get(digits..).unwrap_or_default().trim_ascii_start();
    let filter = rest.strip_prefix(b"|").map(<[u8]>::trim_ascii_start).unwrap_or_default();
    digits > 0 && filter.first().is_some_and(u8::is_ascii_alphabetic)
}

/// Whether there are only numbers and what computes with them, and no date.
fn is_constant(body: &[u8]) -> bool {
    crate::inspect::steps::count(body.len());
    let operators = body.iter().filter(|byte| matches!(byte, b'*' | b'+' | b'-' | b'/' | b'%')).count();
    operators == 1
        && body.iter().all(|byte| {
            byte.is_ascii_digit() || matches!(byte, b' ' | b'(' | b')' | b'*' | b'+' | b'-' | b'/' | b'%' | b'.')
        })
}

/// Whether the expression goes from an empty text, list or object to its class: `''.x`, `"".x`, `[].x`, `().x`, `{}.x`, `'a'.x(`.
fn climbs(body: &[u8]) -> bool {
    let is_empty = [&b"''"[..], b"\"\"", b"[]", b"()", b"{}"]
        .iter()
        .any(|empty| body.strip_prefix(*empty).is_some_and(|rest| matches!(at(rest, 0), b'.' | b'[' | b'|')));
    let quote = at(body, 0);
    let is_text = matches!(quote, b'\'' | b'"')
        && body.get(1..).and_then(|rest| memchr::memchr(quote, rest).and_then(|end| rest.get(end + 1..))).is_some_and(
            |rest| at(rest, 0) == b'.' && rest.contains(&b'(') || at(rest, 0) == b'?' && rest.starts_with(b"?new"),
        );
    is_empty || is_text
}

/// Whether there is a name of the kind `__class__`, and more than it.
fn has_dunder(body: &[u8]) -> bool {
    words(body).any(|(_, word)| is_dunder(word) && word.len() < body.len())
}

fn is_dunder(word: &[u8]) -> bool {
    word.len() > 4 && word.starts_with(b"__") && word.ends_with(b"__")
}

/// Names that only attacks need in an expression.
fn is_gadget(word: &[u8]) -> bool {
    matches!(
        word,
        b"$eval"
            | b"$smarty"
            | b"_tplprocess"
            | b"child_process"
            | b"classloader"
            | b"cycler"
            | b"defineclass"
            | b"file_excerpt"
            | b"file_get_contents"
            | b"file_put_contents"
            | b"forname"
            | b"get_flashed_messages"
            | b"getclass"
            | b"getclassloader"
            | b"getdeclaredmethod"
            | b"getenginebyname"
            | b"getfilter"
            | b"getmethod"
            | b"getprotectiondomain"
            | b"getruntime"
            | b"importlib"
            | b"joiner"
            | b"jythonruntime"
            | b"lipsum"
            | b"mainmodule"
            | b"memberaccess"
            | b"objectconstructor"
            | b"passthru"
            | b"phpinfo"
            | b"popen"
            | b"proc_open"
            | b"processbuilder"
            | b"processimpl"
            | b"registerundefinedfiltercallback"
            | b"scriptenginemanager"
            | b"shell_exec"
            | b"smarty_internal_write_file"
            | b"spawnsync"
            | b"subprocess"
            | b"urlclassloader"
    )
}

/// Names that are common, and an attack once they are called.
fn is_called(word: &[u8]) -> bool {
    matches!(
        word,
        b"assert"
            | b"constructor"
            | b"dump"
            | b"eval"
            | b"exec"
            | b"execsync"
            | b"execute"
            | b"fork"
            | b"gets"
            | b"inspect"
            | b"open"
            | b"readfile"
            | b"readlines"
            | b"scandir"
            | b"spawn"
            | b"system"
    )
}

/// Whether an expression that is more than a name has one that only attacks need, or calls what they call.
fn has_gadget(body: &[u8]) -> bool {
    let has_call = body.contains(&b'(');
    words(body).any(|(start, word)| {
        if word.len() < 2 {
            return false;
        }
        let before = at(body, start.wrapping_sub(1));
        let next = body.get(start + word.len()..).unwrap_or_default();
        let after = next.iter().find(|byte| **byte != b' ').copied().unwrap_or(0);
        if is_dunder(word) {
            return word.len() < body.len();
        }
        if is_gadget(word) || has_call && reaches(word, next) {
            return true;
        }
        let is_quoted = matches!(before, b'\'' | b'"') && at(next, 0) == before;
        match word {
            b"attr" => after == b'(' && (before == b'|' || body.contains(&b'|') && body.contains(&b'_')),
            b"assert" | b"constructor" | b"exec" | b"system" if is_quoted => true,
            _ => is_called(word) && (after == b'(' || matches!(after, b'\'' | b'"' | b'`') && !is_quoted),
        }
    })
}

/// Whether an object of an engine or a language is left for what runs or reads.
fn reaches(word: &[u8], next: &[u8]) -> bool {
    let members: &[&[u8]] = match word {
        b"config" | b"request" => &[b".items", b".application", b"|attr", b"['application", b".environ"],
        b"_self" | b"self" => &[b".env.", b"._", b".module.", b"::"],
        b"java" | b"javax" => &[b".lang", b".io", b".util", b".net", b".script"],
        b"pagecontext" | b"sessionscope" | b"applicationscope" | b"facescontext" => &[b".", b"["],
        b"class" => &[b".getresource(", b".getname(", b".forname"],
        b"system" => &[b".diagnostics", b".io.file"],
        b"process" => &[b".start(", b".binding("],
        b"io" | b"file" | b"dir" => &[b".popen", b".open", b".read", b".entries"],
        _ => &[],
    };
    members.iter().any(|member| next.starts_with(member))
}

/// Backticks of Ruby and its `%x`, and scripts of pages.
fn runs(opener: Opener, body: &[u8]) -> bool {
    match opener {
        Opener::Hash => at(body, 0) == b'`' || body.starts_with(b"%x"),
        Opener::Angle => {
            const STARTS: [&[u8]; 10] = [
                b"`",
                b"%x",
                b"@ page",
                b"@page",
                b"@ include",
                b"eval request",
                b"execute request",
                b"import os",
                b"response.write(",
                b"out.print",
            ];
            STARTS.iter().any(|start| body.starts_with(start))
        }
        Opener::Dollar
        | Opener::Double
        | Opener::Percent
        | Opener::Star
        | Opener::At
        | Opener::Paren
        | Opener::Statement => false,
    }
}

/// A statement that loads a module, or that branches on a constant.
fn statement(body: &[u8]) -> Option<&'static str> {
    let mut parts = body.split(|byte| *byte == b' ').filter(|part| !part.is_empty());
    let keyword = parts.next()?;
    let next = parts.next().unwrap_or_default();
    match keyword {
        b"import" if !matches!(at(next, 0), b'"' | b'\'') && parts.next().is_none() => Some("ssti.gadget"),
        b"debug" if next.is_empty() => Some("ssti.context"),
        b"if" | b"elif" | b"unless"
            if matches!(next, b"true" | b"false" | b"1" | b"0" | b"1==1" | b"1=1") && parts.next().is_none() =>
        {
            Some("ssti.arithmetic")
        }
        _ => None,
    }
}

/// The words of an expression, with where they begin.
fn words(body: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$');
    body.chunk_by(move |a, b| is_word(a) == is_word(b))
        .scan(0, |at, chunk| {
            let start = *at;
            *at += chunk.len();
            Some((start, chunk))
        })
        .filter(move |(_, chunk)| chunk.first().is_some_and(is_word))
}
