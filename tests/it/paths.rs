//! One resource must have one name: every way of writing a path or a host that other gateways were led astray by.

use crate::support::{
    frames::{self, Ending},
    raw::{Client, request},
    scene::{
        Extra, Scene,
        Want::{self, Bare, Refused},
        check, check_or_bare, code,
    },
};

const fn path(detail: &'static str) -> Want {
    Refused(400, "malformed_request", detail)
}

const NO_ROUTE: Want = Refused(404, "no_route", "");
const NOT_ALLOWED: Want = Refused(403, "not_allowed", "");

/// `/api/**` is the readers'; `/secret/**` is not. Each vector is a reader's way into `/secret`, or out of what a path may be.
const TARGETS: [(&str, Want); 60] = [
    // Dot segments.
    ("/api/../secret/x", path("path_dot_segment")),
    ("/api/./x", path("path_dot_segment")),
    ("/api/%2e%2e/secret/x", path("path_dot_segment")),
    ("/api/%2E%2E/secret/x", path("path_dot_segment")),
    ("/api/.%2e/secret/x", path("path_dot_segment")),
    ("/api/%2e./secret/x", path("path_dot_segment")),
    ("/api/%2e/x", path("path_dot_segment")),
    ("/api/..", path("path_dot_segment")),
    ("/api/../../secret", path("path_dot_segment")),
    ("/..", path("path_dot_segment")),
    // Encoded slashes and backslashes, once and twice.
    ("/api/..%2fsecret", path("path_dot_segment")),
    ("/api/..%2Fsecret", path("path_dot_segment")),
    ("/api%2f..%2fsecret", path("path_dot_segment")),
    ("/api/a%2fb", path("path_encoded_slash")),
    ("/api/a%2Fb", path("path_encoded_slash")),
    ("/api/..%5csecret", path("path_backslash")),
    ("/api/..%5Csecret", path("path_backslash")),
    ("/api/..\\secret", path("path_backslash")),
    ("\\secret", path("path_not_absolute")),
    ("/api/%252e%252e/secret", path("path_double_encoding")),
    ("/api/..%252fsecret", path("path_double_encoding")),
    ("/api/%25%32%65", path("path_double_encoding")),
    ("/api/%255c", path("path_double_encoding")),
    // Empty segments.
    ("//secret/x", path("path_empty_segment")),
    ("//api.test/secret", path("path_empty_segment")),
    ("/api//secret", path("path_empty_segment")),
    ("/api/x//", path("path_empty_segment")),
    ("///", path("path_empty_segment")),
    // Path parameters.
    ("/api/..;/secret/x", path("path_parameters")),
    ("/api;x=y/z", path("path_parameters")),
    ("/api/x;.css", path("path_parameters")),
    ("/api/..%3b/secret", path("path_parameters")),
    // Control characters, escaped.
    ("/api/x%00", path("path_encoded_control")),
    ("/api/x%00.css", path("path_encoded_control")),
    ("/api/%0d%0aX-Evil:1", path("path_encoded_control")),
    ("/api/%7f", path("path_encoded_control")),
    ("/api/%09", path("path_encoded_control")),
    // Broken escapes.
    ("/api/%", path("path_escape")),
    ("/api/%2", path("path_escape")),
    ("/api/%zz", path("path_escape")),
    ("/api/%u002e", path("path_escape")),
    ("/api/%c", path("path_escape")),
    // Characters that no path has.
    ("/api/{x}", path("path_character")),
    ("/api/x|y", path("path_character")),
    ("/api/`x", Bare),
    ("/api/x^y", path("path_character")),
    ("/api/[x]", path("path_character")),
    // Forms that are no path.
    ("*", path("path_not_absolute")),
    ("secret/x", path("path_not_absolute")),
    ("", Bare),
    // Other spellings of what is there: one normal form, judged like the plain one.
    ("/%73ecret/x", NOT_ALLOWED),
    ("/s%65cret/x", NOT_ALLOWED),
    ("/secret/x?/api/", NOT_ALLOWED),
    ("/secret/x?x=/api/y", NOT_ALLOWED),
    ("/secret?", NOT_ALLOWED),
    // Another case, or another letter that looks alike, is another path.
    ("/SECRET/x", NO_ROUTE),
    ("/Api/x", NO_ROUTE),
    ("/ap%C4%B1/x", NO_ROUTE),
    ("/api.", NO_ROUTE),
    ("/apix/x", NO_ROUTE),
];

/// Targets that only raw bytes can hold: an HTTP/1 request line ends at them, and HTTP/2 has no place for them.
const RAW_TARGETS: [(&[u8], Want); 9] = [
    (b"/api/#/../../secret", path("request_line")),
    (b"/api/x#", path("request_line")),
    (b"/api/x y", path("request_line")),
    (b"/api/\tx", path("request_line")),
    (b"/api/\xc4\xb1", path("request_line")),
    (b"/api/\"x\"", path("request_line")),
    (b"/api/<x>", path("request_line")),
    (b"/api/x\x00", path("request_line")),
    (b"/api/\x7f", path("request_line")),
];

const OTHER_ROUTES: &str = r#"
[route.secret]
path = "/secret/**"
target = "api"
credential = "api"
authn = ["corp"]
allow = [{ role = "admin" }]
[route.hosted]
host = "inner.test"
path = "/**"
target = "api"
credential = "api"
authn = ["corp"]
allow = [{ role = "admin" }]
"#;

fn scene() -> Scene {
    Scene::new(&Extra { tables: OTHER_ROUTES, ..Extra::default() })
}

#[test]
fn no_spelling_of_a_path_leads_where_the_plain_one_does_not() {
    let scene = scene();
    let bearer = scene.bearer();
    let head = |target: &[u8]| {
        let fields = format!(" HTTP/1.1\r\nHost: api.test\r\nAuthorization: {bearer}\r\n\r\n");
        [b"GET ", target, fields.as_bytes()].concat()
    };
    for (target, want) in TARGETS {
        check(&scene, &head(target.as_bytes()), want);
    }
    for (target, want) in RAW_TARGETS {
        check_or_bare(&scene, &head(target), want);
    }
    scene.nothing_went_upstream();
}

#[test]
fn no_spelling_of_a_path_leads_elsewhere_over_http2_either() {
    let scene = scene();
    let bearer = scene.bearer();
    let ask = |target: &[u8]| {
        let fields: [(&str, &[u8]); 5] = [
            (":method", b"GET"),
            (":scheme", b"http"),
            (":authority", b"api.test"),
            (":path", target),
            ("authorization", bearer.as_bytes()),
        ];
        frames::ask(&mut Client::connect(scene.gateway.public()), &fields, b"")
    };
    let mut answered = 0;
    for (target, want) in TARGETS {
        match (ask(target.as_bytes()), want) {
            (Ending::Response { status, body }, Refused(expected, code, _)) => {
                let problem: serde_json::Value = serde_json::from_slice(&body).expect("a problem document");
                assert_eq!((status, problem["code"].as_str()), (expected, Some(code)), "{target}");
                let id = problem["request_id"].clone();
                scene.gateway.audited(&format!("the record of {target}"), |entry| entry["id"] == id);
                answered += 1;
            }
            // What is no `:path` at all is an error of the stream (RFC 9113 §8.3.1).
            (Ending::Reset(_), _) => {}
            other => panic!("{target}: {other:?}"),
        }
    }
    assert!(answered >= 45, "only {answered} of the vectors can be an HTTP/2 `:path`");
    // A fragment is cut off before anybody can see it (RFC 9113 §8.3.1 has no place for one), so the test is below.
    for (target, _) in RAW_TARGETS.iter().filter(|(target, _)| !target.contains(&b'#')) {
        match ask(target) {
            Ending::Reset(_) | Ending::Goaway(_) => {}
            Ending::Response { status, .. } => assert_eq!(status, 400, "{}", String::from_utf8_lossy(target)),
            Ending::Closed => panic!("{target:?}: no word"),
        }
    }
    scene.nothing_went_upstream();
    assert!(matches!(ask(b"/api/x#/../../secret"), Ending::Response { status: 200, .. }));
    assert!(matches!(ask(b"/secret#/../../api/x"), Ending::Response { status: 403, .. }));
    let sent: Vec<String> = scene.upstream.requests().iter().map(|request| request.path().to_owned()).collect();
    assert_eq!(sent, ["/sentinel", "/x"], "what was matched is what was sent");
}

#[test]
fn what_was_matched_is_what_is_sent() {
    let scene = scene();
    for (sent, arrived) in [
        ("/api/v1/x?q=%20&r=/../", "/v1/x?q=%20&r=/../"),
        ("/api/%61%7e%2d", "/a~-"),
        ("/api/caf%c3%a9", "/caf%C3%A9"),
        ("/api/a.b/..c/d..", "/a.b/..c/d.."),
        ("/api/100%25", "/100%25"),
        ("/api/x?", "/x?"),
        ("/api/x?a=b?c", "/x?a=b?c"),
        ("/api", "/"),
        ("/api/", "/"),
        ("/api/x/", "/x/"),
        ("http://api.test/api/absolute?x=1", "/absolute?x=1"),
        ("HTTP://api.test/api", "/"),
    ] {
        let response = scene.get(sent);
        assert_eq!(response.status(), 200, "{sent}: {}", response.text());
        assert_eq!(response.json()["path"], arrived, "{sent}");
    }
    let lines: Vec<String> = scene.upstream.requests().iter().map(|request| request.start.clone()).collect();
    assert!(lines.iter().all(|line| line.starts_with("GET /") && line.ends_with(" HTTP/1.1")), "{lines:?}");
}

#[test]
fn an_encoded_slash_passes_where_a_route_says_so_and_never_hides_a_dot_segment() {
    let scene = Scene::new(&Extra { route: "encoded_slash = true", ..Extra::default() });
    let response = scene.get("/api/group%2fproject/x");
    assert_eq!((response.status(), &response.json()["path"]), (200, &"/group%2Fproject/x".into()));
    for target in ["/api/..%2fx", "/api/x%2f..%2fy", "/api/x%2F%2e%2e", "/api/x%2f.", "/api%2f..%2fsecret"] {
        let response = scene.get(target);
        assert_eq!((response.status(), code(&response).as_str()), (400, "malformed_request"), "{target}");
    }
    let sent: Vec<String> = scene.upstream.requests().iter().map(|request| request.path().to_owned()).collect();
    assert_eq!(sent, ["/group%2Fproject/x"]);
}

#[test]
fn a_host_has_one_name_or_is_refused() {
    let scene = scene();
    let bearer = scene.bearer();
    let host = |detail: &'static str| Refused(400, "malformed_request", detail);
    let rows: [(&str, Want); 25] = [
        // `inner.test` is for admins, whatever it is called.
        ("Host: inner.test\r\n", NOT_ALLOWED),
        ("Host: INNER.test\r\n", NOT_ALLOWED),
        ("Host: inner.test.\r\n", NOT_ALLOWED),
        ("Host: Inner.Test.:80\r\n", NOT_ALLOWED),
        ("hOST:inner.test\r\n", NOT_ALLOWED),
        ("Host: inner.test:8443\r\n", NOT_ALLOWED),
        ("", host("host_missing")),
        ("Host:\r\n", host("host_missing")),
        ("Host: a.test, inner.test\r\n", host("host_malformed")),
        ("Host: a.test inner.test\r\n", host("host_malformed")),
        ("Host: user@a.test\r\n", host("host_malformed")),
        ("Host: a.test/inner.test\r\n", host("host_malformed")),
        ("Host: a.test\\inner.test\r\n", host("host_malformed")),
        ("Host: a..test\r\n", host("host_malformed")),
        ("Host: a.test..\r\n", host("host_malformed")),
        ("Host: .\r\n", host("host_malformed")),
        ("Host: a_b.test\r\n", host("host_malformed")),
        ("Host: a.test%00\r\n", host("host_malformed")),
        ("Host: a.test:\r\n", host("host_port")),
        ("Host: a.test:99999\r\n", host("host_port")),
        ("Host: a.test:80:80\r\n", host("host_port")),
        ("Host: [::1\r\n", host("host_malformed")),
        ("Host: a.test\r\nHost: inner.test\r\n", Bare),
        ("Host: a.test\r\nHost: a.test\r\n", Bare),
        ("Host: \u{212a}.test\r\n", Bare),
    ];
    for (fields, want) in rows {
        let head = format!("GET /api/x HTTP/1.1\r\n{fields}Authorization: {bearer}\r\n\r\n");
        check_or_bare(&scene, head.as_bytes(), want);
    }
    for target in ["http://inner.test/api/x", "http://user@api.test/api/x", "http://api.test:x/api/x", "http:///api/x"]
    {
        let head = format!("GET {target} HTTP/1.1\r\nHost: api.test\r\nAuthorization: {bearer}\r\n\r\n");
        check_or_bare(&scene, head.as_bytes(), host(""));
    }
    scene.nothing_went_upstream();
}

/// The fields of one HTTP/2 request.
struct Fields<'a>(&'a [(&'a str, &'a [u8])]);

#[test]
fn an_authority_and_a_host_that_differ_are_refused_over_http2() {
    let scene = scene();
    let bearer = scene.bearer();
    let rows: [(Fields<'_>, Option<u16>); 5] = [
        (Fields(&[(":authority", b"inner.test")]), Some(403)),
        (Fields(&[(":authority", b"api.test"), ("host", b"inner.test")]), Some(400)),
        (Fields(&[("host", b"inner.test")]), Some(403)),
        (Fields(&[(":authority", b"a@inner.test")]), Some(400)),
        (Fields(&[]), Some(400)),
    ];
    for (Fields(fields), want) in rows {
        let (pseudo, plain): (Vec<_>, Vec<_>) = fields.iter().copied().partition(|(name, _)| name.starts_with(':'));
        let mut all: Vec<(&str, &[u8])> = vec![(":method", b"GET"), (":scheme", b"http"), (":path", b"/api/x")];
        all.extend(pseudo);
        all.extend(plain);
        all.push(("authorization", bearer.as_bytes()));
        match frames::ask(&mut Client::connect(scene.gateway.public()), &all, b"") {
            Ending::Response { status, .. } => assert_eq!(Some(status), want, "{fields:?}"),
            Ending::Reset(_) | Ending::Goaway(_) => assert_eq!(want, Some(400), "{fields:?}"),
            Ending::Closed => panic!("{fields:?}: no word"),
        }
    }
    scene.nothing_went_upstream();
}

#[test]
fn methods_outside_the_known_set_are_refused_and_nothing_is_exempt() {
    let scene = scene();
    let bearer = scene.bearer();
    for method in ["TRACE", "get", "Get", "PROPFIND", "PURGE", "DEBUG", "TRACK", "FOO", "GETS", "X-GET"] {
        let response = scene.gateway.send(&request(method, "/api/x", &[("Authorization", &bearer)], b""));
        assert_eq!((response.status(), code(&response).as_str()), (405, "method_not_supported"), "{method}");
        assert!(response.header("allow").is_some_and(|allow| allow.contains("GET") && !allow.contains(method)));
        assert_eq!(scene.record_of(&response)["detail"], "method", "{method}");
    }
    let fields = [("Host", "inner.test:443"), ("Authorization", bearer.as_str())];
    let response = scene.gateway.send(&request("CONNECT", "inner.test:443", &fields, b""));
    assert_eq!((response.status(), code(&response).as_str()), (405, "method_not_supported"), "no tunnel");
    assert_eq!(scene.record_of(&response)["outcome"], "denied");
    for (agent, method) in [("GoogleHC/1.0", "GET"), ("kube-probe/1.30", "GET"), ("curl", "OPTIONS"), ("curl", "HEAD")]
    {
        let bytes = request(method, "/api/x", &[("User-Agent", agent)], b"");
        let mut client = Client::connect(scene.gateway.public());
        let head = client.send(&bytes).reader().head().expect("an answer").expect("a head");
        assert_eq!(head.status(), 401, "{method} by {agent}");
    }
    scene.nothing_went_upstream();
}

#[test]
fn the_admin_listener_answers_its_own_paths_to_the_letter_and_nobody_from_elsewhere() {
    let scene = scene();
    let own = scene.gateway.admin().to_string();
    let ask = |method: &str, target: &str, host: &str| {
        let bytes = request(method, target, &[("Host", host), ("Connection", "close")], b"");
        Client::connect(scene.gateway.admin()).send(&bytes).response().status()
    };
    for path in ["/health", "/ready", "/status", "/metrics"] {
        assert_eq!(ask("GET", path, &own), 200, "{path}");
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            assert_eq!(ask(method, path, &own), 405, "{method} {path}");
        }
        // A page in somebody's browser reaches loopback by a name of its own.
        for host in ["evil.test", "localhost.evil.test", "127.0.0.1.evil.test", "192.0.2.1"] {
            assert_eq!(ask("GET", path, host), 403, "{path} as {host}");
        }
    }
    for target in [
        "/",
        "/status/",
        "/status/00",
        "//status",
        "/STATUS",
        "/stat%75s",
        "/status%2f",
        "/health/../status",
        "/./status",
        "/status;x",
        "/statusx",
        "/metrics/status",
        "/status.json",
    ] {
        assert!(matches!(ask("GET", target, &own), 400 | 404), "{target}");
    }
}
