//! What a team would write for itself on Pingora: the whole job with as little as it takes, and none of what claviger does besides. It tells
//! what the job costs at the least.
//!
//! A token is verified once and remembered, one role may do one thing, the upstream's key takes the token's place, and a thread writes a line
//! for each request every few milliseconds. Paths are taken as they come, nothing is wiped, chained, looked through, limited or watched.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use pingora::http::RequestHeader;
use pingora::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session};
use serde::Deserialize;

use crate::bare::{self, Settings};
use crate::fault::{Fault, While};
use crate::site::REAL_KEY;
use crate::token::{AUDIENCE, ISSUER, PUBLIC_KEY, ROLE};

/// Where its lines are, in a site's folder.
const LOG: &str = "homemade.log";
/// As claviger's log has it.
const FLUSH: Duration = Duration::from_millis(5);

#[derive(Deserialize)]
struct Caller {
    sub: String,
    exp: u64,
    groups: Vec<String>,
}

/// Lines that wait for the thread that writes them.
#[derive(Default)]
struct Lines(Mutex<Vec<u8>>);

pub(crate) struct Homemade {
    settings: Settings,
    key: DecodingKey,
    validation: Validation,
    known: RwLock<HashMap<String, Arc<Caller>>>,
    credential: HeaderValue,
    lines: Arc<Lines>,
    /// Of 2xx, 3xx, 4xx and 5xx.
    answers: [AtomicU64; 4],
}

pub(crate) struct Exchange {
    began: Instant,
    caller: Option<Arc<Caller>>,
}

impl Homemade {
    fn new(settings: Settings) -> Result<Self, Fault> {
        let public = std::fs::read(settings.folder.join(PUBLIC_KEY)).during("reading the issuer's key")?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.validate_nbf = true;
        let lines = Lines::write_to(&settings.folder.join(LOG))?;
        Ok(Self {
            settings,
            key: DecodingKey::from_rsa_pem(&public).during("reading the issuer's key")?,
            validation,
            known: RwLock::default(),
            credential: HeaderValue::from_str(&format!("Bearer {REAL_KEY}")).during("making the upstream's field")?,
            lines,
            answers: Default::default(),
        })
    }

    /// Who presents this, if it is good.
    fn caller(&self, token: &str) -> Option<Arc<Caller>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned();
        if let Some(caller) = known {
            return (caller.exp > now().as_secs()).then_some(caller);
        }
        let caller = jsonwebtoken::decode::<Caller>(token, &self.key, &self.validation).ok()?;
        let caller = Arc::new(caller.claims);
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(token.to_owned(), Arc::clone(&caller));
        Some(caller)
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The token that a request presents (RFC 6750).
fn bearer(head: &RequestHeader) -> Option<&str> {
    head.headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn is_allowed(caller: &Caller, head: &RequestHeader) -> bool {
    let is_known = matches!(head.method, Method::GET | Method::POST) && head.uri.path().starts_with("/api/v1/items/");
    is_known && caller.groups.iter().any(|role| role == ROLE)
}

#[async_trait]
impl ProxyHttp for Homemade {
    type CTX = Exchange;

    fn new_ctx(&self) -> Exchange {
        Exchange { began: Instant::now(), caller: None }
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Exchange) -> pingora::Result<bool> {
        let head = session.req_header();
        exchange.caller = bearer(head).and_then(|token| self.caller(token));
        let status = match &exchange.caller {
            None => 401,
            Some(caller) if !is_allowed(caller, head) => 403,
            Some(_) => return Ok(false),
        };
        session.respond_error(status).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut Exchange) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(self.settings.peer()))
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        head: &mut RequestHeader,
        _exchange: &mut Exchange,
    ) -> pingora::Result<()> {
        head.insert_header(AUTHORIZATION, self.credential.clone())
    }

    async fn logging(&self, session: &mut Session, _: Option<&pingora::Error>, exchange: &mut Exchange) {
        let status = session.response_written().map_or(0, |head| head.status.as_u16());
        if let Some(answers) = self.answers.get(usize::from(status / 100).wrapping_sub(2)) {
            answers.fetch_add(1, Ordering::Relaxed);
        }
        let (head, now) = (session.req_header(), now());
        let line = format!(
            r#"{{"time":{}.{:03},"client":"{}","subject":"{}","method":"{}","path":"{}","status":{status},"bytes":{},"us":{}}}"#,
            now.as_secs(),
            now.subsec_millis(),
            session.client_addr().map(ToString::to_string).unwrap_or_default(),
            exchange.caller.as_deref().map_or("", |caller| &caller.sub),
            head.method,
            head.uri.path(),
            session.body_bytes_sent(),
            exchange.began.elapsed().as_micros(),
        );
        self.lines.add(&line);
    }
}

impl Lines {
    fn add(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend_from_slice(line.as_bytes());
        lines.push(b'\n');
    }

    /// Begins the thread that writes them.
    fn write_to(path: &Path) -> Result<Arc<Self>, Fault> {
        let mut file = OpenOptions::new().create(true).append(true).open(path).during("opening the log")?;
        let lines = Arc::<Self>::default();
        let waiting = Arc::clone(&lines);
        thread::spawn(move || waiting.keep_writing(&mut file));
        Ok(lines)
    }

    fn keep_writing(&self, file: &mut File) {
        let mut batch = Vec::new();
        loop {
            thread::sleep(FLUSH);
            mem::swap(&mut batch, &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
            if file.write_all(&batch).is_err() {
                return;
            }
            batch.clear();
        }
    }
}

/// Where its lines are.
pub(crate) fn log(folder: &Path) -> PathBuf {
    folder.join(LOG)
}

/// Serves until it is killed.
pub(crate) fn serve(settings: &Settings) -> Result<(), Fault> {
    bare::serve_with(settings, || Homemade::new(settings.clone()))
}
