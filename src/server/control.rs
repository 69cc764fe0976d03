//! The admin listener's application: whole answers, and the feed for those who listen.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::{HeaderValue, Response, StatusCode, header};
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use tokio::sync::Semaphore;

use crate::admin::{self, Answer, Events};
use crate::audit::Follower;
use crate::state::Services;

/// The admin listener's application.
pub(super) struct Admin {
    services: Arc<Services>,
    /// The audit log's file, where those who connect may be told what is in it.
    log: Option<PathBuf>,
    /// Places for those who listen.
    places: Semaphore,
    /// Places for connections.
    seats: Semaphore,
}

/// How many connections there may be at once: whoever is on this machine may make some, and is not to use up the descriptors of the data plane.
const CONNECTIONS: usize = 128;

/// How many may listen at once.
const LISTENERS: usize = 16;
/// How long a connection may idle, in seconds.
const IDLE: u64 = 60;
/// How often it is looked whether there are new records.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often somebody who is told nothing is told that.
const PING_EVERY: Duration = Duration::from_secs(10);
/// How long somebody who listens may take for what was written to them.
const WRITE: Duration = Duration::from_secs(10);
/// About how much is written at once, in bytes.
const CHUNK: usize = 64 * 1024;
/// How many records somebody may be behind before they are told how many they miss.
const BEHIND: u64 = 50_000;

impl Admin {
    /// The application on these services; those who connect may be told what is in the log at this path.
    pub(super) fn new(services: Arc<Services>, log: Option<PathBuf>) -> Self {
        Self { services, log, places: Semaphore::new(LISTENERS), seats: Semaphore::new(CONNECTIONS) }
    }

    /// Tells records as events until nobody listens any more, or the process ends.
    async fn feed(
        &self,
        session: &mut ServerSession,
        events: &Events,
        shutdown: &ShutdownWatch,
    ) -> pingora::Result<()> {
        session.set_keepalive(None);
        let refused = |text: &str| {
            let mut response = Response::new(text.as_bytes().to_vec());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
            response
        };
        let Some(log) = &self.log else {
            let cure = "Records are told here with `events = true` in `[admin]` and a file as `[audit] path`.\n";
            return tell(session, refused(cure)).await;
        };
        let Ok(_place) = self.places.try_acquire() else {
            return tell(session, refused("Too many listen already.\n")).await;
        };
        let mut head = ResponseHeader::build(StatusCode::OK, Some(3))?;
        head.insert_header(header::CONTENT_TYPE, "text/event-stream")?;
        head.insert_header(header::CACHE_CONTROL, "no-store")?;
        head.insert_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")?;
        session.write_response_header(Box::new(head)).await?;
        session.set_write_timeout(Some(WRITE));
        follow(session, log, events, shutdown).await
    }
}

/// Writes a whole answer.
pub(super) async fn tell(session: &mut ServerSession, answer: Response<Vec<u8>>) -> pingora::Result<()> {
    let (parts, body) = answer.into_parts();
    session.write_response_header(Box::new(parts.into())).await?;
    session.write_response_body(body.into(), true).await
}

async fn follow(
    session: &mut ServerSession,
    log: &Path,
    events: &Events,
    shutdown: &ShutdownWatch,
) -> pingora::Result<()> {
    let Ok(mut follower) = Follower::open(log, events.after) else { return Ok(()) };
    // What begins is told at once, so that who listens knows that they do.
    let (mut out, mut told) = (": listening\n\n".to_owned(), Instant::now());
    while !*shutdown.borrow() {
        let is_all = read(&mut follower, events, &mut out);
        if is_all && out.is_empty() && told.elapsed() >= PING_EVERY {
            out.push_str(":\n\n");
        }
        if !out.is_empty() {
            session.write_response_body(std::mem::take(&mut out).into(), false).await?;
            told = Instant::now();
        }
        if is_all {
            tokio::time::sleep(LOOK_EVERY).await;
        } else if let Ok(count @ 1..) = follower.catch_up(BEHIND) {
            out = Events::left_out(count);
        }
    }
    session.write_response_body(bytes::Bytes::new(), true).await
}

/// Reads as much as is written at once; tells whether that was all.
fn read(follower: &mut Follower, events: &Events, out: &mut String) -> bool {
    // Of those of which nobody wants to hear, no more at once either: others wait.
    for _ in 0..4096 {
        if out.len() >= CHUNK {
            return false;
        }
        match follower.next() {
            Ok(Some((seq, line))) => events.tell(out, seq, line),
            Ok(None) => return true,
            Err(error) => {
                log::error!(error:%; "the audit log cannot be read for those who listen");
                return true;
            }
        }
    }
    false
}

#[async_trait]
impl HttpServerApp for Admin {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let Ok(_seat) = self.seats.try_acquire() else { return None };
        // What cannot be read as a request needs no answer here.
        if !session.read_request().await.ok()? {
            return None;
        }
        session.set_keepalive(if *shutdown.borrow() { None } else { Some(IDLE) });
        let head = session.req_header();
        let done = match admin::answer(&self.services, &head.method, &head.uri, &head.headers) {
            Answer::Whole(answer) => tell(&mut session, answer).await,
            Answer::Events(events) => self.feed(&mut session, &events, shutdown).await,
        };
        // Who went away was told what they waited for.
        done.ok()?;
        let settings = HttpPersistentSettings::for_session(&session);
        let stream = session.finish().await.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(stream, settings))
    }
}
