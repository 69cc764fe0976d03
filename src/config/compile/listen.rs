//! `[server]`, `[admin]`, `[store]` and `[listen.NAME]`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{Compiler, Process};
use crate::config::file::{CertificateTable, ListenTable, Text};
use crate::config::read::{Entries, File};
use crate::config::values::{Networks, OneOrMany, Period};
use crate::crypto::{Certificate, Certificates};
use crate::domain::{Name, NetworkSet};
use crate::state::ListenerState;

/// A listener for clients, as far as only a restart or an upgrade can change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The `[listen.NAME]`.
    pub name: Name,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Whether it asks clients for a certificate.
    pub client_certificate: ClientCertificate,
    /// Whether it speaks HTTP/2.
    pub http2: bool,
    /// Who sends the PROXY protocol.
    pub proxy_protocol_from: NetworkSet,
    /// The largest request head, in bytes.
    pub max_head: usize,
    /// How long a whole head may take.
    pub head_timeout: Duration,
    /// How long a connection may idle.
    pub idle_timeout: Duration,
    /// How long a client may go without reading.
    pub write_timeout: Duration,
    /// The most connections at once.
    pub max_connections: usize,
    /// The most connections at once from one address.
    pub max_connections_per_address: usize,
}

/// Whether clients are asked for a certificate in the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificate {
    /// They are not.
    None,
    /// They may show one.
    Ask,
    /// Without one there is no connection.
    Require,
}

/// Where the process id and the upgrade socket are, unless told otherwise: beside the configuration, for this user alone.
const RUN_DIRECTORY: &str = ".claviger";

/// The largest head that can be asked for: what the HTTP library takes at most.
const MAX_HEAD: u64 = 1024 * 1024;

/// How many listeners there can be, with the admin listener: as many descriptors, one for each, as Pingora takes from its predecessor in an
/// upgrade. With more, every upgrade would fail.
const MAX_LISTENERS: usize = 32;

impl Compiler<'_, '_> {
    pub(super) fn process(&mut self, file: &File) -> Process {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let mut listeners = Vec::new();
        for (name, entry) in &file.listen {
            listeners.extend(self.listener(name, &entry.table));
        }
        self.check_addresses(file);
        self.check_number(file);
        Process {
            threads: file.server.threads.unwrap_or(cores).clamp(1, 1024),
            drain: or(file.server.drain, 30),
            run_directory: self.path(file.server.run_directory.as_deref().unwrap_or(RUN_DIRECTORY)),
            admin: file.admin.as_ref().and_then(|admin| self.admin_address(&admin.address)),
            probes: file.admin.as_ref().and_then(|admin| self.address(admin.probes.as_ref()?)),
            has_events: file.admin.as_ref().and_then(|admin| admin.events).unwrap_or(false),
            audit: self.audit(&file.audit),
            store: file.store.as_ref().map(|store| self.path(&store.path)),
            cluster: None,
            listeners,
        }
    }

    fn admin_address(&mut self, text: &Text) -> Option<SocketAddr> {
        let address = self.address(text)?;
        if !address.ip().is_loopback() {
            let cure = "bind it to loopback, such as `127.0.0.1:9901`, and reach it through a tunnel";
            self.report.add(text.span(), "the admin listener must not be reachable from outside", cure);
        }
        Some(address)
    }

    fn address(&mut self, text: &Text) -> Option<SocketAddr> {
        let parsed = text.get_ref().parse::<SocketAddr>().map_err(|_| "not an address and port");
        self.report.take(text.span(), parsed, "write one such as `0.0.0.0:8443` or `[::]:8443`")
    }

    fn check_addresses(&mut self, file: &File) {
        let mut seen = HashMap::new();
        let listeners = file.listen.values().map(|entry| &entry.table.address);
        for text in listeners.chain(of_admin(file)) {
            if let Some(_other) = seen.insert(text.get_ref().as_str(), text.span()) {
                self.report.add(
                    text.span(),
                    "another listener has this address already",
                    "give each its own address and port",
                );
            }
        }
    }

    fn check_number(&mut self, file: &File) {
        let listeners = file.listen.values().map(|entry| entry.table.address.span());
        let mut places: Vec<_> = listeners.chain(of_admin(file).map(|text| text.span())).collect();
        places.sort_by_key(|place| place.start);
        if let Some(place) = places.into_iter().nth(MAX_LISTENERS) {
            let message = format!("more than {MAX_LISTENERS} listeners: an upgrade could not hand them over");
            self.report.add(place, message, "take some out, with those of `[admin]` counted, or run a second process");
        }
    }

    fn listener(&mut self, name: &Name, table: &ListenTable) -> Option<Listener> {
        let max_head = table.max_head.map_or(32 * 1024, |size| size.0);
        if !(1024..=MAX_HEAD).contains(&max_head) {
            self.report.add(table.address.span(), "`max_head` is out of range", "choose between 1KiB and 1MiB");
        }
        Some(Listener {
            name: name.clone(),
            address: self.address(&table.address)?,
            tls: table.tls.is_some(),
            client_certificate: self.client_certificate(table)?,
            http2: table.http2.unwrap_or(table.tls.is_some()),
            proxy_protocol_from: table.proxy_protocol_from.0.clone(),
            max_head: usize::try_from(max_head).ok()?,
            head_timeout: or(table.head_timeout, 10),
            idle_timeout: or(table.idle_timeout, 60),
            write_timeout: or(table.write_timeout, 30),
            max_connections: table.max_connections.unwrap_or(65_536),
            max_connections_per_address: table.max_connections_per_address.unwrap_or(1024),
        })
    }

    fn client_certificate(&mut self, table: &ListenTable) -> Option<ClientCertificate> {
        let Some(text) = &table.client_certificate else { return Some(ClientCertificate::None) };
        if table.tls.is_none() {
            let cure = "add `tls`; for a balancer that ends TLS, write `client_cert_from`";
            self.report.add(text.span(), "a listener without TLS sees no client certificate", cure);
        }
        let asked = match text.get_ref().as_str() {
            "ask" => Ok(ClientCertificate::Ask),
            "require" => Ok(ClientCertificate::Require),
            _ => Err("no such way to ask"),
        };
        self.report.take(text.span(), asked, "choose `ask` or `require`")
    }

    pub(super) fn listener_states(
        &mut self,
        listeners: Entries<ListenTable>,
    ) -> HashMap<Name, ListenerState, ahash::RandomState> {
        let mut states = HashMap::default();
        for (name, entry) in listeners {
            let certificates = entry.table.tls.and_then(|tls| self.certificates(&tls)).map(Arc::new);
            let (Networks(forwarded_from), Networks(client_cert_from)) =
                (entry.table.forwarded_from, entry.table.client_cert_from);
            states.insert(name, ListenerState { forwarded_from, client_cert_from, certificates });
        }
        states
    }

    fn certificates(&mut self, tls: &OneOrMany<CertificateTable>) -> Option<Certificates> {
        Certificates::new(tls.0.iter().filter_map(|pair| self.certificate(pair)).collect())
    }

    fn certificate(&mut self, pair: &CertificateTable) -> Option<Certificate> {
        let (chain, key) = (self.file(&pair.certificate), self.file(&pair.key));
        let key = zeroize::Zeroizing::new(key?);
        let both = Certificate::from_pem(&chain?, &key);
        let span: Range<usize> = pair.certificate.span();
        self.report.take(span, both, "name a PEM certificate chain and the PEM private key that belongs to it")
    }
}

/// The addresses of the control plane.
fn of_admin(file: &File) -> impl Iterator<Item = &Text> {
    file.admin.iter().flat_map(|admin| std::iter::once(&admin.address).chain(admin.probes.as_ref()))
}

/// A period, or so many seconds.
pub(super) fn or(period: Option<Period>, seconds: u64) -> Duration {
    period.map_or(Duration::from_secs(seconds), |Period(duration)| duration)
}
