//! A gateway whose TLS listener asks for client certificates, with routes that take them.

use std::sync::Arc;

use rustls::ClientConfig;

use super::{
    gateway::{Gateway, Site},
    http1::Message,
    raw::Client,
    setup::{Parts, config_to},
    tls::{Authority, Identity},
    upstream::Upstream,
};

/// The one whom the routes let in.
pub(crate) const JOB: &str = "spiffe://prod.test/job";

/// An authority for servers and one for clients, an echoing upstream, and the gateway.
pub(crate) struct Mutual {
    pub(crate) servers: Authority,
    pub(crate) clients: Authority,
    pub(crate) upstream: Upstream,
    pub(crate) gateway: Gateway,
}

impl Mutual {
    /// With these lines in `[listen.public]`, and these whole tables.
    pub(crate) fn new(listen: &str, tables: &str) -> Self {
        let (servers, clients, upstream) = (Authority::new("servers"), Authority::new("clients"), Upstream::echo());
        let gateway = Gateway::start(|site| {
            let identity = servers.server(&["gateway.test", "other.test", "127.0.0.1"]);
            site.write("cert.pem", identity.certificate_pem());
            site.write("key.pem", identity.key_pem());
            site.write("clients.pem", clients.pem());
            site.write("clients.crl", clients.revoking(&[]));
            config(site, &upstream, listen, tables)
        });
        Self { servers, clients, upstream, gateway }
    }

    /// A new certificate that is let in.
    pub(crate) fn job(&self) -> Identity {
        self.clients.client("job", &[JOB])
    }

    /// A client with this certificate or none.
    pub(crate) fn trusting(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        self.servers.trusting_client(identity)
    }

    /// A connection of a client with this certificate or none.
    pub(crate) fn connect(&self, identity: Option<&Identity>) -> Client {
        Client::connect_tls(self.gateway.public(), "gateway.test", self.trusting(identity)).expect("a handshake")
    }

    /// What the record of this exchange says was wrong.
    pub(crate) fn detail(&self, response: &Message) -> String {
        let id = response.header("x-request-id").expect("a request id").to_owned();
        let record = self.gateway.audited(&id, |record| record["id"] == id.as_str());
        record["detail"].as_str().unwrap_or_default().to_owned()
    }
}

/// A TLS listener for HTTP/1.1.
pub(crate) const TLS: &str = "tls = { certificate = \"cert.pem\", key = \"key.pem\" }\nhttp2 = false\n";

fn config(site: &Site, upstream: &Upstream, listen: &str, tables: &str) -> String {
    let more = format!(
        "[authn.workloads.mtls]\nca = \"clients.pem\"\ncrl = [\"clients.crl\"]\nidentity = \"uri\"\nroles = [\"batch\"]\n\
         [route.mtls]\npath = \"/mtls/**\"\ntarget = \"api\"\ncredential = \"api\"\nauthn = [\"workloads\"]\n\
         identity = {{ \"X-User\" = \"{{principal.id}}\", \"X-Roles\" = \"{{principal.roles}}\", \
         \"X-Actor\" = \"{{principal.actor}}\" }}\nallow = [{{ principal = \"workloads:{JOB}\" }}]\n\
         [route.open]\npath = \"/open/**\"\ntarget = \"api\"\nauthn = [\"workloads\", \"anonymous\"]\n\
         identity = {{ \"X-User\" = \"{{principal.id}}\" }}\n\
         allow = [{{ principal = \"workloads:{JOB}\" }}]\n{tables}"
    );
    config_to(site, &upstream.url(), &Parts { listen, more: &more, ..Parts::default() })
}
