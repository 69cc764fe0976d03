//! Secrets of AWS Secrets Manager, as moto stands in for it: had with a key of another vault, kept fresh, and refused when they are gone.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::support::{
    eventually,
    gateway::{Gateway, Site, free_address},
    issuer::Issuer,
    moto::Moto,
    scene::{Extra, Scene, code, config},
    upstream::Upstream,
};

const KEY: &str = "key-from-aws-4711";
const PASSWORD: &str = "pass-from-aws-0815";

fn tables(url: &str) -> String {
    let credentials = [("key", "aws:prod/key"), ("password", "aws:prod/db#password"), ("bytes", "aws:prod/bytes")];
    let routes = credentials.map(|(name, secret)| {
        format!(
            "[credential.{name}.bearer]\ntarget = \"api\"\nsecret = \"{secret}\"\n\
             [route.{name}]\npath = \"/{name}/**\"\ntarget = \"api\"\ncredential = \"{name}\"\nauthn = [\"corp\"]\n\
             allow = [{{ role = \"reader\" }}]\n"
        )
    });
    format!(
        r#"
[vault.aws.aws_secrets_manager]
region = "eu-central-1"
url = "{url}"
access_key = "dir:aws-id"
secret = "dir:aws-secret"
refresh = "1s"
timeout = "1s"
max_stale = "3s"
{}"#,
        routes.concat()
    )
}

/// One with secrets in it.
fn filled(moto: &Moto) {
    moto.secret("create_secret", &json!({ "Name": "prod/key", "SecretString": KEY }));
    let document = json!({ "user": "app", "password": PASSWORD }).to_string();
    moto.secret("create_secret", &json!({ "Name": "prod/db", "SecretString": document }));
    moto.secret("create_secret", &json!({ "Name": "prod/bytes", "SecretBinary": STANDARD.encode("bytes-of-aws") }));
}

/// A gateway that asks at this URL, with the key that is handed out; ready or not.
fn spawned(url: &str, hand_out: impl FnOnce(&Site), more: &str) -> Scene {
    let (issuer, upstream) = (Issuer::start(), Upstream::echo());
    let gateway = Gateway::spawn(|site| {
        hand_out(site);
        let tables = tables(url) + more;
        config(site, &issuer, &upstream, &Extra { tables: &tables, ..Extra::default() })
    });
    Scene { issuer, upstream, gateway, bare: Default::default() }
}

fn scene(moto: &Moto) -> Scene {
    let mut scene = spawned(&moto.url(), |site| moto.hand_out_key(site), "");
    scene.gateway.wait_until_ready();
    scene
}

/// What the upstream saw of the last request, where it was served.
fn seen(scene: &Scene, path: &str) -> Option<String> {
    if scene.get(path).status() != 200 {
        return None;
    }
    scene.upstream.requests().pop()?.header("authorization")?.strip_prefix("Bearer ").map(str::to_owned)
}

/// Waits until the secret is this one.
fn becomes(scene: &Scene, path: &str, want: &str) {
    eventually(&format!("{path} is served with {want}"), || seen(scene, path).filter(|now| now == want));
}

#[test]
fn a_secret_and_a_field_of_one_are_used_kept_fresh_and_gone_with_it() {
    let Some(moto) = Moto::start() else { return };
    filled(&moto);
    let scene = scene(&moto);
    for (path, want) in [("/key/x", KEY), ("/password/x", PASSWORD), ("/bytes/x", "bytes-of-aws")] {
        assert_eq!(seen(&scene, path).as_deref(), Some(want), "from the first request on");
    }
    let put = |name: &str, value: &str, stage: &str| {
        let stages = [stage];
        let arguments = json!({ "SecretId": name, "SecretString": value, "VersionStages": stages });
        moto.secret("put_secret_value", &arguments);
    };
    put("prod/key", "not-in-force-yet", "AWSPENDING");
    put("prod/db", r#"{"user": "app", "password": "rotated"}"#, "AWSCURRENT");
    becomes(&scene, "/password/x", "rotated");
    put("prod/key", "another-key", "AWSCURRENT");
    eventually("the new one is used", || {
        let now = seen(&scene, "/key/x")?;
        assert!([KEY, "another-key"].contains(&&*now), "the pending one never is: {now}");
        (now == "another-key").then_some(())
    });
    // Without that field, it is gone; the rest of the secret is there still.
    put("prod/db", r#"{"user": "app"}"#, "AWSCURRENT");
    eventually("the field is gone", || (scene.get("/password/x").status() == 503).then_some(()));
    moto.secret("delete_secret", &json!({ "SecretId": "prod/key" }));
    let refused = eventually("it is gone", || Some(scene.get("/key/x")).filter(|answer| answer.status() == 503));
    assert_eq!(code(&refused), "unavailable");
    assert_eq!(scene.record_of(&refused)["detail"], "credential");
    let status = scene.gateway.status();
    assert!(status["secrets"].to_string().contains("the vault has no secret of this name"), "{status}");
    moto.secret("restore_secret", &json!({ "SecretId": "prod/key" }));
    becomes(&scene, "/key/x", "another-key");
    let log = scene.gateway.log();
    for hidden in [KEY, PASSWORD, "rotated", "another-key", &moto.secret] {
        assert!(!log.contains(hidden) && !status.to_string().contains(hidden), "{log}");
    }
}

#[test]
fn a_key_that_is_not_taken_refuses_what_needs_it_until_another_is_there() {
    let Some(moto) = Moto::start() else { return };
    filled(&moto);
    let wrong = |site: &Site| {
        moto.hand_out_key(site);
        site.write("secrets/aws-secret", "signs-what-nobody-takes");
    };
    let scene = spawned(&moto.url(), wrong, "");
    let headers = [("Host", "api.test"), ("Authorization", &*scene.bearer())];
    let refused = eventually("it answers", || scene.gateway.try_get("/key/x", &headers));
    assert_eq!((refused.status(), code(&refused)), (503, "unavailable".to_owned()));
    assert_eq!(scene.get("/api/x").status(), 200, "others are not its business");
    let status = scene.gateway.status();
    assert!(status["secrets"].to_string().contains("does not let this gateway read it"), "{status}");
    moto.hand_out_key(scene.gateway.site());
    becomes(&scene, "/key/x", KEY);
    // The next call is signed with the key that took its place.
    let made = moto.call("iam", "create_access_key", &json!({ "UserName": "reader" }));
    moto.call("iam", "delete_access_key", &json!({ "UserName": "reader", "AccessKeyId": moto.id }));
    for (name, member) in [("aws-id", "AccessKeyId"), ("aws-secret", "SecretAccessKey")] {
        let text = made["AccessKey"][member].as_str().expect("a key");
        scene.gateway.site().write(&format!("secrets/{name}"), text);
    }
    moto.secret("put_secret_value", &json!({ "SecretId": "prod/key", "SecretString": "another-key" }));
    becomes(&scene, "/key/x", "another-key");
    // Where there is none, nobody is asked, and what was had is bridged for a while.
    std::fs::remove_file(scene.gateway.site().path("secrets/aws-id")).expect("written");
    eventually("it says so", || {
        assert_eq!(seen(&scene, "/key/x").as_deref(), Some("another-key"));
        scene.gateway.status()["secrets"].to_string().contains("the vault is not asked").then_some(())
    });
    eventually("`max_stale` is over", || (scene.get("/key/x").status() == 503).then_some(()));
}

#[test]
fn a_server_that_is_away_is_bridged_for_a_stated_time_and_keeps_nobody_else_from_being_served() {
    let url = format!("http://{}", free_address());
    let port = url.rsplit(':').next().expect("a port").parse().expect("a number");
    let scene = spawned(&url, |_| (), "");
    let headers = [("Host", "api.test"), ("Authorization", &*scene.bearer())];
    eventually("others are served", || {
        scene.gateway.try_get("/api/x", &headers).filter(|answer| answer.status() == 200)
    });
    assert_eq!(scene.get("/key/x").status(), 503, "nobody has told what it is");
    eventually("it says that it is not ready", || {
        scene.gateway.try_admin("/ready").filter(|ready| ready.status() == 503 && ready.text().contains("a secret"))
    });
    // One that comes, goes, and comes back with other keys.
    for _ in 0..2 {
        let Some(moto) = Moto::start_at(port) else { return };
        filled(&moto);
        moto.hand_out_key(scene.gateway.site());
        becomes(&scene, "/key/x", KEY);
        drop(moto);
        let began = Instant::now();
        eventually("the last good value serves for a while and no longer", || {
            assert_eq!(scene.get("/api/x").status(), 200, "others are not its business");
            let answer = scene.get("/key/x").status();
            assert!([200, 503].contains(&answer), "{answer}");
            (answer == 503).then_some(())
        });
        assert!(began.elapsed() >= Duration::from_millis(1500), "bridged for {:?}", began.elapsed());
    }
    let sent = scene.upstream.requests();
    let bearers = sent.iter().filter_map(|request| request.header("authorization"));
    assert!(bearers.clone().all(|bearer| bearer == format!("Bearer {KEY}") || bearer.starts_with("Bearer sk-live")));
}

#[test]
fn a_token_is_had_with_a_secret_of_it_from_the_start() {
    let Some(moto) = Moto::start() else { return };
    filled(&moto);
    let server = Upstream::start(|_, wire| {
        wire.json(200, &json!({ "access_token": "a-token", "token_type": "Bearer", "expires_in": 60 }))
    });
    let more = format!(
        "[credential.crm.oauth2]\ntarget = \"api\"\ntoken_url = \"{}/token\"\nclient_id = \"x\"\n\
         client_secret = \"aws:prod/key\"\nclient_auth = \"post\"\n\
         [route.crm]\npath = \"/crm/**\"\ntarget = \"api\"\ncredential = \"crm\"\nauthn = [\"corp\"]\n\
         allow = [{{ role = \"reader\" }}]\n",
        server.url()
    );
    let mut scene = spawned(&moto.url(), |site| moto.hand_out_key(site), &more);
    scene.gateway.wait_until_ready();
    assert_eq!(seen(&scene, "/crm/x").as_deref(), Some("a-token"));
    let asked = server.requests();
    assert!(asked.len() == 1 && asked[0].text().contains(&format!("client_secret={KEY}")), "{asked:?}");
    let log = scene.gateway.log();
    assert!(!log.contains("what needs it is refused"), "it was not asked before there was a secret: {log}");
}
