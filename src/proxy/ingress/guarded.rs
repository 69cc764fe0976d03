//! The stream that is put between a client and Pingora.

mod facts;

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{ALPN, GetProxyDigest, Peek, Shutdown, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout};

use crate::domain::Denial;

use super::chunks::ChunkScan;
use super::counters::count;
use super::gate::digest_of;
use super::scan::{HeadScan, Scanned};
use super::timer::Timer;
use super::{Connection, Gate, Settings};

/// What an HTTP/2 client sends first (RFC 9113 §3.4).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A client's stream that reads each HTTP/1 head strictly before Pingora sees it, and lets nobody be slow for ever.
///
/// A timeout is an error of kind `TimedOut`, which closes the connection. Pingora builds a session for each HTTP/1 exchange and asks for
/// the stream's proxy digest when it does, and at no other time: that is how the stream knows that the next byte begins a head. Were it
/// not told, the exchange would have no verdict and be refused. Pingora's pipelining has to stay off, as it is by default: what a client
/// sends ahead of an answer is dropped with the connection, so no byte reaches a session past this stream.
pub struct Guarded {
    inner: Stream,
    gate: Arc<Gate>,
    connection: Arc<Connection>,
    digest: Arc<ProxyDigest>,
    scan: HeadScan,
    /// The frame of the body, where it is chunked.
    chunks: Option<ChunkScan>,
    /// Since when a head is awaited, or its rest.
    awaiting_since: Option<Instant>,
    /// The bytes of an HTTP/2 preface that have yet to come.
    preface_left: usize,
    stalled_since: Option<Instant>,
    /// Whether something was answered that is no exchange.
    answered_unheard: bool,
    read_timer: Timer,
    write_timer: Timer,
}

/// What a client did not do in time.
#[derive(Clone, Copy)]
enum Late {
    /// Begin a request.
    Request,
    /// Complete a head, or an HTTP/2 preface.
    Head,
    /// Complete a body.
    Body,
    /// Read what was written to it.
    Reader,
}

impl Guarded {
    /// Guards a connection that has just been let in.
    ///
    /// # Errors
    /// Pingora's, when it cannot make an empty digest.
    pub fn new(inner: Stream, connection: Arc<Connection>, gate: Arc<Gate>) -> pingora::Result<Self> {
        if matches!(inner.selected_alpn_proto(), Some(ALPN::H2)) {
            connection.set_http2();
        }
        Ok(Self {
            digest: Arc::new(digest_of(Arc::clone(&connection))?),
            inner,
            gate,
            connection,
            scan: HeadScan::default(),
            chunks: None,
            awaiting_since: None,
            preface_left: H2_PREFACE.len(),
            stalled_since: None,
            answered_unheard: false,
            read_timer: Timer::default(),
            write_timer: Timer::default(),
        })
    }

    fn settings(&self) -> &Settings {
        self.gate.settings()
    }

    /// Looks at what a read brought, before Pingora does.
    fn received(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.connection.is_http2() {
            self.preface_left = self.preface_left.saturating_sub(bytes.len());
            return Ok(());
        }
        if bytes.is_empty() {
            return Ok(());
        }
        if !self.connection.is_head_awaited() {
            let framed = self.chunks.as_mut().map_or(Ok(()), |chunks| chunks.push(bytes));
            return framed.map_err(|_| io::ErrorKind::InvalidData.into());
        }
        if !self.scan.is_begun() {
            self.awaiting_since = None;
        }
        let mut scanned = self.scan.push(bytes, self.gate.settings().max_head);
        self.chunks = None;
        if let Some(at) = self.scan.chunks_at() {
            let mut chunks = ChunkScan::default();
            if let Err(fault) = chunks.push(bytes.get(at..).unwrap_or_default()) {
                scanned = Scanned::Ended(Err(fault));
            }
            self.chunks = Some(chunks);
        }
        self.head_scanned(scanned)
    }

    fn head_scanned(&mut self, scanned: Scanned) -> io::Result<()> {
        let counters = self.gate.counters();
        match scanned {
            Scanned::More => {}
            Scanned::Ended(checked) => {
                if let Err(fault) = checked
                    && self.connection.refuse(Denial::Malformed(fault))
                {
                    count(&counters.heads_malformed);
                }
                self.connection.head_ended();
                self.awaiting_since = None;
                return Ok(());
            }
            Scanned::TooLarge | Scanned::FarTooLarge => {
                if self.connection.refuse(Denial::HeadTooLarge) {
                    count(&counters.heads_too_large);
                }
            }
        }
        self.awaiting_since.get_or_insert_with(Instant::now);
        if scanned == Scanned::FarTooLarge { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
    }

    /// By when the client has to send something, and what is late if it does not.
    fn read_deadline(&mut self) -> Option<(Instant, Late)> {
        if self.connection.is_http2() {
            let preface = self.connection.opened() + self.settings().head_timeout;
            return (self.preface_left > 0).then_some((preface, Late::Head));
        }
        if !self.connection.is_head_awaited() {
            return Some((self.connection.body_deadline()?, Late::Body));
        }
        let since = *self.awaiting_since.get_or_insert_with(Instant::now);
        Some(if self.scan.is_begun() {
            (since + self.settings().head_timeout, Late::Head)
        } else {
            (since + self.settings().idle_timeout, Late::Request)
        })
    }

    fn timed_out(&self, late: Late) -> io::Error {
        let counters = self.gate.counters();
        count(match late {
            Late::Request => &counters.timed_out_idle,
            Late::Head => &counters.timed_out_head,
            Late::Body => &counters.timed_out_body,
            Late::Reader => &counters.timed_out_write,
        });
        io::ErrorKind::TimedOut.into()
    }

    fn write_timeout(&self) -> Duration {
        self.settings().write_timeout
    }

    /// Notes what Pingora answers by itself: it refuses some heads before they have come whole.
    fn writing(&mut self) {
        self.answered_unheard |= !self.connection.is_http2() && !self.connection.is_heard();
    }

    /// Hands on how a write went, unless the client has not let one go on for too long.
    fn written<T>(&mut self, polled: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled_since = None;
            return polled;
        }
        if self.connection.is_cut(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let deadline = *self.stalled_since.get_or_insert_with(Instant::now) + self.write_timeout();
        if self.write_timer.has_passed(deadline, cx) {
            return Poll::Ready(Err(self.timed_out(Late::Reader)));
        }
        Poll::Pending
    }
}

impl AsyncRead for Guarded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        if polled.is_ready() {
            return polled.map(|read| read.and_then(|()| this.received(&buf.filled()[before..])));
        }
        if this.connection.is_cut(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if let Some((deadline, late)) = this.read_deadline()
            && this.read_timer.has_passed(deadline, cx)
        {
            return Poll::Ready(Err(this.timed_out(late)));
        }
        Poll::Pending
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.writing();
        let polled = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.written(polled, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.writing();
        let polled = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        this.written(polled, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_flush(cx);
        this.written(polled, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_shutdown(cx);
        this.written(polled, cx)
    }
}

#[async_trait]
impl Shutdown for Guarded {
    async fn shutdown(&mut self) {
        if timeout(self.write_timeout(), self.inner.shutdown()).await.is_err() {
            count(&self.gate.counters().timed_out_write);
        }
    }
}

#[async_trait]
impl Peek for Guarded {
    /// Pingora peeks once, for an HTTP/2 preface without TLS, and speaks HTTP/2 if it is there. The peeked bytes are read again afterwards.
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        let Ok(peeked) = timeout(self.settings().head_timeout, self.inner.try_peek(buf)).await else {
            return Err(self.timed_out(Late::Head));
        };
        let peeked = peeked?;
        if peeked && buf == H2_PREFACE {
            self.connection.set_http2();
        }
        Ok(peeked)
    }
}

impl GetProxyDigest for Guarded {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.connection.await_head();
        Some(Arc::clone(&self.digest))
    }
}

/// Pingora prints streams; what a client sent is not for the log.
impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("connection", &self.connection).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

impl Drop for Guarded {
    fn drop(&mut self) {
        if self.answered_unheard {
            count(&self.gate.counters().heads_unheard);
        }
    }
}
