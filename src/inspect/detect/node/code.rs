//! Code for an evaluator: calls that run, load or loop, and what leads to them.

use super::call::{self, Callee, Position};
use super::{Found, Input};

/// What is called, as `object.method` or a name alone.
struct Target<'a> {
    object: &'a [u8],
    name: &'a [u8],
    from: usize,
}

fn target<'a>(lower: &'a [u8], at: &call::Call) -> Option<Target<'a>> {
    let name = lower.get(at.from..at.to)?;
    let joint = match at.callee {
        Callee::Name => return Some(Target { object: b"", name, from: at.from }),
        Callee::Member if call::before(lower, at.from) == Some(b'.') => 1,
        Callee::Member => 2,
        Callee::Variable | Callee::Expression => return None,
    };
    let from = call::word_start(lower, at.from - joint);
    Some(Target { object: lower.get(from..at.from - joint)?, name, from })
}

/// Modules of Node that run, load or listen.
const MODULES: [&[u8]; 6] = [b"child_process", b"cluster", b"inspector", b"repl", b"vm", b"worker_threads"];
/// Modules that are loaded in one breath with what they are used for, where nothing but the call is sent.
const FURTHER_MODULES: [&[u8]; 11] =
    [b"dgram", b"dns", b"fs", b"fs/promises", b"http", b"https", b"module", b"net", b"os", b"process", b"tls"];

/// Names that are of interest whatever they are called on.
pub(super) const NAMES: [&[u8]; 20] = [
    b"__import__",
    b"_load",
    b"apply",
    b"binding",
    b"call",
    b"class_eval",
    b"compile",
    b"constructor",
    b"dlopen",
    b"eval",
    b"exec",
    b"execscript",
    b"execute",
    b"for",
    b"function",
    b"import",
    b"instance_eval",
    b"loadstring",
    b"require",
    b"while",
];

/// Whether something is told by a call of this.
fn is_known(to: &Target<'_>) -> bool {
    if to.name.len() < 3 {
        return false;
    }
    crate::inspect::steps::count(24);
    NAMES.binary_search(&to.name).is_ok()
        || matches!(to.name, b"settimeout" | b"setinterval" | b"setimmediate")
        || matches!(to.object, b"process" | b"console")
        || runs_programs(to.object, to.name)
}

/// What is told of a call with a string within a file or letter: the back door to modules, and otherwise that there is code.
fn in_long_text(lower: &[u8], to: &Target<'_>, open: usize, found: &mut Found) {
    let range = to.from..open + 1;
    let module = lower.get(open + 2..).unwrap_or_default();
    let module = module.strip_prefix(b"node:").unwrap_or(module);
    let loads = MODULES
        .iter()
        .any(|name| module.starts_with(name) && !module.get(name.len()).is_some_and(|byte| call::is_word(*byte)));
    match (to.object, to.name) {
        (b"", b"require" | b"import") if loads => {
            let is_chained =
                memchr::memmem::find(module.get(..module.len().min(20)).unwrap_or_default(), b").").is_some();
            found.add(if is_chained { "node.require" } else { "node.code-in-text" }, range);
        }
        (b"process" | b"mainmodule", b"require" | b"_load" | b"binding" | b"dlopen") => {
            found.add("node.require", range)
        }
        (b"", b"__import__") => found.add("node.code-in-text", range),
        _ if runs_programs(to.object, to.name) => found.add("node.code-in-text", range),
        _ => {}
    }
}

/// Judges what is called by the `(` at `open`.
pub(super) fn call(input: &Input<'_>, open: usize, is_short: bool, found: &mut Found) {
    let lower = input.lower;
    crate::inspect::steps::count(6);
    // Of what has no name nothing is told.
    let is_named = |byte: u8| call::is_word(byte) || byte.is_ascii_whitespace() || byte == b'/';
    if !call::before(lower, open).is_some_and(is_named) {
        return;
    }
    let Some(at) = call::call_at(lower, open) else { return };
    let Some(to) = target(lower, &at) else { return };
    if !is_known(&to) {
        return;
    }
    if !is_short && call::position(lower, to.from) != Position::Start {
        if call::begins_as_code(lower, open) {
            in_long_text(lower, &to, open, found);
        }
        return;
    }
    let (range, is_closed) = call::arguments(lower, open);
    let inside = lower.get(range.clone()).unwrap_or_default().trim_ascii();
    let end = range.end;
    let goes_on = !is_closed || call::goes_on_as_code(lower, end + 1);
    judge(
        input,
        &Seen { position: call::position(lower, to.from), to, inside, open, end, is_closed, goes_on, is_short },
        found,
    );
}

/// A call with its arguments.
struct Seen<'a> {
    to: Target<'a>,
    position: Position,
    inside: &'a [u8],
    open: usize,
    /// Where the arguments end.
    end: usize,
    is_closed: bool,
    /// What follows is code, or nothing.
    goes_on: bool,
    is_short: bool,
}

impl Seen<'_> {
    /// Whether it stands where code that was sent stands.
    fn is_code(&self) -> bool {
        self.goes_on
            && match self.position {
                Position::Start => true,
                Position::Break => self.is_short,
                Position::Word => false,
            }
    }

    /// Whether a short value starts with it.
    fn is_start(&self) -> bool {
        self.is_short && self.position == Position::Start
    }
}

fn judge(input: &Input<'_>, seen: &Seen<'_>, found: &mut Found) {
    let Seen { to, inside, end, is_short, .. } = seen;
    let (lower, inside, end, is_short) = (input.lower, *inside, *end, *is_short);
    let quoted = matches!(inside.first(), Some(b'"' | b'\'' | b'`'));
    let range = to.from..seen.open + 1;
    match (to.object, to.name) {
        (b"", b"require" | b"import")
        | (b"process" | b"module" | b"mainmodule", b"require" | b"_load" | b"binding" | b"dlopen") => {
            let module = inside.get(1..inside.len().saturating_sub(1)).filter(|_| quoted).unwrap_or(inside);
            let is_chained = matches!(lower.get(end + 1), Some(b'.' | b'['));
            let by_back_door = !to.object.is_empty() && seen.is_code();
            if let Some(rule) = loading(module, is_chained, is_short, by_back_door, seen.is_start()) {
                found.add(rule, range);
            }
        }
        (
            b"",
            b"eval" | b"function" | b"settimeout" | b"setinterval" | b"setimmediate" | b"execscript" | b"loadstring"
            | b"exec" | b"compile",
        )
        | (_, b"constructor" | b"instance_eval" | b"class_eval") => {
            let is_made = inside.starts_with(b"string.fromcharcode")
                || inside.starts_with(b"atob(")
                || inside.starts_with(b"unescape(");
            if (quoted || is_made) && seen.is_code() {
                found.add("node.evaluate", range);
            }
        }
        (b"", b"while" | b"for") if seen.is_code() && is_endless(input, to, inside, end) => {
            found.add("node.endless-loop", range);
        }
        (b"", b"__import__") if quoted || !seen.is_closed => {
            found.add(if is_short { "node.python" } else { "node.code-in-text" }, range);
        }
        (b"process", b"kill" | b"exit" | b"abort" | b"chdir" | b"setuid") if seen.is_start() && seen.goes_on => {
            found.add("node.probe", range);
        }
        (b"console", _) if seen.is_start() && seen.goes_on && is_trivial(inside) => found.add("node.probe", range),
        // `console.info.call(this, 1)`.
        (_, b"call" | b"apply") if is_short && lower.trim_ascii_start().starts_with(b"console.") => {
            found.add("node.probe", range)
        }
        _ if runs_programs(to.object, to.name) => {
            let is_met = !inside.is_empty() && seen.is_code();
            found.add(if is_met { "node.runs-program" } else { "node.code-in-text" }, range);
        }
        // Groovy: `"id".execute()`.
        (b"", b"execute") if inside.is_empty() => {
            let before = lower.get(..to.from).and_then(|before| before.strip_suffix(b"."));
            if before.is_some_and(|before| matches!(before.last(), Some(b'"' | b'\'' | b']'))) && is_short {
                found.add("node.runs-program", range);
            }
        }
        _ => {}
    }
}

/// What is told by a module that is loaded.
fn loading(
    module: &[u8],
    is_chained: bool,
    is_short: bool,
    by_back_door: bool,
    is_start: bool,
) -> Option<&'static str> {
    let module = module.strip_prefix(b"node:").unwrap_or(module);
    if MODULES.contains(&module) {
        return Some(if is_chained || is_short { "node.require" } else { "node.code-in-text" });
    }
    (by_back_door || FURTHER_MODULES.contains(&module) && is_chained && is_start).then_some("node.require")
}

/// Whether a loop has no end and no body. In source code it has a body; what it broke out of ends with a quote, whatever the body.
fn is_endless(input: &Input<'_>, to: &Target<'_>, condition: &[u8], end: usize) -> bool {
    let body = input.lower.get(end + 1..).unwrap_or_default();
    let is_empty = !body.iter().any(|byte| call::is_word(*byte)) && body.contains(&b'{') == body.contains(&b'}');
    let before = input.lower.get(..to.from).unwrap_or_default();
    let breaks_out = memchr::memchr2(b'"', b'\'', before).is_some();
    (if to.name == b"for" { condition == b";;" } else { is_constant(condition) }) && (is_empty || breaks_out)
}

/// Whether arguments are what a probe has: a number or a sum, and no names.
fn is_trivial(arguments: &[u8]) -> bool {
    arguments.len() <= 16 && arguments.iter().all(|byte| byte.is_ascii_digit() || b"+-*/'\" `".contains(byte))
}

/// Whether a method runs programs: in Python, Ruby, Lua.
fn runs_programs(object: &[u8], name: &[u8]) -> bool {
    match object {
        b"os" => {
            matches!(name, b"system" | b"popen" | b"execute" | b"startfile")
                || name.starts_with(b"spawn")
                || matches!(name, b"execl" | b"execle" | b"execlp" | b"execv" | b"execve" | b"execvp" | b"execvpe")
        }
        b"subprocess" => {
            matches!(
                name,
                b"popen" | b"call" | b"run" | b"check_output" | b"check_call" | b"getoutput" | b"getstatusoutput"
            )
        }
        b"pty" => name == b"spawn",
        b"kernel" => {
            matches!(name, b"exec" | b"system" | b"spawn" | b"open" | b"eval" | b"fork" | b"load" | b"syscall")
        }
        b"io" => name == b"popen",
        b"process" => matches!(name, b"spawn" | b"daemon" | b"detach"),
        b"open3" => name.starts_with(b"capture") || name.starts_with(b"popen") || name.starts_with(b"pipeline"),
        _ => false,
    }
}

/// Whether a condition is constant and holds, or is a constant turned about so often that it hides something.
fn is_constant(condition: &[u8]) -> bool {
    let mut rest = condition;
    let mut turns = 0;
    while let Some((first, behind)) = rest.split_first() {
        match first {
            b'!' => turns += 1,
            b'+' | b'-' | b'~' | b'(' | b' ' => {}
            _ => break,
        }
        rest = behind;
    }
    let end = rest.iter().rposition(|byte| !matches!(byte, b')' | b' ')).map_or(0, |at| at + 1);
    let rest = rest.get(..end).unwrap_or_default();
    let is_empty =
        matches!(rest, b"false" | b"0" | b"nan" | b"null" | b"undefined" | b"''" | b"\"\"" | b"``" | b"void 0");
    let is_full = matches!(
        rest,
        b"true"
            | b"infinity"
            | b"this"
            | b"[]"
            | b"{}"
            | b"string"
            | b"number"
            | b"object"
            | b"array"
            | b"boolean"
            | b"function"
            | b"date"
            | b"math"
            | b"json"
            | b"symbol"
            | b"self"
            | b"globalthis"
    ) || !is_empty && !rest.is_empty() && rest.iter().all(u8::is_ascii_digit)
        || rest.starts_with(b"new ") && rest.len() < 24;
    if is_empty { turns > 0 } else { is_full && turns % 2 == 0 }
}

/// Ways to the interpreter that are no calls: `process.env`, `process["mainModule"]`, `module.exports=`, `%x(id)`.
pub(super) fn bare(input: &Input<'_>, is_short: bool, found: &mut Found) {
    let lower = input.lower;
    let text = lower.trim_ascii();
    if !is_short {
        return;
    }
    let start = lower.len() - lower.trim_ascii_start().len();
    let leads = [
        &b"process.env"[..],
        b"process.mainmodule",
        b"process.argv",
        b"process.binding",
        b"process[",
        b"require[",
        b"console[",
        b"globalthis.process",
        b"global.process",
        b"this.process",
        b"module.exports=",
        b"require.main.",
    ];
    if let Some(lead) = leads.into_iter().find(|lead| text.starts_with(lead)) {
        let end = start + lead.len();
        let way = lower
            .get(end..)
            .unwrap_or_default()
            .iter()
            .take_while(|byte| call::is_word(**byte) || **byte == b'.')
            .count();
        let is_word = lead.last().is_some_and(|byte| call::is_word(*byte))
            && lower.get(end).is_some_and(|byte| call::is_word(*byte));
        let is_key = lead.ends_with(b"[") && lower.get(end).is_some_and(|byte| *byte == b']' || byte.is_ascii_digit());
        if !is_word && !is_key && (lead.ends_with(b"=") || call::goes_on_as_code(lower, end + way)) {
            found.add("node.probe", start..end);
        }
    }
    if let Some(at) = memchr::memmem::find(lower, b"child_process") {
        let is_used = matches!(call::before(lower, at), Some(b'"' | b'\'' | b'`' | b'('));
        if is_used && input.occurs.has(b'(') && lower.iter().any(|byte| matches!(byte, b';' | b'=' | b'.')) {
            found.add("node.require", at..at + 13);
        }
    }
    if let Some(at) = memchr::memmem::find(lower, b"mainmodule")
        && matches!(call::before(lower, at), Some(b'.' | b'[' | b'"' | b'\'' | b'`'))
    {
        found.add("node.require", at..at + 10);
    }
    for quote in [&b"%x"[..], b"qx"] {
        let Some(at) = memchr::memmem::find(lower, quote) else { continue };
        let opens = matches!(lower.get(at + 2), Some(b'(' | b'{' | b'[' | b'/' | b'|' | b'!'));
        let has_command = lower.get(at + 3).is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'/');
        if opens && has_command && call::position(lower, at) == Position::Start {
            found.add("node.runs-program", at..at + 3);
        }
    }
}

/// Attributes that lead from any object of Python to all classes and modules.
const ATTRIBUTES: [&[u8]; 7] =
    [b"__mro__", b"__subclasses__", b"__globals__", b"__builtins__", b"__getattribute__", b"__base__", b"__bases__"];

/// `''.__class__.__mro__[1].__subclasses__()`.
pub(super) fn attributes(input: &Input<'_>, is_short: bool, found: &mut Found) {
    if !input.occurs.has(b'_') {
        return;
    }
    let lower = input.lower;
    for at in super::super::places(lower, b"__") {
        crate::inspect::steps::count(24);
        let rest = lower.get(at..).unwrap_or_default();
        let is_attribute = || ATTRIBUTES.iter().any(|attribute| rest.starts_with(attribute));
        let before = lower.get(..at).unwrap_or_default();
        let is_chained = || [&b"__."[..], b"__['", b"__[\"", b").", b"]."].iter().any(|joint| before.ends_with(joint));
        if is_attribute() && is_chained() {
            found.add(if is_short { "node.python" } else { "node.code-in-text" }, at..at + 8);
            return;
        }
    }
}
