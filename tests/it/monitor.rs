//! The monitor at work: attacks over real sockets are told in the audit log, at `/alerts`, in metrics, and to whoever is to be told; what it freezes
//! is frozen.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;

use crate::support::{
    eventually,
    gateway::{Gateway, Site, free_address, program},
    http1::Message,
    issuer::Issuer,
    lines::Lines,
    python,
    raw::{self, request},
    scene::{self, Extra, SECRET, Scene},
    tls::Authority,
    upstream::Upstream,
};

/// An API key that nobody guesses, in the configuration, and its text.
fn api_key() -> (String, String) {
    let output =
        program().args(["key", "new", "--owner", "ci", "--name", "ci", "--json"]).output().expect("the program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = |name: &str| made[name].as_str().expect("text").to_owned();
    let (prefix, digest) = (text("prefix"), text("digest"));
    let table = format!(
        "[authn.keys.api_key.key.ci]\nprefix = \"{prefix}\"\ndigest = \"{digest}\"\nowner = \"ci\"\nroles = [\"reader\"]\n\
         [route.keys]\npath = \"/keys/**\"\ntarget = \"api\"\ncredential = \"api\"\nauthn = [\"keys\"]\n\
         allow = [{{ role = \"reader\" }}]\n"
    );
    (table, text("key"))
}

/// So many keys of as many identities, none of which is right.
fn stuff(gateway: &Gateway, key: &str, many: usize) -> Vec<Message> {
    let guess = |nth: usize| {
        let guess = format!("Bearer clv_{nth:012}{}", &key["clv_000000000000".len()..]);
        let answer = gateway.get("/keys/x", &[("Host", "api.test"), ("Authorization", &guess)]);
        assert_eq!(answer.status(), 401, "{}", answer.text());
        answer
    };
    (0..many).map(guess).collect()
}

fn is_alert(entry: &Value, act: &str, detection: &str) -> bool {
    entry["kind"] == "alert" && entry["act"] == act && entry["detection"] == detection
}

/// The record of an alert.
fn alerted(gateway: &Gateway, act: &str, detection: &str) -> Value {
    let is_it = |entry: &Value| is_alert(entry, act, detection);
    eventually(&format!("{detection} is {act}"), || gateway.audit_lines().into_iter().find(is_it))
}

/// A receiver that takes everything.
fn receiver() -> Upstream {
    Upstream::start(|_, wire| wire.respond(200, &[], b""))
}

/// What a webhook was told, each proved by its signature.
fn told(receiver: &Upstream) -> Vec<Value> {
    let mut all = Vec::new();
    for request in receiver.requests() {
        let mac = claviger::crypto::hmac_sha256(SECRET.as_bytes(), &request.body);
        let want = format!("sha256={}", claviger::domain::hex(&mac));
        assert_eq!(request.header("x-claviger-signature"), Some(&*want));
        all.extend(request.json()["alerts"].as_array().expect("alerts").clone());
    }
    all
}

#[test]
fn credential_stuffing_is_told_wherever_somebody_looks() {
    let (webhook, (keys, key)) = (receiver(), api_key());
    let url = webhook.url();
    let tables = format!(
        "{keys}[monitor.detect.credential_stuffing]\nhold = \"2s\"\n\
         [notify.soc.webhook]\nurl = \"{url}/alerts\"\nsecret = \"dir:api-key\"\n\
         [notify.nobody.webhook]\nurl = \"http://{}/\"\nsecret = \"dir:api-key\"\n",
        free_address()
    );
    let scene = Scene::new(&Extra { tables: &tables, ..Extra::default() });
    let answers = stuff(&scene.gateway, &key, 12);
    let raised = alerted(&scene.gateway, "raised", "credential_stuffing");
    assert_eq!((&raised["of"], &raised["severity"]), (&"address:127.0.0.1".into(), &"critical".into()));
    assert_eq!((&raised["evidence"]["identities"], &raised["evidence"]["at"]), (&10.into(), &10.into()));
    // An answer is there before its record, so that two may be written in the other order.
    let ids: Vec<_> = answers.iter().filter_map(|answer| answer.header("x-request-id")).collect();
    let records = raised["records"].as_array().expect("a list");
    assert!(records.len() == 10 && records.iter().all(|id| ids.contains(&id.as_str().expect("an id"))), "{records:?}");
    assert_eq!(scene.gateway.metric("claviger_alerts_total", &["credential_stuffing"]), Some(1.0));

    let shown = scene.gateway.admin_get("/alerts").json();
    let is_it = |alert: &&Value| alert["id"] == raised["id"];
    let found = ["active", "over"].iter().find_map(|part| shown[part].as_array()?.iter().find(is_it).cloned());
    assert_eq!(found.expect("it is shown")["subject"], "address:127.0.0.1");

    let cleared = alerted(&scene.gateway, "cleared", "credential_stuffing");
    assert_eq!((&cleared["id"], &cleared["times"]), (&raised["id"], &3.into()));
    let both = eventually("the webhook is told of both", || Some(told(&webhook)).filter(|told| told.len() == 2));
    assert_eq!([&both[0]["alert"], &both[1]["alert"]], ["raised", "cleared"]);
    assert_eq!((&both[0]["id"], &both[1]["id"]), (&raised["id"], &raised["id"]));
    let failed = || scene.gateway.metric("claviger_notifications_total", &["nobody", "failed"]);
    eventually("who is not there holds up nobody, and is counted", || failed().filter(|&n| n >= 1.0));
    let text = format!("{shown}{raised}{cleared}{}", scene.gateway.log());
    assert!(!text.contains(SECRET) && !text.contains("clv_0"), "no guess is told, and no secret");
}

#[test]
fn what_goes_on_when_the_process_ends_is_told_to_be_over() {
    let (webhook, (keys, key)) = (receiver(), api_key());
    let tables = format!("{keys}[notify.soc.webhook]\nurl = \"{}/alerts\"\nsecret = \"dir:api-key\"\n", webhook.url());
    let mut scene = Scene::new(&Extra { tables: &tables, ..Extra::default() });
    stuff(&scene.gateway, &key, 10);
    let raised = alerted(&scene.gateway, "raised", "credential_stuffing");
    assert!(scene.gateway.terminate().success());
    let cleared = alerted(&scene.gateway, "cleared", "credential_stuffing");
    assert_eq!((&cleared["id"], &cleared["action"]), (&raised["id"], &"gateway_stopped".into()));
    let told = told(&webhook);
    let told: Vec<_> = told.iter().map(|alert| (&alert["alert"], &alert["gateway_stopped"])).collect();
    assert_eq!(told, [(&"raised".into(), &false.into()), (&"cleared".into(), &true.into())]);
}

#[test]
fn what_is_usual_outlives_the_process_and_a_damaged_file_does_not_keep_it_from_serving() {
    let tables = "[monitor]\nstate = \"monitor.state\"\n";
    let mut scene = Scene::new(&Extra { tables, ..Extra::default() });
    let knows = |scene: &Scene, many: f64| {
        let is_it = || scene.gateway.metric("claviger_monitor_principals", &[]).filter(|known| *known == many);
        eventually(&format!("{many} are known"), is_it);
    };
    let state = scene.gateway.site().path("monitor.state");
    let get_as = |scene: &Scene, subject: &str| {
        let bearer = format!("Bearer {}", scene.token_of(subject, &["reader"]));
        assert_eq!(scene.gateway.get("/api/x", &[("Host", "api.test"), ("Authorization", &bearer)]).status(), 200);
    };
    get_as(&scene, "ada");
    get_as(&scene, "bob");
    knows(&scene, 2.0);
    assert!(scene.gateway.terminate().success());
    let kept = zstd::decode_all(&*fs::read(&state).expect("a file")).expect("whole");
    let kept = String::from_utf8(kept).expect("text");
    assert!(kept.contains("principals") && !kept.contains("ada") && !kept.contains("corp"), "{kept}");
    assert_eq!(fs::metadata(&state).expect("a file").permissions().mode() & 0o777, 0o600);

    scene.gateway.kill_and_restart();
    scene.gateway.wait_until_ready();
    knows(&scene, 2.0);
    assert!(scene.gateway.upgrade().success());
    scene.gateway.wait_until_ready();
    knows(&scene, 2.0);
    assert!(scene.gateway.terminate().success());

    let whole = fs::read(&state).expect("a file");
    fs::write(&state, &whole[..whole.len() / 2]).expect("damaged");
    scene.gateway.kill_and_restart();
    scene.gateway.wait_until_ready();
    assert!(scene.gateway.log().contains("monitor.state cannot be read"), "{}", scene.gateway.log());
    get_as(&scene, "ada");
    knows(&scene, 1.0);
    assert_eq!(fs::read(format!("{state}.unread")).expect("kept beside"), &whole[..whole.len() / 2]);
    assert!(scene.gateway.terminate().success());
    assert!(zstd::decode_all(&*fs::read(&state).expect("a file")).is_ok(), "and a sound one in its place");
}

#[test]
fn a_receiver_that_is_away_is_told_of_and_that_it_is_back() {
    let is_away = Arc::new(AtomicBool::new(true));
    let away = Arc::clone(&is_away);
    let siem =
        Upstream::start(move |_, wire| wire.respond(if away.load(Ordering::SeqCst) { 503 } else { 200 }, &[], b""));
    let tables = format!(
        "[sink.siem.webhook]\nurl = \"{}\"\n[monitor.detect.receiver_away]\nwindow = \"1s\"\nhold = \"1s\"\n",
        siem.url()
    );
    let scene = Scene::new(&Extra { tables: &tables, ..Extra::default() });
    assert_eq!(scene.get("/api/x").status(), 200);
    let raised = alerted(&scene.gateway, "raised", "receiver_away");
    assert_eq!((&raised["of"], &raised["severity"]), (&"name:sink siem".into(), &"warning".into()));
    is_away.store(false, Ordering::SeqCst);
    alerted(&scene.gateway, "cleared", "receiver_away");
}

/// Begins a session of somebody.
fn begin(scene: &Scene, subject: &str) -> String {
    let urn = "urn:ietf:params:oauth";
    let subject = scene.token_of(subject, &["reader"]);
    let form = format!(
        "grant_type={urn}:grant-type:token-exchange&subject_token={subject}&subject_token_type={urn}:token-type:jwt"
    );
    let headers = [
        ("Host", "auth.test"),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("X-Forwarded-For", "192.0.2.7"),
    ];
    let answer = scene.gateway.send(&request("POST", "/oauth/token", &headers, form.as_bytes()));
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()["access_token"].as_str().expect("a token").to_owned()
}

#[test]
fn a_session_that_is_used_from_elsewhere_is_frozen_and_others_go_on() {
    let tables = r#"
[sessions]
issuer = "https://auth.test"
key = "dir:sessions-key"
authn = ["corp"]
[route.stay]
path = "/stay/**"
target = "api"
credential = "api"
authn = ["sessions"]
allow = [{ role = "reader" }]
[monitor.detect.stolen_session]
action = "freeze_session"
freeze = "1h"
"#;
    let scene = Scene::new(&Extra { tables, listen: "forwarded_from = [\"127.0.0.0/8\"]", ..Extra::default() });
    let use_from = |session: &str, address: &str| {
        let bearer = format!("Bearer {session}");
        let headers = [("Host", "api.test"), ("Authorization", &*bearer), ("X-Forwarded-For", address)];
        scene.gateway.get("/stay/x", &headers)
    };
    let (ada, bob) = (begin(&scene, "ada"), begin(&scene, "bob"));
    for (session, address) in [(&ada, "192.0.2.7"), (&bob, "192.0.2.7"), (&ada, "192.0.2.9")] {
        assert_eq!(use_from(session, address).status(), 200);
    }
    assert_eq!(use_from(&ada, "198.51.100.1").status(), 200, "she may be on a journey");
    alerted(&scene.gateway, "raised", "moved_session");
    assert_eq!(use_from(&ada, "192.0.2.7").status(), 200, "and come back");
    assert_eq!(use_from(&ada, "198.51.100.1").status(), 200);
    assert_eq!(use_from(&ada, "192.0.2.7").status(), 200, "but not at home at the same time, again and again");
    let raised = alerted(&scene.gateway, "raised", "stolen_session");
    assert_eq!(raised["action"], "freeze_session");
    let act = scene.gateway.audited("the act", |entry| entry["kind"] == "revocation");
    let by = format!("monitor:{}", raised["id"].as_str().expect("an id"));
    assert_eq!((&act["act"], &act["by"]), (&"revoked".into(), &by.into()));
    assert!(act["until"].is_string() && act["of"].as_str().is_some_and(|of| of.starts_with("session:")), "{act}");
    eventually("the session is over", || (use_from(&ada, "192.0.2.7").status() == 401).then_some(()));
    assert_eq!(use_from(&ada, "198.51.100.1").status(), 401, "whoever has it");
    assert_eq!(use_from(&bob, "192.0.2.7").status(), 200);
}

/// A mail server of Python's, and what it took.
struct Smtp {
    process: Child,
    said: Lines,
    port: u64,
}

impl Smtp {
    fn start(site: &Site, authority: &Authority) -> Option<Self> {
        let python = python::with("aiosmtpd")?;
        let server = authority.server(&["127.0.0.1"]);
        let (certificate, key) =
            (site.write("smtp.pem", server.certificate_pem()), site.write("smtp.key", server.key_pem()));
        let program = include_str!("monitor/smtp.py");
        let mut command = Command::new(python);
        command.args(["-c", program, &certificate, &key, "claviger", SECRET]);
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("started");
        let said = Lines::of(process.stdout.take().expect("piped"));
        let told: Value = serde_json::from_str(&said.next("the receiver of mail")).expect("JSON");
        Some(Self { process, said, port: told["port"].as_u64().expect("a port") })
    }

    fn mail(&self) -> Value {
        serde_json::from_str(&self.said.next("a mail")).expect("JSON")
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn mail_goes_by_starttls_with_a_login_and_chats_are_told_in_words() {
    let (issuer, upstream, chat, (keys, key)) = (Issuer::start(), Upstream::echo(), receiver(), api_key());
    let authority = Authority::new("ours");
    let mut smtp = None;
    let gateway = Gateway::start(|site| {
        smtp = Smtp::start(site, &authority);
        let port = smtp.as_ref().map_or(1, |smtp| smtp.port);
        site.write("ca.pem", authority.pem());
        site.write("secrets/chat", format!("{}/services/T0/B0/secret\n", chat.url()));
        let tables = format!(
            "{keys}[notify.mail.mail]\nserver = \"127.0.0.1:{port}\"\nca = \"ca.pem\"\nuser = \"claviger\"\npassword = \"dir:api-key\"\n\
             from = \"Claviger <claviger@example.com>\"\nto = [\"soc@example.com\"]\n\
             [notify.chat.slack]\nurl = \"dir:chat\"\n"
        );
        scene::config(site, &issuer, &upstream, &Extra { tables: &tables, ..Extra::default() })
    });
    stuff(&gateway, &key, 10);
    let message = eventually("the chat is told", || chat.requests().first().cloned());
    assert_eq!(message.path(), "/services/T0/B0/secret");
    let want = "CRITICAL raised: credential_stuffing (address:127.0.0.1): identities 10, at 10, window 600";
    assert_eq!(message.json()["text"], want);
    assert!(!gateway.log().contains("services/T0"), "the URL is a secret");
    let Some(smtp) = smtp else { return };
    let mail = smtp.mail();
    assert_eq!((&mail["subject"], &mail["tls"]), (&format!("[claviger] {want}").into(), &true.into()));
    assert_eq!((&mail["from"], &mail["to"][0]), (&"claviger@example.com".into(), &"soc@example.com".into()));
    assert!(mail["text"].as_str().is_some_and(|text| text.matches("  record ").count() == 10), "{mail}");
}

/// Alertmanager itself, where it is installed.
struct Alertmanager {
    process: Child,
    address: std::net::SocketAddr,
}

impl Alertmanager {
    fn start(site: &Site) -> Option<Self> {
        let named = std::env::var_os("CLAVIGER_ALERTMANAGER");
        let known = named.into_iter().chain(["prometheus-alertmanager".into(), "alertmanager".into()]);
        let config = site.write("alertmanager.yml", "route: { receiver: none }\nreceivers: [{ name: none }]\n");
        let (address, data) = (free_address(), site.path("alertmanager"));
        for program in known {
            let mut command = Command::new(program);
            command.arg(format!("--config.file={config}")).arg(format!("--storage.path={data}"));
            command.arg(format!("--web.listen-address={address}")).arg("--cluster.listen-address=");
            if let Ok(process) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
                eventually("it listens", || raw::Client::try_connect(address).ok());
                return Some(Self { process, address });
            }
        }
        println!("skipped: no alertmanager; Debian has it as prometheus-alertmanager");
        None
    }

    fn alerts(&self) -> Vec<Value> {
        raw::get(self.address, "/api/v2/alerts", &[]).json().as_array().expect("alerts").clone()
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn alertmanager_takes_an_alert_and_that_it_is_over() {
    let (issuer, upstream, (keys, key)) = (Issuer::start(), Upstream::echo(), api_key());
    let site = Site::new();
    let Some(alertmanager) = Alertmanager::start(&site) else { return };
    let gateway = Gateway::start(|site| {
        let tables = format!(
            "{keys}[monitor.detect.credential_stuffing]\nhold = \"3s\"\n[notify.am.alertmanager]\nurl = \"http://{}\"\n",
            alertmanager.address
        );
        scene::config(site, &issuer, &upstream, &Extra { tables: &tables, ..Extra::default() })
    });
    stuff(&gateway, &key, 10);
    let alert = eventually("it has the alert", || alertmanager.alerts().first().cloned());
    let labels = &alert["labels"];
    assert_eq!((&labels["alertname"], &labels["severity"]), (&"credential_stuffing".into(), &"critical".into()));
    assert_eq!((&labels["subject"], &alert["status"]["state"]), (&"address:127.0.0.1".into(), &"active".into()));
    eventually("it knows that it is over", || alertmanager.alerts().is_empty().then_some(()));
}
