//! The listeners: one Pingora service each, all with the same data plane behind.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::HttpServerOptions;
use pingora::listeners::tls::TlsSettings;
use pingora::listeners::{L4BufferSettings, ListenerConfig, Listeners, TlsAccept};
use pingora::server::Server;
use pingora::services::listening::Service;
use pingora_proxy::HttpProxy;

use super::control::Admin;
use super::probes::Probes;
use super::tls::{ClientKeys, SnapshotCertificates};
use crate::config::{Listener, Process};
use crate::proxy::Gateway;
use crate::proxy::ingress::{Gate, Ingress, Settings};
use crate::state::Services;

/// Read and write buffers per connection, in bytes. Heads, bodies and TLS are read into buffers of their own, which are as large, and only the
/// line of a balancer byte by byte; Pingora's default of 64 KiB more is most of what an idle connection costs.
const READ_BUFFER: usize = 0;
const READ_BUFFER_BEHIND_BALANCERS: usize = 1024;
const WRITE_BUFFER: usize = 1460;

/// Adds all listeners to a server; gives the gates, for their counters.
pub(super) fn add(server: &mut Server, process: &Process, services: &Arc<Services>) -> Vec<Arc<Gate>> {
    let mut gates = Vec::new();
    for listener in &process.listeners {
        let gate = Gate::new(settings(listener));
        let proxy = proxy(server, listener, services);
        let ingress = Ingress::new(Arc::clone(&gate), Arc::new(proxy));
        let endpoint = endpoint(listener, &gate, services);
        server.add_service(Service::with_listeners(listener.name.to_string(), endpoint, ingress));
        gates.push(gate);
    }
    if let Some(address) = process.admin {
        let app = Admin::new(Arc::clone(services), process.audit.path.clone().filter(|_| process.has_events));
        let mut service = Service::with_listeners("admin".to_owned(), Listeners::tcp(&address.to_string()), app);
        service.threads = Some(1);
        server.add_service(service);
    }
    if let Some(address) = process.probes {
        let app = Probes::new(Arc::clone(services));
        let mut service = Service::with_listeners("probes".to_owned(), Listeners::tcp(&address.to_string()), app);
        service.threads = Some(1);
        server.add_service(service);
    }
    gates
}

fn settings(listener: &Listener) -> Settings {
    Settings {
        max_head: listener.max_head,
        head_timeout: listener.head_timeout,
        idle_timeout: listener.idle_timeout,
        write_timeout: listener.write_timeout,
        max_connections: listener.max_connections,
        max_connections_per_address: listener.max_connections_per_address,
        proxy_protocol_from: listener.proxy_protocol_from.clone(),
        lame_duck: Duration::from_secs(1),
        ..Settings::new(listener.name.clone())
    }
}

fn proxy(server: &Server, listener: &Listener, services: &Arc<Services>) -> HttpProxy<Gateway> {
    let mut proxy =
        pingora_proxy::http_proxy(&server.configuration, Gateway::new(Arc::clone(services), listener.write_timeout));
    let mut options = HttpServerOptions::default();
    options.h2c = listener.http2 && !listener.tls;
    // Pingora would answer it without a record.
    options.allow_connect_method_proxying = true;
    options.h2_idle_timeout = Some(listener.idle_timeout);
    proxy.server_options = Some(options);
    proxy
}

fn endpoint(listener: &Listener, gate: &Arc<Gate>, services: &Arc<Services>) -> Listeners {
    let is_alone = listener.proxy_protocol_from.is_empty();
    let read = if is_alone { READ_BUFFER } else { READ_BUFFER_BEHIND_BALANCERS };
    let buffers = L4BufferSettings::new(read, WRITE_BUFFER);
    let mut endpoint = ListenerConfig::tcp(listener.address.to_string()).l4_buffer(buffers);
    let mut listeners = Listeners::new();
    if listener.tls {
        endpoint = endpoint.tls(tls(listener, services));
        listeners.set_pre_tls_callback(Arc::clone(gate) as _);
    }
    listeners.add_listener(endpoint);
    listeners
}

/// What Pingora's settings want to be made of; everything is in the resolver.
struct NoCallbacks;

#[async_trait]
impl TlsAccept for NoCallbacks {}

fn tls(listener: &Listener, services: &Arc<Services>) -> TlsSettings {
    let settings = TlsSettings::with_callbacks(Box::new(NoCallbacks));
    // Rustls' settings are made of nothing that could fail.
    let mut settings = settings.unwrap_or_else(|error| unreachable!("{error}"));
    settings.set_cert_resolver(Arc::new(SnapshotCertificates::new(Arc::clone(services), listener.name.clone())));
    if let Some(verifier) = ClientKeys::verifier(listener.client_certificate) {
        settings.set_client_cert_verifier(verifier);
    }
    if listener.http2 {
        settings.enable_h2();
    }
    settings
}
