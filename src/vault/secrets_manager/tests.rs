//! What is asked, when, with which key, and what is made of the answers, on an injected clock.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Mutex;
use std::thread;
use std::time::UNIX_EPOCH;

use http::{HeaderMap, StatusCode};
use tempfile::TempDir;

use super::*;
use crate::domain::Name;
use crate::net::Answer;
use crate::vault::{Kind, Settings, Vault, Vaults};

const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const DOCUMENT: &str = r#"{"SecretString": "{\"user\": \"u\", \"password\": \"p\"}"}"#;

/// What a server answers, and what it was asked.
struct Server {
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// How long each answer takes.
    pause: Arc<Mutex<Duration>>,
    url: String,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let server = Self { answer: Arc::default(), asked: Arc::default(), pause: Arc::default(), url };
        let (answer, asked) = (Arc::clone(&server.answer), Arc::clone(&server.asked));
        let pause = Arc::clone(&server.pause);
        thread::spawn(move || {
            for mut connection in listener.incoming().map_while(Result::ok) {
                let (mut seen, mut piece) = (Vec::new(), [0; 4096]);
                while !seen.ends_with(b"}") {
                    let count = connection.read(&mut piece).expect("a request");
                    seen.extend_from_slice(&piece[..count]);
                }
                asked.lock().expect("whole").push(String::from_utf8(seen).expect("text"));
                thread::sleep(*pause.lock().expect("whole"));
                let (status, body) = answer.lock().expect("whole").clone();
                let head =
                    format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
                connection.write_all(format!("{head}{body}").as_bytes()).expect("written");
            }
        });
        server.answers(200, DOCUMENT);
        server
    }

    fn answers(&self, status: u16, body: &str) {
        *self.answer.lock().expect("whole") = (status, body.to_owned());
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("whole").clone()
    }
}

/// A server, and one who asks it with a key that is in files.
struct Fixture {
    server: Server,
    folder: TempDir,
    keys: Vaults,
    vault: Arc<Vault>,
    manager: SecretsManager,
    start: Instant,
}

impl Fixture {
    fn new() -> Self {
        let (server, folder, keys) = (Server::start(), tempfile::tempdir().expect("a directory"), Vaults::default());
        fs::write(folder.path().join("id"), ID).expect("written");
        fs::write(folder.path().join("secret"), SECRET).expect("written");
        let kind = Kind::Directory { path: folder.path().to_owned() };
        let name = Name::parse("keys").expect("a name");
        let vault = keys.open(&Settings { name, kind, max_stale: Settings::DEFAULT_STALE });
        let manager = SecretsManager::new(&settings(&vault, &server.url));
        Self { server, folder, keys, vault, manager, start: Instant::now() }
    }

    /// A look so many milliseconds after the start: what is read, or why nothing is; nothing where it is as it was.
    fn look(&mut self, path: &str, seen: Option<Mark>, at: u64) -> Option<Result<String, VaultError>> {
        match self.manager.look(path, seen, self.start + Duration::from_millis(at)) {
            Ok(Look::Read { outcome, .. }) => {
                Some(outcome.map(|secret| String::from_utf8(secret.expose().to_vec()).expect("text")))
            }
            Ok(Look::Unchanged | Look::NotDue | Look::Renewed { .. }) => None,
            Err(fault) => Some(Err(fault)),
        }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).expect("written");
        self.keys.refresh_at(self.start);
    }
}

fn settings(vault: &Vault, url: &str) -> SecretsManagerSettings {
    SecretsManagerSettings {
        url: url.to_owned(),
        region: "eu-central-1".to_owned(),
        access_key: vault.slot("id"),
        secret: vault.slot("secret"),
        session_token: None,
        refresh: Duration::from_secs(30),
        client: ClientSettings::default(),
    }
}

fn ok(text: &str) -> Option<Result<String, VaultError>> {
    Some(Ok(text.to_owned()))
}

#[test]
fn one_call_serves_all_fields_of_a_secret_until_it_is_due() {
    let mut f = Fixture::new();
    assert_eq!(f.look("prod/db#user", None, 0), ok("u"));
    assert_eq!(f.look("prod/db#password", None, 0), ok("p"));
    assert_eq!(f.look("prod/db#none", None, 0), Some(Err(VaultError::NotFound)));
    assert_eq!(f.look("prod/db", None, 0), ok(r#"{"user": "u", "password": "p"}"#));
    assert_eq!(f.server.asked().len(), 1);
    assert!(f.server.asked()[0].ends_with(r#"{"SecretId":"prod/db","VersionStage":"AWSCURRENT"}"#));
    let seen = Some(Mark::Version(1));
    f.server.answers(200, r#"{"SecretString": "{\"user\": \"u\", \"password\": \"new\"}"}"#);
    assert_eq!(f.look("prod/db#password", seen, 29_999), None);
    assert_eq!(f.look("prod/db#user", seen, 30_000), ok("u"));
    assert_eq!(f.look("prod/db#password", seen, 30_000), ok("new"));
    assert_eq!(f.server.asked().len(), 2);
}

#[test]
fn a_value_is_as_old_as_its_last_reading() {
    let mut f = Fixture::new();
    assert_eq!(f.look("a", None, 0), ok(r#"{"user": "u", "password": "p"}"#));
    let later = f.start + Duration::from_secs(20);
    let look = f.manager.look("a", Some(Mark::Version(1)), later).expect("a look");
    assert!(matches!(look, Look::Renewed { ends: None, confirmed: Some(at) } if at == f.start), "{look:?}");
}

#[test]
fn a_field_that_is_used_later_is_as_old_as_what_it_is_a_field_of() {
    let (f, vaults) = (Fixture::new(), Vaults::default());
    let kind = Kind::SecretsManager(Box::new(settings(&f.vault, &f.server.url)));
    let vault =
        vaults.open(&Settings { name: Name::parse("aws").expect("a name"), kind, max_stale: Duration::from_secs(60) });
    let at = |seconds| f.start + Duration::from_secs(seconds);
    let user = vault.slot_at("db#user", false, at(0));
    vault.refresh_at(at(0));
    let password = vault.slot_at("db#password", false, at(20));
    vault.refresh_at(at(20));
    for slot in [&user, &password] {
        let age = slot.status(at(20)).age.expect("read");
        assert!((20_000..=20_001).contains(&age.as_millis()), "{age:?}");
        assert!(slot.load_at(at(59)).is_ok() && slot.load_at(at(61)).is_err(), "{}", slot.name());
    }
    assert_eq!(f.server.asked().len(), 1);
    vault.refresh_at(at(30));
    assert!(password.load_at(at(89)).is_ok() && password.load_at(at(91)).is_err());
}

#[test]
fn what_cannot_be_had_is_not_asked_for_again_for_some_seconds_and_forgotten_where_there_is_none() {
    let mut f = Fixture::new();
    for (status, body, fault) in [
        (400, r#"{"__type": "ResourceNotFoundException"}"#, VaultError::NotFound),
        (400, r#"{"__type": "AccessDeniedException"}"#, VaultError::Refused),
        (500, "", VaultError::Call(crate::net::NetError::Status(500))),
        (200, "{}", VaultError::Answer),
    ] {
        let began = f.server.asked().len();
        f.server.answers(status, body);
        f.manager.known.clear();
        for (at, calls) in [(0, 1), (250, 1), (4_999, 1), (5_000, 2)] {
            assert_eq!(f.look("a", None, at), Some(Err(fault)), "{body} {at}");
            assert_eq!(f.server.asked().len() - began, calls, "{body} {at}");
        }
        f.server.answers(200, r#"{"SecretString": "well"}"#);
        assert_eq!(f.look("a", None, 15_000), ok("well"), "{body}");
    }
    f.manager.keep(&HashSet::from(["b#x".to_owned()]));
    assert!(f.manager.known.is_empty());
}

#[test]
fn what_is_not_there_is_asked_for_ever_less_often_but_as_often_as_what_is() {
    let mut f = Fixture::new();
    f.server.answers(400, r#"{"__type": "ResourceNotFoundException"}"#);
    let (mut asked, mut calls) = (Vec::new(), 0);
    for at in (0..130_000).step_by(250) {
        f.look("users/nobody", None, at);
        if f.server.asked().len() > calls {
            (asked, calls) = ([asked, vec![at / 1000]].concat(), calls + 1);
        }
    }
    assert_eq!(asked, [0, 5, 15, 35, 65, 95, 125]);
    f.server.answers(200, r#"{"SecretString": "well"}"#);
    assert_eq!(f.look("users/nobody", None, 155_000), ok("well"));
    f.server.answers(400, r#"{"__type": "ResourceNotFoundException"}"#);
    f.look("users/nobody", None, 185_000);
    assert_eq!(f.look("users/nobody", None, 190_000), Some(Err(VaultError::NotFound)));
    assert_eq!(f.server.asked().len(), calls + 3, "it begins anew with what is taken away");
}

/// A vault there, and that many principals who have nothing in it, of which that is known.
fn vault_of_nobodys(f: &Fixture, vaults: &Vaults, count: usize) -> (Arc<Vault>, Vec<Arc<Slot>>) {
    f.server.answers(400, r#"{"__type": "ResourceNotFoundException"}"#);
    let kind = Kind::SecretsManager(Box::new(settings(&f.vault, &f.server.url)));
    let name = Name::parse("aws").expect("a name");
    let vault = vaults.open(&Settings { name, kind, max_stale: Settings::DEFAULT_STALE });
    let slots = (0..count).map(|nth| vault.own_slot(&format!("users/nobody-{nth}"))).collect();
    vault.refresh_at(f.start);
    assert_eq!(f.server.asked().len(), count);
    *f.server.pause.lock().expect("whole") = Duration::from_millis(50);
    (vault, slots)
}

#[test]
fn whoever_is_new_does_not_wait_for_the_pass_that_is_under_way() {
    let (f, vaults) = (Fixture::new(), Vaults::default());
    let (vault, _nobodys) = vault_of_nobodys(&f, &vaults, 40);
    let (passing, later) = (Arc::clone(&vault), f.start + Duration::from_secs(6));
    let pass = thread::spawn(move || passing.refresh_at(later));
    thread::sleep(Duration::from_millis(200));
    let ada = vault.own_slot("users/ada");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(ada.read_within(Duration::from_secs(1)));
    assert!(!ada.is_unread() && !pass.is_finished(), "{}", f.server.asked().len());
    pass.join().expect("it ends");
    assert_eq!(f.server.asked().len(), 40 + 40 + 1, "and all others have their turn");
}

#[test]
fn a_pass_ends_in_time_and_the_next_begins_with_those_that_it_did_not_come_to() {
    let (f, vaults) = (Fixture::new(), Vaults::default());
    let (vault, nobodys) = vault_of_nobodys(&f, &vaults, 12);
    let asked = || {
        let calls = f.server.asked().into_iter().skip(12);
        let names = calls.filter_map(|text| text.rsplit_once("SecretId").map(|(_, name)| name.to_owned()));
        names.collect::<HashSet<_>>().len()
    };
    // All are due each time: whoever came first before would do so again.
    for nth in 1..=12 {
        vault.pass_over(nobodys.clone(), f.start + Duration::from_secs(100 * nth), Duration::from_millis(120));
        assert!(nth > 1 || asked() < 12, "{}", asked());
    }
    assert_eq!(asked(), 12, "nobody is left out");
}

#[test]
fn calls_are_signed_with_the_key_of_the_moment_and_not_made_without_one() {
    let mut f = Fixture::new();
    assert_eq!(f.look("a", None, 0).map(|read| read.is_ok()), Some(true));
    f.write("id", "AKIDANOTHER");
    f.look("a", None, 30_000);
    let ids: Vec<_> = f.server.asked().iter().map(|text| text.contains("Credential=AKIDANOTHER/")).collect();
    assert_eq!(ids, [false, true]);
    // A key that is gone says nothing of the secret, and one that is mended serves at once.
    fs::remove_file(f.folder.path().join("secret")).expect("removed");
    f.keys.refresh_at(f.start);
    for at in [60_000, 60_250] {
        assert_eq!(f.look("a", None, at), Some(Err(VaultError::AccessKey)));
    }
    f.write("secret", SECRET);
    f.write("id", "no id");
    assert_eq!(f.look("a", None, 60_500), Some(Err(VaultError::AccessKey)));
    assert_eq!(f.server.asked().len(), 2);
    f.write("id", ID);
    assert_eq!(f.look("a", None, 60_750).map(|read| read.is_ok()), Some(true));
    assert!(f.server.asked().iter().all(|text| !text.contains(SECRET)));
}

/// What botocore sends for the same.
#[test]
fn a_call_is_signed_as_aws_has_it() {
    let f = Fixture::new();
    f.write("token", "AToken");
    let token = Some(f.vault.slot("token"));
    let url = "https://secretsmanager.eu-central-1.amazonaws.com";
    let api = Api::new(SecretsManagerSettings { session_token: token, ..settings(&f.vault, url) });
    let question = api.question("prod/db", UNIX_EPOCH + Duration::from_secs(1_440_938_160)).expect("signed");
    let mut fields: Vec<_> =
        question.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect();
    fields.sort_unstable();
    let scope = "AKIDEXAMPLE/20150830/eu-central-1/secretsmanager/aws4_request";
    let signature = "e4ca621438a62427b3288aed5589460b212ba1ebe26d313095c888a6d0b48596";
    let names = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target";
    let authorization = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}");
    assert_eq!(
        fields,
        [
            ("authorization", &*authorization),
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-date", "20150830T123600Z"),
            ("x-amz-security-token", "AToken"),
            ("x-amz-target", "secretsmanager.GetSecretValue"),
        ]
    );
    for name in ["authorization", "x-amz-security-token"] {
        assert!(question.headers[name].is_sensitive(), "{name}");
    }
}

#[test]
fn refusals_are_told_from_outages_and_from_secrets_that_are_not_there() {
    let failure = |kind: &str| format!(r#"{{"__type": "{kind}", "Message": "x"}}"#);
    let status = |code| VaultError::Call(crate::net::NetError::Status(code));
    for (code, body, want) in [
        (400, failure("ResourceNotFoundException"), VaultError::NotFound),
        (400, failure("com.amazonaws.secretsmanager#ResourceNotFoundException"), VaultError::NotFound),
        (400, failure("InvalidRequestException:http://internal.amazon.com/"), VaultError::NotFound),
        (400, failure("AccessDeniedException"), VaultError::Refused),
        (400, failure("UnrecognizedClientException"), VaultError::Refused),
        (400, failure("InvalidSignatureException"), VaultError::Refused),
        (400, failure("ExpiredTokenException"), VaultError::Refused),
        (403, "<ErrorResponse/>".to_owned(), VaultError::Refused),
        (401, String::new(), VaultError::Refused),
        (400, failure("ThrottlingException"), status(400)),
        (400, failure("DecryptionFailure"), status(400)),
        (400, "ResourceNotFoundException".to_owned(), status(400)),
        (404, String::new(), status(404)),
        (500, failure("InternalServiceError"), status(500)),
        (204, String::new(), status(204)),
    ] {
        let status = StatusCode::from_u16(code).expect("a status");
        let answer = Answer { status, headers: HeaderMap::new(), body: body.clone().into() };
        assert_eq!(api::read_answer(&answer).err(), Some(want), "{code} {body}");
    }
}

#[test]
fn settings_are_the_same_with_the_same_key_only() {
    let f = Fixture::new();
    let one = settings(&f.vault, "https://a.example.com");
    assert_eq!(one, settings(&f.vault, "https://a.example.com"));
    let token = SecretsManagerSettings { session_token: Some(f.vault.slot("token")), ..one.clone() };
    assert_eq!(token, token.clone());
    for other in [
        token.clone(),
        settings(&f.vault, "https://b.example.com"),
        SecretsManagerSettings { secret: f.vault.slot("other"), ..one.clone() },
        SecretsManagerSettings { region: "eu-west-1".to_owned(), ..one.clone() },
        SecretsManagerSettings { refresh: Duration::from_secs(31), ..one.clone() },
    ] {
        assert_ne!(one, other);
    }
    assert!(!format!("{one:?}").contains(SECRET), "no value is shown");
}
