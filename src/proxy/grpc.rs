//! The messages of a body of gRPC, gRPC-Web or Connect, of which each is a text of its own (gRPC over HTTP/2, "Length-Prefixed-Message";
//! Connect, "Enveloped-Message").

use bytes::Bytes;
use http::{HeaderMap, header};

/// Where a body stands.
#[derive(Debug)]
pub(super) struct Messages {
    /// What has come of a prefix: whether the message is compressed, and its length.
    prefix: [u8; PREFIX],
    came: usize,
    /// How much of a message is still to come.
    left: usize,
    /// Whether compressed ones are refused, which cannot be looked through.
    is_strict: bool,
}

const PREFIX: usize = 5;

/// Whether it is messages that may be compressed each, written in base64, so that nothing can be seen in them (gRPC-Web, `grpc-web-text`).
pub(super) fn is_text(headers: &HeaderMap) -> bool {
    const KIND: &[u8] = b"application/grpc-web-text";
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.as_bytes().get(..KIND.len()));
    kind.is_some_and(|own| own.eq_ignore_ascii_case(KIND))
}

impl Messages {
    /// Those of a message with these fields, if it has some.
    pub(super) fn of(headers: &HeaderMap, is_strict: bool) -> Option<Self> {
        let kind = headers.get(header::CONTENT_TYPE)?.as_bytes();
        let behind = |name: &[u8]| {
            let (front, rest) = kind.split_at_checked(name.len())?;
            front.eq_ignore_ascii_case(name).then_some(rest)
        };
        let ends_name = |rest: &[u8]| matches!(rest.first(), None | Some(b'+' | b';' | b' '));
        let is_of = |name: &[u8]| behind(name).is_some_and(ends_name);
        let is_connect = behind(b"application/connect+").is_some();
        let is_enveloped = is_connect || is_of(b"application/grpc") || is_of(b"application/grpc-web");
        is_enveloped.then_some(Self { prefix: [0; PREFIX], came: 0, left: 0, is_strict })
    }

    /// Cuts what has come where messages end; tells of each piece whether its message ends with it. So nothing has to be kept back behind a
    /// message, after which trailers and not the end of the body may come.
    pub(super) fn split(&mut self, mut chunk: Bytes) -> Result<Vec<(Bytes, bool)>, ()> {
        let mut pieces = Vec::with_capacity(1);
        let mut taken = 0;
        while let Some(rest) = chunk.get(taken..).filter(|rest| !rest.is_empty()) {
            if self.came < PREFIX {
                let some = rest.len().min(PREFIX - self.came);
                let (from, to) = (self.prefix.get_mut(self.came..self.came + some), rest.get(..some));
                if let (Some(from), Some(to)) = (from, to) {
                    from.copy_from_slice(to);
                }
                (self.came, taken) = (self.came + some, taken + some);
                if self.came == PREFIX {
                    self.begin()?;
                }
            } else {
                let some = rest.len().min(self.left);
                (self.left, taken) = (self.left - some, taken + some);
            }
            if self.came == PREFIX && self.left == 0 {
                self.came = 0;
                pieces.push((chunk.split_to(taken), true));
                taken = 0;
            }
        }
        if !chunk.is_empty() || pieces.is_empty() {
            pieces.push((chunk, false));
        }
        Ok(pieces)
    }

    /// Takes what has come, and tells how much of it is of messages that ended.
    pub(super) fn ended(&mut self, chunk: Bytes) -> usize {
        let pieces = self.split(chunk).unwrap_or_default();
        let whole = pieces.iter().rposition(|(_, is_whole)| *is_whole).map_or(0, |last| last + 1);
        pieces.iter().take(whole).map(|(piece, _)| piece.len()).sum()
    }

    /// Begins anew.
    pub(super) fn restart(&mut self) {
        (self.came, self.left) = (0, 0);
    }

    fn begin(&mut self) -> Result<(), ()> {
        let [flag, length @ ..] = self.prefix;
        self.left = u32::from_be_bytes(length) as usize;
        // The other bits tell trailers.
        if flag & 1 != 0 && self.is_strict { Err(()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn messages(kind: &'static str, is_strict: bool) -> Option<Messages> {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
        Messages::of(&headers, is_strict)
    }

    #[test]
    fn a_body_is_cut_where_its_messages_end_however_it_comes() {
        let body = b"\0\0\0\0\x03abc\0\0\0\0\0\0\0\0\0\x01x";
        for size in 1..=body.len() {
            let mut messages = messages("application/grpc+proto", true).expect("gRPC");
            let (mut joined, mut ends) = (Vec::new(), Vec::new());
            for chunk in body.chunks(size) {
                for (piece, is_whole) in messages.split(Bytes::copy_from_slice(chunk)).expect("sound") {
                    joined.extend_from_slice(&piece);
                    if is_whole {
                        ends.push(joined.len());
                    }
                }
            }
            assert_eq!((joined.as_slice(), ends), (&body[..], vec![8, 13, 19]), "{size}");
        }
    }

    #[test]
    fn compressed_messages_are_refused_where_they_would_pass_unseen() {
        let compressed = || Bytes::from_static(b"\x01\0\0\0\x01x");
        assert!(messages("application/grpc", true).expect("gRPC").split(compressed()).is_err());
        assert!(messages("application/grpc", false).expect("gRPC").split(compressed()).is_ok());
        for (kind, want) in [
            ("application/grpc;x", true),
            ("Application/gRPC-Web+proto", true),
            ("application/connect+json", true),
            ("application/grpc-web-text", false),
            ("application/json", false),
        ] {
            assert_eq!(messages(kind, true).is_some(), want, "{kind}");
        }
    }
}
