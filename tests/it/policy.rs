//! Least privilege: rules tried out in shadow, explained, planned, tested, and read out of the records.

use std::process::Output;

use serde_json::Value;

use crate::support::{
    eventually,
    gateway::{Gateway, Site, program},
    raw,
    setup::{Caller, Parts, alice, config},
    upstream::Upstream,
};

const RULES: &str = r#"
[role.ops]
members = ["keys:bob", "keys:carol"]
[limit.two]
by = "principal"
requests = 2
per = "1h"
[inspect.strict]
[route.rules]
path = "/rules/**"
target = "api"
credential = "api"
authn = ["keys"]
allow = [
  { role = "user", methods = ["GET"], paths = ["/v1/items/**"] },
  { role = "ops", methods = ["DELETE"], paths = ["/v1/items/*"] },
  { principal = "keys:alice", methods = ["POST"], networks = ["10.0.0.0/8"] },
]
[route.tried]
path = "/tried/**"
target = "api"
credential = "api"
authn = ["keys"]
mode = "shadow"
inspect = "strict"
max_body = "1KiB"
allow = [{ role = "user", methods = ["GET"], paths = ["/known/**"] }]
[route.limited]
path = "/limited"
target = "api"
authn = ["keys"]
mode = "shadow"
limits = ["two"]
[route.open]
path = "/open"
methods = ["GET"]
target = "api"
authn = ["anonymous"]
allow = [{ principal = "anonymous:anonymous" }]
"#;

fn gateway(upstream: &Upstream) -> Gateway {
    let more = format!("{}{RULES}", Caller::new("bob").entry());
    Gateway::start(|site: &mut Site| config(site, upstream, &Parts { more: &more, ..Parts::default() }))
}

fn claviger(site: &Site, arguments: &[&str]) -> Output {
    program().args(arguments).current_dir(site.folder()).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// What `explain` tells of a request of somebody on loopback.
fn explained(site: &Site, method: &str, url: &str, who: &[&str]) -> (Value, Output) {
    let arguments = ["explain", "claviger.toml", method, url, "--client", "127.0.0.1", "--json"];
    let output = claviger(site, &[&arguments[..], who].concat());
    let told = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (told, output)
}

#[test]
fn explain_tells_what_the_gateway_does() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    gateway.site().write("alice", alice().key);
    gateway.site().write("bob", Caller::new("bob").key);
    gateway.site().write("nobody", Caller::new("mallory").key);
    let host = gateway.public().to_string();
    let mut allowed = 0;
    for who in [Some("alice"), Some("bob"), Some("nobody"), None] {
        for (method, path) in [
            ("GET", "/rules/v1/items/7"),
            ("GET", "/rules/v1/items"),
            ("GET", "/rules/v1/other"),
            ("DELETE", "/rules/v1/items/7"),
            ("DELETE", "/rules/v1/items/7/8"),
            ("POST", "/rules/v1/items"),
            ("GET", "/rules/%76%31/items/7"),
            ("GET", "/rules/v1/../v1/items/7"),
            ("GET", "/tried/unknown"),
            ("GET", "/tried/known/x"),
            ("GET", "/open"),
            ("POST", "/open"),
            ("GET", "/nowhere"),
            ("TRACE", "/open"),
        ] {
            let bearer = match who {
                Some("nobody") => Some(Caller::new("mallory").bearer()),
                Some(name) => Some(Caller::new(name).bearer()),
                None => None,
            };
            let mut headers = vec![("Host", host.as_str()), ("Connection", "close")];
            headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
            let answer = gateway.send(&raw::request(method, path, &headers, b""));
            let code = serde_json::from_str::<Value>(&answer.text())
                .ok()
                .and_then(|body| Some(body["code"].as_str()?.to_owned()));

            let url = format!("http://{host}{path}");
            let file: Vec<_> = who.iter().flat_map(|name| ["--token-file", name]).collect();
            let (told, output) = explained(gateway.site(), method, &url, &file);
            let case = format!("{who:?} {method} {path}: {told}");
            if let Some(name @ ("alice" | "bob")) = who {
                // By name, with what the configuration says of their key.
                let (named, _) = explained(gateway.site(), method, &url, &["--principal", &format!("keys:{name}")]);
                assert_eq!((&named["verdict"], &named["code"]), (&told["verdict"], &told["code"]), "{case}");
            }
            match told["verdict"].as_str().expect("a verdict") {
                "deny" => {
                    assert_eq!(
                        (told["status"].as_u64(), told["code"].as_str()),
                        (Some(u64::from(answer.status())), code.as_deref()),
                        "{case}"
                    );
                    assert_eq!(output.status.code(), Some(1), "{case}");
                }
                "allow" | "shadow" => {
                    allowed += 1;
                    assert_eq!((answer.status(), output.status.code()), (200, Some(0)), "{case}");
                    assert!(
                        answer.text().contains(&told["upstream"].as_str().expect("where to")[upstream.url().len()..]),
                        "{case} {}",
                        answer.text()
                    );
                }
                other => panic!("{other}"),
            }
            assert!(!text(&output.stdout).contains("clv_"), "no key is shown: {case}");
        }
    }
    assert!(allowed > 8, "{allowed}");
}

#[test]
fn a_route_in_shadow_enforces_everything_but_its_rules() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let key = alice().bearer();
    let known = [("Authorization", key.as_str())];
    let forged = Caller::new("mallory").bearer();
    let code = |answer: &crate::support::http1::Message| {
        serde_json::from_str::<Value>(&answer.text())
            .ok()
            .and_then(|body| Some(body["code"].as_str()?.to_owned()))
            .unwrap_or_default()
    };

    // Nobody comes past authentication.
    for (headers, want) in [
        (&[][..], "credential_missing"),
        (&[("Authorization", forged.as_str())][..], "credential_invalid"),
        (&[("Authorization", "Bearer x")][..], "credential_invalid"),
        (&[("Authorization", key.as_str()), ("Authorization", forged.as_str())][..], "credential_ambiguous"),
    ] {
        let answer = gateway.get("/tried/unknown", headers);
        assert_eq!((answer.status(), code(&answer).as_str()), (401, want));
    }
    assert!(upstream.requests().is_empty());
    // Nor past anything else.
    let host = gateway.public().to_string();
    let post = |path: &str, body: &[u8]| {
        let headers = [("Host", host.as_str()), ("Authorization", key.as_str()), ("Content-Type", "text/plain")];
        gateway.send(&raw::request("POST", path, &headers, body))
    };
    assert_eq!(gateway.get("/tried/../x", &known).status(), 400);
    assert_eq!(post("/tried/x", &[b'x'; 2000]).status(), 413);
    assert_eq!(gateway.get("/tried/x?id=1'%20OR%20'1'='1'%20--", &known).status(), 403, "inspection");
    assert!(upstream.requests().is_empty());

    // What no rule allows goes through, with the credential, and is told of.
    assert_eq!(gateway.get("/tried/unknown", &known).status(), 200);
    let record =
        gateway.audited("a shadowed record", |line| line["path"] == "/tried/unknown" && line["outcome"] == "completed");
    assert_eq!(
        (record["shadow_code"].as_str(), record.get("rule"), record.get("code")),
        (Some("not_allowed"), None, None)
    );
    assert_eq!(record["credential"], "api");
    assert_eq!(gateway.get("/tried/known/x", &known).status(), 200);
    let record = gateway.audited("a record", |line| line["path"] == "/tried/known/x");
    assert_eq!((record["rule"].as_str(), record.get("shadow_code")), (Some("route.tried.allow[0]"), None));
    // Limits count there too.
    let statuses = [(); 3].map(|()| gateway.get("/limited", &known).status());
    assert_eq!(statuses, [200, 200, 429]);
    // The route beside it is enforced.
    assert_eq!(gateway.get("/rules/unknown", &known).status(), 403);

    eventually("the metric counts", || {
        let admin = gateway.admin().to_string();
        let request = raw::request("GET", "/metrics", &[("Host", &admin), ("Connection", "close")], b"");
        let text = raw::parse(&raw::exchange(gateway.admin(), &request)).text();
        let has = |line: &str| text.lines().any(|one| one == line);
        (has("claviger_shadowed_total{route=\"tried\"} 2")
            && has("claviger_shadowed_total{route=\"limited\"} 3")
            && has("claviger_shadowed_total{route=\"rules\"} 0"))
        .then_some(())
    });
}

#[test]
fn who_accessed_what_is_told_and_what_nobody_used() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let (alice, bob) = (alice().bearer(), Caller::new("bob").bearer());
    for id in ["1", "2", "77"] {
        assert_eq!(gateway.get(&format!("/rules/v1/items/{id}"), &[("Authorization", &alice)]).status(), 200);
    }
    let host = gateway.public().to_string();
    let delete = raw::request("DELETE", "/rules/v1/items/7", &[("Host", &host), ("Authorization", &bob)], b"");
    assert_eq!(gateway.send(&delete).status(), 200);
    assert_eq!(gateway.get("/rules/v1/x", &[("Authorization", &alice)]).status(), 403);
    gateway.audited("the last record", |line| line["code"] == "not_allowed");

    let log = gateway.site().audit_path();
    let site = gateway.site();
    let query = |more: &[&str]| {
        let output = claviger(site, &[&["audit", "query", &log], more].concat());
        assert!(output.status.success(), "{output:?}");
        text(&output.stdout)
    };
    for (more, want) in [
        (&["--principal", "keys:alice"][..], 4),
        (&["--principal", "alice", "--limit", "2"], 2),
        (&["--principal", "other:alice"], 0),
        (&["--role", "ops", "--method", "DELETE", "--target", "api"], 1),
        (&["--code", "not_allowed"], 1),
        (&["--client", "127.0.0.1", "--since", "1h"], 5),
        (&["--until", "1h"], 0),
        (&["--shadowed"], 0),
    ] {
        assert_eq!(query(more).lines().count(), want, "{more:?}: {}", query(more));
    }
    let line = query(&["--role", "ops"]);
    assert!(line.contains("  keys:bob  127.0.0.1  DELETE 127.0.0.1/rules/v1/items/7  completed 200  -> api  route.rules.allow[1] (role ops)"), "{line}");
    let json: Value = serde_json::from_str(&query(&["--role", "ops", "--format", "json"])).expect("one record");
    assert_eq!(json["principal"], "bob");
    let csv = query(&["--role", "ops", "--format", "csv"]);
    assert!(csv.starts_with("time,kind,") && csv.lines().count() == 2 && csv.contains(",keys,bob,"), "{csv}");

    let output = claviger(site, &["policy", "advise", "claviger.toml", "--log", &log]);
    assert!(output.status.success(), "{output:?}");
    let advice = text(&output.stdout);
    for want in [
        "# 4 requests that a rule allowed since ",
        "Z, the first in these records; 4 are allowed by these rules.\n",
        "  # route.rules.allow[0] (role user): used 3 times, could be\n  { role = \"user\", methods = [\"GET\"], paths = [\"/v1/items/*\"] },\n",
        "  # route.rules.allow[1] (role ops): used once, as narrow as it can be\n",
        "  # route.rules.allow[2] (principal keys:alice): nobody used it, take it out\n",
        "# role ops: keys:carol\n",
    ] {
        assert!(advice.contains(want), "{want}\n{advice}");
    }
    let read: Value = toml::from_str::<toml::Table>(&advice)
        .map(|table| serde_json::to_value(table).expect("JSON"))
        .unwrap_or_else(|error| panic!("{error}\n{advice}"));
    assert_eq!(read["route"]["rules"]["allow"].as_array().map(Vec::len), Some(2));
}

const OLD: &str = "[listen.a]\naddress = \"127.0.0.1:1\"\n[authn.corp.api_key]\n[target.stripe]\nurl = \"https://api.stripe.com\"\n\
     [route.stripe]\npath = \"/stripe/**\"\ntarget = \"stripe\"\nauthn = [\"corp\"]\n\
     allow = [\n  { role = \"billing\", methods = [\"GET\"], paths = [\"/v1/charges/**\"] },\n]\n";

fn site() -> (Site, String) {
    let site = Site::new();
    site.write("old.toml", OLD);
    let new = OLD.replace(
        "[\"/v1/charges/**\"] },",
        "[\"/v1/charges/*\"] },\n  { role = \"billing\", methods = [\"POST\"], paths = [\"/v1/refunds\"] },",
    );
    site.write("new.toml", &new);
    (site, new)
}

#[test]
fn a_plan_tells_what_is_gained_and_lost_and_fails_a_pipeline_where_it_is_to() {
    let (site, _) = site();
    let said = "gained (1)\n  + role billing gains POST /stripe/v1/refunds, route stripe\n\
                lost (1)\n  - role billing loses GET /stripe/v1/charges/** but for /stripe/v1/charges/*, route stripe\n";
    for (arguments, code, want) in [
        (&["plan", "old.toml", "new.toml"][..], 0, said),
        (&["plan", "old.toml", "new.toml", "--fail-on", "gained"], 1, said),
        (&["plan", "old.toml", "old.toml", "--fail-on", "any"], 0, "Nothing changes.\n"),
        (&["plan", "old.toml", "none.toml"], 2, ""),
    ] {
        let output = claviger(&site, arguments);
        assert_eq!(
            (output.status.code(), text(&output.stdout).as_str()),
            (Some(code), want),
            "{arguments:?} {output:?}"
        );
    }
    let output = claviger(&site, &["plan", "old.toml", "new.toml", "--json"]);
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let first = &told["changes"][0];
    assert_eq!(
        (first["effect"].as_str(), first["about"].as_str(), first["path"].as_str(), &first["methods"][0]),
        (Some("gained"), Some("role billing"), Some("/stripe/v1/refunds"), &Value::from("POST"))
    );
}

#[test]
fn cases_pass_or_tell_why_they_do_not() {
    let (site, _) = site();
    let cases = "[[case]]\nname = \"billing reads charges\"\nprincipal = \"corp:ada\"\nroles = [\"billing\"]\n\
                 request = \"GET https://gw.example.com/stripe/v1/charges/7\"\nexpect = \"allow\"\nrule = \"route.stripe.allow[0]\"\n\
                 [[case]]\nname = \"nobody else does\"\nprincipal = \"corp:eve\"\nrequest = \"GET https://gw.example.com/stripe/v1/charges/7\"\n\
                 expect = \"deny\"\ncode = \"not_allowed\"\n\
                 [[case]]\nname = \"nor strangers\"\nrequest = \"GET https://gw.example.com/stripe/v1/charges/7\"\nexpect = \"deny\"\ncode = \"credential_missing\"\n";
    site.write("cases.toml", cases);
    let output = claviger(&site, &["policy", "test", "old.toml", "cases.toml"]);
    let said = "ok    billing reads charges\nok    nobody else does\nok    nor strangers\n3 of 3 as expected\n";
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), said), "{output:?}");

    site.write("cases.toml", cases.replace("corp:eve\"", "corp:eve\"\nroles = [\"billing\"]"));
    let output = claviger(&site, &["policy", "test", "old.toml", "cases.toml"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for want in [
        "FAIL  nobody else does (cases.toml:8)\n      expected: deny with not_allowed\n      got:      allow by route.stripe.allow[0]\n",
        "route.stripe.allow[0], role billing: fits\n",
        "2 of 3 as expected\n",
    ] {
        assert!(said.contains(want), "{want}\n{said}");
    }
    let output = claviger(&site, &["policy", "test", "old.toml", "cases.toml", "--json"]);
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (told["failed"].as_u64(), told["cases"][1]["got"]["rule"].as_str()),
        (Some(1), Some("route.stripe.allow[0]"))
    );
    site.write("cases.toml", "[[case]]\n");
    assert_eq!(claviger(&site, &["policy", "test", "old.toml", "cases.toml"]).status.code(), Some(2));
}

#[test]
fn the_sample_cases_hold_for_the_sample_configuration() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    let output = program().args(["policy", "test", "minimal.toml", "policy/cases.toml"]).current_dir(root).output();
    let output = output.expect("the program runs");
    assert!(output.status.success(), "{}", text(&output.stdout));
}
