//! Tests of the metrics.

use super::*;

fn name(text: &str) -> Name {
    Name::parse(text).expect("name")
}

#[test]
fn events_are_rendered_under_their_names_and_labels() {
    let metrics = Metrics::new().expect("declared once");
    let route = metrics.route(&name("stripe"));
    route.requests.of(Outcome::Allowed).inc();
    metrics.route(&name("stripe")).requests.of(Outcome::Allowed).inc();
    route.seconds.observe(0.002);
    metrics.phase_seconds.of(Phase::Authorize).observe(0.000_002);
    metrics.denied(&Denial::NotAllowed);
    metrics.target(&name("api")).errors.of(UpstreamFault::Timeout).inc();
    metrics.backends(&name("api"), 2, 1);
    metrics.secrets.of(Availability::Failed).set(3);
    metrics.connections_refused.of(ConnectionRefusal::Client).inc();
    metrics.ingress_timeouts.of(IngressTimeout::Head).inc();
    metrics.reloads.of(ReloadResult::Refused).inc();
    metrics.audit.unrecorded.inc();
    let text = String::from_utf8(metrics.render()).expect("text");
    for line in [
        "claviger_requests_total{outcome=\"allowed\",route=\"stripe\"} 2",
        "claviger_requests_total{outcome=\"failed\",route=\"stripe\"} 0",
        "claviger_request_seconds_bucket{route=\"stripe\",le=\"0.0025\"} 1",
        "claviger_phase_seconds_count{phase=\"authorize\"} 1",
        "claviger_denials_total{code=\"not_allowed\"} 1",
        "claviger_upstream_errors_total{kind=\"timeout\",target=\"api\"} 1",
        "claviger_backends{state=\"failed\",target=\"api\"} 1",
        "claviger_secrets{state=\"failed\"} 3",
        "claviger_secrets{state=\"usable\"} 0",
        "claviger_connections_refused_total{reason=\"client\"} 1",
        "claviger_ingress_timeouts_total{kind=\"head\"} 1",
        "claviger_reloads_total{result=\"refused\"} 1",
        "claviger_audit_unrecorded_total 1",
        "claviger_in_flight 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}
