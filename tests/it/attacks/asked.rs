//! Attacks with answers: what those who are asked say of a credential, or do not.

use std::{collections::HashMap, io, sync::Arc};

use serde_json::{Value, json};

use super::{AWAY, Bench, GOOD, Row, SEVERAL, Sent, Want, refused};
use crate::support::{
    gateway::Gateway,
    http1::Message,
    issuer::{Issuer, now},
    setup::{Parts, config},
    upstream::{Then, Upstream, Wire},
};

const SCHEMES: &[(&str, &[&str])] =
    &[("opaque", &["Bearer", "DPoP"]), ("cluster", &["Bearer"]), ("session", &["Bearer"])];

/// What the one who is asked does.
type Act = Arc<dyn Fn(&mut Wire<'_>) -> io::Result<Then> + Send + Sync>;

/// Rows for one method, and what is to be said of each credential.
struct Answers {
    method: &'static str,
    path: &'static str,
    rows: Vec<Row>,
    acts: HashMap<String, Act>,
}

fn said(status: u16, body: impl Into<String>) -> Act {
    let body = body.into();
    Arc::new(move |wire| wire.respond(status, &[("Content-Type", "application/json")], body.as_bytes()))
}

fn headed(status: u16, headers: &'static [(&'static str, &'static str)]) -> Act {
    Arc::new(move |wire| wire.respond(status, headers, b""))
}

/// A head that no library would write.
fn bytes(text: &'static str) -> Act {
    Arc::new(move |wire| wire.send(text.as_bytes()).map(|()| Then::Close))
}

fn slow() -> Act {
    Arc::new(|wire| wire.until_closed())
}

/// A body that begins and goes on for ever.
fn dripping() -> Act {
    Arc::new(|wire| {
        wire.begin(200, "application/json")?;
        wire.chunk(b"{\"active\":true,")?;
        wire.until_closed()
    })
}

impl Answers {
    fn new(method: &'static str, path: &'static str) -> Self {
        Self { method, path, rows: Vec::new(), acts: HashMap::new() }
    }

    /// A request with this credential, of which this is then said.
    fn add(&mut self, attack: &'static str, credential: String, act: Act, want: Want) {
        let sent = self.presenting(&credential);
        self.acts.insert(credential, act);
        self.rows.push((self.method, attack, sent, want));
    }

    /// The same with an opaque credential of its own.
    fn meets(&mut self, attack: &'static str, act: Act, want: Want) {
        let credential = format!("{}-{}", self.method, self.rows.len());
        self.add(attack, credential, act, want);
    }

    /// A request with a credential that nobody is asked about.
    fn unasked(&mut self, attack: &'static str, sent: Sent, want: Want) {
        self.rows.push((self.method, attack, sent, want));
    }

    fn presenting(&self, credential: &str) -> Sent {
        match self.method {
            "forward_auth" => Sent::get(self.path, [("X-Session", credential)]),
            _ => Sent::get(self.path, [("Authorization", format!("Bearer {credential}"))]),
        }
    }
}

/// What is no answer whatever the method asks, and means that nobody is let in.
fn no_answers(answers: &mut Answers, good: &Value) {
    let padded = |size: usize| {
        let mut large = good.clone();
        large["pad"] = json!("x".repeat(size));
        large.to_string()
    };
    let cut = good.to_string();
    let redirect = [("Location", "/elsewhere")];
    let moved = |status: u16| -> Act { Arc::new(move |wire| wire.respond(status, &redirect, b"")) };
    for (attack, act) in [
        ("an error", said(500, good.to_string())),
        ("too busy", said(429, good.to_string())),
        ("not found", said(404, good.to_string())),
        ("a redirect", moved(302)),
        ("a redirect that keeps the method", moved(307)),
        ("HTML", said(200, "<html><body>Sign in</body></html>")),
        ("nothing", said(200, "")),
        ("a list", said(200, format!("[{good}]"))),
        ("cut", said(200, &cut[..cut.len() - 1])),
        ("two objects", said(200, format!("{good}{good}"))),
        ("a member twice", said(200, cut.replacen('{', "{\"x\":1,\"x\":1,", 1))),
        ("more than 64 KiB", said(200, padded(65_536))),
        ("no HTTP", bytes("SSH-2.0-OpenSSH_9.6\r\n\r\n")),
        ("two lengths", bytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}")),
        ("the end of the connection", bytes("")),
        ("silence", slow()),
        ("a body that does not end", dripping()),
    ] {
        answers.meets(attack, act, AWAY);
    }
}

/// What an authorization server says of a token that is good for an hour.
fn active() -> Value {
    json!({"active": true, "sub": "ada", "aud": "claviger", "scope": "read", "exp": now() + 3600})
}

fn introspection() -> Answers {
    let mut answers = Answers::new("introspection", "/opaque/x");
    no_answers(&mut answers, &active());
    let changed = |key: &str, value: Value| {
        let mut answer = active();
        answer[key] = value;
        said(200, answer.to_string())
    };
    let without = |key: &str| {
        let mut answer = active();
        answer.as_object_mut().expect("an object").remove(key).expect("a member of it");
        said(200, answer.to_string())
    };
    let twice = active().to_string().replacen('{', "{\"active\":false,", 1);
    for (attack, act, want) in [
        ("inactive", said(200, "{\"active\":false}"), refused("inactive")),
        ("inactive with all else of a good one", changed("active", json!(false)), refused("inactive")),
        ("active as text", changed("active", json!("true")), AWAY),
        ("active as a number", changed("active", json!(1)), AWAY),
        ("not said to be active", without("active"), AWAY),
        ("active and inactive", said(200, twice), AWAY),
        ("our own secret refused", said(401, "{\"error\":\"invalid_client\"}"), AWAY),
        ("a good answer under another status", said(201, active().to_string()), AWAY),
        ("expired", changed("exp", json!(now() - 1)), refused("expired")),
        ("an end in text", changed("exp", json!("never")), refused("claim")),
        ("not valid yet", changed("nbf", json!(now() + 600)), refused("not_yet_valid")),
        ("for another audience", changed("aud", json!("other")), refused("audience")),
        ("for others alone", changed("aud", json!(["a", "b"])), refused("audience")),
        ("for no audience", without("aud"), refused("claim")),
        ("without a subject", without("sub"), refused("claim")),
        ("a subject with a line end", changed("sub", json!("ada\nroot")), refused("claim")),
        ("a refresh token", changed("token_type", json!("refresh_token")), refused("type")),
        ("bound to a key", changed("cnf", json!({"jkt": "A".repeat(43)})), refused("binding")),
        ("bound to a certificate", changed("cnf", json!({"x5t#S256": "A".repeat(43)})), refused("binding")),
        ("bound to what is not known", changed("cnf", json!({"kid": "k"})), refused("binding")),
    ] {
        answers.meets(attack, act, want);
    }
    unasked_tokens(&mut answers);
    answers
}

/// What is of no form that anybody is asked about.
fn unasked_tokens(answers: &mut Answers) {
    let long = answers.presenting(&"x".repeat(8193));
    let listed = answers.presenting("a, Bearer b");
    let latin = answers.presenting("caf\u{e9}");
    let spaced = answers.presenting("a b");
    answers.unasked("more than 8 KiB", long, refused("malformed"));
    answers.unasked("two in one field", listed, SEVERAL);
    answers.unasked("not ASCII", latin, refused("malformed"));
    answers.unasked("a blank in it", spaced, refused("malformed"));
}

/// What an API server says of a good token.
fn review() -> Value {
    json!({
        "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1",
        "status": {
            "authenticated": true, "audiences": ["claviger"],
            "user": {"username": "system:serviceaccount:shop:billing", "groups": ["system:serviceaccounts"]},
        },
    })
}

fn token_review() -> Answers {
    let mut answers = Answers::new("token_review", "/cluster/x");
    no_answers(&mut answers, &review());
    let status = |key: &str, value: Value| {
        let mut answer = review();
        answer["status"][key] = value;
        said(201, answer.to_string())
    };
    let mut other = review();
    other["kind"] = json!("SubjectAccessReview");
    let twice =
        review().to_string().replacen("\"authenticated\":true", "\"authenticated\":true,\"authenticated\":true", 1);
    let user = |name: Value| status("user", json!({"username": name, "groups": []}));
    for (attack, act, want) in [
        ("not authenticated", status("authenticated", json!(false)), refused("inactive")),
        ("nothing said", said(201, "{\"kind\":\"TokenReview\",\"status\":{}}"), refused("inactive")),
        (
            "an error of the authenticators",
            said(201, "{\"kind\":\"TokenReview\",\"status\":{\"error\":\"invalid bearer token\"}}"),
            refused("inactive"),
        ),
        ("authenticated as text", status("authenticated", json!("true")), AWAY),
        ("authenticated twice", said(201, twice), AWAY),
        ("no status", said(201, "{\"kind\":\"TokenReview\",\"spec\":{}}"), AWAY),
        ("an answer of another kind", said(201, other.to_string()), AWAY),
        ("our own token refused", said(401, "{\"kind\":\"Status\"}"), AWAY),
        ("no right to ask", said(403, "{\"kind\":\"Status\"}"), AWAY),
        ("for another audience", status("audiences", json!(["other"])), refused("audience")),
        ("for no audience", status("audiences", json!([])), refused("audience")),
        ("by a cluster that knows no audiences", status("audiences", json!(null)), refused("claim")),
        ("without a user", status("user", json!(null)), refused("claim")),
        ("without a name", user(json!(null)), refused("claim")),
        ("a name with a line end", user(json!("system:a\nroot")), refused("claim")),
        ("groups that are no list of names", status("user", json!({"username": "a", "groups": [1]})), refused("claim")),
    ] {
        answers.meets(attack, act, want);
    }
    let issuer = Issuer::start();
    let mut claims = issuer.claims("system:serviceaccount:shop:billing");
    claims["exp"] = json!(now() - 1);
    answers.add("expired, by its own word", issuer.token(&claims), said(201, review().to_string()), refused("expired"));
    unasked_tokens(&mut answers);
    answers
}

fn forward_auth() -> Answers {
    let mut answers = Answers::new("forward_auth", "/session/x");
    for (attack, act, want) in [
        ("a no", headed(401, &[("X-User", "ada")]), refused("inactive")),
        ("another no", headed(403, &[("X-User", "ada")]), refused("inactive")),
        ("an error", headed(500, &[("X-User", "ada")]), AWAY),
        ("not found", headed(404, &[("X-User", "ada")]), AWAY),
        ("a yes of another sort", headed(201, &[("X-User", "ada")]), AWAY),
        ("a redirect", headed(302, &[("X-User", "ada"), ("Location", "/login")]), AWAY),
        ("a redirect that keeps the method", headed(307, &[("X-User", "ada"), ("Location", "/login")]), AWAY),
        ("a sign-in page", said(200, "<html><body>Sign in</body></html>"), AWAY),
        ("no id", headed(200, &[("X-Roles", "user")]), AWAY),
        ("an empty id", headed(200, &[("X-User", "")]), AWAY),
        ("two ids", headed(200, &[("X-User", "ada"), ("X-User", "root")]), AWAY),
        ("an id with two `@`", headed(200, &[("X-User", "ada@a@b")]), AWAY),
        ("an id in Latin-1", headed(200, &[("X-User", "ad\u{e9}")]), AWAY),
        ("an id with a tab", headed(200, &[("X-User", "ada\troot")]), AWAY),
        ("an id with a control character", headed(200, &[("X-User", "ada\u{1}")]), AWAY),
        ("an id with DEL", headed(200, &[("X-User", "ada\u{7f}")]), AWAY),
        ("an id with NUL", headed(200, &[("X-User", "ada\0root")]), AWAY),
        ("an id on two lines", bytes("HTTP/1.1 200 OK\r\nX-User: ada\r\n root\r\nContent-Length: 0\r\n\r\n"), AWAY),
        ("an id behind a bare CR", bytes("HTTP/1.1 200 OK\r\nX-User: ada\rroot\r\nContent-Length: 0\r\n\r\n"), AWAY),
        ("roles in Latin-1", headed(200, &[("X-User", "ada"), ("X-Roles", "us\u{e9}r")]), AWAY),
        ("no HTTP", bytes("SSH-2.0-OpenSSH_9.6\r\n\r\n"), AWAY),
        ("the end of the connection", bytes(""), AWAY),
        ("silence", slow(), AWAY),
        ("no role that is allowed", headed(200, &[("X-User", "ada"), ("X-Roles", "users")]), (403, "not_allowed", "")),
    ] {
        answers.meets(attack, act, want);
    }
    let long: Act = Arc::new(|wire| wire.respond(200, &[("X-User", &"a".repeat(1025))], b""));
    answers.meets("an id that is too long", long, AWAY);
    let large: Act = Arc::new(|wire| wire.respond(200, &[("X-User", "ada"), ("X-Pad", &"x".repeat(1 << 20))], b""));
    answers.meets("a head of 1 MiB", large, AWAY);
    let sent = answers.presenting("a");
    answers.unasked("two fields", sent.clone().with("X-Session", "b"), SEVERAL);
    answers.unasked("beside another credential", sent.with("Authorization", "Bearer x"), SEVERAL);
    let long = answers.presenting(&"x".repeat(8193));
    answers.unasked("more than 8 KiB", long, refused("malformed"));
    answers
}

/// The credential that a question is about.
fn asked_about(request: &Message) -> String {
    if let Some(session) = request.header("x-session") {
        return session.to_owned();
    }
    if request.path() == "/introspect" {
        let form = request.text();
        return form.split('&').find_map(|field| field.strip_prefix("token=")).expect("a token").to_owned();
    }
    request.json()["spec"]["token"].as_str().expect("a token").to_owned()
}

fn tables(url: &str) -> String {
    let route = |name: &str, rule: &str| {
        format!(
            "[route.{name}]\npath = \"/{name}/**\"\ntarget = \"api\"\nauthn = [\"{name}\"]\nallow = [{{ {rule} }}]\n"
        )
    };
    let timeout = "timeout = \"1s\"\n";
    format!(
        "[authn.opaque.introspection]\nurl = \"{url}/introspect\"\nclient_id = \"claviger\"\n\
         client_secret = \"files:own\"\naudience = \"claviger\"\n{timeout}\
         [authn.cluster.token_review]\nurl = \"{url}\"\naudience = \"claviger\"\ntoken = \"files:own\"\n{timeout}\
         [authn.session.forward_auth]\nurl = \"{url}/check\"\ncredential_headers = [\"X-Session\"]\n\
         id_header = \"X-User\"\nroles_header = \"X-Roles\"\n{timeout}{}{}{}",
        route("opaque", "scope = \"read\""),
        route("cluster", "role = \"system:serviceaccounts\""),
        route("session", "role = \"user\""),
    )
}

#[test]
fn every_answer_that_is_not_a_plain_yes_meets_its_own() {
    let mut all = [introspection(), token_review(), forward_auth()];
    for (answers, yes) in all.iter_mut().zip([
        said(200, active().to_string()),
        said(201, review().to_string()),
        headed(204, &[("X-User", "ada"), ("X-Roles", "user")]),
    ]) {
        answers.acts.insert("good".to_owned(), yes);
    }
    let acts: HashMap<String, HashMap<String, Act>> =
        all.iter_mut().map(|answers| (answers.path.to_owned(), std::mem::take(&mut answers.acts))).collect();
    let asked: usize = acts.values().map(HashMap::len).sum();
    let oracle = Upstream::start(move |request, wire| {
        let of = match request.path() {
            "/introspect" => "/opaque/x",
            "/check" => "/session/x",
            "/apis/authentication.k8s.io/v1/tokenreviews" => "/cluster/x",
            other => panic!("a redirect to {other} is followed"),
        };
        acts[of][&asked_about(request)](wire)
    });
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| {
        site.write("secrets/own", "own-secret-5d1f");
        config(site, &upstream, &Parts { more: &tables(&oracle.url()), ..Parts::default() })
    });
    let bench = Bench { gateway: &gateway, upstream: &upstream, schemes: SCHEMES };
    let good: Vec<Row> = all.iter().map(|one| (one.method, "a plain yes", one.presenting("good"), GOOD)).collect();
    bench.refuses(all.iter_mut().flat_map(|answers| std::mem::take(&mut answers.rows)).collect());
    assert_eq!(oracle.requests().len(), asked - 3, "each is asked about once, and some not at all");
    bench.judge(good);
    assert!(!gateway.log().contains("own-secret"), "{}", gateway.log());
}
