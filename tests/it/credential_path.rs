//! A secret in the path: it arrives as one segment, and nobody but the upstream sees it.

use crate::support::{
    eventually,
    raw::request,
    scene::{Extra, Scene, code},
    upstream::Upstream,
};

const TOKEN: &str = "123456:ABC/def+ghi_0123456789";
const SPELLED: &str = "123456:ABC%2Fdef%2Bghi_0123456789";

fn scene() -> Scene {
    let upstream = Upstream::start(|request, wire| {
        if request.path().ends_with("/redirect") {
            return wire.respond(302, &[("Location", &format!("{}/", request.path())), ("X-Fine", "fine")], b"");
        }
        wire.echo(request)
    });
    let scene = Scene::with(upstream, &Extra::default());
    let site = scene.gateway.site();
    site.write("secrets/bot", TOKEN);
    let mut config = std::fs::read_to_string(site.config_path()).expect("the configuration");
    config.push_str(&format!("[target.based]\nurl = \"{}/v2\"\n", scene.upstream.url()));
    for (name, target, template) in
        [("bot", "api", "/bot{secret}"), ("based", "based", "/hooks/{secret}/in"), ("keyed", "based", "/{secret}")]
    {
        config.push_str(&format!(
            "[credential.{name}.path]\ntarget = \"{target}\"\nsecret = \"dir:bot\"\ntemplate = \"{template}\"\n\
             [route.{name}]\npath = \"/{name}/**\"\ntarget = \"{target}\"\ncredential = \"{name}\"\nauthn = [\"corp\"]\n\
             allow = [{{ role = \"reader\", paths = [\"/\", \"/send/**\", \"/redirect\"] }}]\n",
        ));
    }
    scene.gateway.reload(&config);
    scene
}

#[test]
fn the_secret_stands_in_front_of_what_is_asked_for() {
    let scene = scene();
    let bearer = scene.bearer();
    for (asked, arrived) in [
        ("/bot/send?q=%2F&a", format!("/bot{SPELLED}/send?q=%2F&a")),
        ("/bot/", format!("/bot{SPELLED}")),
        ("/bot/?q=1", format!("/bot{SPELLED}?q=1")),
        ("/based/send", format!("/v2/hooks/{SPELLED}/in/send")),
        ("/based/", format!("/v2/hooks/{SPELLED}/in")),
        ("/keyed/send/a%20b", format!("/v2/{SPELLED}/send/a%20b")),
    ] {
        let fields = [("Host", "api.test"), ("Authorization", &*bearer)];
        let answer = scene.gateway.send(&request("POST", asked, &fields, b"{}"));
        assert_eq!(answer.status(), 200, "{asked}: {}", answer.text());
        let seen = scene.upstream.requests().pop().expect("a request");
        assert_eq!((seen.path(), seen.header("authorization")), (&*arrived, None));
        let record = scene.record_of(&answer);
        let path = asked.split('?').next().expect("a path");
        assert_eq!(record["path"], path, "the client's own");
        assert_eq!(record["credential"], *path.split('/').nth(1).expect("a route"));
        assert!(record["reflected"].as_u64().is_some_and(|count| count > 0), "the path was echoed: {record}");
        assert!(!answer.text().contains("ABC") && !record.to_string().contains("ABC"), "{} {record}", answer.text());
    }
    let redirected = scene.get("/bot/redirect");
    assert_eq!((redirected.status(), redirected.header("location")), (302, None));
    assert_eq!(redirected.header("x-fine"), Some("fine"));
    assert!(!scene.gateway.log().contains("ABC"), "{}", scene.gateway.log());
}

#[test]
fn no_path_and_no_secret_leads_out_of_the_segment() {
    let scene = scene();
    let bearer = scene.bearer();
    let fields = [("Host", "api.test"), ("Authorization", &*bearer)];
    for path in ["/bot/../send", "/bot/%2e%2e/send", "/bot//send", "/bot/%2Fsend"] {
        let refused = scene.gateway.get(path, &fields);
        assert!(matches!(refused.status(), 400 | 404), "{path}: {}", refused.text());
    }
    assert_eq!(scene.gateway.get("/bot/other", &fields).status(), 403, "rules are asked of the path without it");
    for secret in ["..", "."] {
        scene.gateway.site().write("secrets/bot", secret);
        eventually("a secret that would be no segment is seen", || {
            let refused = scene.gateway.get("/keyed/send", &fields);
            (refused.status() == 503).then(|| assert_eq!(code(&refused), "unavailable"))
        });
        scene.gateway.site().write("secrets/bot", TOKEN);
        eventually("the good one is back", || {
            (scene.gateway.get("/keyed/send", &fields).status() == 200).then_some(())
        });
    }
    let seen = scene.upstream.requests();
    assert!(seen.iter().all(|one| one.path() == format!("/v2/{SPELLED}/send")), "{:?}", seen.last());
}
