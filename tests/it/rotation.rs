//! Secrets that are replaced while requests are under way: a new one is proved before it is used, one that is no good goes again, and no
//! request fails of it; also when the process is killed in the middle.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Output,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{
    eventually,
    gateway::{Gateway, Site, program},
    http1::Message,
    issuer::Issuer,
    load::Load,
    raw::request,
    scene::{Extra, config},
    setup::{set_secret, start_sealed},
    upstream::Upstream,
};

/// Makes a key as a provider of APIs would: it holds where its file lies, in `full`, or in `half` for what the probe asks for alone.
const CREATE: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 1
echo made >> created
while [ -e hold-create ]; do sleep 0.05; done
key=sk-new-$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
case "$(cat mode)" in
  good) : > "full/$key" ;;
  half) : > "half/$key" ;;
  fail) exit 1 ;;
esac
echo "$key"
"#;

/// Takes the key off that it is told.
const RETIRE: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 1
while [ -e hold-retire ]; do sleep 0.05; done
read -r key
echo "$key" >> retired
rm -f "full/$key" "half/$key"
"#;

const FIRST: &str = "sk-first-0123456789";

/// A provider whose keys are files, and a gateway with one of its keys.
struct Bank {
    issuer: Issuer,
    upstream: Upstream,
    folder: PathBuf,
    gateway: Gateway,
}

fn tables(site: &Site, more: &str) -> String {
    let (create, retire) = (site.path("bank/create"), site.path("bank/retire"));
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
create = ["{create}"]
retire = ["{retire}"]
probe = {{ path = "/probe" }}
{more}
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
        let issuer = Issuer::start();
        let site_folder = std::sync::Arc::new(std::sync::OnceLock::<PathBuf>::new());
        let upstream = Upstream::start({
            let folder = std::sync::Arc::clone(&site_folder);
            move |request, wire| {
                let folder = folder.get().expect("known before anybody asks");
                let key =
                    request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or("/");
                let holds = |place: &str| !key.contains('/') && folder.join(place).join(key).is_file();
                let is_taken = holds("full") || (request.path() == "/probe" && holds("half"));
                wire.respond(if is_taken { 200 } else { 401 }, &[], &request.body)
            }
        });
        let gateway = Gateway::start(|site| {
            let script = |name: &str, text: &str| {
                let path = site.write(&format!("bank/{name}"), text);
                fs::set_permissions(path, PermissionsExt::from_mode(0o700)).expect("set");
            };
            script("create", CREATE);
            script("retire", RETIRE);
            site.write("bank/mode", "good");
            site.write(&format!("bank/full/{FIRST}"), "");
            fs::create_dir_all(site.path("bank/half")).expect("made");
            site_folder.set(site.path("bank").into()).expect("once");
            start_sealed(site);
            set_secret(site, "bank/key", FIRST);
            config(site, &issuer, &upstream, &Extra { tables: &tables(site, more), ..Extra::default() })
        });
        let folder = site_folder.get().expect("set").clone();
        Self { issuer, upstream, folder, gateway }
    }

    fn bearer(&self) -> String {
        let mut claims = self.issuer.claims("ada");
        claims["roles"] = serde_json::json!(["reader"]);
        format!("Bearer {}", self.issuer.token(&claims))
    }

    fn get(&self) -> Message {
        self.gateway.get("/bank/x", &[("Host", "api.test"), ("Authorization", &self.bearer())])
    }

    /// Requests with and without a body, one after the other, whose every status is told.
    fn load(&self) -> Load<(u16, Vec<u8>)> {
        let bearer = self.bearer();
        let send = move |_, count| match count % 2 {
            0 => request("GET", "/bank/x", &[("Host", "api.test"), ("Authorization", &bearer)], b""),
            _ => request("POST", "/bank/x", &[("Host", "api.test"), ("Authorization", &bearer)], b"a body"),
        };
        Load::start(2, self.gateway.public(), send, |answer| (answer.status(), answer.body.clone()))
    }

    fn mode(&self, mode: &str) {
        fs::write(self.folder.join("mode"), mode).expect("written");
    }

    fn hold(&self, what: &str) {
        fs::write(self.folder.join(format!("hold-{what}")), "").expect("written");
    }

    fn let_go(&self, what: &str) {
        fs::remove_file(self.folder.join(format!("hold-{what}"))).expect("removed");
    }

    fn keys(&self) -> Vec<String> {
        let listed = fs::read_dir(self.folder.join("full")).expect("listed");
        listed.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect()
    }

    /// The key that the last request came with.
    fn used(&self) -> String {
        assert_eq!(self.get().status(), 200);
        // A proof may have come in between.
        let last = self.upstream.requests().into_iter().rfind(|seen| seen.path() != "/probe").expect("one");
        last.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).expect("a key").to_owned()
    }

    fn stage(&self) -> Option<String> {
        let status = self.gateway.try_admin("/status")?.json();
        status["rotations"][0]["stage"].as_str().map(str::to_owned)
    }

    fn until(&self, stage: &str) {
        eventually(stage, || self.stage().filter(|now| now == stage));
    }

    fn acts(&self) -> Vec<String> {
        let audit =
            self.gateway.audit().into_iter().filter(|entry| entry["kind"] == "rotation" && entry["act"] != "changed");
        audit.map(|entry| entry["act"].as_str().expect("a word").to_owned()).collect()
    }
}

pub(crate) fn command(folder: &Path, words: &[&str]) -> Output {
    program().current_dir(folder).args(words).output().expect("the program")
}

fn try_to_rotate(bank: &Bank) -> Output {
    command(bank.gateway.site().folder(), &["vault", "rotate", "bank"])
}

/// The same once what was before has come to its end.
fn rotate(bank: &Bank) -> Output {
    let is_busy = |output: &Output| said(output).contains("being replaced already");
    eventually("it may be asked", || Some(try_to_rotate(bank)).filter(|output| !is_busy(output)))
}

pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// All of them were answered well, and each body came back whole.
pub(crate) fn none_failed(load: Load<(u16, Vec<u8>)>) {
    let tally = load.stop();
    assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    assert!(tally.answers.len() > 20);
    assert!(tally.answers.iter().all(|(status, body)| *status == 200 && (body.is_empty() || body == b"a body")));
}

#[test]
fn a_new_key_is_proved_and_used_under_load_without_a_failure_and_the_old_one_is_retired() {
    let bank = Bank::start("watch = \"1s\"\ngrace = \"1s\"");
    bank.until("idle");
    assert_eq!(bank.used(), FIRST);
    let load = bank.load();
    load.wait_for(10);
    let done = rotate(&bank);
    assert!(done.status.success(), "{}", said(&done));
    assert!(said(&done).contains("it is in use, and watched"), "{}", said(&done));
    bank.until("grace");
    let again = try_to_rotate(&bank);
    assert!(!again.status.success() && said(&again).contains("being replaced already"), "{}", said(&again));
    bank.until("idle");
    load.wait_for(10);
    none_failed(load);
    let used = bank.used();
    assert_eq!((bank.keys(), used.starts_with("sk-new-")), (vec![used.clone()], true), "the old one is retired");
    eventually("it is recorded", || (bank.acts() == ["promoted", "retired"]).then_some(()));
    let by = |act: &str| {
        let all = bank.gateway.audit();
        let found = all.iter().find(|entry| entry["kind"] == "rotation" && entry["act"] == act);
        found.map(|entry| entry["by"].as_str().unwrap_or_default().to_owned())
    };
    assert!(by("promoted").is_some_and(|by| by.starts_with("uid:")), "whoever asked for it");
    assert_eq!(by("retired").as_deref(), Some("claviger"), "what follows of itself");
    // Of what has not happened too: a series that begins with 1 is no increase.
    for (result, count) in [("promoted", 1.0), ("failed", 0.0)] {
        let labels = ["credential=\"bank\"", &format!("result=\"{result}\"")];
        assert_eq!(bank.gateway.metric("claviger_rotations_total", &labels), Some(count), "{result}");
    }
    assert!(bank.gateway.metric("claviger_secret_age_seconds", &["credential=\"bank\""]).is_some_and(|age| age < 60.0));

    let folder = bank.gateway.site().folder();
    let shown = command(folder, &["vault", "status"]);
    assert!(shown.status.success() && said(&shown).contains("local:bank/key  usable"), "{}", said(&shown));
    assert!(said(&shown).contains("rotation bank idle"), "{}", said(&shown));
    let json = command(folder, &["vault", "status", "--json"]);
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!((&json["rotations"][0]["stage"], &json["rotations"][0]["overdue"]), (&"idle".into(), &false.into()));
    let all = format!("{}{}{}{}", bank.gateway.log(), said(&done), said(&shown), bank.gateway.status());
    for key in [FIRST, &used] {
        assert!(!all.contains(key), "no key is told");
    }
}

#[test]
fn a_key_that_the_target_does_not_take_is_used_for_nothing() {
    let bank = Bank::start("patience = \"1s\"");
    bank.until("idle");
    let load = bank.load();
    for (mode, why) in [
        ("none", "the new secret was not taken: the target answered with status 401"),
        ("fail", "no new secret could be made"),
    ] {
        bank.mode(mode);
        let failed = rotate(&bank);
        assert_eq!(failed.status.code(), Some(1), "{mode}: {}", said(&failed));
        assert!(said(&failed).contains(why), "{mode}: {}", said(&failed));
        assert_eq!(bank.used(), FIRST, "{mode}");
    }
    none_failed(load);
    let others = bank
        .upstream
        .requests()
        .into_iter()
        .filter(|seen| seen.header("authorization") != Some(&*format!("Bearer {FIRST}")));
    assert!(others.into_iter().all(|seen| seen.path() == "/probe"), "it was shown for the proof alone");
    eventually("it is recorded", || (bank.acts() == ["failed", "retired", "failed"]).then_some(()));
    let retired = fs::read_to_string(bank.folder.join("retired")).expect("one was retired");
    assert!(retired.starts_with("sk-new-") && retired.lines().count() == 1, "what was not taken is retired");
    assert_eq!(bank.keys(), [FIRST]);
    bank.mode("good");
    assert!(rotate(&bank).status.success(), "and the next one is not waited for");
    eventually("it is used", || (bank.used() != FIRST).then_some(()));
}

#[test]
fn a_key_that_is_no_good_after_all_is_rolled_back_and_no_request_fails_of_it() {
    let bank = Bank::start("watch = \"1h\"");
    bank.until("idle");
    let load = bank.load();
    load.wait_for(10);
    bank.mode("half");
    let done = rotate(&bank);
    assert!(done.status.success(), "the probe took it: {}", said(&done));
    eventually("it is rolled back", || bank.acts().contains(&"rolled_back".to_owned()).then_some(()));
    bank.until("idle");
    load.wait_for(10);
    none_failed(load);
    assert_eq!((bank.used(), bank.keys()), (FIRST.to_owned(), vec![FIRST.to_owned()]));
    assert_eq!(fs::read_dir(bank.folder.join("half")).expect("listed").count(), 0, "it is retired");
    let fault = bank.gateway.status()["rotations"][0]["fault"].clone();
    assert!(fault.as_str().is_some_and(|fault| fault.contains("were refused by the target")), "{fault}");
}

#[test]
fn a_process_that_is_killed_at_any_stage_leaves_a_key_in_use_and_the_next_goes_on() {
    let mut bank = Bank::start("watch = \"2s\"\ngrace = \"2s\"\npatience = \"1h\"");
    bank.until("idle");
    let ask = |bank: &Bank| {
        let asked = command(bank.gateway.site().folder(), &["vault", "rotate", "bank", "--no-wait"]);
        assert!(asked.status.success(), "{}", said(&asked));
    };
    let count =
        |bank: &Bank, file: &str| fs::read_to_string(bank.folder.join(file)).map_or(0, |text| text.lines().count());
    let restart = |bank: &mut Bank, stage: &str| {
        let before = bank.used();
        bank.gateway.kill_and_restart();
        bank.gateway.wait_until_ready();
        assert_eq!(bank.used(), before, "killed while {stage}");
    };
    let ends = |bank: &Bank, old: &str| {
        eventually("it ends well", || {
            (bank.stage()? == "idle" && bank.keys().len() == 1 && bank.used() != old).then_some(())
        });
        assert_eq!(bank.keys(), [bank.used()]);
    };

    // While a new one is made: that one is nobody's, and another is made.
    let old = bank.used();
    bank.hold("create");
    ask(&bank);
    eventually("it is being made", || (count(&bank, "created") == 1).then_some(()));
    restart(&mut bank, "it is made");
    eventually("another is being made", || (count(&bank, "created") == 2).then_some(()));
    bank.let_go("create");
    eventually("it is used", || (bank.used() != old).then_some(()));
    bank.until("idle");
    let orphans: Vec<String> = bank.keys().into_iter().filter(|key| *key != bank.used()).collect();
    assert!(orphans.len() <= 1, "{orphans:?}");
    orphans.iter().for_each(|key| fs::remove_file(bank.folder.join("full").join(key)).expect("removed"));

    // While the target does not take it yet.
    let old = bank.used();
    bank.mode("none");
    ask(&bank);
    bank.until("probing");
    restart(&mut bank, "it is proved");
    bank.until("probing");
    let asked_with = || {
        let seen = bank.upstream.requests().into_iter().rev().find(|seen| seen.path() == "/probe")?;
        seen.header("authorization")?.strip_prefix("Bearer ").map(str::to_owned).filter(|key| *key != old)
    };
    // The last one that was seen may be of the rotation before.
    let new = eventually("the target is asked", asked_with);
    fs::write(bank.folder.join("full").join(&new), "").expect("written");
    ends(&bank, &old);
    assert_eq!(bank.used(), new);

    // While it is watched, while the old one is kept, and while that is retired.
    bank.mode("good");
    for stage in ["watching", "grace", "retire"] {
        let old = bank.used();
        let retired = count(&bank, "retired");
        if stage == "retire" {
            bank.hold("retire");
        }
        ask(&bank);
        bank.until(if stage == "retire" { "grace" } else { stage });
        eventually("it is used", || (bank.used() != old).then_some(()));
        if stage == "retire" {
            let begun = Instant::now();
            eventually("its time is over", || (begun.elapsed() > Duration::from_secs(3)).then_some(()));
        }
        restart(&mut bank, stage);
        if stage == "retire" {
            bank.let_go("retire");
        }
        ends(&bank, &old);
        assert!(count(&bank, "retired") > retired, "{stage}");
    }
}

#[test]
fn a_key_that_somebody_sets_meanwhile_is_left_alone() {
    let bank = Bank::start("watch = \"1h\"");
    bank.until("idle");
    assert!(rotate(&bank).status.success());
    fs::write(bank.folder.join("full/sk-by-hand"), "").expect("written");
    set_secret(bank.gateway.site(), "bank/key", "sk-by-hand");
    eventually("it is used", || (bank.used() == "sk-by-hand").then_some(()));
    bank.until("idle");
    assert_eq!(bank.used(), "sk-by-hand");
    assert!(!bank.folder.join("retired").exists(), "nobody knows whether the others are used elsewhere");
}
