//! Requests held to what an API promises: what its document does not describe is refused before anything is sent, and told with its place.

use std::fs;

use serde_json::{Value, json};

use crate::support::{
    eventually,
    gateway::{Site, program},
    http1::Message,
    raw::request,
    scene::{Extra, Scene, code},
    upstream::Upstream,
};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

fn document() -> Value {
    json!({
        "openapi": "3.0.3",
        "info": {"title": "orders", "version": "1"},
        "servers": [{"url": "https://orders.test/v1"}],
        "paths": {
            "/orders": {
                "get": {
                    "operationId": "listOrders",
                    "parameters": [
                        {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}},
                        {"name": "X-Tenant", "in": "header", "schema": {"type": "string", "pattern": "^[a-z]+$"}},
                        {"name": "theme", "in": "cookie", "schema": {"type": "string", "enum": ["dark", "light"]}}
                    ]
                },
                "post": {
                    "operationId": "createOrder",
                    "requestBody": {"required": true, "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Order"}},
                        "application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/Item"}}
                    }}
                }
            },
            "/orders/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}],
                "get": {"operationId": "getOrder"}
            },
            "/orders/{id}/raw": {
                "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
                "post": {"requestBody": {"content": {"application/octet-stream": {}}}}
            }
        },
        "components": {"schemas": {
            "Order": {"type": "object", "required": ["items"], "properties": {
                "items": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}},
                "note": {"type": "string", "nullable": true, "maxLength": 300_000}
            }},
            "Item": {"type": "object", "required": ["amount"], "additionalProperties": false,
                "properties": {"amount": {"type": "integer", "minimum": 0}}}
        }}
    })
}

fn scene(inspect: &str, target: &str) -> Scene {
    let upstream = Upstream::echo();
    let url = upstream.url();
    let scene = Scene::with(upstream, &Extra { route: "max_body = \"64MiB\"", ..Extra::default() });
    let site = scene.gateway.site();
    site.write("api.json", document().to_string());
    let config = fs::read_to_string(site.config_path()).expect("the configuration");
    let config = config.replace("[route.api]", "[route.api]\ninspect = \"own\"");
    let config = config.replace(&format!("url = \"{url}\""), &format!("url = \"{url}{target}\""));
    scene.gateway.reload(&format!("{config}\n[inspect.own]\n{inspect}\n"));
    scene
}

fn send(scene: &Scene, line: &str, fields: &[(&str, &str)], body: &[u8]) -> Message {
    let (method, path) = line.split_once(' ').expect("a line");
    let bearer = scene.bearer();
    let fields = [&[("Host", "api.test"), ("Authorization", &*bearer)], fields].concat();
    scene.gateway.send(&request(method, &format!("/api{path}"), &fields, body))
}

const GOOD: [(&str, &[(&str, &str)], &[u8]); 7] = [
    ("GET /v1/orders", &[], b""),
    ("GET /v1/orders?limit=5", &[("X-Tenant", "acme"), ("Cookie", "theme=dark; other=1")], b""),
    ("GET /v1/orders/7", &[], b""),
    ("POST /v1/orders", &[JSON], br#"{"items":[{"amount":5}],"note":null}"#),
    ("POST /v1/orders", &[("Content-Type", "application/json; charset=utf-8")], br#"{"items":[],"more":[1]}"#),
    ("POST /v1/orders", &[FORM], b"amount=5"),
    ("POST /v1/orders/x/raw", &[("Content-Type", "application/octet-stream")], b"\0\x01"),
];

const BAD: [(&str, &[(&str, &str)], &[u8], &str); 19] = [
    ("GET /v1/customers", &[], b"", "path: operation"),
    ("GET /orders", &[], b"", "path: operation"),
    ("POST /v1/orders/7", &[JSON], b"{}", "path: operation"),
    ("GET /v1/orders/seven", &[], b"", "path.id: type"),
    ("GET /v1/orders?limit=500", &[], b"", "query.limit: maximum"),
    ("GET /v1/orders?limit=x", &[], b"", "query.limit: type"),
    ("GET /v1/orders?limit=1&limit=2", &[], b"", "query.limit: once"),
    ("GET /v1/orders?debug=1", &[], b"", "query.debug: unknown"),
    ("GET /v1/orders", &[("X-Tenant", "ACME")], b"", "header.x-tenant: pattern"),
    ("GET /v1/orders", &[("Cookie", "theme=blue")], b"", "cookie.theme: enum"),
    ("POST /v1/orders", &[], b"", "body: required"),
    ("POST /v1/orders", &[("Content-Type", "text/plain")], b"{}", "header.content-type: content"),
    ("POST /v1/orders", &[], b"{}", "header.content-type: content"),
    ("POST /v1/orders", &[JSON], b"{}", "body.items: required"),
    ("POST /v1/orders", &[JSON], br#"{"items":[{"amount":1},{"amount":-5}]}"#, "body.items[1].amount: minimum"),
    (
        "POST /v1/orders",
        &[JSON],
        br#"{"items":[{"amount":1,"admin":"s3cret"}]}"#,
        "body.items[0].admin: additionalProperties",
    ),
    ("POST /v1/orders", &[FORM], b"amount=s3cret", "body.amount: type"),
    ("POST /v1/orders", &[FORM], b"amount=1&amount=2", "body.amount: once"),
    ("GET /v1/orders", &[JSON], b"{}", "body: requestBody"),
];

#[test]
fn what_a_document_describes_passes_and_nothing_else() {
    let scene = scene("openapi = \"api.json\"", "");
    for (line, fields, body, at) in BAD {
        let answer = send(&scene, line, fields, body);
        assert_eq!((answer.status(), code(&answer)), (400, "contract".into()), "{line} {at}: {}", answer.text());
        assert!(!answer.text().contains(at.split(':').next().expect("a place")), "the client learns nothing");
        let record = scene.record_of(&answer);
        assert_eq!((&record["outcome"], &record["code"]), (&"denied".into(), &"contract".into()));
        let found = &record["inspection"];
        assert_eq!(
            (&found["verdict"], found["fault"].as_str().expect("a fault")),
            (&"denied".into(), &*format!("structure.contract at {at}")),
            "{line}"
        );
        assert!(!record.to_string().contains("s3cret"), "{record}");
    }
    assert_eq!(scene.upstream.connection_count(), 0, "nothing of this reached the upstream");
    for (line, fields, body) in GOOD {
        let answer = send(&scene, line, fields, body);
        assert_eq!(answer.status(), 200, "{line}: {}", answer.text());
        assert_eq!(scene.upstream.requests().pop().expect("a request").body, body, "{line}");
    }
}

#[test]
fn in_shadow_mode_all_passes_and_the_record_tells() {
    let scene = scene("openapi = \"api.json\"\nmode = \"shadow\"", "");
    for (line, fields, body, at) in BAD {
        let answer = send(&scene, line, fields, body);
        assert_eq!(answer.status(), 200, "{line}: {}", answer.text());
        let found = &scene.record_of(&answer)["inspection"];
        assert_eq!(
            (&found["verdict"], &found["fault"]),
            (&"shadowed".into(), &format!("structure.contract at {at}").into())
        );
    }
}

#[test]
fn paths_are_those_that_the_target_is_asked_for() {
    let scene = scene("openapi = \"api.json\"", "/v1");
    assert_eq!(send(&scene, "GET /orders/7", &[], b"").status(), 200);
    assert_eq!(scene.upstream.requests().pop().expect("a request").path(), "/v1/orders/7");
    assert_eq!(send(&scene, "GET /v1/orders/7", &[], b"").status(), 400);
    let large = [&br#"{"items":[],"note":""#[..], &[b'a'; 200_000], br#"","more":{}}"#].concat();
    assert_eq!(send(&scene, "POST /orders", &[JSON], &large).status(), 200, "also where it is judged elsewhere");
    let large = [&br#"{"items":[],"note":""#[..], &[b'a'; 400_000], br#""}"#].concat();
    let answer = send(&scene, "POST /orders", &[JSON], &large);
    assert_eq!(scene.record_of(&answer)["inspection"]["fault"], "structure.contract at body.note: maxLength");
}

#[test]
fn what_nobody_reads_is_not_taken_on_trust() {
    let scene = scene("openapi = \"api.json\"\nbody = \"10KiB\"\nbeyond = \"stream\"", "");
    let body = [&br#"{"items":[]"#[..], &[b' '; 100_000], b"}"].concat();
    let answer = send(&scene, "POST /v1/orders", &[JSON], &body);
    assert_eq!((answer.status(), code(&answer)), (400, "contract".into()));
    assert_eq!(scene.record_of(&answer)["inspection"]["fault"], "structure.contract at body: unseen");
    assert_eq!(scene.upstream.connection_count(), 0);
    let bearer = scene.bearer();
    let mut chunked = format!("POST /api/v1/orders HTTP/1.1\r\nHost: api.test\r\nAuthorization: {bearer}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len()).into_bytes();
    chunked.extend_from_slice(&body);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    let answer = scene.gateway.send(&chunked);
    assert_eq!((answer.status(), code(&answer)), (400, "contract".into()));
    assert_eq!(scene.upstream.connection_count(), 0);
    let raw = [("Content-Type", "application/octet-stream")];
    assert_eq!(send(&scene, "POST /v1/orders/x/raw", &raw, &body).status(), 200, "its type is all that is promised");
}

#[test]
fn schemas_hold_the_bodies_that_they_are_for_and_more_may_be_closed() {
    let scene = scene("schemas = { \"POST /charges/*\" = \"api.json\" }", "");
    let site = scene.gateway.site();
    let config = fs::read_to_string(site.config_path()).expect("the configuration");
    site.write("charge.json", r#"{"required": ["amount"], "properties": {"amount": {"type": "integer"}}}"#);
    scene.gateway.reload(&config.replace("api.json", "charge.json"));
    assert_eq!(send(&scene, "POST /charges/1", &[JSON], br#"{"amount":5}"#).status(), 200);
    assert_eq!(send(&scene, "POST /other", &[JSON], b"{}").status(), 200, "nobody said what this is");
    let answer = send(&scene, "POST /charges/1", &[JSON], br#"{"amount":"5"}"#);
    assert_eq!(scene.record_of(&answer)["inspection"]["fault"], "structure.contract at body.amount: type");
    let own = "schemas = { \"POST /charges/*\" = \"api.json\" }";
    scene.gateway.reload(&config.replace(own, "openapi = \"api.json\"\nunknown = \"closed\""));
    assert_eq!(send(&scene, "POST /v1/orders", &[JSON], br#"{"items":[],"more":1}"#).status(), 400);
    scene.gateway.reload(&config.replace(own, "openapi = \"api.json\"\nunknown = \"allow\""));
    assert_eq!(send(&scene, "GET /v1/orders?debug=1", &[], b"").status(), 200);
}

#[test]
fn a_changed_document_is_in_force_at_once_and_a_wrong_one_changes_nothing() {
    let scene = scene("openapi = \"api.json\"", "");
    let asked = || send(&scene, "GET /v1/orders?limit=500", &[], b"").status();
    assert_eq!(asked(), 400);
    let site = scene.gateway.site();
    let mut changed = document();
    changed["paths"]["/orders"]["get"]["parameters"][0]["schema"]["maximum"] = 1000.into();
    site.write("api.json", changed.to_string());
    eventually("the new document is in force", || (asked() == 200).then_some(()));
    changed["paths"]["/orders"]["get"]["parameters"][0]["style"] = "deepObject".into();
    site.write("api.json", changed.to_string());
    eventually("the wrong one is told", || {
        (scene.gateway.metric("claviger_reloads_total", &["result=\"refused\""])? >= 1.0).then_some(())
    });
    assert_eq!((asked(), send(&scene, "GET /v1/orders?limit=5000", &[], b"").status()), (200, 400));
}

/// What is left of a configuration, besides what is imported.
const MINIMAL: &str = "[listen.public]\naddress = \"127.0.0.1:8080\"\n[authn.corp.jwt]\nissuer = \"https://login.test\"\naudience = \"https://api.test\"\n";

fn import(site: &Site, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = program();
    command.args(["openapi", "import"]).args(arguments).current_dir(site.folder());
    let output = command.output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn what_is_imported_is_a_configuration() {
    let site = Site::new();
    site.write("api.json", document().to_string());
    for arguments in [&["api.json"][..], &["api.json", "--target", "orders", "--role", "clerk", "--prefix", "/shop/"]] {
        let (status, printed, complaints) = import(&site, arguments);
        assert_eq!((status, &*complaints), (Some(0), ""), "{printed}");
        site.write("claviger.toml", format!("{MINIMAL}{printed}"));
        let output = program().arg("check").current_dir(site.folder()).output().expect("the program runs");
        assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let (_, printed, _) = import(&site, &["api.json", "--target", "orders", "--role", "clerk", "--prefix", "/shop"]);
    for want in [
        "[target.orders]\nurl = \"https://orders.test\"\n",
        "path = \"/shop/**\"\n",
        "openapi = \"api.json\"",
        "# GET /v1/orders  listOrders\n[[route.orders.allow]]\nrole = \"clerk\"\nmethods = [\"GET\", \"HEAD\"]\npaths = [\"/v1/orders\"]\n",
        "# POST /v1/orders/{id}/raw\n[[route.orders.allow]]\nrole = \"clerk\"\nmethods = [\"POST\"]\npaths = [\"/v1/orders/*/raw\"]\n",
    ] {
        assert!(printed.contains(want), "{want}\n{printed}");
    }
    let mut other = document();
    other["paths"]["/odd"] = json!({"trace": {}, "get": {"servers": [{"url": "https://orders.test/z"}]}});
    site.write("api.json", other.to_string());
    let (_, printed, _) = import(&site, &["api.json"]);
    for want in ["# GET /z/odd\n[[route.api.allow]]", "# TRACE /v1/odd\n# No rule: TRACE is never let through.\n"] {
        assert!(printed.contains(want), "{want}\n{printed}");
    }
    site.write("claviger.toml", format!("{MINIMAL}{printed}"));
    let output = program().arg("check").current_dir(site.folder()).output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // What a document says never becomes configuration of its own.
    let mut hostile = document();
    hostile["servers"][0]["url"] = "https://a.test\"\n[evil]/v1".into();
    hostile["paths"]["/a\nb"] = json!({"get": {"operationId": "x\n[evil]"}});
    hostile["paths"]["/a\"]\n[evil]"] = json!({"get": {}});
    site.write("api.json", hostile.to_string());
    let (status, printed, _) = import(&site, &["api.json"]);
    assert_eq!((status, printed.contains("\n[evil]")), (Some(0), false), "{printed}");
    assert!(printed.parse::<toml::Table>().is_ok(), "{printed}");
    site.write("api.json", r#"{"openapi":"3.1.0","paths":{"/a":{"get":{"parameters":[{"name":"q","in":"query"}]}}}}"#);
    let (status, _, complaints) = import(&site, &["api.json"]);
    assert_eq!(status, Some(2));
    let once = complaints.matches("api.json: #/paths/~1a/get/parameters/0: `q` has no `schema`").count();
    assert_eq!(once, 1, "{complaints}");
    assert_eq!(import(&site, &["none.json"]).0, Some(2));
    let (status, help, _) = import(&site, &["--help"]);
    assert!(status == Some(0) && help.contains("shadow") && help.contains("Examples"), "{help}");
}
