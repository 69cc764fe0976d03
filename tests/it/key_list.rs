//! `claviger key list`: what is shown of the API keys of a configuration.

use claviger::crypto::{ApiKeyRecord, api_key};
use serde_json::{Value, json};

use crate::support::gateway::{Site, program};

/// A configuration with these lines in front of what it serves.
fn site(authn: &str) -> Site {
    let site = Site::new();
    let config = format!(
        "[listen.public]\naddress = \"127.0.0.1:8080\"\n{authn}[authn.partners.api_key]\nheader = \"X-Api-Key\"\n\
         [target.api]\nurl = \"https://api.test\"\n[route.api]\npath = \"/**\"\ntarget = \"api\"\n\
         authn = [\"partners\"]\nallow = [{{ role = \"reader\" }}]\n"
    );
    site.write("claviger.toml", config);
    site
}

/// For a decoy to end.
const SESSIONS: &str = "[vault.files.directory]\npath = \"secrets\"\n[store]\npath = \"store.db\"\n[sessions]\n\
                        issuer = \"https://gateway.test\"\nkey = \"files:sealing\"\nauthn = [\"keys\"]\n";

/// Exit status, what was printed, and what was complained about.
fn list(site: &Site, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = program();
    let output = command.args(["key", "list"]).args(arguments).current_dir(site.folder()).output();
    let output = output.expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// An entry for a new key, and the record of it.
fn entry(label: &str, more: &str) -> (ApiKeyRecord, String) {
    let (_, record) = api_key::generate();
    let (prefix, digest) = (record.prefix(), record.digest_text());
    let text = format!("[authn.{label}]\nprefix = \"{prefix}\"\ndigest = \"{digest}\"\n{more}\n");
    (record, text)
}

#[test]
fn every_key_is_listed_with_what_it_confers_and_nothing_that_proves_it() {
    let (nightly, first) = entry("keys.api_key.key.nightly", "owner = \"report\"\nroles = [\"reader\", \"writer\"]");
    let (old, second) = entry(
        "partners.api_key.key.old",
        "owner = \"acme\"\nkind = \"human\"\nscopes = [\"read\"]\nexpires = \"2020-01-01T00:00:00Z\"\n\
         networks = [\"10.0.0.0/8\", \"2001:db8::/32\"]",
    );
    let (planted, third) =
        entry("keys.api_key.key.planted", "owner = \"ci-bot\"\ncanary = true\nrevokes = [\"keys:report\"]");
    let site = site(&[SESSIONS.to_owned(), first, third, second].concat());
    site.write("secrets/sealing", "");
    let [nightly_prefix, old_prefix, planted_prefix] = [&nightly, &old, &planted].map(ApiKeyRecord::prefix);

    let (status, table, complaints) = list(&site, &["claviger.toml"]);
    assert_eq!((status, &*complaints), (Some(0), ""));
    let want = format!(
        "key           prefix        owner   roles          expires                       networks\n\
         keys:nightly  {nightly_prefix}  report  reader,writer  never                         any\n\
         keys:planted  {planted_prefix}  ci-bot  (decoy)        never                         any\n\
         partners:old  {old_prefix}  acme    -              2020-01-01T00:00:00Z (ended)  10.0.0.0/8,2001:db8::/32\n"
    );
    assert_eq!(table, want);

    let (_, text, _) = list(&site, &["--json"]);
    let shown: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        shown,
        json!([
            {
                "authenticator": "keys", "name": "nightly", "prefix": nightly_prefix, "owner": "report", "kind": "service",
                "roles": ["reader", "writer"], "scopes": [], "expires": null, "is_expired": false, "networks": null,
                "is_canary": false, "revokes": [],
            },
            {
                "authenticator": "keys", "name": "planted", "prefix": planted_prefix, "owner": "ci-bot", "kind": "service",
                "roles": [], "scopes": [], "expires": null, "is_expired": false, "networks": null,
                "is_canary": true, "revokes": ["keys:report"],
            },
            {
                "authenticator": "partners", "name": "old", "prefix": old_prefix, "owner": "acme", "kind": "human",
                "roles": [], "scopes": ["read"], "expires": "2020-01-01T00:00:00Z", "is_expired": true,
                "networks": ["10.0.0.0/8", "2001:db8::/32"], "is_canary": false, "revokes": [],
            },
        ])
    );
    for record in [nightly, old, planted] {
        let digest = record.digest_text();
        let (_, digits) = digest.split_once(':').expect("a digest");
        assert!(!table.contains(digits) && !text.contains(digits), "the digest is shown");
    }
}

#[test]
fn where_there_is_no_key_or_no_sound_configuration_that_is_said() {
    let empty = site("");
    assert_eq!(list(&empty, &[]), (Some(0), "There is no key.\n".to_owned(), String::new()));
    assert_eq!(list(&empty, &["--json"]).1, "[]\n");
    let (status, said, complaints) = list(&site("[authn.keys.api_key.key.x]\nowner = \"a\"\n"), &[]);
    assert_eq!((status, &*said), (Some(2), ""));
    assert!(complaints.contains("claviger.toml:3:1: "), "{complaints}");
    assert_eq!(list(&empty, &["other.toml"]).0, Some(2));
}

#[test]
fn help_and_completions_know_it() {
    let said = |arguments: &[&str]| {
        String::from_utf8(program().args(arguments).output().expect("the program runs").stdout).expect("UTF-8")
    };
    assert!(said(&["key", "--help"]).contains("\n  list "), "{}", said(&["key", "--help"]));
    assert!(said(&["completions", "fish"]).contains("__fish_seen_subcommand_from list"));
}
