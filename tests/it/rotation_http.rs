//! Secrets that a provider of keys makes over HTTP are replaced while requests are under way: at most two live at once, none is left over
//! whoever is killed when, and what is no good is told off at the provider too.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Value, json};

use crate::{
    rotation::{command, none_failed, said},
    support::{
        eventually,
        gateway::{Gateway, Site},
        http1::Message,
        issuer::Issuer,
        load::Load,
        raw::request,
        scene::{Extra, config},
        setup::{set_secret, start_sealed},
        upstream::{Then, Upstream, Wire},
        vault::Vault,
    },
};

const FIRST: &str = "sk-first-0123456789";
const ADMIN: &str = "admin-fedcba9876543210";
const KEYS: &str = "/admin/users/gateway/keys";

/// One key at the provider.
#[derive(Clone)]
struct Key {
    id: String,
    secret: String,
    name: String,
    /// Whether it is good for more than the probe, and for the probe.
    is_good: bool,
    is_proved: bool,
}

/// What the provider knows, and how it behaves.
#[derive(Default)]
struct Keys {
    live: Vec<Key>,
    /// The secrets of all that there ever were.
    all: Vec<String>,
    most: usize,
    mode: &'static str,
    /// How often a call makes a key whose answer nobody gets.
    lost: usize,
}

/// A provider as AWS has one for access keys, with the API that its keys are for: it takes the keys that live, and no others.
struct Provider {
    keys: Arc<Mutex<Keys>>,
    /// Whether answers to calls that make or retire keys are held back.
    holds_create: Arc<AtomicBool>,
    holds_retire: Arc<AtomicBool>,
    upstream: Upstream,
}

fn wait_for(held: &AtomicBool) {
    eventually("it is let go", || (!held.load(Ordering::Acquire)).then_some(()));
}

impl Provider {
    fn start() -> Self {
        let first = Key {
            id: "AKIA-0".to_owned(),
            secret: FIRST.to_owned(),
            name: "by hand".to_owned(),
            is_good: true,
            is_proved: true,
        };
        let keys = Keys { all: vec![FIRST.to_owned()], live: vec![first], mode: "good", most: 1, lost: 0 };
        let (keys, held): (_, [Arc<AtomicBool>; 2]) = (Arc::new(Mutex::new(keys)), Default::default());
        let [holds_create, holds_retire] = held.clone();
        let known = Arc::clone(&keys);
        let upstream = Upstream::start(move |request, wire| answer(&known, &held, request, wire));
        Self { keys, holds_create, holds_retire, upstream }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Keys) -> T) -> T {
        work(&mut self.keys.lock().expect("no panic"))
    }

    fn live(&self) -> Vec<String> {
        self.with(|keys| keys.live.iter().map(|key| key.secret.clone()).collect())
    }

    fn made(&self) -> usize {
        self.with(|keys| keys.all.len() - 1)
    }
}

fn answer(
    keys: &Mutex<Keys>,
    [holds_create, holds_retire]: &[Arc<AtomicBool>; 2],
    request: &Message,
    wire: &mut Wire<'_>,
) -> io::Result<Then> {
    let lock = || keys.lock().expect("no panic");
    if !request.path().starts_with("/admin") {
        let key = request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or("/");
        let is_taken = |one: &Key| one.secret == key && (one.is_good || (one.is_proved && request.path() == "/probe"));
        let status = if lock().live.iter().any(is_taken) { 200 } else { 401 };
        return wire.respond(status, &[], &request.body);
    }
    if request.header("x-admin-key") != Some(ADMIN) {
        return wire.json(403, &json!({ "error": "not yours", "sent": request.header("x-admin-key") }));
    }
    match (request.method(), request.path().strip_prefix(KEYS)) {
        ("GET", Some("")) => {
            let listed = lock().live.iter().map(|key| json!({ "Id": key.id, "Tag": key.name })).collect::<Vec<Value>>();
            wire.json(200, &json!({ "AccessKeys": listed }))
        }
        ("POST", Some("")) => {
            let name = request.json()["Tag"].as_str().expect("a tag").to_owned();
            let (reply, is_lost) = make(&mut lock(), name);
            wait_for(holds_create);
            match (reply, is_lost) {
                (_, true) => Ok(Then::Close),
                (Some(reply), false) => wire.json(201, &reply),
                (None, false) => wire.json(409, &json!({ "error": "LimitExceeded" })),
            }
        }
        ("DELETE", Some(id)) => {
            wait_for(holds_retire);
            let mut keys = lock();
            let before = keys.live.len();
            keys.live.retain(|key| format!("/{}", key.id) != id);
            wire.respond(if keys.live.len() < before { 204 } else { 404 }, &[], b"")
        }
        _ => wire.respond(404, &[], b""),
    }
}

fn make(keys: &mut Keys, name: String) -> (Option<Value>, bool) {
    if keys.live.len() >= 2 {
        return (None, false);
    }
    let (id, secret) =
        (format!("AKIA-{}", keys.all.len()), format!("sk-made-{}-{:08}", keys.all.len(), keys.all.len()));
    keys.all.push(secret.clone());
    let (is_good, is_proved) = (keys.mode == "good", keys.mode != "none");
    keys.live.push(Key { id: id.clone(), secret: secret.clone(), name, is_good, is_proved });
    keys.most = keys.most.max(keys.live.len());
    let is_lost = keys.lost > 0;
    keys.lost = keys.lost.saturating_sub(1);
    (Some(json!({ "AccessKey": { "AccessKeyId": id, "SecretAccessKey": secret } })), is_lost)
}

/// The gateway with one of its keys.
struct Bank {
    issuer: Issuer,
    provider: Provider,
    gateway: Gateway,
}

fn tables(url: &str, more: &str) -> String {
    format!(
        r#"
[vault.local.sealed_file]
path = "secrets.sealed"
key_file = "master.key"
[credential.bank.bearer]
target = "api"
secret = "local:bank/key"
[rotation.bank]
credential = "bank"
probe = {{ path = "/probe" }}
timeout = "20s"
{more}
[rotation.bank.http]
url = "{url}/admin/users/gateway"
secret = "local:bank/admin"
header = "X-Admin-Key"
first_id = "AKIA-0"
[rotation.bank.http.create]
path = "/keys"
body = '{{"Tag": "claviger {{attempt}}"}}'
take = "/AccessKey/SecretAccessKey"
id = "/AccessKey/AccessKeyId"
[rotation.bank.http.list]
path = "/keys"
items = "/AccessKeys"
id = "/Id"
name = "/Tag"
[rotation.bank.http.retire]
path = "/keys/{{id}}"
[route.bank]
path = "/bank/**"
target = "api"
credential = "bank"
authn = ["corp"]
allow = [{{ role = "reader" }}]
"#
    )
}

impl Bank {
    fn start(more: &str) -> Self {
        let (issuer, provider) = (Issuer::start(), Provider::start());
        let tables = tables(&provider.upstream.url(), more);
        let gateway = Gateway::start(|site| {
            start_sealed(site);
            set_secret(site, "bank/key", FIRST);
            set_secret(site, "bank/admin", ADMIN);
            config(site, &issuer, &provider.upstream, &Extra { tables: &tables, ..Extra::default() })
        });
        let bank = Self { issuer, provider, gateway };
        until(&bank.gateway, "idle");
        bank
    }

    /// The key that the last request came with.
    fn used(&self) -> String {
        used(&self.gateway, &self.issuer, &self.provider.upstream)
    }

    /// Nothing of a key, nor of what they are made with, is told anywhere.
    fn told_nothing(&self, said: &str) {
        let all = format!("{}{said}{}{:?}", self.gateway.log(), self.gateway.status(), self.gateway.audit());
        for secret in self.provider.with(|keys| keys.all.clone()).iter().map(String::as_str).chain([ADMIN]) {
            assert!(!all.contains(secret), "{secret} is told");
        }
    }
}

fn bearer(issuer: &Issuer) -> String {
    let mut claims = issuer.claims("ada");
    claims["roles"] = json!(["reader"]);
    format!("Bearer {}", issuer.token(&claims))
}

fn used(gateway: &Gateway, issuer: &Issuer, upstream: &Upstream) -> String {
    let answer = gateway.get("/bank/used", &[("Host", "api.test"), ("Authorization", &bearer(issuer))]);
    assert_eq!(answer.status(), 200);
    let seen = upstream.requests().into_iter().rev().find(|seen| seen.path() == "/used").expect("one");
    seen.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).expect("a key").to_owned()
}

/// Requests with and without a body, one after the other.
fn load(gateway: &Gateway, issuer: &Issuer) -> Load<(u16, Vec<u8>)> {
    let bearer = bearer(issuer);
    let send = move |_, count| match count % 2 {
        0 => request("GET", "/bank/x", &[("Host", "api.test"), ("Authorization", &bearer)], b""),
        _ => request("POST", "/bank/x", &[("Host", "api.test"), ("Authorization", &bearer)], b"a body"),
    };
    Load::start(2, gateway.public(), send, |answer| (answer.status(), answer.body.clone()))
}

fn stage(gateway: &Gateway) -> Option<String> {
    let status = gateway.try_admin("/status")?.json();
    status["rotations"][0]["stage"].as_str().map(str::to_owned)
}

fn until(gateway: &Gateway, wanted: &str) {
    eventually(wanted, || stage(gateway).filter(|now| now == wanted));
}

fn acts(gateway: &Gateway) -> Vec<String> {
    let audit = gateway.audit().into_iter().filter(|entry| entry["kind"] == "rotation" && entry["act"] != "changed");
    audit.map(|entry| entry["act"].as_str().expect("a word").to_owned()).collect()
}

/// Asks for a new key, once what was before has come to its end; tells whether that went well, and what was said.
fn rotate(site: &Site) -> (bool, String) {
    let is_busy = |text: &str| text.contains("being replaced already");
    eventually("it may be asked", || {
        let output = command(site.folder(), &["vault", "rotate", "bank"]);
        Some((output.status.success(), said(&output))).filter(|(_, said)| !is_busy(said))
    })
}

fn ask(site: &Site) {
    let asked = command(site.folder(), &["vault", "rotate", "bank", "--no-wait"]);
    assert!(asked.status.success(), "{}", said(&asked));
}

#[test]
fn a_provider_makes_the_new_key_and_loses_the_old_one_under_load_without_a_failure() {
    let bank = Bank::start("watch = \"1s\"\ngrace = \"1s\"");
    assert_eq!(bank.used(), FIRST);
    let load = load(&bank.gateway, &bank.issuer);
    load.wait_for(10);
    for nth in 1..=2 {
        let (is_well, said) = rotate(bank.gateway.site());
        assert!(is_well && said.contains("it is in use, and watched"), "{said}");
        until(&bank.gateway, "idle");
        assert_eq!(bank.provider.live(), [bank.used()], "the old one is gone, by its id");
        assert_eq!(bank.provider.made(), nth);
        bank.told_nothing(&said);
    }
    load.wait_for(10);
    none_failed(load);
    assert_eq!(bank.provider.with(|keys| keys.most), 2, "no more than two ever lived");
    eventually("it is recorded", || {
        (acts(&bank.gateway) == ["promoted", "retired", "promoted", "retired"]).then_some(())
    });
    let shown = command(bank.gateway.site().folder(), &["vault", "status"]);
    assert!(said(&shown).contains("rotation bank idle"), "{}", said(&shown));
    bank.told_nothing(&said(&shown));
    // What calls are made with went to the provider alone, and in its field.
    let calls = bank.provider.upstream.requests();
    let is_told = |seen: &Message| seen.header("x-admin-key").is_some();
    assert!(calls.iter().all(|seen| is_told(seen) == seen.path().starts_with("/admin")));
}

#[test]
fn a_made_key_that_is_not_taken_or_no_good_after_all_is_retired_at_the_provider_and_no_request_fails() {
    let bank = Bank::start("watch = \"1h\"\npatience = \"1s\"");
    let load = load(&bank.gateway, &bank.issuer);
    load.wait_for(10);
    bank.provider.with(|keys| keys.mode = "none");
    let (is_well, said) = rotate(bank.gateway.site());
    assert!(!is_well && said.contains("the new secret was not taken: the target answered with status 401"), "{said}");
    until(&bank.gateway, "idle");
    assert_eq!((bank.provider.live(), bank.used()), (vec![FIRST.to_owned()], FIRST.to_owned()));

    bank.provider.with(|keys| keys.mode = "half");
    let (is_well, said) = rotate(bank.gateway.site());
    assert!(is_well, "the probe took it: {said}");
    eventually("it is rolled back", || acts(&bank.gateway).contains(&"rolled_back".to_owned()).then_some(()));
    until(&bank.gateway, "idle");
    load.wait_for(10);
    none_failed(load);
    assert_eq!((bank.provider.live(), bank.used()), (vec![FIRST.to_owned()], FIRST.to_owned()));
    assert_eq!(bank.provider.made(), 2);
    assert_eq!(acts(&bank.gateway), ["failed", "retired", "promoted", "rolled_back", "retired"]);
    bank.told_nothing(&said);

    // And the one from before is still known by its id.
    bank.provider.with(|keys| keys.mode = "good");
    bank.gateway.reload(
        &std::fs::read_to_string(bank.gateway.site().config_path())
            .expect("read")
            .replace("watch = \"1h\"\npatience = \"1s\"", "watch = \"1s\"\ngrace = \"1s\""),
    );
    assert!(rotate(bank.gateway.site()).0);
    until(&bank.gateway, "idle");
    assert_eq!(bank.provider.live(), [bank.used()]);
}

#[test]
fn a_provider_without_room_or_that_refuses_leaves_all_as_it_was_and_says_why() {
    let bank = Bank::start("patience = \"1s\"");
    let other = Key {
        id: "AKIA-other".to_owned(),
        secret: "sk-of-somebody".to_owned(),
        name: "of somebody".to_owned(),
        is_good: true,
        is_proved: true,
    };
    bank.provider.with(|keys| keys.live.push(other));
    let (is_well, said) = rotate(bank.gateway.site());
    assert!(!is_well && said.contains("the provider has 2 keys and room for 2: retire one by hand"), "{said}");
    bank.provider.with(|keys| keys.live.retain(|key| key.id != "AKIA-other"));
    set_secret(bank.gateway.site(), "bank/admin", "admin-of-nobody-0123");
    let refused = eventually("the new one is refused", || {
        Some(rotate(bank.gateway.site()).1).filter(|said| said.contains("answered `list` with status 403"))
    });
    assert!(!refused.contains("not yours") && !bank.gateway.log().contains("admin-of-nobody-0123"), "{refused}");
    until(&bank.gateway, "idle");
    assert_eq!((bank.provider.live(), bank.used()), (vec![FIRST.to_owned()], FIRST.to_owned()));
}

#[test]
fn a_key_whose_answer_is_lost_is_found_and_retired_before_another_is_made() {
    let bank = Bank::start("watch = \"1s\"\ngrace = \"1s\"");
    bank.provider.with(|keys| keys.lost = 1);
    let (is_well, said) = rotate(bank.gateway.site());
    assert!(is_well, "{said}");
    until(&bank.gateway, "idle");
    assert_eq!((bank.provider.live(), bank.provider.made()), (vec![bank.used()], 2));
    assert!(bank.gateway.log().contains("an attempt that did not come to its end is retired: AKIA-1"));

    // Where it never comes to an end, the last one is found too.
    bank.gateway.reload(
        &std::fs::read_to_string(bank.gateway.site().config_path())
            .expect("read")
            .replace("watch = \"1s\"", "watch = \"1s\"\npatience = \"1s\""),
    );
    let before = bank.used();
    bank.provider.with(|keys| keys.lost = 10);
    let (is_well, said) = rotate(bank.gateway.site());
    assert!(!is_well && said.contains("no new secret could be made"), "{said}");
    until(&bank.gateway, "idle");
    assert_eq!((bank.provider.live(), bank.used()), (vec![before.clone()], before));
}

#[test]
fn a_process_that_is_killed_at_any_stage_leaves_no_key_behind_at_the_provider() {
    let mut bank = Bank::start("watch = \"2s\"\ngrace = \"2s\"\npatience = \"1h\"");
    let restart = |bank: &mut Bank, stage: &str| {
        let before = bank.used();
        bank.gateway.kill_and_restart();
        bank.gateway.wait_until_ready();
        assert_eq!(bank.used(), before, "killed while {stage}");
    };
    let ends = |bank: &Bank, old: &str| {
        eventually("it ends well", || {
            let live = bank.provider.live();
            (stage(&bank.gateway)? == "idle" && live.len() == 1 && bank.used() != old).then_some(())
        });
        assert_eq!(bank.provider.live(), [bank.used()]);
    };

    // Right after the provider has made one, before anybody knows it.
    let old = bank.used();
    bank.provider.holds_create.store(true, Ordering::Release);
    ask(bank.gateway.site());
    eventually("one is made", || (bank.provider.made() == 1).then_some(()));
    restart(&mut bank, "it is made");
    bank.provider.holds_create.store(false, Ordering::Release);
    ends(&bank, &old);
    assert_eq!(bank.provider.made(), 2, "the first is nobody's, and gone");

    // While the target does not take it yet.
    let old = bank.used();
    bank.provider.with(|keys| keys.mode = "none");
    ask(bank.gateway.site());
    until(&bank.gateway, "probing");
    restart(&mut bank, "it is proved");
    until(&bank.gateway, "probing");
    bank.provider.with(|keys| {
        keys.mode = "good";
        keys.live.iter_mut().for_each(|key| (key.is_good, key.is_proved) = (true, true));
    });
    ends(&bank, &old);
    assert_eq!(bank.provider.made(), 3, "it was not made again");

    // While it is watched, while the old one is kept, and while that is told off.
    for (nth, killed_while) in ["watching", "grace", "retiring"].into_iter().enumerate() {
        let old = bank.used();
        bank.provider.holds_retire.store(killed_while == "retiring", Ordering::Release);
        ask(bank.gateway.site());
        until(&bank.gateway, killed_while);
        eventually("it is used", || (bank.used() != old).then_some(()));
        restart(&mut bank, killed_while);
        bank.provider.holds_retire.store(false, Ordering::Release);
        ends(&bank, &old);
        assert_eq!(bank.provider.made(), 4 + nth, "{killed_while}");
    }
    assert_eq!(bank.provider.with(|keys| keys.most), 2);
}

/// Secrets for a time of a server of HashiCorp Vault or OpenBao: a lease is a key, and its end the end of the password.
#[test]
fn a_new_lease_is_proved_and_used_under_load_without_a_failure_and_the_old_one_is_revoked() {
    const ROOT: &str = "hvs.root-0123456789";
    let (issuer, vault) = (Issuer::start(), Arc::new(Vault::start()));
    vault.with(|state| {
        state.tokens.insert(ROOT.to_owned(), None);
        state.leases.push("database/creds/app/first".to_owned());
    });
    let known = Arc::clone(&vault);
    let upstream = Upstream::start(move |request, wire| {
        let sent = request.header("authorization").and_then(|value| value.strip_prefix("Bearer password-of-"));
        let lease = format!("database/creds/app/{}", sent.unwrap_or_default());
        let is_good = known.with(|state| state.leases.contains(&lease));
        wire.respond(if is_good { 200 } else { 401 }, &[], &request.body)
    });
    let tables = format!(
        r#"
[vault.local.sealed_file]
path = "secrets.sealed"
key_file = "master.key"
[credential.bank.bearer]
target = "api"
secret = "local:bank/password"
[rotation.bank]
credential = "bank"
probe = {{ path = "/probe" }}
watch = "1s"
grace = "1s"
[rotation.bank.http]
url = "{url}/v1"
secret = "local:vault/token"
header = "X-Vault-Token"
first_id = "database/creds/app/first"
create = {{ method = "GET", path = "/database/creds/app", headers = {{ X-Vault-Request = "true" }}, take = "/data/password", id = "/lease_id" }}
renew = {{ method = "PUT", path = "/sys/leases/renew", headers = {{ X-Vault-Request = "true" }}, body = '{{"lease_id": "{{id}}"}}', every = "10s" }}
retire = {{ method = "PUT", path = "/sys/leases/revoke", headers = {{ X-Vault-Request = "true" }}, body = '{{"lease_id": "{{id}}"}}' }}
[route.bank]
path = "/bank/**"
target = "api"
credential = "bank"
authn = ["corp"]
allow = [{{ role = "reader" }}]
"#,
        url = vault.url()
    );
    let mut gateway = Gateway::start(|site| {
        start_sealed(site);
        set_secret(site, "bank/password", "password-of-first");
        set_secret(site, "vault/token", ROOT);
        config(site, &issuer, &upstream, &Extra { tables: &tables, ..Extra::default() })
    });
    until(&gateway, "idle");
    let load = load(&gateway, &issuer);
    load.wait_for(10);
    let (is_well, said) = rotate(gateway.site());
    assert!(is_well, "{said}");
    until(&gateway, "idle");
    load.wait_for(10);
    none_failed(load);
    let leases = || vault.with(|state| state.leases.clone());
    let now = used(&gateway, &issuer, &upstream);
    let password_of = |leases: &[String]| {
        leases.iter().map(|id| format!("password-of-{}", id.rsplit('/').next().expect("one"))).collect::<Vec<_>>()
    };
    assert_eq!(password_of(&leases()), std::slice::from_ref(&now), "the first lease is revoked");

    // Whoever comes after the process has the same lease, and keeps it alive; it is replaced when that cannot be done any more.
    let renewed = vault.asked("sys/leases/renew");
    gateway.kill_and_restart();
    gateway.wait_until_ready();
    assert_eq!(used(&gateway, &issuer, &upstream), now);
    eventually("it is renewed", || (vault.asked("sys/leases/renew") > renewed).then_some(()));
    vault.with(|state| state.renews = false);
    gateway.kill_and_restart();
    gateway.wait_until_ready();
    eventually("it is replaced", || (used(&gateway, &issuer, &upstream) != now).then_some(()));
    until(&gateway, "idle");
    eventually("the old lease is revoked", || (leases().len() == 1).then_some(()));
    let all = format!("{}{said}{}", gateway.log(), gateway.status());
    assert!(!all.contains("password-of-") && !all.contains(ROOT));
}
