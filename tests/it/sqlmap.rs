//! sqlmap against an upstream that puts what it is sent into SQL: it finds that, and finds nothing where requests are looked through.

use std::{
    fs::{self, File},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rusqlite::{Connection, types::Value as Sql};
use serde_json::{Value, json};

use crate::support::{
    http1::Message,
    python,
    scene::{Extra, Scene},
    upstream::{Upstream, Wire},
};

/// How sqlmap says that there is nothing to be had.
const FOUND_NOTHING: &str = "do not appear to be injectable";
/// How it says where there is.
const FOUND: &str = "sqlmap identified the following injection point";
/// How long it may take.
const LONGEST: Duration = Duration::from_secs(100);
/// What it calls itself here: by its own name it would be refused without a look at what it sends.
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// What is asked of the upstream, in the words of sqlmap: one parameter in a query, and one field in JSON.
const TARGETS: [(&str, &[&str]); 2] = [
    ("a parameter", &["--url", "{gateway}/api/by-id?id=1", "-p", "id"]),
    ("a field in JSON", &["--url", "{gateway}/api/by-name", "--data", r#"{"name":"lamp*","page":1}"#]),
];

/// How it is told to hide what it sends, each by scripts of its own.
const HIDDEN: [&str; 2] = ["", "space2comment,randomcase,between"];
/// The same, one by one, in the long run.
const HIDDEN_OTHERWISE: [&str; 26] = [
    "space2comment",
    "between",
    "randomcase",
    "charencode",
    "chardoubleencode",
    "charunicodeescape",
    "versionedkeywords",
    "unionalltounion",
    "equaltolike",
    "greatest",
    "least",
    "symboliclogical",
    "space2dash",
    "space2morecomment",
    "space2randomblank",
    "randomcomments",
    "multiplespaces",
    "commentbeforeparentheses",
    "dunion",
    "0eunion",
    "unionvalues",
    "if2case",
    "apostrophemask",
    "percentage",
    "charencode,space2morecomment,randomcase,greatest",
    "chardoubleencode,space2randomblank,randomcomments",
];

/// An upstream that asks its database for whatever it is asked for, and shows its errors.
fn careless() -> Upstream {
    let database = Connection::open_in_memory().expect("a database");
    let tables = "CREATE TABLE items (id INTEGER, name TEXT, price INTEGER);
        INSERT INTO items VALUES (1, 'lamp', 30), (2, 'desk', 90);
        CREATE TABLE users (name TEXT, password TEXT);
        INSERT INTO users VALUES ('admin', 's3cret');";
    database.execute_batch(tables).expect("tables");
    let database = Mutex::new(database);
    Upstream::start(move |request, wire: &mut Wire<'_>| {
        let asked = query_of(request);
        let answer = rows(&database.lock().unwrap_or_else(PoisonError::into_inner), &asked);
        match answer {
            Ok(rows) => wire.json(200, &json!({ "items": rows })),
            Err(error) => wire.json(500, &json!({ "error": error.to_string() })),
        }
    })
}

/// The injection: no parameter of a statement, but a part of its text. An id is decoded once more than it was encoded.
fn query_of(request: &Message) -> String {
    if request.method() == "POST" {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        return format!("SELECT id, name FROM items WHERE name = '{}'", body["name"].as_str().unwrap_or_default());
    }
    let query = request.path().split_once('?').map_or("", |(_, query)| query);
    let id = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "id").map(|(_, value)| value);
    let id = id.unwrap_or_default();
    format!("SELECT id, name FROM items WHERE id = {}", percent_encoding::percent_decode_str(&id).decode_utf8_lossy())
}

fn rows(database: &Connection, asked: &str) -> rusqlite::Result<Vec<Vec<String>>> {
    let mut statement = database.prepare(asked)?;
    let columns = statement.column_count();
    let text = |value: Sql| match value {
        Sql::Null => "null".to_owned(),
        Sql::Integer(number) => number.to_string(),
        Sql::Real(number) => number.to_string(),
        Sql::Text(text) => text,
        Sql::Blob(bytes) => format!("{} bytes", bytes.len()),
    };
    let rows = statement.query_map([], |row| (0..columns).map(|n| row.get(n).map(text)).collect())?;
    rows.collect()
}

fn scene(route: &str, tables: &str) -> Scene {
    Scene::with(careless(), &Extra { route, tables, ..Extra::default() })
}

/// What sqlmap says of one target; `None`, said aloud, where it is absent. Time-based tests are left out of the `quick` ones, since they
/// make the upstream compute for seconds.
fn sqlmap(scene: &Scene, target: &[&str], hidden: &str, is_quick: bool) -> Option<String> {
    let mut command = Command::new(python::with("sqlmap")?);
    let gateway = format!("http://{}", scene.gateway.public());
    let kept = scene.gateway.site().path("sqlmap");
    let bearer = scene.bearer();
    command.args(["-m", "sqlmap.sqlmap", "--batch", "--disable-coloring", "--flush-session", "--output-dir", &kept]);
    command.args(["--level", "2", "--risk", "2", "--threads", "4", "--user-agent", BROWSER]);
    command.args(["--headers", &format!("Authorization: {bearer}")]);
    command.args(target.iter().map(|word| word.replace("{gateway}", &gateway)));
    if !hidden.is_empty() {
        command.args(["--tamper", hidden]);
    }
    if is_quick {
        command.args(["--technique", "BEUS"]);
    }
    let site = scene.gateway.site();
    let said = site.path("sqlmap.said");
    let file = File::create(&said).expect("a file");
    command.env("HOME", site.folder()).stdin(Stdio::null()).stdout(file).stderr(Stdio::null());
    let mut process = command.spawn().expect("started");
    let began = Instant::now();
    // Its own limit does not end it where it is lost in thought.
    while process.try_wait().expect("our child").is_none() {
        if began.elapsed() > LONGEST {
            process.kill().expect("our child");
            process.wait().expect("our child");
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(fs::read_to_string(said).expect("what it said"))
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Found,
    FoundNothing,
    NoEnd,
}

fn outcome(said: &str) -> Outcome {
    match (said.contains(FOUND), said.contains(FOUND_NOTHING)) {
        (true, _) => Outcome::Found,
        (false, true) => Outcome::FoundNothing,
        (false, false) => Outcome::NoEnd,
    }
}

/// Runs sqlmap against the upstream as it is and where requests are looked through, and tells what came of it.
fn compare(open: &Scene, looked_through: &Scene, what: &str, target: &[&str], hidden: &str) -> Option<[Outcome; 2]> {
    let began = Instant::now();
    let without = outcome(&sqlmap(open, target, hidden, true)?);
    let before = looked_through.upstream.requests().len();
    let with = outcome(&sqlmap(looked_through, target, hidden, false)?);
    let passed = looked_through.upstream.requests().split_off(before);
    let refused = looked_through.gateway.metric("claviger_inspections_total", &["verdict=\"denied\""]).unwrap_or(0.0);
    let finds = |outcome| match outcome {
        Outcome::Found => "found",
        Outcome::FoundNothing => "not found",
        Outcome::NoEnd => "no end",
    };
    println!(
        "sqlmap: {what}, {}: {} without inspection, {} with it; {} requests passed, {refused} refused so far; {:.0} s",
        if hidden.is_empty() { "as it is" } else { hidden },
        finds(without),
        finds(with),
        passed.len(),
        began.elapsed().as_secs_f64()
    );
    if std::env::var_os("SQLMAP_PASSED").is_some() {
        for request in passed {
            println!("  passed: {} {}", request.path(), request.text());
        }
    }
    Some([without, with])
}

#[test]
fn sqlmap_finds_an_injection_that_it_does_not_find_where_requests_are_looked_through() {
    let open = scene("", "");
    let looked_through = scene("inspect = \"own\"", "[inspect.own]\nmode = \"enforce\"");
    let mut hidden: Vec<&str> = HIDDEN.to_vec();
    if std::env::var("CLAVIGER_FULL").is_ok_and(|full| full == "1") {
        hidden.extend(HIDDEN_OTHERWISE);
    }
    let mut wrong = Vec::new();
    for (what, target) in TARGETS {
        for hidden in &hidden {
            let Some([without, with]) = compare(&open, &looked_through, what, target, hidden) else { return };
            if hidden.is_empty() {
                assert_eq!([without, with], [Outcome::Found, Outcome::FoundNothing], "{what}");
            }
            if with == Outcome::Found {
                wrong.push(format!("{what}, {hidden}"));
            }
        }
    }
    assert!(wrong.is_empty(), "sqlmap gets through: {wrong:#?}");
}
