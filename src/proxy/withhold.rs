//! The head of a response that waits for what is in its body, so that the whole can still be refused or replaced.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::protocols::http::{HttpTask, ServerSession};

use super::admission::Admission;
use super::line::Leash;
use super::respond;
use super::sieve::LEAK;
use super::supervised::{Supervised, Watch};
use crate::domain::{Denial, RequestId, Withheld};
use crate::inspect::{ErrorDetails, Sniff};

/// How much of a body a head waits for at most, in bytes.
const MOST: usize = 64 * 1024;

/// What a response's head waits for.
#[derive(Debug)]
pub(super) struct Withholding {
    shared: Arc<Shared>,
    until: Until,
    /// What goes on in place of an error that tells too much; none where no error is replaced.
    instead: Option<(ResponseHeader, Bytes)>,
    /// Whether it is replaced whatever it tells.
    is_page: bool,
    /// Whether markup is refused, since it is declared to be JSON.
    sniffs: bool,
    /// Whether it waits for more than the first byte.
    waits: bool,
    kept: BytesMut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Nothing has gone on.
    Now,
    /// It goes on.
    Passed,
    /// Something else went on in its place.
    Replaced,
}

/// What is shared with the session under watch.
#[derive(Debug, Default)]
pub(super) struct Shared(Mutex<Slots>);

#[derive(Default)]
struct Slots {
    /// What goes on in place of the head, once that is decided.
    instead: Option<Box<ResponseHeader>>,
    /// The session, when it is under watch no more.
    session: Option<ServerSession>,
}

impl std::fmt::Debug for Slots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slots").finish_non_exhaustive()
    }
}

impl Shared {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a session back from the watch.
    pub(super) fn give_back(&self, session: ServerSession) {
        self.slots().session = Some(session);
    }
}

/// A head, as the session under watch holds it.
#[derive(Debug)]
pub(super) struct HeldHead {
    shared: Arc<Shared>,
    head: Option<Box<ResponseHeader>>,
}

impl HeldHead {
    /// Takes the session back.
    pub(super) fn give_back(&self, session: ServerSession) {
        self.shared.give_back(session);
    }

    /// Takes what is to be written, and leaves what is to be written now: a head only with what follows it.
    pub(super) fn take(&mut self, tasks: Vec<HttpTask>) -> Vec<HttpTask> {
        let mut now = Vec::with_capacity(tasks.len() + 1);
        for task in tasks {
            match task {
                HttpTask::Header(head, false) if !head.status.is_informational() => self.head = Some(head),
                HttpTask::Body(Some(body), false) if body.is_empty() && self.head.is_some() => {}
                HttpTask::Failed(error) => {
                    // The answer to that has a head of its own.
                    self.head = None;
                    now.push(HttpTask::Failed(error));
                }
                other @ (HttpTask::Header(..)
                | HttpTask::Body(..)
                | HttpTask::UpgradedBody(..)
                | HttpTask::Trailer(_)
                | HttpTask::Done) => {
                    if let Some(head) = self.head.take() {
                        let head = self.shared.slots().instead.take().unwrap_or(head);
                        now.push(HttpTask::Header(head, false));
                    }
                    now.push(other);
                }
            }
        }
        now
    }
}

impl Withholding {
    /// Begins to withhold the head of a response where its body may change what becomes of it.
    pub(super) fn begin(
        admission: &Admission,
        method: &Method,
        head: &ResponseHeader,
        session: &mut ServerSession,
        id: RequestId,
    ) -> Option<Self> {
        let profile = admission.route.leak.as_ref()?;
        let has_no_body = *method == Method::HEAD
            || head.status.is_informational()
            || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if has_no_body || admission.websocket {
            return None;
        }
        let kind = kind(&head.headers);
        let masks = head.status.as_u16() >= 500
            && match profile.errors() {
                ErrorDetails::Off | ErrorDetails::Count => false,
                ErrorDetails::Mask | ErrorDetails::MaskHtml => true,
            };
        let instead = if masks { Some(respond::masked(head, id).ok()?) } else { None };
        let is_page = profile.errors() == ErrorDetails::MaskHtml && kind == b"text/html";
        let sniffs = profile.sniff() == Sniff::Refuse && (kind == b"application/json" || kind.ends_with(b"+json"));
        let waits = (profile.may_block() || masks) && !flows(&kind);
        if !waits && !sniffs {
            return None;
        }
        let shared = Arc::new(Shared::default());
        let watch = Watch::Head(HeldHead { shared: Arc::clone(&shared), head: None });
        Supervised::wrap(session, watch, Leash::new(None));
        Some(Self { shared, until: Until::Now, instead, is_page, sniffs, waits, kept: BytesMut::new() })
    }

    /// Takes what is to go on, and leaves what may go on now.
    ///
    /// # Errors
    /// [`Denial::Withheld`]: the response is refused, or broken off where its head has gone on.
    pub(super) fn pass(&mut self, body: &mut Option<Bytes>, end: bool, has_details: bool) -> Result<(), Denial> {
        match self.until {
            Until::Passed if self.instead.is_some() && has_details => return Err(LEAK),
            Until::Passed => return Ok(()),
            Until::Replaced => {
                // None would end the body.
                *body = body.is_some().then(Bytes::new);
                return Ok(());
            }
            Until::Now => {}
        }
        let came = body.take();
        let is_over = end || came.is_none();
        self.kept.extend_from_slice(&came.unwrap_or_default());
        if let Some((head, document)) = self.instead.take_if(|_| has_details || self.is_page) {
            self.until = Until::Replaced;
            self.kept = BytesMut::new();
            self.shared.slots().instead = Some(Box::new(head));
            *body = Some(document);
            return Ok(());
        }
        let first = first_byte(&self.kept);
        if self.sniffs && first == Some(b'<') {
            return Err(Denial::Withheld(Withheld::Type));
        }
        let is_enough = self.kept.len() >= MOST || (!self.waits && first.is_some());
        *body = Some(if is_over || is_enough {
            self.until = Until::Passed;
            mem::take(&mut self.kept).freeze()
        } else {
            Bytes::new()
        });
        Ok(())
    }

    /// Puts the session back that was under watch: its connection may carry another exchange.
    pub(super) fn end(&self, session: &mut ServerSession) {
        *session = ServerSession::new_custom(Box::new(()));
        if let Some(own) = self.shared.slots().session.take() {
            *session = own;
        }
    }
}

/// The media type, in lower case and without parameters.
fn kind(headers: &HeaderMap) -> Vec<u8> {
    let told = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let bare = told.split(|byte| *byte == b';').next().unwrap_or_default();
    bare.trim_ascii().to_ascii_lowercase()
}

/// Whether such a body is read while it comes, so that nothing of it may wait for the rest.
fn flows(kind: &[u8]) -> bool {
    let begins = |front: &[u8]| kind.starts_with(front);
    begins(b"text/event-stream")
        || begins(b"application/grpc")
        || begins(b"application/connect+")
        || begins(b"multipart/x-mixed-replace")
        || matches!(
            kind,
            b"application/x-ndjson" | b"application/jsonl" | b"application/stream+json" | b"application/json-seq"
        )
}

/// The first byte that is no blank and no byte order mark.
fn first_byte(text: &[u8]) -> Option<u8> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    text.iter().find(|byte| !byte.is_ascii_whitespace()).copied()
}
