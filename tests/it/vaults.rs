//! Secrets of servers and programs: had once, kept fresh, renewed, gone with their lease, and bridged for a stated time and no longer.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::{
    eventually,
    gateway::{Gateway, Site},
    issuer::Issuer,
    scene::{Extra, Scene, code, config},
    tls::{Authority, Identity},
    upstream::Upstream,
    vault::Vault,
};

const KEY: &str = "key-from-the-server-4711";

fn tables(vault: &Vault, more: &str) -> String {
    format!(
        r#"
[vault.hv.hashicorp]
url = "{url}"
app_role = {{ role_id = "role", secret_id_file = "secret-id" }}
refresh = "1s"
timeout = "1s"
max_stale = "3s"
[credential.kv.bearer]
target = "api"
secret = "hv:secret/stripe#key"
[credential.login.several]
target = "api"
headers = {{ "X-User" = "hv:database/creds/app#username", "X-Password" = "hv:database/creds/app#password" }}
[route.kv]
path = "/kv/**"
target = "api"
credential = "kv"
authn = ["corp"]
allow = [{{ role = "reader" }}]
[route.login]
path = "/login/**"
target = "api"
credential = "login"
authn = ["corp"]
allow = [{{ role = "reader" }}]
{more}"#,
        url = vault.url()
    )
}

fn scene(vault: &Vault) -> Scene {
    let (issuer, upstream) = (Issuer::start(), Upstream::echo());
    let gateway = Gateway::start(|site| {
        site.write("secret-id", "secret-id\n");
        config(site, &issuer, &upstream, &Extra { tables: &tables(vault, ""), ..Extra::default() })
    });
    Scene { issuer, upstream, gateway, bare: Default::default() }
}

fn document(vault: &Vault, key: &str) {
    let document = json!({"data": {"key": key, "other": "x"}, "metadata": {"version": 1}});
    vault.with(|state| state.documents.insert("secret/data/stripe".to_owned(), document));
}

/// What the upstream saw of the last request.
fn seen(scene: &Scene, path: &str, field: &str) -> Option<String> {
    let answer = scene.get(path);
    if answer.status() != 200 {
        return None;
    }
    scene.upstream.requests().pop()?.header(field).map(str::to_owned)
}

#[test]
fn a_secret_of_a_server_is_used_kept_fresh_and_gone_with_it() {
    let vault = Vault::start();
    document(&vault, KEY);
    let scene = scene(&vault);
    assert_eq!(seen(&scene, "/kv/x", "authorization"), Some(format!("Bearer {KEY}")), "from the first request on");
    document(&vault, "another-key");
    eventually("the new one is used", || {
        (seen(&scene, "/kv/x", "authorization")? == "Bearer another-key").then_some(())
    });
    let changed = scene.gateway.audited("that it changed", |entry| entry["act"] == "changed");
    assert_eq!((&changed["kind"], &changed["of"]), (&"rotation".into(), &"hv:secret/stripe#key".into()));
    // The token is not good any more: another one is had, and nobody is refused.
    vault.with(|state| state.tokens.clear());
    let logins = vault.asked("auth/approle/login");
    eventually("it logs in again", || {
        assert_eq!(scene.get("/kv/x").status(), 200);
        (vault.asked("auth/approle/login") > logins).then_some(())
    });
    vault.with(|state| state.documents.clear());
    let refused = eventually("it is gone", || Some(scene.get("/kv/x")).filter(|answer| answer.status() == 503));
    assert_eq!(code(&refused), "unavailable");
    assert_eq!(scene.record_of(&refused)["detail"], "credential");
    let status = scene.gateway.status();
    assert!(status["secrets"].to_string().contains("the vault has no secret of this name"), "{status}");
    document(&vault, KEY);
    eventually("and back", || (scene.get("/kv/x").status() == 200).then_some(()));
    let log = scene.gateway.log();
    assert!(!log.contains(KEY) && !log.contains("hvs.") && !log.contains("secret-id"), "{log}");
}

#[test]
fn whether_the_gateway_is_ready_hangs_on_the_secrets_that_requests_need() {
    let (issuer, upstream) = (Issuer::start(), Upstream::echo());
    let chat = "[notify.chat.slack]\nurl = \"dir:absent\"\n";
    let gateway = Gateway::start(|site| config(site, &issuer, &upstream, &Extra { tables: chat, ..Extra::default() }));
    let status = gateway.status();
    let is_told = |one: &serde_json::Value| one["name"] == "dir:absent" && one["usable"] == false;
    assert!(status["secrets"].as_array().expect("a list").iter().any(is_told), "{status}");
    assert_eq!(gateway.admin_get("/ready").status(), 200);
    let both = format!("{chat}[credential.absent.bearer]\ntarget = \"api\"\nsecret = \"dir:absent\"\n");
    gateway.reload(&config(gateway.site(), &issuer, &upstream, &Extra { tables: &both, ..Extra::default() }));
    let ready = gateway.admin_get("/ready");
    assert_eq!((ready.status(), ready.text()), (503, "a secret is not available: dir:absent\n".to_owned()));
}

#[test]
fn a_server_that_is_away_from_the_start_keeps_nobody_else_from_being_served() {
    let vault = Vault::start();
    document(&vault, KEY);
    vault.with(|state| state.status = Some(503));
    let (issuer, upstream) = (Issuer::start(), Upstream::echo());
    let gateway = Gateway::spawn(|site| {
        site.write("secret-id", "secret-id");
        config(site, &issuer, &upstream, &Extra { tables: &tables(&vault, ""), ..Extra::default() })
    });
    let scene = Scene { issuer, upstream, gateway, bare: Default::default() };
    eventually("it says that it is not ready", || {
        scene.gateway.try_admin("/ready").filter(|ready| ready.status() == 503 && ready.text().contains("a secret"))
    });
    eventually("others are served", || {
        let headers = [("Host", "api.test"), ("Authorization", &*scene.bearer())];
        scene.gateway.try_get("/api/x", &headers).filter(|answer| answer.status() == 200)
    });
    let refused = scene.get("/kv/x");
    assert_eq!((refused.status(), code(&refused)), (503, "unavailable".to_owned()));
    let status = scene.gateway.status();
    assert!(status["secrets"].to_string().contains("sealed, or stands by"), "{status}");
    vault.with(|state| state.status = None);
    eventually("it recovers by itself", || (scene.get("/kv/x").status() == 200).then_some(()));
}

#[test]
fn a_server_that_fails_later_is_bridged_for_a_stated_time_and_slows_nobody_down() {
    let vault = Vault::start();
    document(&vault, KEY);
    let scene = scene(&vault);
    assert_eq!(scene.get("/kv/x").status(), 200);
    for (what, status, delay) in
        [("sealed", Some(503), 0), ("refuses", Some(403), 0), ("broken", Some(500), 0), ("slow", None, 30_000)]
    {
        vault.with(|state| (state.status, state.delay) = (status, Duration::from_millis(delay)));
        let began = Instant::now();
        eventually("the last good value serves for a while and no longer", || {
            let asked = Instant::now();
            assert_eq!(scene.get("/api/x").status(), 200, "{what}: others are not its business");
            assert!(asked.elapsed() < Duration::from_secs(1), "{what}: nor is its time");
            let kv = scene.get("/kv/x").status();
            assert!([200, 503].contains(&kv), "{what}: {kv}");
            (kv == 503).then_some(())
        });
        assert!(began.elapsed() >= Duration::from_millis(1500), "{what}: bridged for {:?}", began.elapsed());
        let upstream = scene.upstream.requests();
        let keyless =
            upstream.iter().filter(|request| request.header("authorization") != Some(&format!("Bearer {KEY}")));
        assert!(
            keyless.clone().all(|request| request
                .header("authorization")
                .is_some_and(|value| value.starts_with("Bearer sk-live"))),
            "{what}"
        );
        vault.with(|state| (state.status, state.delay) = (None, Duration::ZERO));
        eventually(what, || (scene.get("/kv/x").status() == 200).then_some(()));
    }
}

#[test]
fn one_path_that_is_forbidden_costs_no_other_its_token_and_a_new_token_gets_new_leases() {
    let vault = Vault::start();
    document(&vault, KEY);
    let scene = scene(&vault);
    let user = seen(&scene, "/login/x", "x-user").expect("served");
    vault.with(|state| state.forbidden = Some("secret/data/stripe".to_owned()));
    eventually("it is refused", || (scene.get("/kv/x").status() == 503).then_some(()));
    let asked = vault.asked("secret/data/stripe");
    eventually("it is tried again", || (vault.asked("secret/data/stripe") > asked + 1).then_some(()));
    assert_eq!(vault.asked("auth/approle/login"), 1, "the token is good");
    assert_eq!(seen(&scene, "/login/x", "x-user"), Some(user.clone()));
    // Once it is not, what was leased with it is over too.
    vault.with(|state| (state.forbidden, _) = (None, state.tokens.clear()));
    eventually("it is leased anew", || seen(&scene, "/login/x", "x-user").filter(|new| *new != user));
}

#[test]
fn what_is_no_secret_is_not_taken_for_the_one_before_it_for_good() {
    let vault = Vault::start();
    document(&vault, KEY);
    let scene = scene(&vault);
    assert_eq!(scene.get("/kv/x").status(), 200);
    document(&vault, "");
    eventually("`max_stale` is over", || (scene.get("/kv/x").status() == 503).then_some(()));
    let status = scene.gateway.status();
    assert!(status["secrets"].to_string().contains("the secret is empty"), "{status}");
    document(&vault, KEY);
    eventually("and back", || (scene.get("/kv/x").status() == 200).then_some(()));
}

#[test]
fn no_lease_is_too_long_to_be_counted() {
    let vault = Vault::start();
    document(&vault, KEY);
    vault.with(|state| state.lease_lasts = u64::MAX);
    let scene = scene(&vault);
    assert_eq!(seen(&scene, "/login/x", "x-user").map(|user| user.starts_with("user-")), Some(true));
}

#[test]
fn what_is_given_for_a_time_is_renewed_replaced_and_given_back() {
    let vault = Vault::start();
    document(&vault, KEY);
    vault.with(|state| state.lease_lasts = 3);
    let mut scene = scene(&vault);
    let login = |scene: &Scene| {
        let user = seen(scene, "/login/x", "x-user")?;
        let password = scene.upstream.requests().pop()?.header("x-password")?.to_owned();
        Some((user, password))
    };
    let first = login(&scene).expect("served");
    assert_eq!(first.1, first.0.replace("user-", "password-of-"), "both are of one lease");
    eventually("it is renewed", || (vault.asked("sys/leases/renew") > 1).then_some(()));
    assert_eq!(login(&scene), Some(first.clone()), "and stays the same");
    vault.with(|state| state.renews = false);
    let next = eventually("it is replaced before it ends", || {
        let now = login(&scene).expect("served all the time");
        (now != first).then_some(now)
    });
    assert_eq!(next.1, next.0.replace("user-", "password-of-"));
    // Nobody may use it longer than its lease, whatever `max_stale` says.
    vault.with(|state| state.status = Some(503));
    eventually("it ends with its lease", || login(&scene).is_none().then_some(()));
    vault.with(|state| (state.status, state.lease_lasts) = (None, 3600));
    eventually("it is had again", || login(&scene));
    let (leases, tokens) = vault.with(|state| (state.leases.len(), state.tokens.len()));
    assert!(leases > 0 && tokens > 0);
    scene.gateway.terminate();
    scene.gateway.wait();
    assert!(vault.asked("sys/leases/revoke") > 0 && vault.asked("auth/token/revoke-self") == 1);
    assert_eq!(
        vault.with(|state| state.tokens.len()),
        tokens - 1,
        "nothing is left behind that was had for this process"
    );
    assert!(vault.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn a_lease_that_somebody_ends_is_replaced_when_it_is_to_be_renewed_and_nobody_is_refused() {
    let vault = Vault::start();
    document(&vault, KEY);
    vault.with(|state| state.lease_lasts = 3);
    let scene = scene(&vault);
    let first = seen(&scene, "/login/x", "x-user").expect("served");
    vault.with(|state| state.leases.clear());
    let next = eventually("another is had", || {
        let now = seen(&scene, "/login/x", "x-user").expect("served all the time");
        (now != first).then_some(now)
    });
    let lease = next.replace("user-", "database/creds/app/");
    assert!(vault.with(|state| state.leases.contains(&lease)), "it is of a lease that lives");
}

/// A configuration without these tables.
fn without(tables: &str, names: &[&str]) -> String {
    let each = tables.split("\n[").filter(|table| !names.iter().any(|name| table.starts_with(&format!("{name}]"))));
    each.collect::<Vec<_>>().join("\n[")
}

#[test]
fn what_no_configuration_needs_any_more_is_given_back() {
    let vault = Vault::start();
    document(&vault, KEY);
    let scene = scene(&vault);
    let whole = tables(&vault, "");
    let reload = |tables: &str| {
        let extra = Extra { tables, ..Extra::default() };
        scene.gateway.reload(&config(scene.gateway.site(), &scene.issuer, &scene.upstream, &extra));
    };
    let held = |leases: usize, tokens: usize| {
        eventually(&format!("there are {leases} leases and {tokens} tokens"), || {
            vault.with(|state| (state.leases.len(), state.tokens.len()) == (leases, tokens)).then_some(())
        });
    };
    let (first, password) =
        (seen(&scene, "/login/x", "x-user").expect("served"), ["credential.login.several", "route.login"]);
    held(1, 1);
    // Another vault, which logs in for itself before the first one is left.
    reload(&whole.replace("timeout = \"1s\"", "timeout = \"2s\""));
    assert_ne!(seen(&scene, "/login/x", "x-user").expect("served"), first);
    held(1, 1);
    assert_eq!((vault.asked("sys/leases/revoke"), vault.asked("auth/token/revoke-self")), (1, 1));
    reload(&whole);
    held(1, 1);
    reload(&without(&whole, &password));
    held(0, 1);
    assert_eq!(seen(&scene, "/kv/x", "authorization"), Some(format!("Bearer {KEY}")));
    reload(&without(&whole, &[&password[..], &["credential.kv.bearer", "route.kv"]].concat()));
    held(0, 0);
    reload(&whole);
    assert!(seen(&scene, "/login/x", "x-user").is_some(), "it is had again from the first request on");
    held(1, 1);
    reload("");
    held(0, 0);
    assert!(!scene.gateway.log().contains("could not be ended"), "{}", scene.gateway.log());
}

#[test]
fn a_server_that_hangs_when_something_is_given_back_holds_up_nobody() {
    let vault = Vault::start();
    document(&vault, KEY);
    let mut scene = scene(&vault);
    assert_eq!(scene.get("/login/x").status(), 200);
    vault.with(|state| state.delay = Duration::from_secs(30));
    let extra = Extra::default();
    scene.gateway.reload(&config(scene.gateway.site(), &scene.issuer, &scene.upstream, &extra));
    eventually("it is tried, and given up", || {
        let asked = Instant::now();
        assert_eq!(scene.get("/api/x").status(), 200);
        assert!(asked.elapsed() < Duration::from_secs(1), "others wait: {:?}", asked.elapsed());
        scene.gateway.log().contains("could not be ended").then_some(())
    });
    let ending = Instant::now();
    scene.gateway.terminate();
    assert!(ending.elapsed() < Duration::from_secs(8), "{:?}", ending.elapsed());
}

/// A gateway that logs in with a certificate, which these make: `clients` vouch for it, `servers` for the server.
fn scene_by_certificate(vault: &Vault, servers: &Authority, client: &Identity, cert: &str) -> Scene {
    let (issuer, upstream) = (Issuer::start(), Upstream::echo());
    let tables = tables(vault, "").replace(
        "app_role = { role_id = \"role\", secret_id_file = \"secret-id\" }",
        &format!("ca = \"ca.pem\"\ncert = {{ certificate = \"client.pem\", key = \"client.key\", {cert} }}"),
    );
    let gateway = Gateway::spawn(|site| {
        site.write("ca.pem", servers.pem());
        show(site, client);
        config(site, &issuer, &upstream, &Extra { tables: &tables, ..Extra::default() })
    });
    let scene = Scene { issuer, upstream, gateway, bare: Default::default() };
    let headers = [("Host", "api.test"), ("Authorization", &*scene.bearer())];
    eventually("it serves", || scene.gateway.try_get("/api/x", &headers).filter(|answer| answer.status() == 200));
    scene
}

/// Puts a certificate and its key where the gateway looks for them.
fn show(site: &Site, client: &Identity) {
    site.write("client.key", client.key_pem());
    site.write("client.pem", client.certificate_pem());
}

#[test]
fn a_certificate_logs_in_and_its_successor_is_shown_when_it_is_there() {
    let (servers, clients, next) = (Authority::new("servers"), Authority::new("clients"), Authority::new("next"));
    let server = servers.server(&["127.0.0.1"]);
    let vault = Vault::start_tls(clients.serving(&server, true));
    document(&vault, KEY);
    let first = clients.client("gateway", &[]);
    let scene = scene_by_certificate(&vault, &servers, &first, "role = \"gateway\"");
    let shown = || vault.server().certificates().pop();
    assert_eq!(seen(&scene, "/kv/x", "authorization"), Some(format!("Bearer {KEY}")));
    assert_eq!((shown(), vault.asked("auth/cert/login")), (Some(first.der()), 1));
    // The token is over: whoever logs in shows what is there now.
    let second = clients.client("gateway", &[]);
    show(scene.gateway.site(), &second);
    vault.with(|state| state.tokens.clear());
    eventually("the second is shown", || (shown() == Some(second.der())).then_some(()));
    eventually("it logs in", || (vault.asked("auth/cert/login") == 2).then_some(()));
    // Nobody takes the second any more, so that nothing can be asked.
    vault.server().change_tls(next.serving(&server, true));
    eventually("`max_stale` is over", || (scene.get("/kv/x").status() == 503).then_some(()));
    let third = next.client("gateway", &[]);
    // In between there are a certificate and a key that do not belong together.
    scene.gateway.site().write("client.pem", third.certificate_pem());
    eventually("that is told", || {
        let status = scene.gateway.status();
        status["secrets"].to_string().contains("do not belong together").then_some(())
    });
    show(scene.gateway.site(), &third);
    eventually("the third is shown", || (scene.get("/kv/x").status() == 200).then_some(()));
    assert_eq!((shown(), vault.asked("auth/cert/login")), (Some(third.der()), 2), "the token is good still");
    let (log, key) = (scene.gateway.log(), third.key_pem());
    let line = key.lines().nth(1).expect("a key");
    assert!(!log.contains(line) && !log.contains("hvs."), "{log}");
}

#[test]
fn a_certificate_that_is_not_taken_refuses_what_needs_it_and_says_why() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let server = servers.server(&["127.0.0.1"]);
    let (good, bad) = (clients.client("gateway", &[]), Authority::new("strangers").client("gateway", &[]));
    let cases = [
        ("role = \"gateway\"", &bad, "the vault cannot be asked"),
        ("role = \"another\"", &good, "does not let this gateway read it"),
        ("mount = \"nowhere\"", &good, "does not let this gateway read it"),
    ];
    for (cert, client, want) in cases {
        let vault = Vault::start_tls(clients.serving(&server, true));
        document(&vault, KEY);
        let scene = scene_by_certificate(&vault, &servers, client, cert);
        assert_eq!(scene.get("/kv/x").status(), 503, "{cert}");
        let status = scene.gateway.status();
        assert!(status["secrets"].to_string().contains(want), "{cert}: {status}");
        fs::remove_file(scene.gateway.site().path("client.key")).expect("our file");
        eventually("that it is gone is told", || {
            let status = scene.gateway.status();
            status["secrets"].to_string().contains("with which to log in at the vault cannot be read").then_some(())
        });
    }
}

#[test]
fn a_program_prints_secrets_and_is_given_no_more_than_it_needs() {
    let (issuer, upstream) = (Issuer::start(), Upstream::echo());
    let tables = r#"
[vault.pass.command]
program = ["./print", "show", "{path}"]
refresh = "1s"
timeout = "1s"
max_stale = "3s"
[credential.printed.bearer]
target = "api"
secret = "pass:team/api;echo"
[route.printed]
path = "/printed/**"
target = "api"
credential = "printed"
authn = ["corp"]
allow = [{ role = "reader" }]
"#;
    let gateway = Gateway::start(|site| {
        let program = "#!/bin/sh\n[ \"$1\" = show ] || exit 1\n. ./behave\nenv > seen\necho \"$2\" > path\necho \"$KEY\"\necho leaked-by-stderr >&2\n";
        let path = site.write("print", program);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("our file");
        site.write("behave", "KEY=printed-key");
        config(site, &issuer, &upstream, &Extra { tables, ..Extra::default() })
    });
    let scene = Scene { issuer, upstream, gateway, bare: Default::default() };
    assert_eq!(seen(&scene, "/printed/x", "authorization"), Some("Bearer printed-key".to_owned()));
    let site = scene.gateway.site();
    let read = |name: &str| fs::read_to_string(site.path(name)).expect("written");
    assert_eq!(read("path"), "team/api;echo\n", "no shell has looked at it");
    assert!(
        read("seen").lines().all(|line| ["PATH=", "HOME=", "PWD=", "_=", "SHLVL=", "OLDPWD=", "KEY="]
            .iter()
            .any(|name| line.starts_with(name))),
        "{}",
        read("seen")
    );
    site.write("behave", "KEY=another-key");
    eventually("it is asked again", || {
        (seen(&scene, "/printed/x", "authorization")? == "Bearer another-key").then_some(())
    });
    for (what, behave) in
        [("fails", "exit 3"), ("hangs", "sleep 30"), ("floods", "cat /dev/zero; KEY=x"), ("says nothing", "KEY=")]
    {
        site.write("behave", behave);
        let began = Instant::now();
        eventually(what, || (scene.get("/printed/x").status() == 503).then_some(()));
        assert!(began.elapsed() >= Duration::from_millis(1500), "{what}: bridged for {:?}", began.elapsed());
        site.write("behave", "KEY=printed-key");
        eventually("and is well again", || (scene.get("/printed/x").status() == 200).then_some(()));
    }
    site.write("behave", "exit 44");
    let began = Instant::now();
    eventually("there is none", || (scene.get("/printed/x").status() == 503).then_some(()));
    assert!(began.elapsed() < Duration::from_millis(2500), "at once, not when it is too old");
    assert!(!scene.gateway.log().contains("leaked-by-stderr"));
}

#[test]
fn each_principal_has_a_secret_of_their_own_and_nobody_anothers() {
    let vault = Vault::start();
    let own = |name: &str| {
        let document = json!({"data": {"token": format!("token-of-{name}")}, "metadata": {"version": 1}});
        vault.with(|state| state.documents.insert(format!("secret/data/users/{name}/corp"), document));
    };
    let tables = tables(&vault, "")
        .replace("hv:secret/stripe#key", "hv:secret/users/{principal.id}/{principal.authenticator}#token");
    let (issuer, upstream) = (Issuer::start(), Upstream::echo());
    ["ada", "kim", "eve"].iter().for_each(|name| own(name));
    let gateway = Gateway::start(|site| {
        site.write("secret-id", "secret-id\n");
        config(site, &issuer, &upstream, &Extra { tables: &tables, ..Extra::default() })
    });
    let scene = Scene { issuer, upstream, gateway, bare: Default::default() };
    let get = |who: &str| {
        let bearer = format!("Bearer {}", scene.token_of(who, &["reader"]));
        scene.gateway.get("/kv/x", &[("Host", "api.test"), ("Authorization", &bearer)])
    };
    // Many at once, each for the first time.
    let answers: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..30)
            .map(|n| scope.spawn(move || (["ada", "kim", "eve"][n % 3], get(["ada", "kim", "eve"][n % 3]))))
            .collect();
        all.into_iter().map(|one| one.join().expect("no panic")).collect()
    });
    for (who, answer) in &answers {
        assert_eq!(answer.status(), 200, "{who}");
        assert!(!answer.text().contains("token-of-"), "it does not come back");
    }
    let seen = scene.upstream.requests();
    let sent = |who: &str| {
        let value = format!("Bearer token-of-{who}");
        seen.iter().filter(|request| request.header("authorization") == Some(&value)).count()
    };
    assert_eq!(["ada", "kim", "eve"].map(sent), [10; 3]);

    // Who has none gets nobody's, and makes the gateway no less ready; nor does an id that would lead elsewhere.
    let asked = vault.asked("secret/data/users/ada/corp");
    for who in ["bob", "../kim", "ada/corp#token", "ada%2f", "-ada", ".", "ada\u{e9}"] {
        let refused = get(who);
        assert_eq!((refused.status(), code(&refused)), (503, "unavailable".to_owned()), "{who}");
        assert_eq!(scene.record_of(&refused)["detail"], "credential", "{who}");
    }
    assert_eq!(scene.upstream.requests().len(), 30);
    assert_eq!(scene.gateway.admin_get("/ready").status(), 200);
    assert!(!scene.gateway.status()["secrets"].to_string().contains("users/"));
    own("bob");
    eventually("he has one now", || (get("bob").status() == 200).then_some(()));
    eventually("they are kept fresh", || (vault.asked("secret/data/users/ada/corp") > asked).then_some(()));
    vault.with(|state| state.documents.remove("secret/data/users/ada/corp"));
    eventually("hers is gone", || (get("ada").status() == 503).then_some(()));
    assert_eq!(get("kim").status(), 200);
}
