//! Pingora's callbacks, in the order in which it makes them. Each hands over to the file whose subject it is.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::Digest;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};

use super::admission::Refusal;
use super::decide::{Next, watch_over};
use super::descriptors;
use super::exchange::{Exchange, Stage};
use super::failure;
use super::identify::split_target;
use super::ingress;
use super::record::Ended;
use super::reframe::Length;
use super::serve::serve;
use super::withhold::Withholding;
use super::{reframe, respond, scrub, sieve, upstream};
use crate::domain::{Denial, TimedOut, Unavailable};
use crate::inspect::Sniff;
use crate::state::Services;

/// The data plane as Pingora calls it.
pub struct Gateway {
    pub(super) services: Arc<Services>,
    write_timeout: Duration,
}

/// What [`ProxyHttp::request_filter`] answers when the client has its response already.
const ANSWERED: bool = true;
const FORWARD: bool = false;
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

impl Gateway {
    /// A data plane on these services, behind a listener whose clients may go this long without reading.
    pub fn new(services: Arc<Services>, write_timeout: Duration) -> Self {
        Self { services, write_timeout }
    }
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Exchange;

    fn new_ctx(&self) -> Exchange {
        Exchange::new(self.services.snapshot())
    }

    fn init_downstream_modules(&self, _modules: &mut HttpModules) {
        // None: by default there is one that compresses, and is asked about each part of each exchange.
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        if session.is_http2() {
            // It waits for its own window, which the connection's stream cannot see.
            session.set_write_timeout(Some(self.write_timeout));
        }
        let decided = self.decide(session, exchange).await?;
        let draining = self.services.is_draining();
        // Boxed, what is not forwarded: of a request that is, the future stays small.
        match decided {
            Ok(Next::Forward) => {
                watch_over(session, exchange);
                return Ok(FORWARD);
            }
            Ok(Next::Publish(document)) => {
                if let Some(draft) = exchange.draft() {
                    Box::pin(respond::publish(session, &document, draft.id(), draining)).await?;
                }
            }
            Ok(Next::Serve(asked, _slots)) => Box::pin(serve(&self.services, session, exchange, &asked)).await?,
            Err(refusal) => {
                if let Some(draft) = exchange.draft() {
                    Box::pin(respond::hear_out(session, &refusal)).await;
                    Box::pin(respond::refuse(session, &refusal, draft.id(), draining)).await?;
                }
            }
        }
        Ok(ANSWERED)
    }

    async fn upstream_peer(&self, _session: &mut Session, exchange: &mut Exchange) -> Result<Box<HttpPeer>> {
        let (draft, admission) = exchange.admitted().ok_or_else(out_of_order)?;
        admission.attempt.bound = false;
        let key = admission.permit.principal().id.as_bytes();
        let Some(selected) = admission.route.target.select(key, &admission.attempt.tried) else {
            let error = failure::carry(Denial::Unavailable(Unavailable::Upstream));
            admission.route.target_metrics.errors.of(failure::upstream_fault(&error)).inc();
            return Err(error);
        };
        let peer = admission.peer(&selected).ok_or_else(|| failure::carry(Denial::Internal))?;
        let attempt = &mut admission.attempt;
        attempt.count += 1;
        // The first begins where the decision ended.
        attempt.began.get_or_insert(draft.lapped());
        draft.attempted(&selected);
        attempt.selected = Some(selected);
        Ok(Box::new(peer))
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        exchange: &mut Exchange,
        mut error: Box<Error>,
    ) -> Box<Error> {
        if let Some((_, admission)) = exchange.admitted() {
            admission.route.target_metrics.errors.of(failure::upstream_fault(&error)).inc();
            let attempt = &mut admission.attempt;
            if let Some(selected) = attempt.selected.take() {
                attempt.tried.add(&selected);
            }
            // Nothing was sent, so another backend may be asked whatever the method is.
            let attempts = usize::from(admission.route.target.settings().attempts.get());
            error.set_retry(attempt.tried.count() < attempts);
        }
        error
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        reused: bool,
        peer: &HttpPeer,
        descriptor: std::os::unix::io::RawFd,
        _digest: Option<&Digest>,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let (_, admission) = exchange.admitted().ok_or_else(out_of_order)?;
        if !reused && !descriptors::spares_process(descriptor) {
            return Err(failure::carry(Denial::Unavailable(Unavailable::Upstream)));
        }
        admission.attempt.bound = admission.binds(peer);
        if admission.attempt.bound { Ok(()) } else { Err(failure::carry(Denial::Internal)) }
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        head: &mut RequestHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let (draft, admission) = exchange.admitted().ok_or_else(out_of_order)?;
        if !admission.attempt.bound {
            return Err(failure::carry(Denial::Internal));
        }
        if let Some(cut) = admission.was_cut() {
            // While the connection was made.
            return Err(failure::carry(cut.denial));
        }
        // A retry sends the body again from its beginning.
        admission.body.restart();
        admission.messages.iter_mut().for_each(|messages| messages.restart());
        // Behind the first `?`, which no authority holds.
        let (_, query) = split_target(session.req_header().raw_path()).map_err(failure::carry)?;
        upstream::apply(admission, draft, query, head)?;
        upstream::settle_versions(session, head).await
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let (_, admission) = exchange.admitted().ok_or_else(out_of_order)?;
        if admission.websocket {
            let Some(messages) = &mut admission.messages else { return Ok(()) };
            let taken = messages.take(body, end_of_stream, &self.services.engines.bodies);
            return taken.map_err(failure::carry_of_body);
        }
        let limit = admission.route.max_body;
        admission.body.take(body, end_of_stream, limit).map_err(failure::carry_of_body)?;
        if end_of_stream {
            if let Some(connection) = ingress::connection(session.digest()) {
                connection.end_body();
            }
        } else if Instant::now() > admission.body.deadline {
            return Err(failure::carry_of_body(Denial::TimedOut(TimedOut::Body)));
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        head: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let (_, admission) = exchange.admitted().ok_or_else(out_of_order)?;
        // An upstream that switches protocols unasked would turn the connection into a tunnel past every check.
        let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
        let is_websocket = admission.websocket && reframe::is_websocket(session.req_header(), head);
        if switches && !(is_websocket && scrub::can_read_messages(admission, head)) {
            return Err(failure::carry(Denial::Unavailable(Unavailable::UpstreamProtocol)));
        }
        if let (Some(credential), Some(injection)) = (&admission.route.credential, &admission.injection)
            && !head.status.is_informational()
        {
            credential.answered(injection, head.status);
        }
        // By a 401 the target says that it did nothing: what is known of the request may be sent again, whatever its method is.
        let is_refused = head.status == StatusCode::UNAUTHORIZED && !session.as_ref().retry_buffer_truncated();
        if is_refused && admission.renew().await {
            return Err(failure::not_taken());
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        head: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let (draft, admission) = exchange.admitted().ok_or_else(out_of_order)?;
        admission.reflected += upstream::strip_response(head, admission.injection.as_ref())?;
        sieve::mask_fields(admission, head)?;
        admission.scrubbing = scrub::begin(admission, session.req_header(), head).map_err(failure::carry)?;
        // Behind what decides by these fields.
        if reframe::reframe(session.req_header(), head)? == Length::UntilTheEnd {
            session.set_keepalive(None);
        }
        if head.get_reason_phrase() != head.status.canonical_reason() {
            // It is a text like any other, and nobody needs it (RFC 9112 §4).
            head.set_reason_phrase(None)?;
        }
        head.insert_header(respond::REQUEST_ID_FIELD, draft.id().encode(&mut [0; 36]) as &str)?;
        for (name, value) in admission.limit_fields() {
            head.append_header(name.clone(), value.clone())?;
        }
        if admission.route.leak.as_ref().is_some_and(|leak| leak.sniff() != Sniff::Off) {
            head.insert_header(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF)?;
        }
        if self.services.is_draining() {
            session.set_keepalive(None);
        }
        if !head.status.is_informational() {
            draft.answering(head.status);
        }
        if admission.scrubbing.is_some() {
            let method = session.req_header().method.clone();
            admission.withholding =
                Withholding::begin(admission, &method, head, &mut session.downstream_session, draft.id()).map(Box::new);
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        exchange: &mut Exchange,
    ) -> Result<Option<Duration>> {
        let Some((draft, admission)) = exchange.admitted() else { return Ok(None) };
        if let Some(scrubbing) = &mut admission.scrubbing {
            scrubbing.pass(body, end_of_stream)?;
            admission.let_go(body, end_of_stream).map_err(failure::carry)?;
        }
        draft.sending(body.as_ref().map_or(0, Bytes::len));
        Ok(None)
    }

    async fn response_trailer_filter(
        &self,
        _session: &mut Session,
        trailers: &mut HeaderMap,
        exchange: &mut Exchange,
    ) -> Result<Option<Bytes>> {
        let (_, admission) = exchange.admitted().ok_or_else(out_of_order)?;
        admission.reflected += scrub::strip_trailers(admission, trailers);
        sieve::mask_trailers(admission, trailers)?;
        // In place of the trailers, which whoever is sent them may do without (RFC 9110 §6.5.1); nothing is kept back behind gRPC's messages.
        let rest = admission.scrubbing.as_mut().map(|scrubbing| scrubbing.rest()).transpose()?;
        let mut rest = rest.or_else(|| admission.withholding.is_some().then(Bytes::new));
        admission.let_go(&mut rest, true).map_err(failure::carry)?;
        Ok(rest.filter(|rest| !rest.is_empty()))
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        exchange: &mut Exchange,
        reused: bool,
    ) -> Box<Error> {
        if failure::is_not_taken(&error) {
            // What came of the body meanwhile may have been too much to be kept.
            error.set_retry(!session.as_ref().retry_buffer_truncated());
            return error;
        }
        let has_begun = respond::answered(session).is_some()
            || exchange.admitted().is_some_and(|(_, admission)| admission.withholding.is_some());
        let is_turned_away = failure::is_turned_away(&error);
        let attempts = exchange.admitted().map_or(u32::MAX, |(_, admission)| {
            if *error.esource() == ErrorSource::Upstream {
                admission.route.target_metrics.errors.of(failure::upstream_fault(&error)).inc();
            }
            if is_turned_away {
                admission.route.target.leave_connections();
            }
            admission.attempt.count
        });
        let repeatable = session.req_header().method.is_idempotent() || failure::is_unprocessed(&error);
        // Something may have been sent: only a request that may be sent twice is, and not for ever; and of a second answer, the client would take
        // the body for the rest of the first.
        if has_begun || !repeatable || session.as_ref().retry_buffer_truncated() || attempts > 3 {
            error.set_retry(false);
        } else if is_turned_away {
            error.set_retry(true);
        } else {
            error.retry.decide_reuse(reused);
        }
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, exchange: &mut Exchange) -> FailToProxy {
        let cut = exchange.admitted().and_then(|(_, admission)| admission.tell_of_cut());
        let denial = cut.map(|cut| cut.denial).or_else(|| failure::denial(error));
        if let Some(withholding) = exchange.admitted().and_then(|(_, admission)| admission.withholding.take()) {
            // The head that waited is forgotten; the client is told that the connection ends.
            withholding.end(&mut session.downstream_session);
        }
        let mut answer = FailToProxy { error_code: 0, can_reuse_downstream: false };
        let (Some(draft), Some(denial)) = (exchange.draft(), denial) else { return answer };
        draft.denied(denial);
        let id = draft.id();
        if respond::answered(session) == Some(StatusCode::SWITCHING_PROTOCOLS) {
            if exchange.admitted().is_some_and(|(_, admission)| admission.is_between_frames()) {
                respond::close(session, &denial).await;
            }
        } else if respond::answered(session).is_none() {
            answer.error_code = denial.status();
            let refusal = match exchange.admitted() {
                Some((draft, admission)) => Refusal::with_challenge(denial, &admission.route.authn, draft.time()),
                None => denial.into(),
            };
            if respond::refuse(session, &refusal, id, true).await.is_err() {
                answer.error_code = 0;
            }
        }
        answer
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, exchange: &mut Exchange) {
        let is_unwrapped = exchange.admitted().is_some_and(|(_, admission)| admission.unwrap(session));
        if is_unwrapped && self.services.is_draining() {
            // While it was wrapped, nothing of that came through.
            session.set_keepalive(None);
        }
        if let Some(connection) = ingress::connection(session.digest()) {
            connection.exchange_done();
        }
        let status = respond::answered(session).map(|status| status.as_u16());
        let (request_bytes, response_bytes) = (session.body_bytes_read() as u64, session.body_bytes_sent() as u64);
        let upstream_began = exchange.admitted().and_then(|(_, admission)| admission.attempt.began);
        let refused = matches!(exchange.stage, Stage::Refused(_));
        let cut = exchange.admitted().and_then(|(_, admission)| admission.was_cut());
        if let (Some(cut), Some(_)) = (cut, error) {
            let took = SystemTime::now().duration_since(cut.since).unwrap_or_default();
            self.services.engines.metrics.cut_seconds.observe(took.as_secs_f64());
        }
        if let Some((draft, admission)) = exchange.admitted() {
            draft.found(admission, status);
        }
        if let Some(draft) = exchange.draft() {
            let outcome = failure::outcome(refused, error, draft.denial());
            draft.end(Ended { outcome, status, request_bytes, response_bytes, upstream_began });
        }
        // Dropped here, not with the connection: its slots are free for the next.
        exchange.stage = Stage::Recorded;
    }

    fn suppress_error_log(&self, _session: &Session, _exchange: &Exchange, _error: &Error) -> bool {
        // The record tells it; a client must not be able to write the log.
        true
    }

    fn request_summary(&self, _session: &Session, exchange: &Exchange) -> String {
        // Pingora's own shows the query.
        format!("config {}", exchange.snapshot.number)
    }
}

pub(super) fn out_of_order() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "a phase that only admitted exchanges have")
}
