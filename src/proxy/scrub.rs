//! The response on its way: what it repeats of the secrets that the request was sent with is masked, and what else must not leave; what cannot
//! be looked through for them is refused.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use pingora::http::{RequestHeader, ResponseHeader};

use super::admission::Admission;
use super::coding::Decoder;
use super::failure;
use super::frames::Frames;
use super::grpc::{self, Messages};
use super::sieve::{Findings, LEAK, Sieve, Sought};
use crate::domain::{Denial, Unavailable};
use crate::state::Scrub;

/// The body of one response, as it is looked through.
#[derive(Debug)]
pub(super) struct Scrubbing {
    decoder: Option<Box<Decoder>>,
    text: Text,
    /// Whether something that came was not gone on with.
    is_torn: bool,
}

/// What a body is to whoever reads it.
#[derive(Debug)]
enum Text {
    /// One text.
    Whole(Sieve),
    /// One text after the other.
    Messages(Sieve, Messages),
    /// The messages of a WebSocket.
    Frames(Box<Frames>),
}

const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const EXTENSIONS: HeaderName = HeaderName::from_static("sec-websocket-extensions");
const GRPC_ACCEPTS: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const CONNECT_ACCEPTS: HeaderName = HeaderName::from_static("connect-accept-encoding");
/// What [`prepare`] may change.
static CHANGED: [HeaderName; 6] =
    [header::ACCEPT_ENCODING, GRPC_ACCEPTS, CONNECT_ACCEPTS, EXTENSIONS, header::RANGE, header::IF_RANGE];
/// What is no longer true of a body that was decoded.
const OF_CODED: [&str; 9] = [
    "content-encoding",
    "content-length",
    "accept-ranges",
    "content-digest",
    "repr-digest",
    "digest",
    "content-md5",
    "etag",
    "x-goog-hash",
];
/// The same, where each algorithm has a field.
const CHECKSUMS: &str = "x-amz-checksum-";
const UNSCRUBBABLE: Denial = Denial::Unavailable(Unavailable::Scrub);

/// Asks the upstream for an answer that can be looked through: whole and not coded.
pub(super) fn prepare(admission: &Admission, head: &mut RequestHeader) -> pingora::Result<()> {
    if admission.messages.is_some() {
        head.remove_header(&EXTENSIONS);
    }
    // A head has fewer names than there are to look for, and often none of these.
    if !head.headers.keys().any(|name| CHANGED.contains(name)) || Sought::of(admission, None).is_none() {
        return Ok(());
    }
    for name in [header::ACCEPT_ENCODING, GRPC_ACCEPTS, CONNECT_ACCEPTS] {
        if head.headers.contains_key(&name) {
            head.insert_header(name, IDENTITY)?;
        }
    }
    if admission.websocket {
        head.remove_header(&EXTENSIONS);
    }
    if admission.route.scrub == Scrub::Strict {
        // One part after the other, a secret would come back in halves.
        for name in [header::RANGE, header::IF_RANGE] {
            head.remove_header(&name);
        }
    }
    Ok(())
}

/// Whether the messages of a WebSocket that was switched to can be read, where they are: in no extension, since none was offered then.
pub(super) fn can_read_messages(admission: &Admission, head: &ResponseHeader) -> bool {
    let is_read = || admission.messages.is_some() || Sought::of(admission, None).is_some();
    !(head.headers.contains_key(EXTENSIONS) && is_read())
}

/// Begins to look through a response, whose fields have been looked through; none where there is nothing to look for.
///
/// # Errors
/// [`Unavailable::Scrub`] for what cannot be looked through, where the route does not let it pass.
pub(super) fn begin(
    admission: &Admission,
    asked: &RequestHeader,
    head: &mut ResponseHeader,
) -> Result<Option<Scrubbing>, Denial> {
    let Some(sought) = Sought::of(admission, Some(head.status)) else { return Ok(None) };
    if head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(None);
    }
    if asked.method == http::Method::HEAD || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        // There is to be no body; over HTTP/2 one may come all the same.
        return Ok(Some(Scrubbing { decoder: None, text: Text::Whole(sought.sieve()), is_torn: false }));
    }
    let is_strict = admission.route.scrub == Scrub::Strict;
    let is_part = head.status == StatusCode::PARTIAL_CONTENT;
    if is_strict && (is_part || grpc::is_text(&head.headers)) {
        return Err(UNSCRUBBABLE);
    }
    let decoder = match (coding(&head.headers), is_part) {
        (Coding::None, _) => None,
        (Coding::Known(name), false) => Some(Box::new(Decoder::of(&name).ok_or(UNSCRUBBABLE)?)),
        (Coding::Known(_), true) | (Coding::Unknown, _) if !is_strict => return Ok(None),
        (Coding::Known(_), true) | (Coding::Unknown, _) => return Err(UNSCRUBBABLE),
    };
    if decoder.is_some() {
        decoded(asked, head).map_err(|_| Denial::Internal)?;
    }
    let text = match Messages::of(&head.headers, is_strict) {
        _ if head.status == StatusCode::SWITCHING_PROTOCOLS => Text::Frames(Box::new(Frames::new(sought, is_strict))),
        Some(messages) => Text::Messages(sought.sieve(), messages),
        None => Text::Whole(sought.sieve()),
    };
    Ok(Some(Scrubbing { decoder, text, is_torn: false }))
}

/// Which coding a body is in.
enum Coding {
    None,
    Known(String),
    Unknown,
}

/// One that can be taken off, or none: several, one upon the other, nobody needs who was asked for none.
fn coding(headers: &HeaderMap) -> Coding {
    let is_plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    if !headers.get_all(header::TRANSFER_ENCODING).iter().all(is_plain) {
        return Coding::Unknown;
    }
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let text = match (codings.next(), codings.next()) {
        (None, _) => return Coding::None,
        (Some(only), None) => only.to_str().unwrap_or("?").trim().to_ascii_lowercase(),
        (Some(_), Some(_)) => return Coding::Unknown,
    };
    match text.as_str() {
        // To clients an empty field says nothing.
        "" | "identity" => Coding::None,
        known if Decoder::knows(known) => Coding::Known(text),
        _ => Coding::Unknown,
    }
}

/// Makes the head that of a body which is not coded any more, and whose length nobody knows.
fn decoded(asked: &RequestHeader, head: &mut ResponseHeader) -> pingora::Result<()> {
    for name in OF_CODED {
        head.remove_header(name);
    }
    let is_checksum = |name: &&HeaderName| name.as_str().starts_with(CHECKSUMS);
    let checksums: Vec<_> = head.headers.keys().filter(is_checksum).cloned().collect();
    for name in checksums.iter().chain([&header::TRANSFER_ENCODING]) {
        head.remove_header(name);
    }
    if asked.version != Version::HTTP_10 {
        // Pingora has looked for it before this.
        head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    }
    Ok(())
}

impl Scrubbing {
    /// Masks what has come, and keeps back what may be the beginning of a secret.
    pub(super) fn pass(&mut self, body: &mut Option<Bytes>, end: bool) -> pingora::Result<()> {
        let passed = self.pass_on(body, end);
        self.is_torn |= passed.is_err();
        passed
    }

    fn pass_on(&mut self, body: &mut Option<Bytes>, end: bool) -> pingora::Result<()> {
        let came = body.take();
        let had_some = came.is_some();
        let mut chunk = came.unwrap_or_default();
        if let Some(decoder) = &mut self.decoder {
            chunk = decoder.push(&chunk, end).map_err(|()| failure::carry(UNSCRUBBABLE))?;
        }
        let passed = self.text.pass(chunk, end).map_err(|()| failure::carry(UNSCRUBBABLE))?;
        if self.findings().is_blocked {
            return Err(failure::carry(LEAK));
        }
        // None would end the body.
        *body = (had_some || !passed.is_empty()).then_some(passed);
        Ok(())
    }

    /// What was kept back, where trailers and not the end of the body say that it is over.
    pub(super) fn rest(&mut self) -> pingora::Result<Bytes> {
        let rest = self.decoder.as_mut().and_then(|decoder| decoder.push(&[], true).ok()).unwrap_or_default();
        let passed = match &mut self.text {
            Text::Whole(sieve) | Text::Messages(sieve, _) => sieve.push(rest, true),
            Text::Frames(frames) => frames.rest(),
        };
        if self.findings().is_blocked { Err(failure::carry(LEAK)) } else { Ok(passed) }
    }

    /// Whether these are a WebSocket's messages, and what went on of them ends with a whole frame.
    pub(super) fn is_between_frames(&self) -> bool {
        match &self.text {
            Text::Whole(_) | Text::Messages(..) => false,
            Text::Frames(frames) => !self.is_torn && frames.is_between(),
        }
    }

    /// What was found so far.
    pub(super) fn findings(&self) -> Findings {
        match &self.text {
            Text::Whole(sieve) | Text::Messages(sieve, _) => sieve.findings(),
            Text::Frames(frames) => frames.findings(),
        }
    }
}

impl Text {
    fn pass(&mut self, chunk: Bytes, end: bool) -> Result<Bytes, ()> {
        match self {
            Self::Whole(sieve) => Ok(sieve.push(chunk, end)),
            Self::Messages(sieve, messages) => {
                let mut pieces = messages.split(chunk)?;
                if let [(only, is_whole)] = pieces.as_mut_slice() {
                    return Ok(sieve.push(std::mem::take(only), *is_whole || end));
                }
                let last = pieces.len().saturating_sub(1);
                let mut all = BytesMut::new();
                for (nth, (piece, is_whole)) in pieces.into_iter().enumerate() {
                    all.extend_from_slice(&sieve.push(piece, is_whole || (end && nth == last)));
                }
                Ok(all.freeze())
            }
            Self::Frames(frames) => {
                let passed = frames.push(chunk)?;
                Ok(if end { [passed, frames.rest()].concat().into() } else { passed })
            }
        }
    }
}

/// Takes the trailer fields off that repeat a secret; tells how many.
pub(super) fn strip_trailers(admission: &Admission, trailers: &mut HeaderMap) -> u64 {
    let Some(injection) = &admission.injection else { return 0 };
    let repeats = |text: &[u8]| injection.needles().is_in(text);
    let is_one =
        |(name, value): &(&HeaderName, &HeaderValue)| repeats(value.as_bytes()) || repeats(name.as_str().as_bytes());
    let repeating: Vec<_> = trailers.iter().filter(is_one).map(|(name, _)| name.clone()).collect();
    repeating.iter().for_each(|name| drop(trailers.remove(name)));
    repeating.len() as u64
}
