//! The audit log's sinks against real receivers: everything arrives at least once, also when the receiver is away, or the gateway is killed.

use std::{
    collections::BTreeSet,
    io::Read as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::support::{
    eventually,
    gateway::{Gateway, Site},
    raw,
    receivers::Receiver,
    setup::{Parts, alice, config},
    tls::Authority,
    upstream::{Then, Upstream},
};

/// A gateway with these tables more, ready to serve.
fn gateway(upstream: &Upstream, more: &str) -> Gateway {
    Gateway::start(|site: &mut Site| {
        site.write("secrets/siem", "the-siems-own");
        config(site, upstream, &Parts { more, ..Parts::default() })
    })
}

fn ask(gateway: &Gateway, times: usize) {
    let bearer = alice().bearer();
    for nth in 0..times {
        let headers = [("Authorization", bearer.as_str()), ("Connection", "close")];
        let answer = raw::get(gateway.public(), &format!("/api/{nth}"), &headers);
        assert_eq!(answer.status(), 200);
    }
}

fn numbers(records: &[Value]) -> BTreeSet<u64> {
    records.iter().filter_map(|record| record["seq"].as_u64()).collect()
}

/// Waits until all that is in the log's file has arrived, and nothing else.
fn arrived(gateway: &Gateway, what: &str, records: impl Fn() -> Vec<Value>) {
    eventually(what, || {
        let (written, told) = (gateway.audit_lines(), records());
        let missing = numbers(&written).difference(&numbers(&told)).next().is_some();
        let is_known = told.iter().all(|record| written.contains(record));
        (!missing && !written.is_empty() && is_known).then_some(())
    });
}

#[test]
fn rsyslog_has_every_record_also_of_when_it_was_away_and_the_gateway_was_killed() {
    let Some(mut rsyslog) = Receiver::rsyslog(None) else { return };
    let upstream = Upstream::echo();
    let sink = format!("[sink.siem.syslog]\naddress = \"{}\"\ntls = false\nfacility = \"auth\"\n", rsyslog.address);
    let mut gateway = gateway(&upstream, &sink);
    ask(&gateway, 20);
    arrived(&gateway, "the first records arrive", || rsyslog.syslog_records());
    let line = rsyslog.lines("messages").into_iter().find(|line| line.contains("\"exchange\"")).expect("an exchange");
    assert!(
        line.starts_with("<38>1 20") && line.contains("Z ") && line.contains(" exchange - {\"kind\":\"exchange\","),
        "{line}"
    );

    rsyslog.kill();
    ask(&gateway, 50);
    eventually("it is told that the receiver is away", || {
        gateway.metric("claviger_sink_errors_total", &["sink=\"siem\""]).filter(|errors| *errors > 0.0)
    });
    gateway.kill_and_restart();
    gateway.wait_until_ready();
    ask(&gateway, 30);
    eventually("the new process knows what is to be sent", || {
        gateway.metric("claviger_sink_lag_records", &["sink=\"siem\""]).filter(|lag| *lag >= 50.0)
    });
    rsyslog.start();
    arrived(&gateway, "what was written meanwhile arrives", || rsyslog.syslog_records());
    eventually("nothing is behind any more", || {
        gateway.metric("claviger_sink_lag_records", &["sink=\"siem\""]).filter(|lag| *lag == 0.0)
    });
    assert_eq!(gateway.metric("claviger_sink_skipped_total", &["sink=\"siem\""]), Some(0.0));
    let exchanges = rsyslog.syslog_records().iter().filter(|record| record["kind"] == "exchange").count();
    assert!(exchanges >= 100, "{exchanges}");
}

#[test]
fn rsyslog_is_spoken_to_over_tls_and_only_where_its_certificate_is_trusted() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let Some(rsyslog) = Receiver::rsyslog(Some(&ours)) else { return };
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site: &mut Site| {
        site.write("ours.pem", ours.pem());
        site.write("other.pem", other.pem());
        let sink = |name: &str, ca: &str| {
            format!(
                "[sink.{name}.syslog]\naddress = \"{}\"\nserver_name = \"localhost\"\nca = \"{ca}\"\n",
                rsyslog.address
            )
        };
        let more = sink("siem", "ours.pem") + &sink("stranger", "other.pem");
        config(site, &upstream, &Parts { more: &more, ..Parts::default() })
    });
    ask(&gateway, 20);
    arrived(&gateway, "records arrive over TLS", || rsyslog.syslog_records());
    eventually("the server says that it has them", || {
        gateway.metric("claviger_sink_sent_total", &["sink=\"siem\""]).filter(|sent| *sent >= 20.0)
    });
    eventually("who is not trusted is told nothing", || {
        gateway.metric("claviger_sink_errors_total", &["sink=\"stranger\""]).filter(|errors| *errors > 0.0)
    });
    assert_eq!(gateway.metric("claviger_sink_sent_total", &["sink=\"stranger\""]), Some(0.0));
}

#[test]
fn an_opentelemetry_receiver_is_told_in_its_own_words_and_what_it_missed_is_told_again() {
    let Some(receiver) = Receiver::otlp() else { return };
    let upstream = Upstream::echo();
    let sink = format!(
        "[sink.otel.otlp]\nurl = \"http://{}/v1/logs\"\nauth = {{ secret = \"files:siem\" }}\n",
        receiver.address
    );
    let gateway = gateway(&upstream, &sink);
    receiver.set_away(true);
    ask(&gateway, 10);
    assert_eq!(gateway.get("/api/x", &[]).status(), 401);
    eventually("it is told that the receiver is away", || {
        gateway.metric("claviger_sink_errors_total", &["sink=\"otel\""]).filter(|errors| *errors > 0.0)
    });
    receiver.set_away(false);
    let bodies = || -> Vec<Value> {
        let records = receiver.log_records();
        let body = |record: &Value| serde_json::from_str(record["body"]["stringValue"].as_str().expect("a text"));
        records.iter().map(|record| body(record).expect("JSON")).collect()
    };
    arrived(&gateway, "all records arrive", bodies);
    let records = receiver.log_records();
    let refused = records.iter().find(|record| record["severityText"] == "WARN").expect("the refusal");
    assert_eq!(
        (&refused["eventName"], &refused["severityNumber"]),
        (&"claviger.exchange".into(), &"SEVERITY_NUMBER_WARN".into())
    );
    let attribute = |name: &str| {
        let all = refused["attributes"].as_array().expect("attributes").iter();
        all.clone().find(|one| one["key"] == name).unwrap_or_else(|| panic!("{name} in {refused}"))["value"].clone()
    };
    assert_eq!(attribute("http.response.status_code")["intValue"], "401");
    assert_eq!(attribute("error.type")["stringValue"], "credential_missing");
    assert_eq!(attribute("http.route")["stringValue"], "api");
    assert!(refused["timeUnixNano"].as_str().is_some_and(|nanos| nanos.len() == 19), "{refused}");
    let message = &receiver.messages("logs")[0];
    assert_eq!(message["proof"], "Bearer the-siems-own");
    let resource = message["message"]["resourceLogs"][0]["resource"]["attributes"].to_string();
    assert!(resource.contains("service.name") && resource.contains("claviger"), "{resource}");
}

/// How long the middle one of these took.
fn middle(mut took: Vec<Duration>) -> Duration {
    took.sort();
    took[took.len() / 2]
}

#[test]
fn while_a_receiver_is_away_nothing_is_lost_nobody_waits_and_it_is_told() {
    let Some(mut rsyslog) = Receiver::rsyslog(None) else { return };
    let away = Duration::from_secs(if std::env::var("CLAVIGER_FULL").is_ok_and(|full| full == "1") { 60 } else { 4 });
    let upstream = Upstream::echo();
    let sink = format!("[sink.siem.syslog]\naddress = \"{}\"\ntls = false\n", rsyslog.address);
    let mut gateway = gateway(&upstream, &sink);
    let metric = |gateway: &Gateway, name: &str| gateway.metric(&format!("claviger_sink_{name}"), &["sink=\"siem\""]);
    let timed = |gateway: &Gateway, times: usize| -> Vec<Duration> {
        (0..times)
            .map(|_| {
                let began = Instant::now();
                ask(gateway, 1);
                began.elapsed()
            })
            .collect()
    };
    let before = timed(&gateway, 200);
    arrived(&gateway, "the first records arrive", || rsyslog.syslog_records());

    rsyslog.kill();
    let (began, mut meanwhile) = (Instant::now(), Vec::new());
    while began.elapsed() < away {
        meanwhile.extend(timed(&gateway, 100));
    }
    let (slow, most) = (middle(meanwhile.clone()), meanwhile.iter().max().copied().unwrap_or_default());
    assert!(slow < middle(before.clone()) * 3 + Duration::from_millis(2), "{slow:?} and not {:?}", middle(before));
    assert!(most < Duration::from_secs(5), "{most:?}: nobody waits for the receiver");
    assert!(metric(&gateway, "errors_total").is_some_and(|errors| errors >= 2.0), "it is tried again");
    let behind = eventually("how far it is behind is told", || {
        metric(&gateway, "lag_records").filter(|lag| *lag >= meanwhile.len() as f64)
    });
    let seconds = metric(&gateway, "lag_seconds").expect("a number");
    assert!(seconds >= away.as_secs_f64() / 2.0, "{behind} records, {seconds} s");
    assert!(gateway.log().contains("records cannot be delivered and wait"));

    rsyslog.start();
    let deadline = Instant::now() + Duration::from_secs(60);
    // The longest pause between two tries is half a minute.
    while metric(&gateway, "lag_records") != Some(0.0) {
        assert!(Instant::now() < deadline, "it was not told what it missed");
        std::thread::yield_now();
    }
    eventually("every record arrives", || {
        let (written, told) = (numbers(&gateway.audit_lines()), numbers(&rsyslog.syslog_records()));
        written.is_subset(&told).then_some(())
    });
    assert_eq!(metric(&gateway, "skipped_total"), Some(0.0));
    eventually("it is told that this is over", || gateway.log().contains("records are delivered again").then_some(()));
    gateway.terminate();
    let exchanges: BTreeSet<_> = rsyslog
        .syslog_records()
        .iter()
        .filter(|record| record["kind"] == "exchange")
        .map(|record| record["seq"].as_u64())
        .collect();
    assert!(exchanges.len() >= before.len() + meanwhile.len(), "{} of {}", exchanges.len(), meanwhile.len());
    println!("{} records of {away:?} without a receiver arrived; the middle request took {slow:?}", meanwhile.len());
}

/// What a webhook was sent, each body with its idempotency key; those that were refused too.
fn told(webhook: &Upstream) -> Vec<(String, String)> {
    let requests = webhook.requests();
    let body = |request: &crate::support::http1::Message| {
        let mut text = String::new();
        match request.header("content-encoding") {
            Some("gzip") => GzDecoder::new(&request.body[..]).read_to_string(&mut text).expect("gzip"),
            _ => (&request.body[..]).read_to_string(&mut text).expect("text"),
        };
        (request.header("idempotency-key").expect("a key").to_owned(), text)
    };
    requests.iter().map(body).collect()
}

#[test]
fn a_webhook_is_sent_batches_in_the_form_it_wants_and_the_same_again_under_the_same_key() {
    for (format, gzip) in [("ndjson", true), ("array", false)] {
        let is_away = Arc::new(AtomicBool::new(true));
        let (upstream, away) = (Upstream::echo(), Arc::clone(&is_away));
        let webhook = Upstream::start(move |request, wire| {
            assert_eq!(request.header("x-api-key"), Some("the-siems-own"));
            let answer = if away.load(Ordering::SeqCst) { "503 No" } else { "204 Taken" };
            wire.send(format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").as_bytes())?;
            Ok(Then::KeepAlive)
        });
        let sink = format!(
            "[sink.hook.webhook]\nurl = \"{}/audit\"\nformat = \"{format}\"\ngzip = {gzip}\nmax_batch = 7\n\
             auth = {{ secret = \"files:siem\", name = \"X-Api-Key\" }}\n",
            webhook.url()
        );
        let gateway = gateway(&upstream, &sink);
        ask(&gateway, 30);
        eventually("it was tried twice", || (told(&webhook).len() >= 2).then_some(()));
        is_away.store(false, Ordering::SeqCst);
        let first = told(&webhook);
        let records = || -> Vec<Value> {
            let bodies = told(&webhook).into_iter().map(|(_, body)| body);
            let lines = |body: String| -> Vec<Value> {
                match format {
                    "array" => serde_json::from_str(&body).expect("an array"),
                    _ => body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect(),
                }
            };
            bodies.flat_map(lines).collect()
        };
        arrived(&gateway, "all records arrive", records);
        assert!(told(&webhook).iter().all(|(_, body)| body.matches("\"kind\":").count() <= 7));
        let sound = told(&webhook);
        let again = sound.iter().filter(|(key, _)| *key == first[1].0).collect::<Vec<_>>();
        assert!(again.iter().all(|(_, body)| *body == first[1].1), "one key, one body: {again:?}");
    }
}

#[test]
fn what_is_too_old_is_left_out_and_the_log_itself_tells_of_it() {
    let is_away = Arc::new(AtomicBool::new(true));
    let (upstream, away) = (Upstream::echo(), Arc::clone(&is_away));
    let webhook = Upstream::start(move |_, wire| {
        let answer = if away.load(Ordering::SeqCst) { "500 No" } else { "200 Taken" };
        wire.send(format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").as_bytes())?;
        Ok(Then::KeepAlive)
    });
    let sink = format!("[sink.hook.webhook]\nurl = \"{}\"\nmax_age = \"1s\"\n", webhook.url());
    let gateway = gateway(&upstream, &sink);
    ask(&gateway, 10);
    let skipped = eventually("the log tells of all of them", || {
        let skipped: Vec<_> = gateway.audit().into_iter().filter(|record| record["kind"] == "skipped").collect();
        let count: u64 = skipped.iter().filter_map(|record| record["count"].as_u64()).sum();
        (count >= 10).then_some(skipped)
    });
    assert!(skipped.iter().all(|record| record["sink"] == "hook" && record["reason"] == "age"), "{skipped:?}");
    assert!(gateway.log().contains("records are not delivered"));
    assert!(gateway.metric("claviger_sink_skipped_total", &["sink=\"hook\""]).is_some_and(|skipped| skipped >= 10.0));
    is_away.store(false, Ordering::SeqCst);
    ask(&gateway, 1);
    eventually("what is not too old arrives", || {
        gateway.metric("claviger_sink_sent_total", &["sink=\"hook\""]).filter(|sent| *sent > 0.0)
    });
}

#[test]
fn a_sink_comes_and_goes_with_the_configuration_and_begins_with_what_is_there() {
    let (upstream, webhook) = (Upstream::echo(), Upstream::echo());
    let gateway = gateway(&upstream, "");
    ask(&gateway, 5);
    let sink = format!("[sink.late.webhook]\nurl = \"{}\"\n", webhook.url());
    gateway.reload(&config(gateway.site(), &upstream, &Parts { more: &sink, ..Parts::default() }));
    let records = || -> Vec<Value> {
        let bodies = told(&webhook).into_iter().map(|(_, body)| body);
        bodies
            .flat_map(|body| body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<_>>())
            .collect()
    };
    arrived(&gateway, "also what was written before it was there", records);
    gateway.reload(&config(gateway.site(), &upstream, &Parts::default()));
    eventually("it is shown no more", || {
        gateway.metric("claviger_sink_lag_records", &["sink=\"late\""]).is_none().then_some(())
    });
    let before = told(&webhook).len();
    ask(&gateway, 5);
    gateway.audited("the record of the last one", |record| record["path"] == "/api/4");
    assert_eq!(told(&webhook).len(), before);
}

#[test]
fn what_is_written_at_the_end_is_told_before_the_process_ends() {
    let (upstream, webhook) = (Upstream::echo(), Upstream::echo());
    let mut gateway =
        gateway(&upstream, &format!("[sink.hook.webhook]\nurl = \"{}\"\n[sink.out.stdout]\n", webhook.url()));
    ask(&gateway, 3);
    gateway.terminate();
    let bodies: String = told(&webhook).into_iter().map(|(_, body)| body).collect();
    let (written, printed) = (gateway.audit_lines(), gateway.log());
    assert!(written.len() >= 3);
    for record in &written {
        let seq = format!("\"seq\":{},", record["seq"]);
        assert!(bodies.contains(&seq) && printed.contains(&seq), "{record}");
    }
}
