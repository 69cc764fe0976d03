//! A session whose body was read already, and comes once more for each attempt at an upstream.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use pingora::protocols::http::ServerSession;
use pingora::{ErrorType, OrErr as _, Result};
use pingora_proxy::Session;
use tokio::time::Instant;

use super::held::Held;

/// What was read of a body, to be read again.
pub(super) struct Replay {
    held: Held,
    at: usize,
    /// Until when the rest has to have come; none where all of it was read.
    pub(super) rest: Option<Instant>,
    /// Whether some of the rest was read: it cannot be read again.
    is_past: bool,
    back: Back,
}

/// Where a wrapped session lies when what it was wrapped in is gone.
#[derive(Clone, Default)]
pub(super) struct Back(Arc<Mutex<Option<ServerSession>>>);

impl std::fmt::Debug for Back {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Back")
    }
}

impl Back {
    pub(super) fn put(&self, session: ServerSession) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
    }

    /// Takes a session out of what it is wrapped in, so that its connection can be used for the next request.
    pub(super) fn unwrap(&self, session: &mut Session) {
        let placeholder = ServerSession::new_custom(Box::new(()));
        drop(std::mem::replace(&mut *session.downstream_session, placeholder));
        if let Some(inner) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            *session.downstream_session = inner;
        }
    }
}

impl Replay {
    /// A body of which this was read.
    pub(super) fn new(held: Held, rest: Option<Instant>, back: Back) -> Self {
        Self { held, at: 0, rest, is_past: false, back }
    }

    pub(super) fn back(&self) -> &Back {
        &self.back
    }

    /// Begins anew.
    pub(super) fn rewind(&mut self) {
        self.at = 0;
    }

    /// Whether it cannot begin anew.
    pub(super) fn is_past(&self) -> bool {
        self.is_past
    }

    /// Whether all that was read has been read again.
    pub(super) fn is_over(&self) -> bool {
        self.at >= self.held.len()
    }

    /// Whether nothing was read, and nothing comes.
    pub(super) fn is_empty(&self) -> bool {
        self.held.len() == 0 && self.rest.is_none()
    }

    /// Says that what comes now is the rest.
    pub(super) fn pass(&mut self) {
        self.is_past = true;
    }

    /// The next piece.
    pub(super) async fn next(&mut self) -> Result<Bytes> {
        let piece = self.held.piece(self.at).await.or_err(ErrorType::InternalError, "a body that was kept")?;
        self.at += piece.len();
        Ok(piece)
    }
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{} bytes]", self.held.len())
    }
}
