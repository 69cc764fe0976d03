//! What a client says about itself in header fields counts for nothing: look-alikes, nominations, repeats and control bytes.

use serde_json::json;

use crate::support::{
    frames::{self, Ending},
    raw::{Client, request},
    scene::{
        Extra, SECRET, Scene,
        Want::{self, Refused},
        check, check_or_bare, code,
    },
};

const fn malformed(detail: &'static str) -> Want {
    Refused(400, "malformed_request", detail)
}

/// Lines that make a head ambiguous. `{token}` is a reader's token; a good `Authorization` comes first unless a row has its own.
const LINES: [(&str, Want); 57] = [
    // Names that some servers fold into another.
    ("X_User: admin", malformed("field_name")),
    ("x.user: admin", malformed("field_name")),
    ("X_Auth_Subject: admin", malformed("field_name")),
    ("X_Auth-Subject: admin", malformed("field_name")),
    ("x-auth.subject: admin", malformed("field_name")),
    ("Content_Length: 5", malformed("field_name")),
    ("Transfer_Encoding: chunked", malformed("field_name")),
    ("authori_zation: x", malformed("field_name")),
    ("_: x", malformed("field_name")),
    ("Host_: inner.test", malformed("field_name")),
    // Names in `Connection` would be taken off on the way: a credential, or what says who calls.
    ("Connection: authorization", malformed("connection")),
    ("Connection: Authorization", malformed("connection")),
    ("Connection: close, X-Auth-Subject, Authorization", malformed("connection")),
    ("Connection: keep-alive, x-request-id", malformed("connection")),
    ("Connection: close\r\nConnection: x-user", malformed("connection")),
    ("Connection: ", malformed("connection")),
    ("Connection: close,,keep-alive", malformed("connection")),
    ("Connection: \"close\"", malformed("connection")),
    ("Connection: clo se", malformed("connection")),
    ("Connection: host", malformed("connection")),
    ("Connection: content-length", malformed("connection")),
    ("Connection: transfer-encoding", malformed("connection")),
    ("Connection: x-forwarded-for", malformed("connection")),
    ("Connection: cookie", malformed("connection")),
    ("Connection: a, b, c, d, e, f, g, h, i, j, k", malformed("connection")),
    // Control bytes and lines that end oddly.
    ("X-A: y\nX-Auth-Subject: evil", malformed("line_end")),
    ("X-A: y\rX-Auth-Subject: evil", malformed("line_end")),
    ("X-A: y\r\n X-Auth-Subject: evil", malformed("field")),
    ("X-A: y\r\n\tfolded", malformed("field")),
    ("X-A: y\0z", malformed("field")),
    ("X-A: \x01", malformed("field")),
    ("X-A: \x7f", malformed("field")),
    ("X-A: \x1b[31m", malformed("field")),
    ("X-A : y", malformed("field")),
    ("X-A\t: y", malformed("field")),
    (" X-A: y", malformed("field")),
    (": y", malformed("field")),
    ("X-A", malformed("field")),
    ("X(A): y", malformed("field")),
    ("X-\u{e9}: y", malformed("field")),
    ("X@A: y", malformed("field")),
    ("X[A]: y", malformed("field")),
    ("X A: y", malformed("field")),
    // Exactly one credential, in one place.
    ("Authorization: Bearer {token}", Refused(401, "credential_ambiguous", "several")),
    ("Authorization: Bearer other", Refused(401, "credential_ambiguous", "several")),
    ("authorization: Basic dXNlcjpwYXNz", Refused(401, "credential_ambiguous", "several")),
    ("X-API-Key: clv_something", Refused(401, "credential_ambiguous", "several")),
    ("AUTHORIZATION:", Refused(401, "credential_ambiguous", "several")),
    // What an HTTP/1.1 client may not ask for.
    ("Expect: 200-ok", malformed("expect")),
    ("Expect: 100-continue, x", malformed("expect")),
    ("Upgrade: h2c\r\nConnection: upgrade", malformed("upgrade")),
    ("Upgrade: TLS/1.3\r\nConnection: upgrade", malformed("upgrade")),
    ("Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", malformed("upgrade")),
    (
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        malformed("upgrade"),
    ),
    (
        "Upgrade: websocket\r\nConnection: close\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        malformed("upgrade"),
    ),
    (
        "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x",
        malformed("upgrade"),
    ),
    (
        "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 99\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        malformed("upgrade"),
    ),
];

/// Ways to present something that is not one bearer token. `{token}` is a reader's good one.
const CREDENTIALS: [(&str, &str); 17] = [
    ("", "credential_missing"),
    ("Bearer", "credential_invalid"),
    ("Bearer ", "credential_invalid"),
    ("{token}", "credential_invalid"),
    ("Basic {token}", "credential_invalid"),
    ("Token {token}", "credential_invalid"),
    ("Bearer  {token}", "credential_invalid"),
    ("Bearer\t{token}", "credential_invalid"),
    ("Bearer {token} x", "credential_invalid"),
    ("Bearer {token}.", "credential_invalid"),
    ("Bearer {token}=", "credential_invalid"),
    ("Bearer \"{token}\"", "credential_invalid"),
    ("Bearer {token}\u{e9}", "credential_invalid"),
    ("Bearer {token}, Bearer {token}", "credential_ambiguous"),
    ("Bearer {token},", "credential_ambiguous"),
    ("Bearer a, Bearer {token}", "credential_ambiguous"),
    ("Bearer {token},x", "credential_ambiguous"),
];

const KEYS: &str = r#"
[authn.keys.api_key]
header = "x-api-key"
[route.two]
path = "/two/**"
target = "api"
credential = "api"
authn = ["corp", "keys"]
allow = [{ role = "reader" }]
"#;

fn scene() -> Scene {
    Scene::new(&Extra { tables: KEYS, ..Extra::default() })
}

#[test]
fn ambiguous_header_fields_are_refused() {
    let scene = scene();
    let token = scene.token();
    for (lines, want) in LINES {
        let lines = lines.replace("{token}", &token);
        let head = format!("GET /two/x HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer {token}\r\n{lines}\r\n\r\n");
        check_or_bare(&scene, head.as_bytes(), want);
    }
    scene.nothing_went_upstream();
}

#[test]
fn exactly_one_credential_of_one_form_is_taken() {
    let scene = scene();
    let token = scene.token();
    for (value, want) in CREDENTIALS {
        let value = value.replace("{token}", &token);
        let field = if value.is_empty() { String::new() } else { format!("Authorization: {value}\r\n") };
        let head = format!("GET /api/x HTTP/1.1\r\nHost: api.test\r\n{field}\r\n");
        let response = scene.gateway.send(head.as_bytes());
        assert_eq!((response.status(), code(&response).as_str()), (401, want), "{value}");
        let challenge = response.header("www-authenticate").expect("a challenge");
        let has_error = challenge.contains("error=\"invalid_token\"");
        assert!(
            challenge.starts_with("Bearer realm=\"api\"") && has_error == (want != "credential_missing"),
            "{challenge}"
        );
        assert_eq!(scene.record_of(&response)["code"], want);
    }
    scene.nothing_went_upstream();
}

#[test]
fn ambiguous_header_fields_are_refused_over_http2() {
    let scene = scene();
    let bearer = scene.bearer();
    let rows: [(&str, &[u8]); 17] = [
        ("x_user", b"admin"),
        ("x.user", b"admin"),
        ("connection", b"close"),
        ("connection", b"authorization"),
        ("keep-alive", b"1"),
        ("proxy-connection", b"close"),
        ("transfer-encoding", b"chunked"),
        ("upgrade", b"websocket"),
        ("te", b"gzip"),
        ("expect", b"200-ok"),
        ("X-Upper", b"case"),
        ("x-a", b"y\r\nx-auth-subject: evil"),
        ("x-a", b"y\nz"),
        ("x-a", b"y\0z"),
        ("x a", b"y"),
        ("content-length", b"5"),
        (":method", b"POST"),
    ];
    for (name, value) in rows {
        let fields: [(&str, &[u8]); 6] = [
            (":method", b"GET"),
            (":scheme", b"http"),
            (":authority", b"api.test"),
            (":path", b"/api/x"),
            ("authorization", bearer.as_bytes()),
            (name, value),
        ];
        match frames::ask(&mut Client::connect(scene.gateway.public()), &fields, b"") {
            Ending::Response { status: 400, .. } | Ending::Reset(_) | Ending::Goaway(_) => {}
            other @ (Ending::Response { .. } | Ending::Closed) => panic!("{name}: {value:?}: {other:?}"),
        }
    }
    let connect: [(&str, &[u8]); 3] =
        [(":method", b"CONNECT"), (":authority", b"api.test:443"), ("authorization", bearer.as_bytes())];
    let ending = frames::ask(&mut Client::connect(scene.gateway.public()), &connect, b"");
    assert!(matches!(ending, Ending::Response { status: 405, .. }), "{ending:?}");
    scene.gateway.audited("who asks for a tunnel is told of", |line| line["code"] == "method_not_supported");
    let two: [(&str, &[u8]); 6] = [
        (":method", b"GET"),
        (":scheme", b"http"),
        (":authority", b"api.test"),
        (":path", b"/api/x"),
        ("authorization", bearer.as_bytes()),
        ("authorization", b"Bearer other"),
    ];
    let ending = frames::ask(&mut Client::connect(scene.gateway.public()), &two, b"");
    assert!(matches!(ending, Ending::Response { status: 401, .. }), "{ending:?}");
    scene.nothing_went_upstream();
}

/// Fields that tell where a request came from, who sent it, or what it was before.
const FIELDS: [&str; 76] = [
    "CF-Connecting-IPv6",
    "X-Azure-ClientIP",
    "Forwarded-For",
    "X-Forwarded",
    "X-Originating-IP",
    "X-Remote-Addr",
    "X-ProxyUser-Ip",
    "Ali-CDN-Real-IP",
    "X-Client-Cert",
    "X-Client-Verify",
    "SSL-Client-Cert",
    "X-ARR-ClientCert",
    "X-Amzn-Mtls-Clientcert-Leaf",
    "X-Method",
    "X-Host",
    "Remote-User",
    "X-Remote-User",
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
    "X-Forwarded-Prefix",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Forwarded-Path",
    "X-Forwarded-Scheme",
    "X-Forwarded-Ssl",
    "X-Forwarded-Server",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Client-Cert",
    "X-Real-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "True-Client-IP",
    "X-Original-URL",
    "X-Original-URI",
    "X-Original-Method",
    "X-Original-Host",
    "X-Rewrite-URL",
    "X-Envoy-Original-Path",
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-SSL-Client-Cert",
    "X-SSL-Client-Verify",
    "Client-Cert",
    "Impersonate-User",
    "Impersonate-Group",
    "Impersonate-Extra-Scopes",
    "X-Amzn-Oidc-Identity",
    "X-Appengine-User-Email",
    "X-Auth-Request-User",
    "X-Goog-Authenticated-User-Email",
    "X-Goog-IAP-JWT-Assertion",
    "X-MS-Client-Principal",
    "X-MS-Token-AAD-Id-Token",
    "X-Override-URL",
    "X-WEBAUTH-USER",
    "X-Rewrite-URI",
    "X-Request-URI",
    "X-WAWS-Unencoded-URL",
    "X-Script-Name",
    "Script-Name",
    "X-HTTP-Host-Override",
    "X-HTTP-Path-Override",
    "X-Url-Scheme",
    "Front-End-Https",
    "Proxy",
    "X-Middleware-Subrequest",
    "X-Authenticated-User",
    "Client-Cert-Chain",
    "CF-Connecting-IP",
    "Fastly-Client-IP",
];

#[test]
fn fields_that_tell_of_another_request_never_go_upstream() {
    let scene = scene();
    let bearer = scene.bearer();
    let mut fields: Vec<(&str, &str)> = vec![("Host", "api.test"), ("Authorization", &bearer), ("X-Kept", "yes")];
    fields.extend(FIELDS.iter().map(|&name| (name, "/secret/admin")));
    // Not used for the decision either: the route stays the one that the request line names.
    assert_eq!(scene.gateway.get("/api/x", &fields).status(), 200);
    let sent = &scene.upstream.requests()[0];
    let arrived: Vec<&str> = FIELDS.into_iter().filter(|name| sent.header(name).is_some()).collect();
    assert_eq!(arrived, [""; 0]);
    assert_eq!((sent.path(), sent.header("x-kept")), ("/x", Some("yes")));
}

#[test]
fn what_the_client_presented_is_replaced_and_hop_by_hop_fields_end_here() {
    let scene = scene();
    let token = scene.token();
    let bearer = format!("Bearer {token}");
    let fields = [
        ("Host", "api.test"),
        ("Authorization", bearer.as_str()),
        ("Connection", "keep-alive, te"),
        ("Keep-Alive", "timeout=99"),
        ("Proxy-Authorization", "Basic dXNlcjpwYXNz"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "trailers"),
        ("X-Request-ID", "chosen-by-the-client"),
        ("Cookie", "a=b"),
    ];
    let response = scene.gateway.get("/api/x", &fields);
    assert_eq!(response.status(), 200);
    let sent = &scene.upstream.requests()[0];
    assert_eq!(sent.all("authorization"), [format!("Bearer {SECRET}")]);
    for gone in ["keep-alive", "proxy-authorization", "proxy-connection"] {
        assert_eq!(sent.header(gone), None, "{gone}");
    }
    assert_eq!(sent.all("x-request-id"), [response.header("x-request-id").expect("an id")]);
    assert_ne!(sent.header("x-request-id"), Some("chosen-by-the-client"));
    assert_eq!((sent.header("cookie"), sent.all("host").len()), (Some("a=b"), 1));
    assert!(!String::from_utf8_lossy(&scene.upstream.received()[0]).contains(&token));
}

#[test]
fn trailers_never_become_header_fields() {
    let scene = scene();
    let head = format!(
        "POST /api/x HTTP/1.1\r\nHost: api.test\r\nAuthorization: {}\r\nTrailer: X-Auth-Subject\r\n\
         Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Auth-Subject: admin\r\nAuthorization: Bearer evil\r\n\r\n",
        scene.bearer()
    );
    let response = scene.gateway.send(head.as_bytes());
    assert_eq!((response.status(), &response.json()["body"]), (200, &json!("ok")));
    let sent = &scene.upstream.requests()[0];
    assert_eq!((sent.header("x-auth-subject"), sent.trailers.len()), (None, 0));
    assert_eq!(sent.all("authorization"), [format!("Bearer {SECRET}")]);
}

#[test]
fn claims_of_an_odd_form_prove_nobody() {
    let scene = scene();
    for subject in [
        json!(["ada"]),
        json!({"id": "ada"}),
        json!(7),
        json!(null),
        json!(true),
        json!(""),
        json!("ada\r\nX-Evil: 1"),
        json!("ada\0"),
        json!("\u{1b}[31mada"),
        json!("a".repeat(5000)),
    ] {
        let mut claims = scene.claims_of("x", &["reader"]);
        claims["sub"] = subject.clone();
        let bearer = format!("Bearer {}", scene.issuer.token(&claims));
        let response = scene.gateway.get("/api/x", &[("Authorization", &bearer)]);
        assert_eq!((response.status(), code(&response).as_str()), (401, "credential_invalid"), "{subject}");
    }
    // Roles of the wrong type confer nothing, or the token proves nothing.
    for roles in [json!("x"), json!([["reader"]]), json!([1]), json!({"reader": true}), json!("reader,admin")] {
        let mut claims = scene.issuer.claims("ada");
        claims["roles"] = roles.clone();
        let bearer = format!("Bearer {}", scene.issuer.token(&claims));
        let response = scene.gateway.get("/api/x", &[("Authorization", &bearer)]);
        assert!(matches!(response.status(), 401 | 403), "{roles}: {}", response.status());
    }
    scene.nothing_went_upstream();
}

#[test]
fn a_head_with_everything_at_once_is_refused_whatever_comes_first() {
    let scene = scene();
    let bytes = request("TRACE", "/api/../x", &[("X_User", "a"), ("Connection", "authorization")], b"");
    check(&scene, &bytes, Refused(405, "method_not_supported", "method"));
    scene.nothing_went_upstream();
}
