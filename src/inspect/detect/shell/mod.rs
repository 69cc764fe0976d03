//! Commands for a shell in what should be data (CWE-78): a way in, a program that is known, and arguments that look like arguments.

use std::cell::OnceCell;

use super::{Detector, Found, Input, Next};
use crate::inspect::gate::Bytes;
use crate::inspect::{Class, Part};

mod arguments;
mod call;
mod command;
mod commands;
mod forms;
mod prose;
#[cfg(test)]
pub(super) mod tests;
mod windows;
mod word;

use call::runs;
use command::Command;
use prose::{is_command_list, is_led_by_command, is_prose_word, lines, markdown_end};

/// The rules that this gives evidence for.
#[rustfmt::skip]
const IDS: &[&str] = &[
    "shell.after-prose", "shell.batch", "shell.blank-variable", "shell.cut-variable", "shell.fetch", "shell.fork-bomb", "shell.history",
    "shell.in-text", "shell.injected", "shell.line", "shell.parameter", "shell.program", "shell.redirection",
    "shell.run-variable", "shell.shellshock", "shell.spelled", "shell.words",
];

pub(super) const DETECTOR: Detector = Detector { ids: IDS, classes: &[Class::Rce], literals: &["bin/"], wakes, run };

/// What leads into a command wherever it stands.
const INTO: Bytes = Bytes::set(b";|&`$\n{<>!^\\%'\"");
/// What hides a name in a path.
const WILDCARD: Bytes = Bytes::set(b"?*[");

fn wakes(occurs: &Bytes) -> bool {
    occurs.has(b' ')
        || occurs.has(b'~')
        || occurs.any(&INTO)
        || occurs.has(b'/') && (occurs.any(&WILDCARD) || occurs.has(b'+'))
}

/// The bytes that a way into a command begins with.
const LEADS: &[u8] = b";\n`|&$<>'\"!=";
const LEAD: Bytes = Bytes::set(LEADS);

/// How a command is come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It is the value.
    Start,
    /// Behind `=` in a URL that is a header.
    Parameter,
    /// Behind `;`.
    Semicolon,
    /// Behind `&`.
    And,
    /// Behind `&&` or `||`.
    Both,
    /// Behind `|`.
    Pipe,
    /// On a line of its own.
    Line,
    /// In `$(`, `<(`, `>(`.
    Substitution,
    /// Behind a backtick, in code or in markdown.
    Tick,
    /// Behind `!`, as editors have it.
    Bang,
    /// The text that a function is given which runs it: `system('id')`.
    Call,
}

/// The most commands that are weighed in one value; each costs at most some hundred bytes of reading.
const MAX_COMMANDS: usize = 48;
/// The most backticks of which it is asked whether they are markdown.
const MAX_TICKS: u32 = 64;
/// The most hits in prose before nothing new can be learnt.
const MAX_IN_TEXT: u8 = 8;

fn run(input: &Input<'_>, found: &mut Found) {
    let lower = trim_end(input.lower);
    forms::look(input, lower, found);
    windows::look(input, lower, found);
    let mut scan = Scan {
        input,
        lower,
        in_text: 0,
        weighed: 0,
        span: 0,
        lines: OnceCell::new(),
        has_cells: OnceCell::new(),
        is_listed: OnceCell::new(),
        found,
    };
    if input.part != Part::Path && !is_address(input, lower) && scan.weigh(0, Way::Start) {
        return;
    }
    scan.all();
}

/// Whether all of a value is an address: no program stands behind a folder like that, and no second word.
fn is_address(input: &Input<'_>, lower: &[u8]) -> bool {
    let length = lower.iter().take(16).take_while(|byte| byte.is_ascii_lowercase()).count();
    length > 1 && lower.get(length..).is_some_and(|rest| rest.starts_with(b"://")) && !input.occurs.any(&APART)
}

/// What parts words, or hides bytes of them.
const APART: Bytes = Bytes::set(b" \t\n\r\x0b\x0c[");

/// Goes over a value, from one way into a command to the next.
struct Scan<'a, 'b> {
    input: &'a Input<'a>,
    lower: &'a [u8],
    in_text: u8,
    weighed: usize,
    /// Where a span of code in markdown ends.
    span: usize,
    /// How many lines the value has, whether it has as many `|` as a table, and whether commands are wanted here, once somebody asked.
    lines: OnceCell<usize>,
    has_cells: OnceCell<bool>,
    is_listed: OnceCell<bool>,
    found: &'b mut Found,
}

impl Scan<'_, '_> {
    fn all(&mut self) {
        let lower = self.lower;
        let is_url = self.input.part == Part::Header && lower.windows(3).take(8).any(|part| part == b"://");
        let mut ticks = 0u32;
        let lead = Next::of(&LEAD, LEADS, self.input.occurs);
        let mut at = 0;
        while let Some(skipped) = lower.get(at..).and_then(|rest| lead.find(rest)) {
            let byte = &self::byte(lower, at + skipped);
            at += skipped + 1;
            crate::inspect::steps::count(6 + skipped);
            let next = self::byte(lower, at);
            let way = match byte {
                b';' => Way::Semicolon,
                // Of several line breaks the last one leads to what the others lead to.
                b'\n' if next == b'\n' => continue,
                b'\n' => Way::Line,
                b'`' if next == b'`' => {
                    at += 1;
                    continue;
                }
                b'`' => {
                    ticks += 1;
                    if ticks.is_multiple_of(2) {
                        continue;
                    }
                    if ticks < MAX_TICKS {
                        self.span = self.span.max(markdown_end(lower, at));
                    }
                    Way::Tick
                }
                b'|' | b'&' if next == *byte => {
                    at += 1;
                    Way::Both
                }
                b'|' => Way::Pipe,
                b'&' => Way::And,
                b'$' | b'<' | b'>' if next == b'(' => {
                    at += 1;
                    Way::Substitution
                }
                b'\'' | b'"' if runs(lower, at - 1) => Way::Call,
                b'!' if next.is_ascii_alphabetic() => Way::Bang,
                b'=' if is_url => Way::Parameter,
                _ => continue,
            };
            if self.weigh(at, way) || self.in_text >= MAX_IN_TEXT || self.weighed >= MAX_COMMANDS {
                return;
            }
        }
    }

    /// Weighs what may be a command at `at`; says whether the matter is settled.
    fn weigh(&mut self, at: usize, way: Way) -> bool {
        // What names no program costs little: most ways into one end at its first byte.
        let Some(command) = Command::read(self.lower, at) else { return false };
        self.weighed += 1;
        let Some(rule) = (if way == Way::Start { self.at_start(&command) } else { self.inside(&command, way, at) })
        else {
            return false;
        };
        let range = at.saturating_sub(1)..command.end;
        if command.kind.fetches() && command.arguments.url {
            self.found.add("shell.fetch", range.clone());
        }
        if let Some(text) = self.is_text(&command, way, at) {
            self.in_text += 1;
            let is_put_in = text == Text::Prose && !is_led_by_command(self.lower, at, command.start, way);
            self.found.add(if is_put_in { "shell.after-prose" } else { "shell.in-text" }, range);
            return is_put_in;
        }
        self.found.add(rule, range);
        worth_stopping(rule)
    }

    /// A value that is a command line itself.
    fn at_start(&self, command: &Command) -> Option<&'static str> {
        let arguments = &command.arguments;
        if command.is_hidden {
            return Some("shell.spelled");
        }
        let is_prose = arguments.plain > 3 || command.is_capital(self.input.bytes);
        if is_prose {
            return None;
        }
        let is_sure = command.kind.is_sure() || command.kind.is_shell();
        if command.is_spelled && (is_sure || command.kind.is_bare() || arguments.is_shaped()) {
            return Some("shell.spelled");
        }
        if command.is_quoted && (is_sure && !arguments.is_empty || arguments.is_shaped()) {
            return Some("shell.spelled");
        }
        if command.has_folder {
            let is_told = arguments.is_shaped() || arguments.quoted || command.is_prefixed;
            return Some(if is_told { "shell.line" } else { "shell.program" });
        }
        let is_told = command.kind.is_bare() && !command.kind.is_column();
        let is_cut = is_told && arguments.is_empty && arguments.is_cut && command.is_adjacent(self.lower);
        let is_line = if is_sure {
            arguments.is_shaped() || command.is_prefixed && arguments.plain <= 1
        } else {
            arguments.plain <= 2 && (arguments.option || command.asks_for_system() || arguments.is_spelled)
                || arguments.plain <= 1 && (arguments.expansion || arguments.redirection)
                || command.kind.is_bare() && arguments.path
                || command.is_alias()
                || command.is_kill && arguments.number
        };
        if is_line || is_cut {
            return Some("shell.line");
        }
        self.as_parameter(command)
    }

    /// What is a command because of the name of its parameter.
    fn as_parameter(&self, command: &Command) -> Option<&'static str> {
        let name = self.input.trail.rsplit(|byte| matches!(byte, b'.' | b'[' | b']')).next().unwrap_or_default();
        let is_for_shell = [&b"cmd"[..], b"command", b"exec", b"execute", b"shell", b"run"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known));
        let is_for_code = [&b"code"[..], b"args", b"arg", b"payload", b"param", b"rce"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known));
        let is_sure = command.kind.is_sure();
        if self.input.is_name
            || !(is_for_shell && (is_sure || command.kind.is_bare() || command.arguments.is_shaped())
                || is_for_code && is_sure)
        {
            return (is_sure && command.arguments.plain <= 2).then_some("shell.words");
        }
        Some("shell.parameter")
    }

    /// A command behind something that ends another one.
    fn inside(&self, command: &Command, way: Way, at: usize) -> Option<&'static str> {
        let arguments = &command.arguments;
        if command.is_hidden
            || command.is_spelled
                && (command.kind.is_sure() || command.kind.is_bare() || arguments.is_shaped() || arguments.is_empty)
        {
            return Some("shell.spelled");
        }
        let is_sure = command.kind.is_sure();
        let is_list = self.is_list(way, at);
        let is_command = match way {
            Way::Start => false,
            Way::Parameter => (is_sure || command.kind.is_bare() || command.kind.is_prefix()) && arguments.option,
            Way::Call => true,
            Way::Substitution => arguments.plain <= 2 || arguments.quoted,
            Way::Tick => {
                arguments.is_shaped()
                    || arguments.number
                    || arguments.quoted
                    || arguments.is_empty && (is_sure || command.kind.is_bare())
                    || is_sure && arguments.plain <= 2
            }
            Way::Bang => is_sure && arguments.plain <= 1 || command.kind.is_bare() && arguments.is_empty,
            Way::Semicolon | Way::And | Way::Both | Way::Pipe | Way::Line => {
                let is_prose = command.is_prose(self.input.bytes);
                if is_sure {
                    let is_told =
                        command.kind.is_bare() && !command.kind.is_column() || command.is_prefixed || !is_list;
                    if arguments.is_empty { is_told } else { arguments.is_shaped() || arguments.plain <= 2 }
                } else if command.kind.is_shell() {
                    !is_prose && (arguments.is_shaped() || arguments.quoted || arguments.is_empty && !is_list)
                } else if command.has_folder {
                    true
                } else if command.kind.is_bare() && arguments.is_empty {
                    let is_column = is_list && command.kind.is_column();
                    !is_prose && !is_column && (way != Way::Line || !is_list && self.lines() <= 2)
                } else if command.kind.is_bare() && command.start == at && !arguments.is_shaped() {
                    !is_prose && arguments.plain <= 1
                } else {
                    !is_prose
                        && (arguments.is_shaped()
                            || arguments.quoted && arguments.plain <= 1
                            || arguments.number
                            || command.is_alias()
                            || command.is_echo && arguments.plain <= 2 && !arguments.is_empty)
                }
            }
        };
        is_command.then_some("shell.injected")
    }

    /// Whether this is one of several words between separators, as lists of columns have them (`name;id;date`, `x=1&sort`), or a cell of a
    /// table in markdown.
    fn is_list(&self, way: Way, at: usize) -> bool {
        if !matches!(way, Way::Semicolon | Way::Pipe | Way::And | Way::Line) {
            return false;
        }
        let before = self.lower.get(at.saturating_sub(80)..at.saturating_sub(1)).unwrap_or_default();
        crate::inspect::steps::count(before.len() / 2);
        let is_part = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-');
        let length = before.iter().rev().take_while(|byte| is_part(byte)).count();
        let preceding = before.len().checked_sub(length + 1).map_or(0, |n| byte(before, n));
        let is_word = length > 0 && matches!(preceding, 0 | b';' | b'|' | b'&' | b'=' | b',' | b'\n');
        let is_cell = way == Way::Pipe && self.has_cells();
        is_word || is_cell || way == Way::And && before.contains(&b'=')
    }

    fn has_cells(&self) -> bool {
        *self.has_cells.get_or_init(|| memchr::memchr_iter(b'|', self.lower).nth(3).is_some())
    }

    fn is_listed(&self) -> bool {
        *self.is_listed.get_or_init(|| self.input.part == Part::Body && is_command_list(self.input.trail))
    }

    fn lines(&self) -> usize {
        *self.lines.get_or_init(|| lines(self.lower))
    }

    /// In which kind of text the command stands, if in one: there it is told of, and rarely meant.
    fn is_text(&self, command: &Command, way: Way, at: usize) -> Option<Text> {
        // `Run cargo test`: what CI calls its steps by default.
        let is_step = self.input.part == Part::Body && self.input.bytes.starts_with(b"Run ");
        if self.span > 0 && at <= self.span || is_step || self.is_listed() {
            return Some(Text::Quoted);
        }
        let before = self.lower.get(at.saturating_sub(240)..at).unwrap_or_default();
        crate::inspect::steps::count(before.len());
        let words = before.split(|byte| is_space(*byte)).filter(|word| is_prose_word(word)).count();
        let is_long = (way != Way::Start || command.arguments.plain > 0) && self.lines() >= 4;
        (words >= 5 || is_long).then_some(Text::Prose)
    }
}

/// A text in which commands are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    /// Sentences, or many lines.
    Prose,
    /// Code in markdown, steps of CI, commands of containers.
    Quoted,
}

fn worth_stopping(rule: &str) -> bool {
    !matches!(rule, "shell.words" | "shell.program")
}

fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn trim_end(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
    value.get(..end).unwrap_or_default()
}
