//! A URL as those read it who fetch it: without slashes, with too many, with a user that looks like a host.

/// The parts of a URL that matter here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Url<'a> {
    /// Before `:`, if it is one.
    pub(super) scheme: Option<&'a [u8]>,
    /// Whether it begins with `//`, and takes the scheme of whoever reads it.
    is_relative: bool,
    user: Option<&'a [u8]>,
    raw_host: &'a [u8],
    /// Whether something follows host and port.
    pub(super) has_path: bool,
    /// All behind the scheme.
    pub(super) rest: &'a [u8],
}

/// Wrappers before a URL: `jar:http://..`, `url:file://..`, `feed:http://..`.
const WRAPPERS: &[&[u8]] = &[b"jar:", b"url:", b"local:", b"view-source:", b"feed:"];

impl<'a> Url<'a> {
    /// Reads a value in lower case as a URL; of one without a scheme, as host and path.
    pub(super) fn parse(value: &'a [u8]) -> Option<Self> {
        let colon = value.iter().take(24).position(|byte| !is_scheme(*byte)).unwrap_or(value.len());
        let scheme = value.get(..colon)?;
        let after = value.get(colon..)?;
        let is_scheme =
            colon >= 2 && scheme.first().is_some_and(u8::is_ascii_alphabetic) && after.first() == Some(&b':');
        let is_web = matches!(scheme, b"http" | b"https");
        let slashes = after.iter().skip(1).take_while(|byte| matches!(byte, b'/' | b'\\')).count();
        if !is_scheme || !(slashes >= 2 || is_web || is_wrapper(value)) {
            return Some(Self::without_scheme(value));
        }
        let rest = after.get(1 + slashes..)?;
        let (user, raw_host, has_path) = authority(rest);
        Some(Self { scheme: Some(scheme), is_relative: false, user, raw_host, has_path, rest })
    }

    fn without_scheme(value: &'a [u8]) -> Self {
        let rest = value.strip_prefix(b"//").unwrap_or(value);
        let (user, raw_host, has_path) = authority(rest);
        Self { scheme: None, is_relative: value.starts_with(b"//"), user, raw_host, has_path, rest }
    }

    /// The host, with escapes, letters in circles and full width undone.
    pub(super) fn host<'r>(&self, room: &'r mut [u8; 96]) -> &'r [u8] {
        let mut length = 0;
        let mut rest = self.raw_host;
        while let Some((byte, tail)) = plain(rest) {
            rest = tail;
            if let (Some(byte), Some(place)) = (byte, room.get_mut(length)) {
                *place = byte;
                length += 1;
            }
        }
        let host = room.get(..length).unwrap_or_default();
        host.strip_suffix(b".").unwrap_or(host)
    }

    /// Whether a server would ask for it, and not a client of Git for its repository.
    pub(super) fn is_asked(&self) -> bool {
        self.is_relative
            || self.scheme.is_some_and(|scheme| {
                !matches!(
                    scheme,
                    b"ssh"
                        | b"git"
                        | b"git+ssh"
                        | b"docker"
                        | b"redis"
                        | b"postgres"
                        | b"postgresql"
                        | b"mysql"
                        | b"mongodb"
                        | b"amqp"
                )
            })
    }

    /// Whether the host is written in circled letters, which become plain ones only where it is asked for, or has two ports, of which readers take
    /// one or the other.
    pub(super) fn is_disguised(&self) -> bool {
        let ports = || self.raw_host.split(|byte| *byte == b':').skip(1);
        let has_ports = self.is_asked() && !self.raw_host.starts_with(b"[") && self.raw_host.contains(&b'.');
        self.raw_host.windows(2).any(|pair| matches!(pair, [0xe2, 0x91..=0x93]))
            || has_ports && ports().count() == 2 && ports().all(|port| is_port(Some(port)))
    }

    /// A scheme that nothing but a fetching library of the server understands, or a file.
    pub(super) fn is_dangerous(&self) -> bool {
        let Some(scheme) = self.scheme else { return false };
        matches!(
            scheme,
            b"gopher"
                | b"dict"
                | b"tftp"
                | b"netdoc"
                | b"file"
                | b"jar"
                | b"url"
                | b"local_file"
                | b"ldap"
                | b"ldaps"
                | b"ldapi"
                | b"rmi"
                | b"xri"
                | b"smb"
                | b"expect"
                | b"glob"
                | b"mailto2"
        )
    }

    /// A scheme for files and mail, which repositories have too.
    pub(super) fn is_transfer(&self) -> bool {
        let Some(scheme) = self.scheme else { return false };
        matches!(
            scheme,
            b"ftp"
                | b"ftps"
                | b"sftp"
                | b"scp"
                | b"rsync"
                | b"pop3"
                | b"pop3s"
                | b"imap"
                | b"imaps"
                | b"smtp"
                | b"telnet"
                | b"rtmp"
                | b"rtsp"
        )
    }

    /// Whether what stands before `@` looks like a host, which some take it for: `http://good.example@evil.example/`.
    pub(super) fn has_host_as_user(&self) -> bool {
        let Some(user) = self.user else { return false };
        let name = user
            .split(|byte| matches!(byte, b':' | b'#' | b'/' | b'\\' | b'%' | b'&' | b' '))
            .next()
            .unwrap_or_default();
        let is_secured = matches!(self.scheme, Some(b"http" | b"https" | b"ftp"));
        let is_odd = user.iter().any(|byte| matches!(byte, b'#' | b'/' | b'\\' | b'&' | b' ' | b'@'));
        is_secured
            && name.iter().filter(|byte| **byte == b'.').count() >= 1
            && (is_odd || name == user || is_port(user.get(name.len() + 1..)))
    }

    /// Whether it names a script, or what a script can be told to include.
    pub(super) fn is_script(&self) -> bool {
        let path = self.rest.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
        [
            &b".php"[..],
            b".txt",
            b".asp",
            b".aspx",
            b".jsp",
            b".sh",
            b".pl",
            b".cgi",
            b".exe",
            b".ps1",
            b".phtml",
            b".inc",
            b".py",
            b".dat",
        ]
        .iter()
        .any(|end| path.ends_with(end))
    }
}

fn is_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_')
}

fn is_wrapper(value: &[u8]) -> bool {
    WRAPPERS.iter().any(|wrapper| value.starts_with(wrapper)) && value.iter().filter(|byte| **byte == b':').count() > 1
}

/// User, host and port, and whether anything follows. The last `@` before the path decides, and of a user with `/` or `#` in it the last of all.
fn authority(rest: &[u8]) -> (Option<&[u8]>, &[u8], bool) {
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    crate::inspect::steps::count(4 * end);
    let first = rest.get(..end).unwrap_or_default();
    let at = first.iter().rposition(|byte| *byte == b'@');
    // `http://good.example:80 &@evil/# @good`, `http://good.example/@evil/` behind a decoder.
    let behind = rest.get(end..).unwrap_or_default();
    let late =
        behind.iter().take(3).position(|byte| *byte == b'@').filter(|n| at.is_none() && is_host(behind.get(n + 1..)));
    let (user, host_start) = match (at, late) {
        (Some(at), _) => (rest.get(..at), at + 1),
        (None, Some(n)) => (rest.get(..end + n), end + n + 1),
        (None, None) => (None, 0),
    };
    let rest = rest.get(host_start..).unwrap_or_default();
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let host = rest.get(..end).unwrap_or_default();
    let host = if host.first() == Some(&b'[') {
        host.iter().position(|byte| *byte == b']').map_or(host, |close| host.get(..=close).unwrap_or_default())
    } else if host.iter().filter(|byte| **byte == b':').count() == 1 {
        host.split(|byte| *byte == b':').next().unwrap_or_default()
    } else {
        host
    };
    (user, host, end < rest.len())
}

/// Whether this is a port, and no password.
fn is_port(rest: Option<&[u8]>) -> bool {
    rest.is_some_and(|rest| !rest.is_empty() && rest.len() <= 5 && rest.iter().all(u8::is_ascii_digit))
}

/// Whether a host begins here, and not a user or a group as `/@name/` has them.
fn is_host(rest: Option<&[u8]>) -> bool {
    let rest = rest.unwrap_or_default();
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b':')).unwrap_or(rest.len());
    rest.iter().take(end).any(|byte| *byte == b'.') && !rest.contains(&b'@')
}

/// The first character as a host has it after normalisation (UTS 46), and what follows; nothing for what is taken off.
fn plain(rest: &[u8]) -> Option<(Option<u8>, &[u8])> {
    let (first, tail) = rest.split_first()?;
    match (first, tail) {
        (b'\\' | b'\t' | b'\r' | b'\n', _) => Some((None, tail)),
        // Circled letters and digits: U+24B6, U+24D0, U+2460; U+24EA is nought.
        (0xe2, [0x92, low, tail @ ..]) if *low >= 0xb6 => Some((Some(b'a' + (low - 0xb6)), tail)),
        (0xe2, [0x93, low, tail @ ..]) => Some((
            match low {
                0x80..=0x8f => Some(b'k' + (low - 0x80)),
                0x90..=0xa9 => Some(b'a' + (low - 0x90)),
                0xaa => Some(b'0'),
                _ => None,
            },
            tail,
        )),
        (0xe2, [0x91, low @ 0xa0..=0xa8, tail @ ..]) => Some((Some(b'1' + (low - 0xa0)), tail)),
        // Full width: U+FF01 to U+FF5E.
        (0xef, [0xbc, low @ 0x81..=0xbf, tail @ ..]) => Some((Some((low - 0x81 + b'!').to_ascii_lowercase()), tail)),
        (0xef, [0xbd, low @ 0x80..=0x9e, tail @ ..]) => Some((Some(low - 0x80 + b'`'), tail)),
        // The ideographic full stop.
        (0xe3, [0x80, 0x82, tail @ ..]) => Some((Some(b'.'), tail)),
        _ => Some((Some(*first), tail)),
    }
}
