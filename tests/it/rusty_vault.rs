//! Secrets of a real server of Vault's HTTP API. What it does not do as the published API says stands in `support::rusty_vault`; the small
//! server of `support::vault` does that.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    eventually,
    gateway::Gateway,
    issuer::Issuer,
    rusty_vault::RustyVault,
    scene::{Extra, Scene, code, config},
    tls::{Authority, Identity},
    upstream::Upstream,
};

const KEY: &str = "key-from-rusty-vault-4711";

fn tables(vault: &RustyVault, login: &str, max_stale: &str) -> String {
    format!(
        r#"
[vault.hv.hashicorp]
url = "{url}"
{login}
refresh = "1s"
timeout = "1s"
max_stale = "{max_stale}"
[credential.kv.bearer]
target = "api"
secret = "hv:kv/stripe#key"
[route.kv]
path = "/kv/**"
target = "api"
credential = "kv"
authn = ["corp"]
allow = [{{ role = "reader" }}]
"#,
        url = vault.url()
    )
}

/// A gateway that has its token by what is in the file `given`, which may be wrong.
fn scene(vault: &RustyVault, login: &str, given: &str, max_stale: &str) -> Scene {
    let (issuer, upstream) = (Issuer::start(), Upstream::echo());
    let gateway = Gateway::spawn(|site| {
        site.write("given", given);
        config(site, &issuer, &upstream, &Extra { tables: &tables(vault, login, max_stale), ..Extra::default() })
    });
    let scene = Scene { issuer, upstream, gateway, bare: Default::default() };
    let headers = [("Host", "api.test"), ("Authorization", &*scene.bearer())];
    eventually("it serves", || scene.gateway.try_get("/api/x", &headers).filter(|answer| answer.status() == 200));
    scene
}

fn by_app_role(vault: &RustyVault, max_stale: &str) -> Scene {
    let (role, secret) = vault.app_role();
    scene(vault, &app_role(&role), &secret, max_stale)
}

fn app_role(role: &str) -> String {
    format!("app_role = {{ role_id = \"{role}\", secret_id_file = \"given\" }}")
}

/// With what the upstream was asked, where it was.
fn used(scene: &Scene) -> Option<String> {
    let answer = scene.get("/kv/x");
    if answer.status() != 200 {
        return None;
    }
    scene.upstream.requests().pop()?.header("authorization")?.strip_prefix("Bearer ").map(str::to_owned)
}

#[test]
fn a_token_and_an_app_role_get_the_secret_and_what_becomes_of_it() {
    let Some(vault) = RustyVault::start() else { return };
    let (role, secret) = vault.app_role();
    let ways = [("token_file = \"given\"".to_owned(), vault.token()), (app_role(&role), secret)];
    for (login, given) in ways {
        vault.put("stripe", &json!({ "key": KEY, "other": "x" }));
        let scene = scene(&vault, &login, &given, "1m");
        assert_eq!(used(&scene).as_deref(), Some(KEY), "{login}: from the first request on");
        vault.put("stripe", &json!({ "key": "another-key" }));
        eventually("the new one is used", || used(&scene).filter(|key| key == "another-key"));
        // Long before `max_stale` is over, which is longer than this waits.
        vault.delete("stripe");
        let refused = eventually("it is gone", || Some(scene.get("/kv/x")).filter(|answer| answer.status() == 503));
        assert_eq!((code(&refused), scene.get("/api/x").status()), ("unavailable".to_owned(), 200));
        let status = scene.gateway.status();
        assert!(status["secrets"].to_string().contains("the vault has no secret of this name"), "{login}: {status}");
        vault.put("stripe", &json!({ "key": KEY }));
        eventually("it is back", || used(&scene).filter(|key| key == KEY));
        let log = scene.gateway.log();
        assert!(!log.contains(KEY) && !log.contains(&given), "{log}");
    }
    assert_eq!(vault.answered("POST", "auth/approle/login", 200), 1, "one token for all");
}

#[test]
fn a_sealed_server_is_bridged_for_a_stated_time_and_used_again_once_unsealed() {
    let Some(vault) = RustyVault::start() else { return };
    vault.put("stripe", &json!({ "key": KEY }));
    let scene = by_app_role(&vault, "3s");
    assert_eq!(used(&scene).as_deref(), Some(KEY));
    vault.seal();
    let sealed = Instant::now();
    let refused = eventually("the last good value serves for a while and no longer", || {
        assert_eq!(scene.get("/api/x").status(), 200, "others are not its business");
        let answer = scene.get("/kv/x");
        assert!([200, 503].contains(&answer.status()), "{}", answer.text());
        (answer.status() == 503).then_some(answer)
    });
    assert!(sealed.elapsed() >= Duration::from_millis(1500), "bridged for {:?}", sealed.elapsed());
    assert_eq!(
        (code(&refused), &scene.record_of(&refused)["detail"]),
        ("unavailable".to_owned(), &"credential".into())
    );
    let status = scene.gateway.status();
    assert!(status["secrets"].to_string().contains("the vault is sealed, or stands by"), "{status}");
    vault.unseal();
    eventually("it serves again by itself", || used(&scene).filter(|key| key == KEY));
    assert_eq!(vault.answered("POST", "auth/approle/login", 200), 1, "the token is good still");
}

#[test]
fn a_wrong_secret_id_refuses_what_needs_it_and_nothing_else() {
    let Some(vault) = RustyVault::start() else { return };
    vault.put("stripe", &json!({ "key": KEY }));
    let (role, secret) = vault.app_role();
    let scene = scene(&vault, &app_role(&role), "not-the-secret-id", "3s");
    let refused = scene.get("/kv/x");
    assert_eq!((refused.status(), code(&refused)), (503, "unavailable".to_owned()));
    assert_eq!(scene.get("/api/x").status(), 200);
    let status = scene.gateway.status();
    assert!(status["secrets"].to_string().contains("does not let this gateway read it"), "{status}");
    assert!(scene.upstream.requests().iter().all(|request| request.header("authorization").is_some()));
    scene.gateway.site().write("given", secret);
    eventually("the right one is used without a restart", || used(&scene).filter(|key| key == KEY));
}

#[test]
fn a_certificate_logs_in_where_its_authority_is_trusted_and_nowhere_else() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let Some(vault) = RustyVault::start_tls(&servers) else { return };
    vault.trust(&clients);
    vault.put("stripe", &json!({ "key": KEY }));
    let (ours, stranger) = (clients.client("gateway", &[]), Authority::new("strangers").client("gateway", &[]));
    let show = |scene: &Scene, client: &Identity| {
        scene.gateway.site().write("client.key", client.key_pem());
        scene.gateway.site().write("client.pem", client.certificate_pem());
    };
    let login = "ca = \"given\"\ncert = { certificate = \"client.pem\", key = \"client.key\", role = \"gateway\" }";
    let scene = scene(&vault, login, &servers.pem(), "1m");
    show(&scene, &stranger);
    eventually("the wrong one is refused", || {
        scene.gateway.status()["secrets"].to_string().contains("does not let this gateway read it").then_some(())
    });
    assert_eq!((scene.get("/kv/x").status(), scene.get("/api/x").status()), (503, 200));
    show(&scene, &ours);
    eventually("the right one is used without a restart", || used(&scene).filter(|key| key == KEY));
    assert_eq!(vault.answered("POST", "auth/cert/login", 200), 1);
}

#[test]
fn a_token_that_this_server_cannot_renew_is_replaced_when_it_is_over_and_nobody_is_refused() {
    let Some(vault) = RustyVault::start() else { return };
    vault.put("stripe", &json!({ "key": KEY }));
    vault.role(3);
    let scene = by_app_role(&vault, "1m");
    eventually("it has logged in again, twice", || {
        assert_eq!(used(&scene).as_deref(), Some(KEY));
        (vault.answered("POST", "auth/approle/login", 200) > 2).then_some(())
    });
    assert!(vault.answered("POST", "auth/token/renew-self", 500) > 0, "{}", vault.log());
}
