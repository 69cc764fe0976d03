//! A secret from whoever types it, or from standard input.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::domain::Secret;
use crate::vault::MAX_SECRET;

/// The secret from a prompt that does not show it, or from standard input; line ends at its end are dropped.
pub(in crate::cli) fn ask(name: &str) -> io::Result<Secret> {
    let input = io::stdin();
    if !input.is_terminal() {
        return read_all(&mut input.lock());
    }
    let hidden = |prompt: &str| {
        write!(io::stderr(), "{prompt}: ")?;
        let hidden = HiddenInput::begin()?;
        let secret = read_line(&mut input.lock());
        drop(hidden);
        writeln!(io::stderr())?;
        secret
    };
    let secret = hidden(&format!("Value of {name} (not shown)"))?;
    let again = hidden("The same again")?;
    // Nobody sees a slip of the finger.
    if secret.expose() != again.expose() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the two are not the same: nothing was written"));
    }
    Ok(secret)
}

// One byte and a line end more than a secret may have: what is too long is then refused, not cut. The buffers never grow, which would leave
// copies behind.
const ROOM: usize = MAX_SECRET + 3;

pub(super) fn read_all(input: &mut dyn Read) -> io::Result<Secret> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
    input.take(ROOM as u64).read_to_end(&mut bytes)?;
    Ok(Secret::new(std::mem::take(&mut *bytes)).trim_line_end())
}

fn read_line(input: &mut dyn BufRead) -> io::Result<Secret> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
    input.take(ROOM as u64).read_until(b'\n', &mut bytes)?;
    Ok(Secret::new(std::mem::take(&mut *bytes)).trim_line_end())
}

/// The terminal shows nothing of what is typed until this is dropped.
struct HiddenInput(Termios);

impl HiddenInput {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        // Nothing better can be done where a terminal does not take its own settings back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_or_everything_is_read_without_the_line_end() {
        let pem = "-----BEGIN-----\nabc\n-----END-----\n";
        assert_eq!(read_all(&mut pem.as_bytes()).expect("read").expose(), pem.trim_end().as_bytes());
        assert_eq!(read_line(&mut &b"typed\r\nmore"[..]).expect("read").expose(), b"typed");
    }
}
