//! What claviger is compared with: a Pingora proxy that passes requests through and does nothing else, with the same threads, pool, buffers
//! and timeouts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use clap::Args;
use claviger_wipe::Mimalloc;
use pingora::listeners::tls::TlsSettings;
use pingora::listeners::{L4BufferSettings, ListenerConfig, Listeners};
use pingora::server::configuration::{Opt, ServerConf};
use pingora::server::{RunArgs, Server};
use pingora::services::listening::Service;
use pingora::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy};

use crate::fault::{Fault, While};
use crate::wire::{self, Wire};

/// As claviger has it.
const MAX_H2_STREAMS: usize = 100;
/// As claviger has them where nothing is written. Nobody serves without, and Pingora sets them up anew at each wait for the upstream.
const CONNECT: Duration = Duration::from_secs(5);
const READ: Duration = Duration::from_secs(60);
const WRITE: Duration = Duration::from_secs(30);
const IDLE: Duration = Duration::from_secs(55);

/// How it is set up.
#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    address: SocketAddr,
    upstream: SocketAddr,
    /// The site's folder, where the certificate is.
    pub(crate) folder: PathBuf,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    #[arg(long, value_enum, default_value_t)]
    clients: Wire,
    #[arg(long, value_enum, default_value_t)]
    upstreams: Wire,
    /// Leave Pingora's buffers per connection as they are.
    #[arg(long)]
    default_buffers: bool,
}

impl Settings {
    /// The upstream, with what is set for it.
    pub(crate) fn peer(&self) -> HttpPeer {
        let is_tls = self.upstreams.is_tls();
        let name = if is_tls { wire::NAME.to_owned() } else { String::new() };
        let mut peer = HttpPeer::new(self.upstream, is_tls, name);
        peer.options.connection_timeout = Some(CONNECT);
        peer.options.total_connection_timeout = Some(CONNECT * 2);
        peer.options.read_timeout = Some(READ);
        peer.options.write_timeout = Some(WRITE);
        peer.options.idle_timeout = Some(IDLE);
        if self.upstreams == Wire::Http2 {
            peer.options.set_http_version(2, 2);
            peer.options.max_h2_streams = MAX_H2_STREAMS;
        }
        peer
    }
}

struct Bare(Settings);

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(self.0.peer()))
    }
}

/// Serves until it is killed.
pub(crate) fn serve(settings: &Settings) -> Result<(), Fault> {
    serve_with(settings, || Ok(Bare(settings.clone())))
}

/// Serves with more than nothing in the phases of a request, until it is killed.
pub(crate) fn serve_with<P>(settings: &Settings, phases: impl FnOnce() -> Result<P, Fault>) -> Result<(), Fault>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    // As claviger does.
    Mimalloc::warm(16 << 20);
    rustix::thread::disable_transparent_huge_pages(true).during("doing without huge pages")?;
    let authority = settings.upstreams.is_tls().then(|| wire::certificate(&settings.folder).display().to_string());
    let conf = ServerConf {
        threads: settings.threads,
        upstream_keepalive_pool_size: 512,
        ca_file: authority,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Opt::default(), conf);
    server.bootstrap();
    let proxy = http_proxy(&server.configuration, phases()?);
    let mut listeners = Listeners::new();
    listeners.add_listener(endpoint(settings)?);
    server.add_service(Service::with_listeners("bare".to_owned(), listeners, proxy));
    server.run(RunArgs::default());
    Ok(())
}

fn endpoint(settings: &Settings) -> Result<ListenerConfig, Fault> {
    let mut endpoint = ListenerConfig::tcp(settings.address.to_string());
    if !settings.default_buffers {
        // As claviger's listeners have them.
        endpoint = endpoint.l4_buffer(L4BufferSettings::new(0, 1460));
    }
    if settings.clients.is_tls() {
        let [certificate, key] = [wire::certificate(&settings.folder), wire::key(&settings.folder)];
        let tls = TlsSettings::intermediate(&certificate.display().to_string(), &key.display().to_string());
        let mut tls = tls.during("preparing TLS")?;
        if settings.clients == Wire::Http2 {
            tls.enable_h2();
        }
        endpoint = endpoint.tls(tls);
    }
    Ok(endpoint)
}
