//! What is told of the step from one configuration to another: a table.

use std::path::Path;

use super::*;

const HEAD: &str = r#"
[listen.public]
address = "127.0.0.1:1"
[store]
path = "claviger.db"
[authn.keys.api_key]
[authn.corp.api_key]
header = "X-Corp"
[target.a]
url = "https://a.example"
[target.b]
url = "https://b.example"
[vault.local.directory]
path = "."
[credential.a.bearer]
target = "a"
secret = "local:a"
[credential.bait.canary]
target = "a"
[access]
url = "https://gateway.example.com"
authn = ["keys"]
[approval.finance]
approvers = ["lead"]
max = "15m"
[limit.few]
by = "client"
requests = 5
"#;

/// A route to `a` for `keys` with these keys.
fn route(name: &str, path: &str, keys: &str) -> String {
    format!("[route.{name}]\npath = \"{path}\"\ntarget = \"a\"\nauthn = [\"keys\"]\n{keys}\n")
}

/// A caller of `keys` in the configuration.
fn key(label: &str, keys: &str) -> String {
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    format!("[authn.keys.api_key.key.{label}]\nprefix = \"Xk29sTq0Bv7L\"\ndigest = \"sha256:{digest}\"\n{keys}\n")
}

fn configuration(text: &str) -> Configuration {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("claviger.toml");
    std::fs::write(&file, text).expect("written");
    load(&file).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"))
}

fn load(file: &Path) -> Result<Configuration, ReviewError> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Configuration::load(file)
}

fn told(old: &str, new: &str) -> Vec<String> {
    let (old, new) = (configuration(&format!("{HEAD}{old}")), configuration(&format!("{HEAD}{new}")));
    old.compare(&new).iter().map(|change| format!("{}: {}", change.effect.text(), change.text)).collect()
}

#[test]
fn what_a_step_changes_is_told_by_what_it_means() {
    let billing = |more: &str| {
        route("stripe", "/stripe/**", &format!("allow = [{{ role = \"billing\", methods = [\"GET\"] }}{more}]"))
    };
    let open = |keys: &str| route("r", "/r/**", &format!("allow = [{{ role = \"x\" }}]\n{keys}"));
    let refunds = ", { role = \"billing\", methods = [\"POST\"], paths = [\"/v1/refunds\"], approval = \"finance\" }";
    let free = ", { role = \"billing\", methods = [\"POST\"], paths = [\"/v1/refunds\"] }";
    let cases: Vec<(&str, String, String, Vec<&str>)> = vec![
        ("the same", billing(""), billing(""), vec![]),
        (
            "a rule more",
            billing(""),
            billing(refunds),
            vec!["gained: role billing gains POST /stripe/v1/refunds (approval finance, 15m), route stripe"],
        ),
        (
            "a rule less",
            billing(free),
            billing(""),
            vec!["lost: role billing loses POST /stripe/v1/refunds, route stripe"],
        ),
        (
            "an approval more",
            billing(free),
            billing(refunds),
            vec![
                "lost: role billing needs approval finance, 15m for POST /stripe/v1/refunds, before nothing more, route stripe",
            ],
        ),
        (
            "an approval less",
            billing(refunds),
            billing(free),
            vec![
                "gained: role billing needs nothing more for POST /stripe/v1/refunds, before approval finance, 15m, route stripe",
            ],
        ),
        (
            "the same in another form",
            billing(", { role = \"billing\", methods = [\"GET\"], paths = [\"/v1/**\"] }"),
            billing(""),
            vec![],
        ),
        (
            "the same rules in another order",
            route("r", "/r/**", "allow = [{ role = \"x\" }, { scope = \"s\", paths = [\"/a\"] }]"),
            route("r", "/r/**", "allow = [{ scope = \"s\", paths = [\"/a\"] }, { role = \"x\" }]"),
            vec![],
        ),
        (
            "a narrower path",
            route("r", "/r/**", "allow = [{ scope = \"s\", methods = [\"GET\"], paths = [\"/a/**\"] }]"),
            route("r", "/r/**", "allow = [{ scope = \"s\", methods = [\"GET\"], paths = [\"/a/*\"] }]"),
            vec!["lost: scope s loses GET /r/a/** but for /r/a/*, route r"],
        ),
        (
            "a more specific route takes what another allowed",
            open(""),
            format!("{}{}", open(""), route("s", "/r/s/**", "")),
            vec![
                "lost: role x loses every method on /r/s/**, route r",
                "changed: route s is added: path \"/r/s/**\", target \"a\", authn [\"keys\"]",
                "changed: route s takes every method on /r/s/**, which route r took",
            ],
        ),
        (
            "a network more",
            route("r", "/r/**", "allow = [{ role = \"x\", methods = [\"GET\"], networks = [\"10.0.0.0/9\"] }]"),
            route(
                "r",
                "/r/**",
                "allow = [{ role = \"x\", methods = [\"GET\"], networks = [\"10.0.0.0/9\", \"10.128.0.0/9\"] }]",
            ),
            vec!["gained: role x needs from 10.0.0.0/9, 10.128.0.0/9 for GET /r/**, before from 10.0.0.0/9, route r"],
        ),
        (
            "the same networks",
            route("r", "/r/**", "allow = [{ role = \"x\", networks = [\"10.0.0.0/8\"] }]"),
            route("r", "/r/**", "allow = [{ role = \"x\", networks = [\"10.0.0.0/9\", \"10.128.0.0/9\"] }]"),
            vec![],
        ),
        (
            "a scope less",
            route("r", "/r", "methods = [\"GET\"]\nallow = [{ role = \"x\", scopes = [\"a\", \"b\"] }]"),
            route("r", "/r", "methods = [\"GET\"]\nallow = [{ role = \"x\", scopes = [\"a\"] }]"),
            vec!["gained: role x needs scope a for GET /r, before scope a and scope b, route r"],
        ),
        (
            "a host of its own",
            open(""),
            format!("{}{}", open(""), route("h", "/r/**", "host = \"api.test\"\nallow = [{ role = \"y\" }]")),
            vec![
                "gained: role y gains every method on api.test/r/**, route h",
                "lost: role x loses every method on api.test/r/**, route r",
                "changed: route h is added: host \"api.test\", path \"/r/**\", target \"a\", authn [\"keys\"]",
                "changed: route h takes every method on api.test/r/**, which route r took",
            ],
        ),
        (
            "a prefix that stays",
            route("r", "/r/**", "allow = [{ role = \"x\", methods = [\"GET\"], paths = [\"/r/a\"] }]"),
            route(
                "r",
                "/r/**",
                "keep_prefix = true\nallow = [{ role = \"x\", methods = [\"GET\"], paths = [\"/r/a\"] }]",
            ),
            vec![
                "gained: role x gains GET /r/a, route r",
                "lost: role x loses GET /r/r/a, route r",
                "changed: route r: `keep_prefix` is true, was not written",
            ],
        ),
        (
            "a member and a claim",
            format!("{}[role.x]\nmembers = [\"keys:ada\"]\n", open("")),
            format!("{}[role.x]\nclaims = [\"group\"]\n", open("")),
            vec!["gained: whoever's claims name `group` gains role x", "lost: principal keys:ada loses role x"],
        ),
        (
            "nobody has to prove anything any more",
            open(""),
            open("").replace("[\"keys\"]", "[\"keys\", \"anonymous\"]"),
            vec![
                "gained: route r becomes open to callers who prove nothing: `authn` is [\"keys\", \"anonymous\"], was [\"keys\"]",
            ],
        ),
        (
            "another way to prove",
            open("").replace("[\"keys\"]", "[\"keys\", \"corp\"]"),
            open(""),
            vec!["lost: route r: `authn` is [\"keys\"], was [\"keys\", \"corp\"]"],
        ),
        (
            "rules that are not enforced any more",
            open(""),
            open("mode = \"shadow\""),
            vec![
                "gained: everybody who is proved gains every method on /r/**, route r",
                "gained: route r does not enforce its rules any more (`shadow`)",
            ],
        ),
        (
            "another target",
            open(""),
            open("").replace("target = \"a\"", "target = \"b\""),
            vec!["changed: route r sends requests to target \"b\" (\"https://b.example\"), not to \"a\""],
        ),
        (
            "a credential",
            open(""),
            open("credential = \"a\""),
            vec!["changed: route r puts credential \"a\" on requests, not nothing"],
        ),
        (
            "bait",
            open("credential = \"bait\""),
            open(""),
            vec![
                "gained: role x gains every method on /r/**, route r",
                "changed: route r puts credential nothing on requests, not \"bait\"",
            ],
        ),
        (
            "a limit less, secrets not looked for",
            open("limits = [\"few\"]"),
            open("scrub = \"lenient\""),
            vec![
                "gained: route r: `limits` is not written, was [\"few\"]",
                "gained: route r: `scrub` is \"lenient\", was not written",
            ],
        ),
        (
            "a more specific route takes what another allowed, for callers who prove less",
            open(""),
            format!(
                "{}{}",
                open(""),
                route("s", "/r/s", "allow = [{ role = \"x\" }]").replace("[\"keys\"]", "[\"corp\"]")
            ),
            vec![
                "gained: route s takes every method on /r/s, which route r took, and lets in whom corp proves",
                "changed: route s is added: path \"/r/s\", target \"a\", authn [\"corp\"]",
            ],
        ),
        (
            "conditions of a role go with it",
            format!("{}[role.x]\nrequires = [\"corp\"]\n", open("")),
            open(""),
            vec!["gained: role x is removed: requires [\"corp\"]"],
        ),
        (
            "a role counts for more",
            format!("{}[role.x]\nrequires = [\"corp\"]\nnetworks = [\"10.0.0.0/8\"]\n", open("")),
            format!("{}[role.x]\nrequires = [\"corp\", \"keys\"]\nnetworks = [\"10.0.0.0/7\"]\n", open("")),
            vec![
                "gained: role x: `networks` is [\"10.0.0.0/7\"], was [\"10.0.0.0/8\"]",
                "gained: role x: `requires` is [\"corp\", \"keys\"], was [\"corp\"]",
            ],
        ),
        (
            "the monitor is off",
            open(""),
            format!("{}[monitor]\nenabled = false\n", open("")),
            vec!["gained: monitor: `enabled` is false, was not written"],
        ),
        (
            "a key in the configuration can more",
            format!("{}{}", open(""), key("nightly", "owner = \"a\"\nroles = [\"x\"]")),
            format!("{}{}", open(""), key("nightly", "owner = \"b\"\nroles = [\"x\", \"y\"]")),
            vec![
                "gained: authn keys.api_key.key.nightly: `owner` is \"b\", was \"a\"",
                "gained: authn keys.api_key.key.nightly: `roles` is [\"x\", \"y\"], was [\"x\"]",
            ],
        ),
        (
            "a key in the configuration more",
            open(""),
            format!("{}{}", open(""), key("nightly", "owner = \"a\"\nroles = [\"x\"]")),
            vec!["gained: authn keys.api_key.key.nightly is added: owner \"a\", roles [\"x\"]"],
        ),
        (
            "a key in the configuration less",
            format!("{}{}", open(""), key("nightly", "owner = \"a\"\nroles = [\"x\"]")),
            open(""),
            vec!["lost: authn keys.api_key.key.nightly is removed: owner \"a\", roles [\"x\"]"],
        ),
        (
            "a route is gone",
            format!("{}{}", open(""), route("s", "/s", "methods = [\"GET\"]\nallow = [{ principal = \"keys:ada\" }]")),
            open(""),
            vec![
                "lost: principal keys:ada loses GET /s, route s",
                "changed: route s is removed: path \"/s\", methods [\"GET\"], target \"a\", authn [\"keys\"]",
            ],
        ),
    ];
    for (case, old, new, want) in cases {
        assert_eq!(told(&old, &new), want, "{case}");
    }
}

#[test]
fn other_tables_are_compared_key_by_key() {
    let with = |from: &str, to: &str| {
        let base = format!("{HEAD}{}", route("r", "/r", ""));
        let (old, new) = (configuration(&base), configuration(&base.replace(from, to)));
        old.compare(&new).iter().map(|change| format!("{}: {}", change.effect.text(), change.text)).collect::<Vec<_>>()
    };
    for (from, to, want) in [
        (
            "https://a.example",
            "https://c.example",
            "changed: target a is \"https://c.example\", not \"https://a.example\": what is sent to it goes there, credentials too",
        ),
        (
            "[\"lead\"]",
            "[\"lead\", \"x\"]",
            "gained: approval finance: `approvers` is [\"lead\", \"x\"], was [\"lead\"]",
        ),
        ("max = \"15m\"", "max = \"15m\"\nneeded = 2", "lost: approval finance: `needed` is 2, was not written"),
        ("requests = 5", "requests = 6", "changed: limit few: `requests` is 6, was 5"),
        (
            "[limit.few]",
            "[failures]\nenabled = false\n[limit.few]",
            "gained: failures: `enabled` is false, was not written",
        ),
    ] {
        let told = with(from, to);
        assert!(told.iter().any(|one| one == want), "{want}: {told:?}");
    }
    assert_eq!(
        with("[credential.bait.canary]\ntarget = \"a\"", "[credential.bait.canary]\ntarget = \"b\""),
        ["changed: credential bait goes to target \"b\" (\"https://b.example\"), not to \"a\""]
    );
}

#[test]
fn what_nobody_can_say_to_be_no_gain_may_be_one() {
    let may_be_gained = |from: &str, to: &str| {
        let base = format!("{HEAD}[server]\nthreads = 2\n{}", route("r", "/r", ""));
        let (old, new) = (configuration(&base), configuration(&base.replace(from, to)));
        old.compare(&new).iter().any(Change::may_be_gained)
    };
    for (from, to, want) in [
        ("requests = 5", "requests = 6", true),
        ("max = \"15m\"", "max = \"15h\"", true),
        ("https://a.example", "https://c.example", true),
        (
            "[limit.few]",
            "[sessions]\nissuer = \"https://gateway.example.com\"\nkey = \"local:k\"\nauthn = [\"keys\"]\n[limit.few]",
            true,
        ),
        ("threads = 2", "threads = 4", false),
        ("url = \"https://a.example\"", "url = \"https://a.example\"\nread_timeout = \"5s\"", false),
        ("[limit.few]", "[limit.more]\nby = \"client\"\nrequests = 7\n[limit.few]", false),
        ("max = \"15m\"", "max = \"15m\"\nneeded = 2", false),
    ] {
        assert_eq!(may_be_gained(from, to), want, "{from} {to}");
    }
}

#[test]
fn what_was_used_in_another_way_than_by_a_rule_of_its_place_is_not_called_unused() {
    let roles = "[role.lead]\nmembers = [\"keys:lea\"]\n[role.ops]\nmembers = [\"keys:ola\"]\n";
    let rules = "allow = [{ role = \"x\" }, { scope = \"s\", methods = [\"GET\"] }, { principal = \"keys:bob\" }]";
    let configuration = configuration(&format!("{HEAD}{}{roles}", route("r", "/r/**", rules)));
    let mut usage = Usage::new(&configuration);
    for (principal, time) in [("ada", "2026-02-03T00:00:00Z"), ("bob", "2026-02-02T00:00:00Z")] {
        let line = format!(
            r#"{{"time":"{time}","route":"r","rule":"route.r.allow[7]","authenticator":"keys","principal":"{principal}","method":"GET","path":"/r/a"}}"#
        );
        usage.count(&serde_json::from_str(&line).expect("a record"));
    }
    let advice = usage.advise();
    assert_eq!(advice.rules.iter().map(|rule| rule.uses).collect::<Vec<_>>(), [0, 1, 1], "{advice:?}");
    let members: Vec<_> = advice.members.iter().map(|one| one.member.as_str()).collect();
    assert_eq!(members, ["keys:ola"], "who approves is not in records of requests");
    assert_eq!((advice.since.as_deref(), advice.is_full), (Some("2026-02-02T00:00:00Z"), false));
}
