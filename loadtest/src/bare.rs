//! What claviger is compared with: a Pingora proxy that passes requests through and does nothing else, with the same threads, pool and buffers.

use std::net::SocketAddr;

use async_trait::async_trait;
use pingora::listeners::{L4BufferSettings, ListenerConfig, Listeners};
use pingora::server::configuration::{Opt, ServerConf};
use pingora::server::{RunArgs, Server};
use pingora::services::listening::Service;
use pingora::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy};

use crate::fault::Fault;

struct Bare {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

/// Serves until it is killed.
pub(crate) fn serve(address: SocketAddr, upstream: SocketAddr, default_buffers: bool) -> Result<(), Fault> {
    let conf = ServerConf { threads: 1, upstream_keepalive_pool_size: 512, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(Opt::default(), conf);
    server.bootstrap();
    let proxy = http_proxy(&server.configuration, Bare { upstream });
    let mut endpoint = ListenerConfig::tcp(address.to_string());
    if !default_buffers {
        // As claviger's listeners have them.
        endpoint = endpoint.l4_buffer(L4BufferSettings::new(4096, 1460));
    }
    let mut listeners = Listeners::new();
    listeners.add_listener(endpoint);
    server.add_service(Service::with_listeners("bare".to_owned(), listeners, proxy));
    server.run(RunArgs::default());
    Ok(())
}
