//! Traces: what a caller says of one is passed on, exchanges become spans that a receiver understands, and no request waits for it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{
    eventually,
    gateway::{Gateway, Site, free_address},
    receivers::Receiver,
    setup::{Parts, alice, config},
    upstream::Upstream,
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn gateway(upstream: &Upstream, more: &str) -> Gateway {
    Gateway::start(|site: &mut Site| config(site, upstream, &Parts { more, ..Parts::default() }))
}

/// Asks with these fields; what the upstream was told, `traceparent` and `tracestate`.
fn passed_on(gateway: &Gateway, upstream: &Upstream, fields: &[(&str, &str)]) -> (Option<String>, Option<String>) {
    let bearer = alice().bearer();
    let headers = [&[("Authorization", bearer.as_str())], fields].concat();
    assert_eq!(gateway.get("/api/x", &headers).status(), 200);
    let requests = upstream.requests();
    let last = requests.last().expect("a request");
    let text = |name: &str| last.header(name).map(str::to_owned);
    (text("traceparent"), text("tracestate"))
}

#[test]
fn a_sound_context_is_passed_on_and_told_in_the_record_and_a_malformed_one_is_dropped() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream, "");
    let sound = format!("00-{TRACE}-{PARENT}-01");
    let told = passed_on(&gateway, &upstream, &[("traceparent", &sound), ("tracestate", "rojo=1,congo=2")]);
    assert_eq!(told, (Some(sound.clone()), Some("rojo=1,congo=2".to_owned())));
    gateway.audited("the trace is told", |record| record["trace"] == TRACE);
    for fields in [
        &[("traceparent", "00-junk"), ("tracestate", "a=1")][..],
        &[("traceparent", &sound), ("traceparent", &sound)],
        &[("tracestate", "a=1")],
    ] {
        assert_eq!(passed_on(&gateway, &upstream, fields), (None, None), "{fields:?}");
    }
    let told = passed_on(&gateway, &upstream, &[("traceparent", &sound), ("tracestate", "NO=1")]);
    assert_eq!(told, (Some(sound), None));
}

#[test]
fn an_exchange_becomes_a_span_with_its_phases_in_the_callers_trace() {
    let Some(receiver) = Receiver::otlp() else { return };
    let upstream = Upstream::echo();
    let trace = format!("[trace]\nurl = \"http://{}/v1/traces\"\nsample = 0.0\n", receiver.address);
    let gateway = gateway(&upstream, &trace);
    let told = passed_on(&gateway, &upstream, &[("traceparent", &format!("00-{TRACE}-{PARENT}-00"))]);
    assert_eq!(told.0, Some(format!("00-{TRACE}-{PARENT}-00")), "one that is not sampled stays as it is");
    let (told, _) = passed_on(&gateway, &upstream, &[("traceparent", &format!("00-{TRACE}-{PARENT}-01"))]);
    let told = told.expect("a context");
    let spans = eventually("the spans arrive", || Some(receiver.spans()).filter(|spans| spans.len() >= 5));
    assert_eq!(spans.len(), 5, "{spans:?}");
    let names: BTreeSet<_> = spans.iter().filter_map(|span| span["name"].as_str()).collect();
    assert_eq!(names, BTreeSet::from(["GET api", "acquire", "authenticate", "authorize", "upstream"]));
    let named = |name: &str| spans.iter().find(|span| span["name"] == name).expect("a span");
    let own = named("GET api");
    assert_eq!(bytes(&own["parentSpanId"]), PARENT);
    assert_eq!((&own["kind"], &named("upstream")["kind"]), (&"SPAN_KIND_SERVER".into(), &"SPAN_KIND_CLIENT".into()));
    for span in &spans {
        assert_eq!(bytes(&span["traceId"]), TRACE);
        if span != own {
            assert_eq!(span["parentSpanId"], own["spanId"]);
            assert!(nanos(&span["startTimeUnixNano"]) >= nanos(&own["startTimeUnixNano"]), "{span}");
            assert!(nanos(&span["endTimeUnixNano"]) <= nanos(&own["endTimeUnixNano"]), "{span}");
        }
    }
    assert_eq!(told, format!("00-{TRACE}-{}-01", bytes(&named("upstream")["spanId"])), "the upstream's parent");
    let attributes = own["attributes"].to_string();
    for said in ["\"http.route\"", "\"api\"", "\"http.response.status_code\"", "\"claviger.rule\""] {
        assert!(attributes.contains(said), "{said} in {attributes}");
    }
    assert!(!attributes.contains("/api/x") && !attributes.contains("alice"), "no name of a caller's: {attributes}");
    let count = || gateway.metric("claviger_spans_total", &["result=\"sent\""]).filter(|sent| *sent == 5.0);
    eventually("what was sent is counted", count);
}

#[test]
fn a_part_of_what_comes_without_a_trace_begins_one_whose_id_is_the_requests() {
    let Some(receiver) = Receiver::otlp() else { return };
    let upstream = Upstream::echo();
    let trace = format!("[trace]\nurl = \"http://{}/v1/traces\"\nsample = 1.0\nfollow = false\n", receiver.address);
    let gateway = gateway(&upstream, &trace);
    let (told, _) = passed_on(&gateway, &upstream, &[]);
    let record = gateway.audited("the record", |record| record["trace"].is_string());
    let id = record["id"].as_str().expect("an id").replace('-', "");
    assert_eq!(record["trace"], id.as_str());
    assert!(told.expect("a context").starts_with(&format!("00-{id}-")));
    let foreign = format!("00-{TRACE}-{PARENT}-01");
    assert_eq!(passed_on(&gateway, &upstream, &[("traceparent", &foreign)]).0, Some(foreign));
    let spans = eventually("the spans arrive", || Some(receiver.spans()).filter(|spans| !spans.is_empty()));
    assert!(spans.iter().all(|span| bytes(&span["traceId"]) == id), "callers are not followed: {spans:?}");
}

#[test]
fn requests_go_on_while_nobody_takes_spans_and_what_is_lost_is_counted() {
    let upstream = Upstream::echo();
    let gateway =
        gateway(&upstream, &format!("[trace]\nurl = \"http://{}/v1/traces\"\nsample = 1.0\n", free_address()));
    for _ in 0..20 {
        passed_on(&gateway, &upstream, &[]);
    }
    eventually("the loss is counted", || {
        gateway.metric("claviger_spans_total", &["result=\"failed\""]).filter(|failed| *failed >= 5.0)
    });
    assert!(gateway.log().contains("spans are not told"));
}

/// Bytes as the receiver's JSON has them, in hexadecimal.
fn bytes(value: &Value) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(value.as_str().expect("a text")).expect("base64");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn nanos(value: &Value) -> u128 {
    value.as_str().expect("a number").parse().expect("a number")
}
