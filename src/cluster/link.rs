//! The connection to what the nodes share, and what is said on it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisError, RedisFuture,
    Script, TlsCertificates, io::AsyncDNSResolver,
};
use tokio::sync::Notify;

use super::{Settings, rows};
use crate::crypto::{MasterKey, random};
use crate::domain::{Id, hex, millis, seconds};
use crate::limit::{Key, Rate, Spent};
use crate::net::Egress;
use crate::session::{ROWS_AT_ONCE, Row, StoreError};
use crate::vault::Slot;

/// Where the nodes meet.
pub(super) struct Place {
    info: ConnectionInfo,
    ca: Option<Vec<u8>>,
    password: Arc<ArcSwapOption<Slot>>,
    egress: Egress,
    keys: Arc<Keys>,
}

/// What everything there is called.
struct Keys {
    rows: String,
    changes: String,
    ends: String,
    last: String,
    epoch: String,
    nodes: String,
    channel: String,
    put: Script,
    news: Script,
    settle: Script,
    claim: Script,
    name: String,
    used: String,
}

/// One connection.
pub(super) struct Link {
    connection: MultiplexedConnection,
    keys: Arc<Keys>,
    /// Which run of the server answers: a later one may have forgotten something.
    run: String,
    /// The life of what is shared, as it was heard first on this link.
    epoch: OnceLock<String>,
    begun: Instant,
    /// Whether all nodes have told what they have.
    is_settled: AtomicBool,
    /// What its clock said when it was last asked, in microseconds since 2026.
    clock: Mutex<Option<(Instant, u64)>>,
}

/// Who asks what is new.
pub(super) struct Asks<'a> {
    /// The last change that it has heard.
    pub(super) seen: u64,
    /// Of which epoch it has told all that it has.
    pub(super) told: &'a str,
    /// Which node it is.
    pub(super) node: &'a str,
    /// The nodes that it knows of, with blanks between.
    pub(super) nodes: &'a str,
    /// For how long nodes are waited for.
    pub(super) patience: Duration,
}

/// What is new.
pub(super) struct News {
    /// Which life of what is shared this is.
    pub(super) epoch: String,
    /// The nodes that have told all that they have, with blanks between.
    pub(super) nodes: String,
    /// The rows, and the number of the last of their changes.
    pub(super) rows: Vec<Row>,
    pub(super) seen: u64,
    /// Whether there may be more.
    pub(super) more: bool,
}

/// Why nothing was said or heard.
#[derive(Debug)]
pub(super) enum Fault {
    /// It cannot be reached, or does not do what it is told.
    Redis(RedisError),
    /// The password cannot be had.
    Password(String),
    /// What is shared began anew: it has to be heard first.
    Anew,
    /// Somebody else has found that it cannot be reached.
    Broken,
    /// It does not say which run of the server it is.
    Unnamed,
    /// A row there was not written by a node with our key.
    Forged(String),
    /// The store here.
    Store(StoreError),
}

/// How long one answer may take.
const ANSWERED_WITHIN: Duration = Duration::from_millis(1000);
const CONNECTED_WITHIN: Duration = Duration::from_secs(2);

impl Place {
    pub(super) fn new(settings: Settings) -> Result<Self, String> {
        let info = settings.url.as_str().into_connection_info().map_err(|error| error.to_string())?;
        let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let info = info.set_redis_settings(redis);
        // In braces: one slot, where the server divides its keys among several.
        let key = |what: &str| format!("{{{}}}:{what}", settings.name);
        let keys = Keys {
            rows: key("rows"),
            changes: key("changes"),
            ends: key("ends"),
            last: key("last"),
            epoch: key("epoch"),
            nodes: key("nodes"),
            channel: key("news"),
            put: Script::new(include_str!("put.lua")),
            news: Script::new(include_str!("news.lua")),
            settle: Script::new(include_str!("settle.lua")),
            claim: Script::new(include_str!("claim.lua")),
            name: key("rate"),
            used: key("used"),
        };
        let Settings { ca, password, egress, .. } = settings;
        let place = Self { info, ca, password, egress, keys: Arc::new(keys) };
        place.client(None).map_err(|error| error.to_string())?;
        Ok(place)
    }

    fn client(&self, password: Option<&str>) -> Result<Client, RedisError> {
        let mut info = self.info.clone();
        if let Some(password) = password {
            info = info.clone().set_redis_settings(info.redis_settings().clone().set_password(password));
        }
        match &self.ca {
            Some(ca) => Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(ca.clone()) }),
            None => Client::open(info),
        }
    }

    /// Connects, and has this woken when somebody says that something is new.
    pub(super) async fn connect(&self, woken: impl Fn() + Send + Sync + 'static) -> Result<Link, Fault> {
        let secret = self.password.load().as_ref().map(|slot| slot.load()).transpose();
        let secret = secret.map_err(|error| Fault::Password(error.to_string()))?;
        let password =
            secret.as_ref().map(|secret| std::str::from_utf8(secret.expose()).map(str::trim_end)).transpose();
        let client = self.client(password.map_err(|error| Fault::Password(error.to_string()))?)?;
        let heard = move |_| {
            woken();
            Ok::<(), redis::aio::SendError>(())
        };
        let config = AsyncConnectionConfig::new()
            .set_dns_resolver(Permitted(self.egress.clone()))
            .set_connection_timeout(Some(CONNECTED_WITHIN))
            .set_response_timeout(Some(ANSWERED_WITHIN))
            .set_push_sender(heard);
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        connection.subscribe(&self.keys.channel).await?;
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
        let run = info.lines().find_map(|line| line.strip_prefix("run_id:")).map(str::trim);
        let run = run.filter(|run| !run.is_empty() && !run.contains(' ')).ok_or(Fault::Unnamed)?.to_owned();
        Ok(Link {
            connection,
            keys: Arc::clone(&self.keys),
            run,
            epoch: OnceLock::new(),
            begun: Instant::now(),
            is_settled: AtomicBool::new(false),
            clock: Mutex::default(),
        })
    }
}

impl Link {
    /// Puts rows, in as many turns as they need; tells how many were taken.
    pub(super) async fn put(&self, seal: &MasterKey, rows: &[Row]) -> Result<usize, Fault> {
        let mut taken = 0;
        for some in rows.chunks(ROWS_AT_ONCE as usize) {
            taken += self.put_some(seal, some).await?;
        }
        Ok(taken)
    }

    async fn put_some(&self, seal: &MasterKey, rows: &[Row]) -> Result<usize, Fault> {
        let keys = &self.keys;
        let mut put = keys.put.prepare_invoke();
        for key in [&keys.rows, &keys.changes, &keys.ends, &keys.last, &keys.epoch] {
            put.key(key);
        }
        put.arg(self.epoch()).arg(&keys.channel);
        for row in rows {
            put.arg(rows::field(row)).arg(row.version).arg(millis(row.ends)).arg(rows::seal(seal, row));
        }
        let taken: i64 = put.invoke_async(&mut self.connection.clone()).await?;
        usize::try_from(taken).map_err(|_| Fault::Anew)
    }

    /// Uses something up; tells whether this was the first use. What was made before all that is known here may have been used.
    pub(super) async fn claim(&self, digest: &[u8; 32], made: SystemTime, lasts: Duration) -> Result<bool, Fault> {
        let began: u64 = self.epoch().rsplit(' ').next().and_then(|time| time.parse().ok()).ok_or(Fault::Anew)?;
        if seconds(made) <= began {
            return Ok(false);
        }
        let mut claim = self.keys.claim.prepare_invoke();
        claim.key(format!("{}:{}", self.keys.used, hex(digest))).key(&self.keys.epoch);
        claim.arg(self.epoch()).arg(u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX).max(1));
        match claim.invoke_async::<i64>(&mut self.connection.clone()).await? {
            1 => Ok(true),
            0 => Ok(false),
            _ => Err(Fault::Anew),
        }
    }

    fn epoch(&self) -> &str {
        self.epoch.get().map(String::as_str).unwrap_or_default()
    }

    /// Counts what was allowed of a limit; tells how far each key is ahead of its rate then.
    pub(super) async fn settle(
        &self,
        place: &str,
        rate: &Rate,
        spent: &[(Key, Spent)],
    ) -> Result<Vec<Duration>, Fault> {
        let mut settle = self.keys.settle.prepare_invoke();
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let (asked, clock) = (Instant::now(), self.clock());
        let sent = clock.map(|(at, told)| told + at.elapsed().as_micros() as u64);
        settle.arg(micros(rate.cost())).arg(micros(rate.most_owed()));
        settle.arg(sent.map(|sent| sent.to_string()).unwrap_or_default());
        for (key, spent) in spent {
            settle.key(format!("{}:{place}:{}", self.keys.name, key.text()));
            settle.arg(spent.count).arg(micros(spent.since.elapsed()));
        }
        let told: Vec<u64> = settle.invoke_async(&mut self.connection.clone()).await?;
        let (now, ahead) = told.split_first().ok_or(Fault::Anew)?;
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = Some((asked, *now));
        Ok(ahead.iter().copied().map(Duration::from_micros).collect())
    }

    fn clock(&self) -> Option<(Instant, u64)> {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing that was decided before is missing here, as far as anybody knows.
    pub(super) fn is_settled(&self) -> bool {
        self.is_settled.load(Ordering::Acquire)
    }

    /// What changed after what was heard.
    pub(super) async fn news(&self, seal: &MasterKey, asks: &Asks<'_>) -> Result<News, Fault> {
        let keys = &self.keys;
        let mut news = keys.news.prepare_invoke();
        for key in [&keys.rows, &keys.changes, &keys.ends, &keys.epoch, &keys.nodes, &keys.last] {
            news.key(key);
        }
        news.arg(asks.seen).arg(ROWS_AT_ONCE).arg(&self.run).arg(Id(random()).to_string());
        // Those it knows of are named once: later, whoever is waited for may have been given up.
        let nodes = if self.epoch.get().is_none() { asks.nodes } else { "" };
        news.arg(asks.node).arg(asks.told).arg(asks.patience.as_secs()).arg(nodes);
        let told: Vec<Vec<u8>> = news.invoke_async(&mut self.connection.clone()).await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let [epoch, all_told, nodes, rest @ ..] = told.as_slice() else { return Err(Fault::Anew) };
        let (epoch, nodes) = (text(epoch), text(nodes));
        let is_late = self.begun.elapsed() > asks.patience;
        self.is_settled.store(asks.told == epoch && (is_late || all_told == b"1"), Ordering::Release);
        if *self.epoch.get_or_init(|| epoch.clone()) != epoch {
            return Err(Fault::Anew);
        }
        let (mut rows, mut last) = (Vec::new(), asks.seen);
        for one in rest.chunks(3) {
            let [field, change, value] = one else { break };
            let field = text(field);
            last = text(change).parse().map_err(|_| Fault::Forged(field.clone()))?;
            // What is empty was over before it could be told.
            if !value.is_empty() {
                rows.push(rows::open(seal, &field, value).ok_or(Fault::Forged(field))?);
            }
        }
        let more = rest.len() >= 3 * ROWS_AT_ONCE as usize;
        Ok(News { epoch, nodes, rows, seen: last, more })
    }
}

/// The addresses of a name that the egress rules permit, asked for with each connection.
struct Permitted(Egress);

impl AsyncDNSResolver for Permitted {
    fn resolve<'a, 'b: 'a>(
        &'a self,
        host: &'b str,
        port: u16,
    ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
        Box::pin(async move {
            let found = self.0.resolve(host, port).await.map_err(RedisError::from)?;
            Ok(Box::new(found.into_iter()) as Box<dyn Iterator<Item = SocketAddr> + Send>)
        })
    }
}

/// Something that is woken.
pub(super) fn wake(news: &Arc<super::Shared>) -> impl Fn() + Send + Sync + 'static {
    let shared = Arc::downgrade(news);
    move || {
        if let Some(shared) = shared.upgrade() {
            Notify::notify_one(&shared.news);
        }
    }
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// How much of an error's text is told, in characters.
const MOST_TOLD: usize = 300;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // What a server says may be of any length, and is told again whenever it changes.
            Self::Redis(error) => f.write_str(&error.to_string().chars().take(MOST_TOLD).collect::<String>()),
            Self::Password(what) => write!(f, "its password: {what}"),
            Self::Anew => f.write_str("it began anew"),
            Self::Broken => f.write_str("it cannot be reached"),
            Self::Unnamed => f.write_str("`INFO server` has no `run_id`: it has to be Redis 6 or Valkey, or later"),
            Self::Forged(field) => {
                write!(
                    f,
                    "`{field}` was not written by a node with the key of this one: all nodes have to have the same `key`"
                )
            }
            Self::Store(error) => error.fmt(f),
        }
    }
}
