//! What is known of one client connection, in every phase of every exchange on it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Context;
use std::time::Duration;

use pingora::protocols::Digest;
use tokio::time::Instant;

use crate::domain::{Denial, Name, PeerCertificates};
use crate::session::Line;

/// The facts of one connection. The stream writes them, the data plane reads them and tells the stream where an exchange stands.
#[derive(Debug)]
pub struct Connection {
    /// The listener it came in by.
    pub listener: Name,
    /// The other end of the TCP connection.
    pub peer: SocketAddr,
    /// The client: the peer, or whom a trusted peer named in a PROXY protocol header.
    pub client: SocketAddr,
    /// Whether TLS protects it.
    pub tls: bool,
    /// The name that the client asked for in the TLS handshake (RFC 6066 §3).
    pub server_name: Option<Box<str>>,
    /// The certificates that the client showed in the handshake, where it did.
    pub certificates: Option<PeerCertificates>,
    opened: Instant,
    http2: AtomicBool,
    head: AtomicU8,
    refusal: OnceLock<Denial>,
    /// Whether the current head became an exchange.
    heard: AtomicBool,
    /// In nanoseconds since `opened`; 0 is none.
    body_deadline: AtomicU64,
    /// By what its exchanges are cut, from the first on that can be. HTTP/1 only.
    line: OnceLock<Arc<Line>>,
}

/// The next bytes belong to a head that has not ended.
const HEAD_AWAITED: u8 = 0;
/// The current exchange's head was seen whole.
const HEAD_ENDED: u8 = 1;
/// The exchange is over and the next one has not begun.
const HEAD_SPENT: u8 = 2;

/// The facts of the connection that this digest belongs to. None if it did not come in by an [`Ingress`](super::Ingress).
pub fn connection(digest: Option<&Digest>) -> Option<&Arc<Connection>> {
    digest?.proxy_digest.as_ref()?.user_data.as_deref()?.downcast_ref()
}

impl Connection {
    /// A connection that has said nothing yet, and speaks HTTP/1 until found otherwise.
    pub fn new(listener: Name, peer: SocketAddr, client: SocketAddr, tls: bool, server_name: Option<Box<str>>) -> Self {
        Self {
            listener,
            peer,
            client,
            tls,
            server_name,
            certificates: None,
            opened: Instant::now(),
            http2: AtomicBool::new(false),
            head: AtomicU8::new(HEAD_AWAITED),
            refusal: OnceLock::new(),
            heard: AtomicBool::new(false),
            body_deadline: AtomicU64::new(0),
            line: OnceLock::new(),
        }
    }

    /// Why the current exchange must be refused because of its raw head; None if the head is sound, and for HTTP/2.
    ///
    /// Once a head was refused, so is everything after it on the connection: where the next request starts is anybody's guess. An exchange
    /// whose head was never seen whole is refused as well.
    pub fn verdict(&self) -> Option<Denial> {
        if self.is_http2() {
            return None;
        }
        match self.refusal.get() {
            Some(denial) => Some(*denial),
            None if self.head.load(Ordering::Acquire) == HEAD_ENDED => None,
            None => Some(Denial::Internal),
        }
    }

    /// An exchange has begun, which will have its record.
    pub fn hear(&self) {
        self.heard.store(true, Ordering::Release);
    }

    /// The rest of the request's body has to arrive within this time. HTTP/1 only: the streams of HTTP/2 share their connection.
    pub fn begin_body(&self, within: Duration) {
        let deadline = (self.opened.elapsed() + within).as_nanos();
        self.body_deadline.store(u64::try_from(deadline).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// The body has arrived, or the connection was upgraded: from here on the client may be silent.
    pub fn end_body(&self) {
        self.body_deadline.store(0, Ordering::Release);
    }

    /// The exchange is over: its verdict holds no longer. A body deadline stays, for what is left of the body to be drained.
    pub fn exchange_done(&self) {
        if let Some(line) = self.line.get() {
            line.rest();
        }
        self.head.store(HEAD_SPENT, Ordering::Release);
    }

    /// The line that all its exchanges are on, one after another.
    pub fn line(&self, make: impl FnOnce() -> Arc<Line>) -> Arc<Line> {
        Arc::clone(self.line.get_or_init(make))
    }

    /// Whether the line is cut; until then the task is woken when it is.
    pub(super) fn is_cut(&self, cx: &mut Context<'_>) -> bool {
        self.line.get().is_some_and(|line| line.poll_cut(cx).is_ready())
    }

    /// Whether it speaks HTTP/2, and has many exchanges at once.
    pub fn is_http2(&self) -> bool {
        self.http2.load(Ordering::Acquire)
    }

    pub(super) fn set_http2(&self) {
        self.http2.store(true, Ordering::Release);
    }

    /// A new exchange begins: the next bytes are a head.
    pub(super) fn await_head(&self) {
        self.end_body();
        self.heard.store(false, Ordering::Release);
        self.head.store(HEAD_AWAITED, Ordering::Release);
    }

    /// Whether the current head became an exchange. What is answered before that, Pingora's parser answers.
    pub(super) fn is_heard(&self) -> bool {
        self.heard.load(Ordering::Acquire)
    }

    pub(super) fn is_head_awaited(&self) -> bool {
        self.head.load(Ordering::Acquire) == HEAD_AWAITED
    }

    pub(super) fn head_ended(&self) {
        self.head.store(HEAD_ENDED, Ordering::Release);
    }

    /// Refuses this exchange and all after it; false if it was refused before.
    pub(super) fn refuse(&self, denial: Denial) -> bool {
        self.refusal.set(denial).is_ok()
    }

    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    pub(super) fn body_deadline(&self) -> Option<Instant> {
        match self.body_deadline.load(Ordering::Acquire) {
            0 => None,
            nanos => self.opened.checked_add(Duration::from_nanos(nanos)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::HttpFault;

    #[test]
    fn a_verdict_holds_for_one_sound_head_and_for_all_after_a_bad_one() {
        let address = "192.0.2.1:7".parse().expect("address");
        let connection = Connection::new(Name::parse("public").expect("name"), address, address, false, None);
        assert_eq!(connection.verdict(), Some(Denial::Internal), "no head was seen");
        connection.head_ended();
        assert_eq!(connection.verdict(), None);
        connection.exchange_done();
        assert_eq!(connection.verdict(), Some(Denial::Internal), "the verdict is spent");
        connection.await_head();
        let refused = Denial::Malformed(HttpFault::LineEnd);
        assert!(connection.refuse(refused));
        for _ in 0..2 {
            connection.head_ended();
            assert_eq!(connection.verdict(), Some(refused));
            connection.exchange_done();
            connection.await_head();
        }
    }
}
