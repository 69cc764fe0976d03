//! The sample configurations and the commands of the README, as a new user would use them.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::support::{
    eventually,
    gateway::{Site, program},
    raw,
    tls::Authority,
    upstream::Upstream,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sample(name: &str) -> String {
    fs::read_to_string(root().join("conf").join(name)).unwrap_or_else(|error| panic!("conf/{name}: {error}"))
}

/// A folder with this configuration and the certificates that the samples name.
fn folder_with(config: &str) -> Site {
    let site = Site::new();
    let authority = Authority::new("samples");
    let identity = authority.server(&["api.example.com"]);
    site.write("tls/workloads.pem", authority.pem());
    for (certificate, key) in
        [("tls/api.pem", "tls/api.key"), ("tls/other.pem", "tls/other.key"), ("tls/tls.crt", "tls/tls.key")]
    {
        site.write(certificate, identity.certificate_pem());
        site.write(key, identity.key_pem());
    }
    let partner = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    site.write("keys/acme.pem", partner.public_key_pem());
    site.write("claviger.toml", config);
    site
}

fn check(site: &Site) -> Result<String, String> {
    let output = program().arg("check").current_dir(site.folder()).output().expect("the program runs");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(text) } else { Err(text) }
}

#[test]
fn check_accepts_every_sample() {
    let mut seen = 0;
    for entry in fs::read_dir(root().join("conf")).expect("conf/") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_name().expect("a name").to_str().expect("UTF-8");
            let said = check(&folder_with(&sample(name))).unwrap_or_else(|wrong| panic!("conf/{name}: {wrong}"));
            assert!(said.contains("ok"), "{said}");
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen} samples");
}

/// The keys of each table in the reference, by the table's path.
fn reference() -> BTreeMap<String, Vec<String>> {
    let output = program().args(["schema", "--format", "markdown"]).output().expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut path = "";
    for line in text.lines() {
        if let Some((_, heading)) = line.split_once("# `[") {
            path = heading.trim_end_matches("]`");
        } else if let Some(row) = line.strip_prefix("| `") {
            tables.entry(path.to_owned()).or_default().push(row.split('`').next().expect("a key").to_owned());
        }
    }
    tables
}

/// All tables that stand at a path of the reference, where `NAME` is any name and a list is each of its tables.
fn at<'a>(value: &'a toml::Value, path: &[&str]) -> Vec<&'a toml::Table> {
    if let Some(list) = value.as_array() {
        return list.iter().flat_map(|inner| at(inner, path)).collect();
    }
    let Some(table) = value.as_table() else { return Vec::new() };
    match path {
        [] => vec![table],
        ["NAME", rest @ ..] => table.values().flat_map(|inner| at(inner, rest)).collect(),
        [step, rest @ ..] => table.get(*step).map_or(Vec::new(), |inner| at(inner, rest)),
    }
}

#[test]
fn the_reference_sample_has_every_key() {
    let text = sample("reference.toml");
    let whole: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase()) => format!("{key}\n"),
            Some(_) | None => format!("{line}\n"),
        })
        .collect();
    let whole: toml::Table = whole.parse().unwrap_or_else(|error| panic!("with every `#key` set: {error}"));
    let whole = toml::Value::Table(whole);
    let tables = reference();
    assert!(tables.len() > 20, "{tables:?}");
    for (path, keys) in &tables {
        let path: Vec<_> = path.split('.').collect();
        let found = at(&whole, &path);
        for key in keys {
            assert!(found.iter().any(|table| table.contains_key(key)), "conf/reference.toml: {path:?} lacks `{key}`");
        }
    }
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    let unit = sample("systemd/claviger.service");
    let site = Site::new();
    // The unit's program is where this machine has ours.
    let program = program().get_program().to_str().expect("UTF-8").to_owned();
    let path = site.write("claviger.service", unit.replace("/usr/local/bin/claviger", &program));
    match Command::new("systemd-analyze").args(["verify", "--man=no", &path]).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let about_ours = said.lines().find(|line| line.contains("claviger.service"));
            assert_eq!(about_ours, None, "{said}");
        }
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}"),
    }
}

/// The first fenced block of the README in this language that holds a text.
fn block(language: &str, holds: &str) -> String {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let fence = format!("```{language}\n");
    let blocks = readme.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let mut blocks = blocks.filter(|block| block.contains(holds));
    blocks.next().unwrap_or_else(|| panic!("README.md has no {language} block with {holds:?}")).to_owned()
}

#[test]
fn the_readme_shows_the_minimal_sample() {
    assert_eq!(block("toml", "[listen.public]"), sample("minimal.toml"));
}

/// A process that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs one line of a shell, with our program first in the path.
fn shell(site: &Site, line: &str) -> String {
    let ours = Path::new(program().get_program()).parent().expect("a folder").to_owned();
    let path = format!("{}:{}", ours.display(), std::env::var("PATH").expect("a path"));
    let mut process = Command::new("bash")
        .args(["-euo", "pipefail", "-c", line])
        .current_dir(site.folder())
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    assert!(process.status.success(), "{line}\n{}", String::from_utf8_lossy(&process.stderr));
    String::from_utf8(std::mem::take(&mut process.stdout)).expect("UTF-8")
}

#[test]
fn the_commands_of_the_readme_work_as_they_stand() {
    let upstream = Upstream::echo();
    let here = |text: String, site: &Site| {
        text.replace("127.0.0.1:8080", &site.public.to_string())
            .replace("127.0.0.1:9000", &upstream.address().to_string())
    };
    let site = Site::new();
    site.write("claviger.toml", here(block("toml", "[listen.public]"), &site));

    let mut entry = String::new();
    for line in block("sh", "claviger vault init").lines().filter(|line| !line.is_empty()) {
        let said = shell(&site, line);
        if line.starts_with("claviger key new") {
            let (_, table) = said.split_once("[authn.").expect("an entry");
            entry = format!("\n[authn.{table}");
            let key = said.lines().find(|line| line.starts_with("clv_")).expect("a key");
            site.write("key", key);
        }
    }
    // As the README says: the entry that was printed goes into the file.
    let mut config = fs::OpenOptions::new().append(true).open(site.path("claviger.toml")).expect("the configuration");
    config.write_all(entry.as_bytes()).expect("appended");
    let key = fs::read_to_string(site.path("key")).expect("a key was made");

    let commands = block("sh", "claviger run");
    let mut lines = commands.lines();
    assert_eq!(lines.next(), Some("claviger check claviger.toml"));
    assert!(shell(&site, "claviger check claviger.toml").contains("ok"));
    assert_eq!(lines.next(), Some("claviger run claviger.toml"));
    let log = fs::File::create(site.path("log")).expect("a log");
    let mut run = program();
    run.args(["run", "claviger.toml"]).current_dir(site.folder()).stdout(log.try_clone().expect("a log")).stderr(log);
    let _gateway = Ends(run.spawn().expect("the program starts"));
    eventually("the gateway listens", || raw::Client::try_connect(site.public).ok());

    let curls = block("sh", "curl");
    let curls: Vec<_> = curls.lines().filter(|line| line.starts_with("curl")).collect();
    let wants = [(200, "Bearer ************"), (403, "not_allowed"), (401, "credential_missing")];
    assert_eq!(curls.len(), wants.len(), "{curls:?}");
    for (line, (status, text)) in curls.into_iter().zip(wants) {
        let line = here(line.replace("$KEY", &key).replace("curl -sS", "curl -sS -w '%{http_code}'"), &site);
        let said = shell(&site, &line);
        assert!(said.ends_with(&status.to_string()) && said.contains(text), "{line}: {said}");
        assert!(!said.contains(&key), "the caller's key stays here: {said}");
    }
    let seen = upstream.requests();
    assert_eq!(seen.first().and_then(|one| one.header("authorization")), Some("Bearer the-real-key"));
}
