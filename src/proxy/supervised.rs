//! A client's session that is watched over where Pingora's own is not enough.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use http::HeaderMap;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::custom::{CustomMessageWrite, server};
use pingora::protocols::http::{HttpTask, ServerSession};
use pingora::protocols::{Digest, l4::socket::SocketAddr};
use pingora::{Error, ErrorType, Result};
use tokio::time::{Instant, timeout_at};

use super::client_messages::Due;
use super::failure;
use super::line::Leash;
use super::replay::Replay;
use super::respond::is_answer;
use super::withhold::HeldHead;
use crate::domain::{Denial, TimedOut};

/// A session that does all that the one inside it does, and lets no body be late or tunnel end early.
pub(super) struct Supervised {
    inner: ServerSession,
    watch: Watch,
    /// By what it is cut, also while nothing comes and goes.
    leash: Leash,
}

/// What is watched over besides.
pub(super) enum Watch {
    /// Nothing.
    Line,
    /// That the body has come whole by then. The streams of HTTP/2 share their connection, so no stream wrapper can tell whose is late.
    Body(Instant),
    /// That a WebSocket outlives its handshake. Pingora sends the end of the handshake's empty body on as an event, and takes it for the
    /// end of the tunnel when it is handled after the upstream's 101. So here a handshake's body has no end until it is answered. And that
    /// its client's messages come whole in time, where they are waited for.
    Tunnel(Option<Due>),
    /// That a body comes that was read before.
    Replay(Replay),
    /// That the head of the response waits for its body.
    Head(HeldHead),
}

impl Supervised {
    /// Puts a session under watch, in place.
    pub(super) fn wrap(session: &mut ServerSession, watch: Watch, leash: Leash) {
        let placeholder = ServerSession::new_custom(Box::new(()));
        let mut inner = std::mem::replace(session, placeholder);
        if !matches!(watch, Watch::Replay(_) | Watch::Head(_)) {
            // What is wrapped, and not given back, is not taken up for a next request.
            inner.set_keepalive(None);
        }
        *session = ServerSession::new_custom(Box::new(Self { inner, watch, leash }));
    }

    fn is_handshake(&self) -> bool {
        matches!(self.watch, Watch::Tunnel(_)) && !self.inner.was_upgraded()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        let placeholder = || ServerSession::new_custom(Box::new(()));
        match &self.watch {
            Watch::Replay(replay) => replay.back().put(std::mem::replace(&mut self.inner, placeholder())),
            Watch::Head(held) => held.give_back(std::mem::replace(&mut self.inner, placeholder())),
            Watch::Body(_) | Watch::Line | Watch::Tunnel(_) => {}
        }
    }
}

async fn in_time<T>(deadline: Instant, work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout_at(deadline, work).await.unwrap_or_else(|_| Err(failure::carry(Denial::TimedOut(TimedOut::Body))))
}

fn unsupported<T>() -> Result<T> {
    Err(Error::explain(ErrorType::InternalError, "HTTP has no custom messages"))
}

#[async_trait]
impl server::Session for Supervised {
    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        match &mut self.watch {
            Watch::Body(deadline) => self.leash.hold(in_time(*deadline, self.inner.read_request_body())).await,
            Watch::Line | Watch::Tunnel(_) | Watch::Head(_) => self.leash.hold(self.inner.read_request_body()).await,
            Watch::Replay(replay) if !replay.is_over() => replay.next().await.map(Some),
            Watch::Replay(replay) => {
                let Some(deadline) = replay.rest else { return Ok(None) };
                replay.pass();
                self.leash.hold(in_time(deadline, self.inner.read_request_body())).await
            }
        }
    }

    async fn read_body_or_idle(&mut self, no_body_expected: bool) -> Result<Option<Bytes>> {
        let idle = no_body_expected || self.is_handshake();
        if !idle && matches!(self.watch, Watch::Replay(_)) && !self.is_body_done() {
            return self.read_body_bytes().await;
        }
        let deadline = match &self.watch {
            Watch::Body(deadline) => (!idle && !self.inner.is_body_done()).then_some(*deadline),
            Watch::Tunnel(due) => due.as_ref().and_then(Due::get).map(Instant::from),
            Watch::Line | Watch::Replay(_) | Watch::Head(_) => None,
        };
        let reading = self.inner.read_body_or_idle(idle);
        match deadline {
            Some(deadline) => self.leash.hold(in_time(deadline, reading)).await,
            None => self.leash.hold(reading).await,
        }
    }

    fn is_body_done(&mut self) -> bool {
        match &self.watch {
            Watch::Tunnel(_) if self.is_handshake() => self.inner.response_written().is_some_and(is_answer),
            Watch::Replay(replay) => replay.is_over() && (replay.rest.is_none() || self.inner.is_body_done()),
            Watch::Tunnel(_) | Watch::Body(_) | Watch::Line | Watch::Head(_) => self.inner.is_body_done(),
        }
    }

    fn get_retry_buffer(&self) -> Option<Bytes> {
        match &self.watch {
            Watch::Body(_) | Watch::Line | Watch::Head(_) => self.inner.get_retry_buffer(),
            // Nothing, but not the end.
            Watch::Tunnel(_) => Some(Bytes::new()),
            // Without that Pingora would wait for ever for a body that is over and was not empty by its head.
            Watch::Replay(replay) => replay.is_empty().then(Bytes::new),
        }
    }

    fn req_header(&self) -> &RequestHeader {
        self.inner.req_header()
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        self.inner.req_header_mut()
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        self.inner.drain_request_body().await
    }

    async fn write_response_header(&mut self, head: Box<ResponseHeader>, _end: bool) -> Result<()> {
        self.leash.write(self.inner.write_response_header(head)).await
    }

    async fn write_response_header_ref(&mut self, head: &ResponseHeader, _end: bool) -> Result<()> {
        self.leash.write(self.inner.write_response_header_ref(head)).await
    }

    async fn write_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        self.leash.write(self.inner.write_response_body(data, end)).await
    }

    async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<()> {
        self.leash.write(self.inner.write_response_trailers(trailers)).await
    }

    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        let tasks = match &mut self.watch {
            Watch::Head(held) => held.take(tasks),
            Watch::Body(_) | Watch::Line | Watch::Tunnel(_) | Watch::Replay(_) => tasks,
        };
        if tasks.is_empty() {
            return Ok(false);
        }
        self.leash.write(self.inner.response_duplex_vec(tasks)).await
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.inner.set_read_timeout(timeout);
    }

    fn get_read_timeout(&self) -> Option<Duration> {
        self.inner.get_read_timeout()
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.inner.set_write_timeout(timeout);
    }

    fn get_write_timeout(&self) -> Option<Duration> {
        self.inner.get_write_timeout()
    }

    fn set_total_drain_timeout(&mut self, timeout: Option<Duration>) {
        self.inner.set_total_drain_timeout(timeout);
    }

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        self.inner.get_total_drain_timeout()
    }

    fn request_summary(&self) -> String {
        self.inner.request_summary()
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.inner.response_written()
    }

    async fn shutdown(&mut self, _code: u32, _context: &str) {
        self.inner.shutdown().await;
    }

    async fn finish(&mut self) -> Result<()> {
        self.inner.finish_body().await
    }

    fn is_body_empty(&mut self) -> bool {
        self.inner.is_body_empty()
    }

    fn body_bytes_sent(&self) -> usize {
        self.inner.body_bytes_sent()
    }

    fn body_bytes_read(&self) -> usize {
        self.inner.body_bytes_read()
    }

    fn digest(&self) -> Option<&Digest> {
        self.inner.digest()
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        self.inner.digest_mut()
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.inner.client_addr()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.inner.server_addr()
    }

    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        self.inner.to_h1_raw()
    }

    fn enable_retry_buffering(&mut self) {
        // Called as each attempt begins.
        match &mut self.watch {
            Watch::Replay(replay) => replay.rewind(),
            Watch::Body(_) | Watch::Line | Watch::Tunnel(_) | Watch::Head(_) => self.inner.enable_retry_buffering(),
        }
    }

    fn retry_buffer_truncated(&self) -> bool {
        match &self.watch {
            Watch::Replay(replay) => replay.is_past(),
            Watch::Body(_) | Watch::Line | Watch::Tunnel(_) | Watch::Head(_) => self.inner.retry_buffer_truncated(),
        }
    }

    fn is_upgrade_req(&self) -> bool {
        self.inner.is_upgrade_req()
    }

    fn was_upgraded(&self) -> bool {
        self.inner.was_upgraded()
    }

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        None
    }

    fn restore_custom_message_reader(
        &mut self,
        _reader: Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>,
    ) -> Result<()> {
        unsupported()
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(&mut self, _writer: Box<dyn CustomMessageWrite>) -> Result<()> {
        unsupported()
    }
}
