//! What is shown, as text for a terminal.

use std::fmt::Write as _;

use super::tally::{Rate, Shown};

/// Begins a new screen.
pub(super) const CLEAR: &str = "\x1b[H\x1b[2J";
/// The widest name that is shown whole.
const WIDTH: usize = 44;

/// The whole screen.
pub(super) fn draw(shown: &Shown) -> String {
    let mut out = String::new();
    // Into memory, they can always be written.
    let _ = writeln!(
        out,
        "{:>9.1} requests/s  {:>7} under way  {:>7} connections  {:>7} sessions  {:>5} grants",
        shown.requests_per_second, shown.in_flight, shown.connections, shown.sessions, shown.grants
    );
    let _ = writeln!(
        out,
        "{:>9} records not written  {:>7} not delivered  {:>4} secrets failed  {:>7} records not counted here",
        shown.audit_queue, shown.sink_lag, shown.secrets_failed, shown.left_out
    );
    list(&mut out, "REFUSED", &shown.denials);
    list(&mut out, "PRINCIPALS", &shown.principals);
    list(&mut out, "ROUTES", &shown.routes);
    if !shown.happenings.is_empty() {
        let _ = writeln!(out, "\nALSO");
    }
    for one in &shown.happenings {
        let time = one.time.get(11..19).unwrap_or("-");
        let _ = writeln!(out, "  {time}  {:<10} {}", plain(&one.kind, 10), plain(&one.what, 100));
    }
    out
}

fn list(out: &mut String, title: &str, rates: &[Rate]) {
    let _ = writeln!(out, "\n{title:<46} {:>10}", "a second");
    for rate in rates {
        let _ = writeln!(out, "  {:<44} {:>10.1}", plain(&rate.name, WIDTH), rate.per_second);
    }
}

/// A name that callers may have chosen, without what a terminal would act on.
fn plain(text: &str, most: usize) -> String {
    let safe =
        |c: char| if c.is_ascii_graphic() || c == ' ' || (c.is_alphanumeric() && !c.is_control()) { c } else { '?' };
    let mut plain: String = text.chars().take(most).map(safe).collect();
    if text.chars().nth(most).is_some() {
        plain.pop();
        plain.push('~');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_moves_the_cursor() {
        for (text, want) in [
            ("corp:ada", "corp:ada"),
            ("\u{1b}[2Jx", "?[2Jx"),
            ("a\u{202e}b\r\n\u{9b}c", "a?b???c"),
            ("Zoë", "Zoë"),
            ("0123456789", "0123456~"),
        ] {
            assert_eq!(plain(text, 8), want);
        }
    }
}
