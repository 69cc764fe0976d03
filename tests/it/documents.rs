//! The reference pages against the code: what a page says of a closed set is made here from the set itself, and has to be what is committed.

use std::{collections::BTreeSet, fs, path::PathBuf};

use claviger::domain::{
    AccessFault, AuthnFault, Denial, HostFault, HttpFault, Inspection, Lockout, Measure, Methods, OauthFault,
    PathFault, ProofFault, TimedOut, Unavailable, Withheld,
};

use crate::support::{
    eventually,
    gateway::{Gateway, Site, program},
    raw,
    setup::{Parts, alice, config_to, set_secret, start_sealed},
    tls::Authority,
    upstream::Upstream,
};

/// Takes over what the code says now.
const CURE: &str = "UPDATE_DOCS=1 cargo test --test it documents";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compares what stands between a page's marks of this name with what the code says.
///
/// # Panics
/// When it differs; under `UPDATE_DOCS` it is written instead.
fn is_told(page: &str, name: &str, said: &str) {
    let text = read(page);
    let (begin, end) = (format!("<!-- begin {name}: generated -->\n"), format!("<!-- end {name} -->"));
    let start = text.find(&begin).unwrap_or_else(|| panic!("{page} has no `{}`", begin.trim())) + begin.len();
    let length = text[start..].find(&end).unwrap_or_else(|| panic!("{page} has no `{end}`"));
    let said = format!("\n{}\n\n", said.trim());
    if text[start..start + length] == said {
        return;
    }
    assert!(std::env::var_os("UPDATE_DOCS").is_some(), "{page}: `{name}` is not what the code says; cure: {CURE}");
    let whole = format!("{}{said}{}", &text[..start], &text[start + length..]);
    fs::write(root().join(page), whole).expect("the page is written");
}

/// The variants of an enum or the fields of a struct, each with its doc comment on one line.
fn documented(file: &str, item: &str) -> Vec<(String, String)> {
    let text = read(file);
    let (_, body) = text.split_once(&format!("{item} {{\n")).unwrap_or_else(|| panic!("no `{item}` in {file}"));
    let mut found = Vec::new();
    let mut doc = String::new();
    for line in body.lines().take_while(|line| !line.starts_with('}')).map(str::trim) {
        match line.strip_prefix("/// ") {
            Some(more) if doc.is_empty() => more.clone_into(&mut doc),
            Some(more) => doc = format!("{doc} {more}"),
            None if line.starts_with('#') || line.is_empty() => {}
            None => {
                let name: String = line.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                found.push((name, std::mem::take(&mut doc)));
            }
        }
    }
    found
}

/// A table of every fault of one sort: its detail in the record, and what its doc comment says.
fn fault_table(file: &str, name: &str, faults: &[(String, Denial)]) -> String {
    let documented = documented(file, &format!("pub enum {name}"));
    let names: Vec<_> = documented.iter().map(|(name, _)| name).collect();
    assert_eq!(names, faults.iter().map(|(name, _)| name).collect::<Vec<_>>(), "this test lists every {name}");
    let rows = documented.iter().zip(faults).map(|((_, doc), (_, denial))| {
        assert!(!denial.detail().is_empty(), "{denial:?} has a detail");
        format!("| `{}` | {} |\n", denial.detail(), cell(doc))
    });
    format!("| detail | rule |\n|---|---|\n{}", rows.collect::<String>())
}

/// Links to items mean nothing on a page.
fn cell(doc: &str) -> String {
    let doc = doc
        .replace("[`NormalPath::MAX_LEN`]", &claviger::domain::NormalPath::MAX_LEN.to_string())
        .replace("[`NormalPath::MAX_SEGMENTS`]", &claviger::domain::NormalPath::MAX_SEGMENTS.to_string())
        .replace('|', "\\|");
    assert!(!doc.contains("[`"), "a link to an item: {doc}");
    doc
}

fn named<T: std::fmt::Debug + Copy>(faults: &[T], denial: impl Fn(T) -> Denial) -> Vec<(String, Denial)> {
    let name = |fault: &T| format!("{fault:?}").chars().take_while(|c| c.is_alphanumeric()).collect::<String>();
    faults.iter().map(|fault| (name(fault), denial(*fault))).collect()
}

#[test]
fn the_configuration_reference_is_what_the_types_say() {
    let output = program().args(["schema", "--format", "markdown"]).output().expect("the program runs");
    assert!(output.status.success());
    is_told("docs/configuration.md", "tables", &String::from_utf8(output.stdout).expect("UTF-8"));
}

/// Every reason why no identity was proved.
const AUTHN: [AuthnFault; 25] = {
    use AuthnFault::*;
    [
        Missing,
        Several,
        Malformed,
        Algorithm,
        UnknownKey,
        Canary,
        Signature,
        Expired,
        NotYetValid,
        Issuer,
        Audience,
        Type,
        Critical,
        Claim,
        Network,
        Binding,
        Proof(ProofFault::Missing),
        Replay,
        Inactive,
        Certificate,
        Revoked,
        Idle,
        Spent,
        Component,
        Digest,
    ]
};

#[test]
fn every_rule_by_which_requests_are_refused_is_told() {
    use HttpFault::{Host, Path};
    let page = "docs/requests.md";
    let path = {
        use PathFault::*;
        [
            NotAbsolute,
            TooLong,
            TooDeep,
            BadCharacter,
            Fragment,
            Backslash,
            Parameters,
            EmptySegment,
            DotSegment,
            BadEscape,
            DoubleEncoding,
            EncodedControl,
            EncodedSlash,
        ]
    };
    let host = [HostFault::Missing, HostFault::TooLong, HostFault::Malformed, HostFault::BadPort];
    let http = {
        use HttpFault::*;
        [
            Path(PathFault::DotSegment),
            Host(HostFault::Missing),
            LineEnd,
            RequestLine,
            Field,
            FieldName,
            Repeated,
            Forwarded,
            ContentLength,
            TransferEncoding,
            Connection,
            Expect,
            Upgrade,
            Method,
            Upload,
        ]
    };
    let path = named(&path, |fault| Denial::Malformed(Path(fault)));
    is_told(page, "path", &fault_table("src/domain/path.rs", "PathFault", &path));
    let host = named(&host, |fault| Denial::Malformed(Host(fault)));
    is_told(page, "host", &fault_table("src/domain/host.rs", "HostFault", &host));
    let table = fault_table("src/domain/denial.rs", "HttpFault", &named(&http, Denial::Malformed));
    // Those two have tables of their own.
    let rest = |line: &&str| !line.contains("path normal form") && !line.contains("host normal form");
    is_told(page, "http", &table.lines().filter(rest).collect::<Vec<_>>().join("\n"));
    let table = fault_table("src/domain/authn_fault.rs", "AuthnFault", &named(&AUTHN, Denial::Unauthenticated));
    // It has a table of its own.
    let rest = |line: &&str| !line.contains("`proof_");
    is_told(page, "authn", &table.lines().filter(rest).collect::<Vec<_>>().join("\n"));
    let proofs = named(&ProofFault::ALL, |fault| Denial::Unauthenticated(AuthnFault::Proof(fault)));
    is_told(page, "proofs", &fault_table("src/domain/proof_fault.rs", "ProofFault", &proofs));
}

#[test]
fn every_code_of_a_denial_is_told() {
    use Unavailable::{
        Audit, Authenticator, Cluster, Credential, IssuerKeys, Passwords, Scrub, Upstream, UpstreamProtocol,
        UpstreamTimeout,
    };
    let file = "src/domain/denial.rs";
    let away = [
        Credential,
        IssuerKeys,
        Authenticator,
        Passwords,
        Upstream,
        UpstreamTimeout,
        UpstreamProtocol,
        Scrub,
        Audit,
        Cluster,
    ];
    assert_eq!(documented(file, "pub enum Unavailable").len(), away.len(), "this test lists every Unavailable");
    let mut denials = vec![
        Denial::Malformed(HttpFault::Field),
        Denial::Malformed(HttpFault::Method),
        Denial::HeadTooLarge,
        Denial::BodyTooLarge,
        Denial::BodyForm,
        Denial::TimedOut(TimedOut::Head),
        Denial::Misdirected,
        Denial::NoRoute,
        Denial::MethodNotAllowed(Methods::ALL),
        Denial::Unauthenticated(AuthnFault::Missing),
        Denial::Unauthenticated(AuthnFault::Several),
        Denial::Unauthenticated(AuthnFault::Expired),
        Denial::NotAllowed,
        Denial::Canary,
        Denial::ApprovalNeeded,
        Denial::OnHold,
        Denial::RateExceeded(std::time::Duration::ZERO),
        Denial::VolumeExceeded(Measure::Bytes, std::time::Duration::ZERO),
        Denial::LockedOut(Lockout::Address, std::time::Duration::ZERO),
        Denial::TooManyInFlight,
        Denial::TooManySessions,
        Denial::Withheld(Withheld::Leak),
        Denial::Internal,
    ];
    denials.extend(Inspection::ALL.map(Denial::Inspection));
    denials.extend(away.map(Denial::Unavailable));
    denials.extend(OauthFault::ALL.map(Denial::TokenRequest));
    denials.extend(AccessFault::ALL.map(Denial::Access));
    denials.sort_by_key(Denial::status);
    let variants: BTreeSet<_> = named(&denials, |denial| denial).into_iter().map(|(name, _)| name).collect();
    let all: BTreeSet<_> = documented(file, "pub enum Denial").into_iter().map(|(name, _)| name).collect();
    assert_eq!(variants, all, "this test lists every Denial");

    let mut rows: Vec<String> = Vec::new();
    for denial in &denials {
        let row = format!("| {} | `{}` | {} |\n", denial.status(), denial.code(), denial.public_text());
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    let codes = rows.iter().map(|row| row.split('`').nth(1)).collect::<BTreeSet<_>>().len();
    assert_eq!(codes, rows.len(), "a code has one status and one text");
    // The code alone is searched for here: these come out of one arm each.
    let source = read(file);
    let (_, arms) = source.split_once("pub fn code(&self)").expect("the codes");
    let (arms, _) = arms.split_once("pub fn detail(&self)").expect("their end");
    let others = OauthFault::ALL.len() + AccessFault::ALL.len() + Inspection::ALL.len() - 1;
    assert_eq!(arms.matches("=> \"").count() + others, codes, "every code is in the table");
    is_told(
        "docs/requests.md",
        "denials",
        &format!("| status | code | what the client is told |\n|---|---|---|\n{}", rows.concat()),
    );
}

/// The names in the first column of the table below this heading.
fn first_column(page: &str, heading: &str) -> Vec<String> {
    let text = read(page);
    let (_, below) = text.split_once(heading).unwrap_or_else(|| panic!("{page} has no `{heading}`"));
    let rows = below.lines().skip_while(|line| !line.starts_with("| `")).take_while(|line| line.starts_with("| `"));
    rows.map(|row| row.split('`').nth(1).expect("a name").to_owned()).collect()
}

#[test]
fn every_member_of_an_audit_record_is_told() {
    let page = "docs/audit.md";
    let source = read("src/audit/line.rs");
    for (function, kind) in [
        ("fn exchange(", "exchange"),
        ("fn decision(", "decision"),
        ("fn lost(", "lost"),
        ("fn skipped(", "skipped"),
        ("fn opened(", "opened"),
        ("fn closed(", "closed"),
    ] {
        let heading = &format!("## `kind = \"{kind}\"`");
        let members = written_members(&source, function);
        assert_eq!(
            first_column(page, heading),
            members,
            "{page} tells the members that `{function}` writes, in their order"
        );
    }
}

/// How the functions that write parts of lines are called, and how they begin.
const PARTS: [(&str, &str); 3] =
    [("self.sent(", "fn sent("), ("self.asked(", "fn asked("), ("self.of_process(", "fn of_process<")];

/// The members that a function of the audit log's lines writes, in their order.
fn written_members(source: &str, function: &str) -> Vec<String> {
    let (_, body) = source.split_once(function).expect("the function");
    let mut members = ["kind", "chain", "seq", "prev"].map(str::to_owned).to_vec();
    for line in body.lines().take_while(|line| *line != "    }").map(str::trim) {
        if line.starts_with("self.time(") {
            members.extend(["time", "clock_step"].map(str::to_owned));
        } else if line.starts_with("self.period(") {
            members.push("period".to_owned());
        } else if line.starts_with("self.told") {
            members.extend(line.split('"').nth(1).map(str::to_owned));
        } else if let Some((_, part)) = PARTS.iter().find(|(call, _)| line.contains(call)) {
            members.extend(written_members(source, part).into_iter().skip(4));
        } else if let Some((_, call)) = line.split_once("line.").filter(|(before, _)| before.is_empty()) {
            members.extend(call.split('"').nth(1).map(str::to_owned));
        }
    }
    members
}

#[test]
fn a_written_record_has_no_member_that_is_not_told() {
    let upstream = Upstream::echo();
    let gateway = serving(&upstream.url());
    let answer = gateway.get("/api/x?q=1", &[("Authorization", &alice().bearer())]);
    assert_eq!(answer.status(), 200);
    let line = gateway.audited("a record", |line| line["outcome"] == "completed");
    let told = first_column("docs/audit.md", "## `kind = \"exchange\"`");
    let members: Vec<_> = line.as_object().expect("an object").keys().collect();
    assert!(members.len() > 20, "{members:?}");
    assert!(members.iter().all(|member| told.contains(member)), "{members:?}");
    let rule = line["rule"].as_str().expect("a rule").replace("api", "orders");
    assert!(read("docs/audit.md").contains(&format!("by route and place: `{rule}`")), "{rule}");
}

const REPLACED: &str = r#"
[inspect.looked]
[vault.local.sealed_file]
path = "secrets.sealed"
key_file = "master.key"
[credential.replaced.bearer]
target = "api"
secret = "local:key"
[leak.all]
[sink.printed.stdout]
[limit.few]
by = "client"
requests = 1000000
[notify.soc.webhook]
url = "https://soc.test/"
secret = "local:key"
[rotation.replaced]
credential = "replaced"
create = ["/bin/false"]
probe = { path = "/" }
"#;

fn serving(url: &str) -> Gateway {
    let gateway = Gateway::start(|site: &mut Site| {
        start_sealed(site);
        set_secret(site, "key", "a-secret");
        config_to(site, url, &Parts { more: REPLACED, route: "limits = [\"few\"]\n", ..Parts::default() })
    });
    // The control plane may be ready a moment before the listeners are.
    eventually("clients can connect", || raw::Client::try_connect(gateway.public()).ok());
    gateway
}

#[test]
fn every_metric_is_told_with_its_labels() {
    let upstream = Upstream::echo();
    let gone = upstream.url();
    drop(upstream);
    let gateway = serving(&gone);
    // What fails has series of its own: an upstream that is away, a denial, and a secret that cannot be replaced.
    let rotate = program().current_dir(gateway.site().folder()).args(["vault", "rotate", "replaced"]).output();
    assert_eq!(rotate.expect("the program").status.code(), Some(1));
    assert_eq!(gateway.get("/api/x", &[("Authorization", &alice().bearer())]).status(), 502);
    let text = eventually("the exchange is counted", || {
        let host = gateway.admin().to_string();
        let request = raw::request("GET", "/metrics", &[("Host", &host), ("Connection", "close")], b"");
        let text = raw::parse(&raw::exchange(gateway.admin(), &request)).text();
        let is_counted = |name: &str| text.lines().any(|line| line.starts_with(name) && !line.ends_with(" 0"));
        let last = [
            "claviger_upstream_errors_total",
            "claviger_backends",
            "claviger_denials_total",
            "claviger_rotations_total",
        ];
        last.into_iter().all(is_counted).then_some(text)
    });

    let mut rows = Vec::new();
    for line in text.lines() {
        let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) else { continue };
        let kind = text.lines().find_map(|line| line.strip_prefix(&format!("# TYPE {name} "))).expect("a type");
        let series = text.lines().find(|line| line.starts_with(name)).expect("a series");
        let labels = series.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(labels, _)| labels);
        let labels = labels.split(',').filter_map(|label| label.split_once('=')).map(|(label, _)| label);
        let labels: Vec<_> = labels.filter(|label| *label != "le").map(|label| format!("`{label}`")).collect();
        rows.push(format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", ")));
    }
    let files = fs::read_dir(root().join("src/telemetry")).expect("a folder");
    let files = files.map(|file| file.expect("a file").path()).filter(|path| path.is_file());
    let declared: String = files.map(|path| fs::read_to_string(path).expect("text")).collect();
    let calls = ["counter(", "counters(", "gauge(", "number(", "numbers(", "gauges(", "histogram(", "histograms("];
    let count: usize = calls
        .map(|call| {
            declared.matches(&format!("declare.{call}")).count()
                + declared.matches(&format!("declare\n                .{call}")).count()
        })
        .iter()
        .sum();
    assert_eq!(rows.len(), count, "every metric that is declared has shown itself:\n{}", rows.concat());
    is_told(
        "docs/metrics.md",
        "metrics",
        &format!("| name | type | labels | what it is |\n|---|---|---|---|\n{}", rows.concat()),
    );
}

#[test]
fn every_value_of_a_label_is_told() {
    let text = read("src/telemetry/labels.rs");
    let (_, sets) = text.split_once("\nlabels! {\n").expect("the sets");
    let (sets, _) = sets.split_once("\n}\n").expect("their end");
    let (mut rows, mut doc, mut set) = (String::new(), "", String::new());
    for line in sets.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            doc = text;
        } else if line.ends_with('{') {
            doc.trim_end_matches('.').clone_into(&mut set);
        } else if let Some((_, value)) = line.split_once(" = ") {
            let value = value.trim_matches([',', '"']);
            rows.push_str(&format!("| {set} | `{value}` | {doc} |\n"));
        }
    }
    assert!(rows.lines().count() > 20, "{rows}");
    is_told("docs/metrics.md", "labels", &format!("| set | value | meaning |\n|---|---|---|\n{rows}"));
}

#[test]
fn the_import_table_is_the_one_that_is_enforced() {
    let text = read("tests/architecture.rs");
    let (_, table) = text.split_once("const MAY_USE: &[(&str, &[&str])] = &[").expect("the table");
    let (table, _) = table.split_once("\n];").expect("its end");
    let mut rows = String::new();
    for row in table.split("]").filter(|row| row.contains('"')) {
        let mut names = row.split('"').skip(1).step_by(2);
        let module = names.next().expect("a module");
        let built =
            root().join("src").join(module).is_dir() || root().join("src").join(format!("{module}.rs")).is_file();
        let used: Vec<_> = names.collect();
        let used = if used.is_empty() { "-".to_owned() } else { used.join(", ") };
        rows.push_str(&format!("| {module} | {} | {used} |\n", if built { "yes" } else { "to come" }));
    }
    assert!(rows.lines().count() > 15, "{rows}");
    is_told("ARCHITECTURE.md", "imports", &format!("| module | built | may use |\n|---|---|---|\n{rows}"));
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    let told: BTreeSet<_> = first_column("ARCHITECTURE.md", "## Dependencies").into_iter().collect();
    let mut named = BTreeSet::new();
    for kind in ["dependencies", "dev-dependencies"] {
        named.extend(manifest[kind].as_table().expect("a table").keys().cloned());
    }
    assert_eq!(told, named, "ARCHITECTURE.md says of every dependency why it is there, and of no other");
}

#[test]
fn every_test_that_architecture_names_is_there() {
    let text = read("ARCHITECTURE.md");
    let names: BTreeSet<_> = text.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() > 2).collect();
    assert!(names.len() > 20, "{names:?}");
    let mut sources = String::new();
    let mut folders = vec![root().join("src"), root().join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&fs::read_to_string(path).expect("a source file"));
            }
        }
    }
    for name in names {
        assert!(sources.contains(&format!("fn {name}(")), "ARCHITECTURE.md names `{name}`, which is no test");
    }
}

#[test]
fn check_accepts_what_the_page_on_authentication_shows() {
    let text = read("docs/authentication.md");
    let blocks: String = text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.matches("[authn.").count() >= 3, "{blocks}");
    let site = Site::new();
    site.write("workloads.pem", Authority::new("workloads").pem());
    for secret in ["introspection", "acme"] {
        site.write(&format!("secrets/{secret}"), "0123456789abcdef0123456789abcdef");
    }
    let sessions = "[sessions]\nissuer = \"https://auth.example.com\"\nkey = \"base:sealing\"\nauthn = [\"keys\"]\n";
    let base = "[listen.a]\naddress = \"127.0.0.1:1\"\n[target.api]\nurl = \"https://api.example.com\"\n\
                [store]\npath = \"claviger.db\"\n[vault.base.directory]\npath = \"secrets\"\n";
    site.write("claviger.toml", format!("{base}{sessions}{blocks}"));
    let output = program().arg("check").current_dir(site.folder()).output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
