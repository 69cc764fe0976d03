//! Pseudonyms in the audit log: who is named nowhere, is found by the keys, and by nobody once they are destroyed.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Output, Stdio},
};

use serde_json::{Value, json};

use crate::{
    audit::verify,
    support::{
        eventually,
        gateway::{Gateway, Site, program},
        setup::{Parts, alice, config},
        upstream::Upstream,
    },
};

/// A configuration whose `[audit]` has pseudonyms, with these keys too, and a store.
fn with_pseudonyms(site: &Site, upstream: &Upstream, keys: &str) -> String {
    let more = format!("[audit.pseudonyms]\ndirectory = \"audit-keys\"\n{keys}\n[store]\npath = \"claviger.db\"\n");
    config(site, upstream, &Parts { more: &more, ..Parts::default() })
}

fn ask(gateway: &Gateway) -> u16 {
    gateway.get("/api/x", &[("Authorization", &alice().bearer())]).status()
}

fn run(site: &Site, arguments: &[&str]) -> Output {
    program().args(arguments).current_dir(site.folder()).stdin(Stdio::null()).output().expect("the program runs")
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

const QUERY: &[&str] = &["audit", "query", "audit.jsonl", "--format", "json"];

/// What a query says, as JSON lines.
fn query(site: &Site, arguments: &[&str]) -> Vec<Value> {
    let output = run(site, &[QUERY, arguments].concat());
    assert!(output.status.success(), "{output:?}");
    lines(&output)
}

fn lines(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The periods that there are keys of.
fn periods(site: &Site) -> Vec<String> {
    let all = fs::read_dir(site.path("audit-keys")).expect("listed").map(|entry| entry.expect("an entry").file_name());
    let mut all: Vec<_> = all.filter_map(|name| Some(name.to_str()?.strip_suffix(".key")?.to_owned())).collect();
    all.sort();
    all
}

#[test]
fn who_is_named_nowhere_is_found_by_the_keys_and_by_nobody_once_they_are_destroyed() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::start(|site| with_pseudonyms(site, &upstream, ""));
    assert_eq!((ask(&gateway), ask(&gateway)), (200, 200));
    let revoke = ["revocation", "add", "principal:keys:alice", "--reason", "alice lost her laptop", "--for", "1s"];
    let revoked = run(gateway.site(), &revoke);
    assert!(revoked.status.success(), "{}", told(&revoked));
    let act = gateway.audited("the revocation", |line| line["kind"] == "revocation");
    let line = gateway.audited("a record", |line| line["outcome"] == "completed");
    let pseudonym = line["principal"].as_str().expect("text").to_owned();
    assert!(pseudonym.starts_with('~') && pseudonym.len() == 23, "{pseudonym}");
    assert_eq!(act["of"], format!("principal:keys:{pseudonym}"));
    assert_eq!(act["reason"], format!("{pseudonym} lost her laptop"));
    assert!(act["by"].as_str().expect("text").starts_with("uid:"), "{act}");
    assert_eq!((&line["key"], &line["period"]), (&line["principal"], &act["period"]));

    let site = gateway.site();
    let text = fs::read_to_string(site.audit_path()).expect("the log");
    assert!(!text.contains("alice") && !text.contains("\"client\":\"127.0.0.1\""), "{text}");
    let period = line["period"].as_str().expect("a period").to_owned();
    assert_eq!(periods(site), [&*period]);

    // By name, with the keys; by the pseudonym, without them.
    let unknown = run(site, &["audit", "query", "audit.jsonl", "--principal", "keys:alice"]);
    assert!(unknown.status.code() == Some(1) && told(&unknown).contains("say `--keys`"), "{unknown:?}");
    assert_eq!(query(site, &["--principal", &pseudonym]).len(), 2);
    for who in [&["--principal", "keys:alice"][..], &["--principal", "alice"], &["--client", "127.0.0.1"]] {
        let found = query(site, &[who, &["--keys", "audit-keys"]].concat());
        let (acts, found): (Vec<_>, Vec<_>) = found.into_iter().partition(|line| line["kind"] == "revocation");
        let is_whole = who.contains(&"keys:alice");
        assert_eq!((found.len(), acts.len()), (2, usize::from(is_whole)), "{who:?}");
        assert!(acts.iter().all(|act| act["of"] == "principal:keys:alice"), "{acts:?}");
        let (member, name) = if who[0] == "--client" { ("client", "127.0.0.1") } else { ("principal", "alice") };
        assert!(found.iter().all(|line| line[member] == name), "{found:?}");
    }
    let table = run(site, &["audit", "query", "audit.jsonl", "--principal", "alice", "--keys", "audit-keys"]);
    assert!(told(&table).contains("  keys:alice  ~"), "{}", told(&table));
    let shown = run(site, &["audit", "pseudonym", "alice", "--keys", "audit-keys"]);
    assert_eq!(told(&shown), format!("{period}  {pseudonym}\n"));

    // The key in use is destroyed by force alone, and where somebody said so.
    let erase = ["audit", "erase", "audit.jsonl", "--keys", "audit-keys", "--period", &*period];
    let refused = run(site, &erase);
    assert_eq!(refused.status.code(), Some(2), "{}", told(&refused));
    assert!(told(&refused).contains("goes on, and its key is in use"), "{}", told(&refused));
    let unasked = run(site, &[&erase[..], &["--force"]].concat());
    assert!(told(&unasked).contains("say `--yes`"), "{}", told(&unasked));
    assert_eq!(periods(site), [&*period]);
    let erased = run(site, &[&erase[..], &["--force", "--yes"]].concat());
    assert!(erased.status.success(), "{}", told(&erased));
    assert!(told(&erased).contains(&format!("{period}: destroyed; ")), "{}", told(&erased));

    // The gateway tells of it, and goes on with another key.
    let act = gateway.audited("the erasure", |line| line["kind"] == "erasure");
    assert_eq!((&act["act"], &act["of"]), (&json!("erased"), &json!(format!("period:{period}"))));
    assert!(act["by"].as_str().expect("text").starts_with("uid:"), "{act}");
    eventually("her access is back", || (ask(&gateway) == 200).then_some(()));
    let site = gateway.site();
    let again = eventually("she is told of again", || {
        let found = run(site, &[QUERY, &["--principal", "alice", "--keys", "audit-keys"]].concat());
        // Her records from before are of this period too.
        assert!(found.status.code() == Some(1) && told(&found).contains("this is not all"), "{found:?}");
        lines(&found).pop().filter(|line| line["outcome"] == "completed")
    });
    let since = again["time"].as_str().expect("a time");
    assert!(
        !query(site, &["--principal", "alice", "--keys", "audit-keys", "--since", since]).is_empty(),
        "all there is"
    );
    assert!(again["seq"].as_u64() > act["seq"].as_u64(), "none from before is found: {again}");
    assert_eq!(query(site, &["--principal", &pseudonym]).len(), 2, "what there is of her is about nobody");
    eventually("the note is gone", || {
        let left = fs::read_dir(gateway.site().path("audit-keys")).expect("listed");
        (left.count() == 1).then_some(())
    });
    gateway.terminate();
    let verdict = verify(&gateway.site().audit_path(), &[]);
    assert_eq!((&verdict["fault"], &verdict["not_closed"]), (&Value::Null, &json!([])), "the chain is whole");
}

#[test]
fn a_key_that_cannot_be_had_refuses_requests_and_nobody_is_named_for_want_of_it() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::start(|site| with_pseudonyms(site, &upstream, ""));
    assert_eq!(ask(&gateway), 200);
    gateway.audited("a record", |line| line["outcome"] == "completed");
    let directory = gateway.site().path("audit-keys");
    let aside = format!("{directory}.aside");
    fs::rename(&directory, &aside).expect("moved");
    eventually("requests are refused", || (ask(&gateway) == 503).then_some(()));
    assert_eq!(gateway.try_admin("/ready").map(|answer| answer.status()), Some(503));
    fs::rename(&aside, &directory).expect("moved back");
    eventually("they are served again", || (ask(&gateway) == 200).then_some(()));
    gateway.terminate();
    let text = fs::read_to_string(gateway.site().audit_path()).expect("the log");
    assert!(!text.contains("alice"), "{text}");
    assert!(text.contains("\"kind\":\"lost\""), "those that were refused are counted");
    assert_eq!(verify(&gateway.site().audit_path(), &[])["fault"], Value::Null);
}

#[test]
fn two_processes_have_one_key_and_old_ones_are_destroyed_by_themselves() {
    let upstream = Upstream::echo();
    let old = "2025-01.key";
    let mut gateway = Gateway::start(|site| {
        let directory = site.path("audit-keys");
        fs::create_dir(&directory).expect("made");
        site.write("audit-keys/2025-01.key", [7; 32]);
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
        set(Path::new(&directory), 0o700);
        set(&Path::new(&directory).join(old), 0o600);
        with_pseudonyms(site, &upstream, "keep = \"90d\"")
    });
    let act = gateway.audited("the erasure", |line| line["kind"] == "erasure");
    assert_eq!((&act["of"], &act["by"]), (&json!("period:2025-01"), &json!("claviger")));
    assert_eq!(ask(&gateway), 200);
    gateway.upgrade();
    gateway.wait_until_ready();
    assert_eq!(ask(&gateway), 200);
    gateway.terminate();
    let exchanges = query(gateway.site(), &["--outcome", "completed"]);
    assert!(exchanges.len() == 2 && exchanges[0]["principal"] == exchanges[1]["principal"], "{exchanges:?}");
    assert_eq!(periods(gateway.site()).len(), 1);
}

#[test]
fn keys_that_are_not_in_order_are_told_at_the_start_with_their_cure() {
    let upstream = Upstream::echo();
    let site = Site::new();
    site.write("claviger.toml", with_pseudonyms(&site, &upstream, ""));
    let directory = site.path("audit-keys");
    let set = |path: &str, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
    let starts = |want: &str| {
        for command in ["check", "run"] {
            let output = run(&site, &[command, &site.config_path().display().to_string()]);
            let said = told(&output);
            assert_eq!(output.status.code(), Some(2), "{command}: {said}");
            assert!(said.contains(want) && said.contains("cure: "), "{command}: {said}");
        }
    };
    fs::create_dir(&directory).expect("made");
    set(&directory, 0o750);
    starts("others than its owner may use");
    set(&directory, 0o700);
    // Whatever the month is when this runs.
    let made = run(&site, &["audit", "erase", "--keys", "audit-keys", "--before", "2020-01", "--yes"]);
    assert!(told(&made).contains("there is no such key in audit-keys; there are: none"), "{}", told(&made));
    let now = jiff::Timestamp::now().to_string();
    let key = site.write(&format!("audit-keys/{}.key", &now[..7]), [7; 32]);
    set(&key, 0o644);
    starts("others than its owner may use");
    set(&key, 0o600);
    fs::write(&key, "short").expect("written");
    starts("is no key of 32 bytes");
    fs::remove_dir_all(&directory).expect("removed");
    fs::write(&directory, "").expect("written");
    starts("is no directory");
}
