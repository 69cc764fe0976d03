//! Rotations by a provider of keys that behaves as some do: no key that is in use is ever told off.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use http::header;

use super::*;
use crate::net::ClientSettings;
use crate::vault::Slot;
use crate::vault::provider::Look;

/// A provider that answers each call, as `METHOD PATH`, with a status and a body.
struct Fake {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn start(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let call = read(&stream);
                let (status, body) = answer(&call);
                told.lock().expect("no panic").push(call);
                let length = body.len();
                let head = format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
                stream.write_all(format!("{head}{body}").as_bytes()).expect("sent");
            }
        });
        Self { url, seen }
    }

    fn seen(&self, method: &str) -> Vec<String> {
        self.seen.lock().expect("no panic").iter().filter(|call| call.starts_with(method)).cloned().collect()
    }

    fn provider(&self) -> HttpProvider {
        let name = SecretRef { vault: Name::parse("v").expect("a name"), path: "a/admin".to_owned() };
        let admin = Slot::new(name, Duration::from_secs(3600), Instant::now());
        let outcome = Ok(Secret::new(b"admin".to_vec()));
        admin.found(Ok(Look::Read { mark: None, outcome, ends: None, confirmed: None }), Instant::now());
        HttpProvider {
            url: self.url.clone(),
            client: ClientSettings::default(),
            admin: Arc::new(admin),
            header: (header::AUTHORIZATION, "Bearer ".to_owned()),
            create: CreateCall {
                call: call(http::Method::POST, "/keys", Placeholder::Attempt),
                take: "/secret".to_owned(),
                id: Some("/id".to_owned()),
            },
            list: None,
            retire: Some(call(http::Method::DELETE, "/keys/{id}", Placeholder::Id)),
            renew: None,
            first_id: Some("k0".to_owned()),
            room: 2,
        }
    }
}

fn read(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_ascii_lowercase());
    }
    let length = lines.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    reader.read_exact(&mut vec![0; length]).expect("a body");
    let mut words = lines.first().expect("a request").split(' ');
    format!("{} {}", words.next().expect("a method").to_ascii_uppercase(), words.next().expect("a path"))
}

fn call(method: http::Method, path: &str, placeholder: Placeholder) -> Call {
    let path = CallTemplate::parse(path, placeholder, Written::Path).expect("a path");
    Call { method, path, body: None, headers: Vec::new() }
}

fn key(id: &str, secret: &str) -> (u16, String) {
    (200, serde_json::json!({ "id": id, "secret": secret }).to_string())
}

fn rotation(fixture: &Fixture, provider: HttpProvider) -> Rotation {
    fixture.rotation(|settings| {
        settings.every = None;
        settings.source = NewSecret::Http(Box::new(provider));
    })
}

/// Asks, and goes on until nothing is to be done, through all times; tells what came of it.
fn rotate(rotation: &Rotation, now: SystemTime) -> Vec<RotationEvent> {
    step(rotation, now);
    rotation.ask("uid:7", now).expect("asked");
    go_on(rotation, now)
}

fn go_on(rotation: &Rotation, now: SystemTime) -> Vec<RotationEvent> {
    let mut all = Vec::new();
    for nth in 1..200 {
        rotation.running.lock().expect("no panic").not_before = None;
        let (events, stage) = step(rotation, now + Duration::from_secs(1000 * nth));
        all.extend(events);
        if stage == RotationStage::Idle {
            return all;
        }
    }
    panic!("it comes to no end: {all:?}");
}

fn failed_with(events: &[RotationEvent], why: &str) -> bool {
    matches!(events, [RotationEvent::Failed(reason), ..] if reason.contains(why))
}

#[test]
fn an_id_that_stays_the_same_is_never_told_off() {
    for (answers, made) in [(["k0", "k0"], 0), (["k1", "k1"], 1)] {
        let fixture = Fixture::new();
        let calls = std::sync::atomic::AtomicUsize::new(0);
        let fake = Fake::start(move |call| match call {
            "POST /keys" => {
                let nth = calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                key(answers[nth], &format!("secret-{nth}"))
            }
            _ => (204, String::new()),
        });
        let rotation = rotation(&fixture, fake.provider());
        let now = SystemTime::now();
        if made == 1 {
            let events = rotate(&rotation, now);
            assert_eq!(events, [RotationEvent::Made, RotationEvent::Promoted, RotationEvent::Retired]);
            assert_eq!(fake.seen("DELETE"), ["DELETE /keys/k0"]);
        }
        let events = rotate(&rotation, now + Duration::from_secs(1_000_000));
        assert!(failed_with(&events, "as it does the one in use") && events.len() == 1, "{events:?}");
        assert_eq!(fake.seen("DELETE").len(), made, "{answers:?}");
    }
}

#[test]
fn what_is_to_be_retired_by_the_id_of_the_one_in_use_is_left() {
    let fixture = Fixture::new();
    let fake = Fake::start(|_| (204, String::new()));
    let rotation = rotation(&fixture, fake.provider());
    let now = SystemTime::now();
    let mut state = State { stage: RotationStage::Retiring, ..State::new(now) };
    (state.ids.used, state.ids.unused) = (Some("k1".to_owned()), Some("k1".to_owned()));
    fixture.change(|all| {
        rotation.put(all, &state).expect("set");
        all.set("a/key (unused)", Secret::new(b"old".to_vec())).expect("set");
    });
    let left = RotationEvent::NotRetired("its id is that of the one in use".to_owned());
    assert_eq!(step(&rotation, now), (vec![left], RotationStage::Idle));
    assert_eq!(fake.seen("DELETE"), [""; 0]);
}

#[test]
fn an_answer_without_a_secret_or_with_it_as_its_id_retires_nothing() {
    let without = (200, serde_json::json!({ "id": "k0", "secret": null }).to_string());
    for (answer, why) in [(without, "no secret at `take`"), (key("same", "same"), "the secret itself at `id`")] {
        let fixture = Fixture::new();
        let fake = Fake::start(move |_| answer.clone());
        let events = rotate(&rotation(&fixture, fake.provider()), SystemTime::now());
        assert!(failed_with(&events, why), "{events:?}");
        assert!(matches!(events[1..], [RotationEvent::NotRetired(_)]), "a key may be left: {events:?}");
        assert_eq!((fake.seen("POST").len(), fake.seen("DELETE").len()), (1, 0));
        assert!(!format!("{events:?}").contains("same"));
    }
}

#[test]
fn a_sweep_leaves_the_key_in_use_whatever_its_name_has_become_and_needs_an_attempt() {
    let items = serde_json::json!([{ "id": "k0", "name": "by 0123" }, { "id": "k1", "name": "by 0123" }]);
    let fake = Fake::start(move |call| (200, if call == "GET /keys" { items.to_string() } else { String::new() }));
    let list = ListCall {
        call: call(http::Method::GET, "/keys", Placeholder::None),
        items: String::new(),
        id: "/id".to_owned(),
        name: "/name".to_owned(),
    };
    let provider = HttpProvider { list: Some(list), ..fake.provider() };
    let mut worker = Worker::default();
    assert!(worker.wait(provider.sweep("", &[])).expect("a worker").is_err());
    assert_eq!(fake.seen("DELETE"), [""; 0]);
    assert_eq!(worker.wait(provider.sweep("0123", &["k0"])).expect("a worker"), Ok(1));
    assert_eq!(fake.seen("DELETE"), ["DELETE /keys/k1"]);
}

#[test]
fn nobody_asks_again_for_a_key_that_could_not_be_told_from_another() {
    let fixture = Fixture::new();
    let fake = Fake::start(|_| key("k1", "second"));
    let template = |text, written| CallTemplate::parse(text, Placeholder::Attempt, written).expect("a template");
    let mut provider = fake.provider();
    provider.create.call.body = Some((template(r#"{"name": "{attempt}"}"#, Written::Json), BodyType::Json));
    assert!(!provider.tells_attempts_apart(), "a name that nobody lists");
    let now = SystemTime::now();
    let first = rotation(&fixture, provider.clone());
    step(&first, now);
    first.ask("uid:7", now).expect("asked");
    assert_eq!([step(&first, now).1, step(&first, now).1], [RotationStage::Making; 2], "the attempt is written");
    drop(first);
    let events = go_on(&rotation(&fixture, provider.clone()), now);
    assert!(failed_with(&events, "was ended") && matches!(events[1..], [RotationEvent::NotRetired(_)]), "{events:?}");
    assert_eq!(fake.seen("POST"), [""; 0]);
    let key = (header::HeaderName::from_static("idempotency-key"), template("{attempt}", Written::Header));
    provider.create.call.headers.push(key);
    assert!(provider.tells_attempts_apart());
}

#[test]
fn what_is_refused_time_after_time_is_left_and_told() {
    let fixture = Fixture::new();
    let fake = Fake::start(|call| if call == "POST /keys" { key("k1", "second") } else { (403, String::new()) });
    let rotation = rotation(&fixture, fake.provider());
    let events = rotate(&rotation, SystemTime::now());
    assert!(
        matches!(events.last(), Some(RotationEvent::NotRetired(reason)) if reason.contains("20 times")),
        "{events:?}"
    );
    assert_eq!(fake.seen("DELETE").len(), 20);
    assert_eq!(rotation.running.lock().expect("no panic").refused, 0);
}

#[test]
fn the_ids_of_another_provider_are_not_told_to_this_one() {
    let fixture = Fixture::new();
    let (one, other) = (Fake::start(|_| key("k1", "second")), Fake::start(|_| key("k9", "third")));
    let now = SystemTime::now();
    rotate(&rotation(&fixture, one.provider()), now);
    let events = rotate(&rotation(&fixture, other.provider()), now + Duration::from_secs(1_000_000));
    assert!(matches!(events.last(), Some(RotationEvent::NotRetired(reason)) if reason.contains("id is not known")));
    assert_eq!((fixture.secret("a/key").as_deref(), other.seen("DELETE").len()), (Some("third"), 0));
}

#[test]
fn a_renewal_that_fails_is_shown_until_it_is_well_and_replaces_no_key_that_somebody_set() {
    let fixture = Fixture::new();
    let status = Arc::new(std::sync::atomic::AtomicU16::new(200));
    let answers = Arc::clone(&status);
    let fake = Fake::start(move |call| match call {
        "POST /keys" => key("k1", "second"),
        "PUT /keys/k1" => (answers.load(std::sync::atomic::Ordering::SeqCst), String::new()),
        _ => (204, String::new()),
    });
    let renew = Some((call(http::Method::PUT, "/keys/{id}", Placeholder::Id), Duration::from_secs(3600)));
    let rotation = rotation(&fixture, HttpProvider { renew, ..fake.provider() });
    let now = SystemTime::now();
    rotate(&rotation, now);
    let renewed = |answer: u16| {
        status.store(answer, std::sync::atomic::Ordering::SeqCst);
        rotation.running.lock().expect("no panic").renew_at = None;
        let (events, stage) = step(&rotation, now + Duration::from_secs(1_000_000));
        (events.len(), stage, rotation.status().fault.clone().unwrap_or_default())
    };
    let away = "a key is not kept alive: the provider answered `renew` with status 503";
    assert_eq!(renewed(503), (1, RotationStage::Idle, away.to_owned()));
    assert_eq!(renewed(503), (0, RotationStage::Idle, away.to_owned()), "told once");
    assert_eq!(renewed(200), (0, RotationStage::Idle, String::new()));
    fixture.change(|all| {
        all.take("a/key");
        all.set("a/key", Secret::new(b"by hand".to_vec())).expect("set");
    });
    let (events, stage, fault) = renewed(404);
    assert_eq!((events, stage), (1, RotationStage::Idle), "{fault}");
    assert!(fault.ends_with("status 404"), "{fault}");
    fixture.change(|all| {
        all.take("a/key");
        all.set("a/key", Secret::new(b"second".to_vec())).expect("set");
    });
    assert_eq!(renewed(404).1, RotationStage::Asked);
}
