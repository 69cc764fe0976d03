//! A bare Pingora proxy as it comes: default settings, buffers and pool, and the system's allocator.

use std::env;
use std::process::ExitCode;

use async_trait::async_trait;
use pingora::server::Server;
use pingora::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

struct Bare {
    upstream: String,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(&*self.upstream, false, String::new())))
    }
}

/// Takes the address to listen at and the upstream's; serves until it is killed.
fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let (Some(address), Some(upstream), Ok(mut server)) = (arguments.next(), arguments.next(), Server::new(None))
    else {
        return ExitCode::FAILURE;
    };
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare { upstream });
    service.add_tcp(&address);
    server.add_service(service);
    server.run_forever()
}
