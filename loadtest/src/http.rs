//! As much of HTTP/1.1 as the load needs: a request, and whether a whole answer has come.

use std::net::SocketAddr;

use memchr::memmem;

use crate::site::PATH;

/// The bytes of one request with this token.
pub(crate) fn request(address: SocketAddr, token: &str) -> Vec<u8> {
    format!("GET {PATH} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n").into_bytes()
}

/// The status of the answer, once it is there as a whole; all answers here have a `Content-Length`.
///
/// # Errors
/// An answer that cannot be understood.
pub(crate) fn status(answer: &[u8]) -> std::io::Result<Option<u16>> {
    let Some(end) = memmem::find(answer, b"\r\n\r\n") else { return Ok(None) };
    let parse = || {
        let head = std::str::from_utf8(answer.get(..end)?).ok()?;
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let field = |line: &str| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        };
        Some((status, head.lines().find_map(field)?))
    };
    let unknown = || std::io::Error::other(String::from_utf8_lossy(answer).into_owned());
    let (status, length) = parse().ok_or_else(unknown)?;
    Ok((answer.len() >= end + 4 + length).then_some(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_last_byte() {
        for (answer, want) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r", None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", None),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab", Some(200)),
            ("HTTP/1.1 401 Unauthorized\r\nDate: x\r\nContent-Length: 0\r\n\r\n", Some(401)),
        ] {
            assert_eq!(status(answer.as_bytes()).expect(answer), want, "{answer}");
        }
        for answer in ["HTTP/1.1 200 OK\r\n\r\n", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"] {
            assert!(status(answer.as_bytes()).is_err(), "{answer}");
        }
    }
}
