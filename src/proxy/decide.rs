//! From a head that has come to what is done with it: the pipeline, run where Pingora's session is.

use http::Version;
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;

use super::admission::{Asked, Decision, Document, Refusal, Slots};
use super::exchange::{Exchange, Stage};
use super::gateway::{Gateway, out_of_order};
use super::hold::hold;
use super::identify::Arrival;
use super::ingress;
use super::line::Leash;
use super::pipeline::admit;
use super::record::Draft;
use super::supervised::{Supervised, Watch};

/// What is to be done with an exchange that was not refused.
pub(super) enum Next {
    Forward,
    Publish(Document),
    Serve(Asked, Slots),
}

impl Gateway {
    /// Runs the pipeline for the head that has come.
    pub(super) async fn decide(&self, session: &mut Session, exchange: &mut Exchange) -> Result<Result<Next, Refusal>> {
        let has_body = !session.is_body_empty();
        let head = session.req_header();
        let Some(connection) = ingress::connection(session.digest()) else {
            return Err(Error::explain(ErrorType::InternalError, "a connection that no listener took"));
        };
        connection.hear();
        let mut draft =
            Draft::begin(&self.services, &exchange.snapshot, connection, &head.method, head.version, &head.headers);
        let arrival = Arrival::of(head, has_body);
        draft.has_query(arrival.target.contains(&b'?'));
        let mut decided = admit(&arrival, connection, &self.services, &exchange.snapshot, &mut draft).await;
        let mut is_held = false;
        if let Ok(Decision::Hold(proven)) = decided {
            is_held = true;
            decided = Box::pin(hold(&self.services, *proven, session, &exchange.snapshot, &mut draft)).await;
        }
        let Some(connection) = ingress::connection(session.digest()) else { return Err(out_of_order()) };
        match decided {
            // What was held once is not held again.
            Ok(Decision::Hold(_)) => Err(out_of_order()),
            Ok(Decision::Publish(document)) => {
                exchange.stage = Stage::Answered(draft);
                Ok(Ok(Next::Publish(document)))
            }
            Ok(Decision::Serve(asked, slots)) => {
                exchange.stage = Stage::Answered(draft);
                Ok(Ok(Next::Serve(asked, slots)))
            }
            Ok(Decision::Forward(admission)) => {
                if has_body && !admission.websocket && !is_held {
                    connection.begin_body(admission.route.body_timeout);
                }
                exchange.stage = Stage::Admitted(draft, admission);
                Ok(Ok(Next::Forward))
            }
            Err(refusal) => {
                draft.denied(refusal.denial);
                exchange.stage = Stage::Refused(draft);
                Ok(Err(refusal))
            }
        }
    }
}

/// Wraps the sessions of which Pingora, or the connection's stream, does not take enough care.
pub(super) fn watch_over(session: &mut Session, exchange: &mut Exchange) {
    let Some((_, admission)) = exchange.admitted() else { return };
    if session.req_header().version == Version::HTTP_10 {
        // Such a client takes nothing before its answer (RFC 9110 §15.2).
        session.set_ignore_info_resp(true);
    }
    let watch = if let Some(replay) = admission.replay.take() {
        Watch::Replay(replay)
    } else if admission.websocket {
        Watch::Tunnel(admission.messages.as_ref().map(|messages| messages.due()))
    } else if !session.is_http2() {
        // The connection's stream does it.
        return;
    } else if !session.is_body_empty() {
        Watch::Body(admission.body.deadline.into())
    } else if admission.line.is_some() {
        Watch::Line
    } else {
        return;
    };
    let leash = admission.leash.insert(Leash::new(admission.line.clone()));
    Supervised::wrap(&mut session.downstream_session, watch, leash.clone());
}
