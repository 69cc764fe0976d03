//! `claviger check` against golden files: a configuration, a divider, and exactly what is said of it.

use std::{fs, path::PathBuf, process::Output};

use serde_json::{Value, json};

use crate::support::gateway::{Site, program};

const DIVIDER: &str = "----\n";

/// The golden files: name, configuration, diagnostics.
fn goldens() -> Vec<(String, String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/check");
    let files = fs::read_dir(folder).expect("the golden files").map(|entry| entry.expect("an entry").path());
    let mut goldens: Vec<_> = files
        .map(|path| {
            let text = fs::read_to_string(&path).expect("text");
            let (config, said) = text.split_once(DIVIDER).expect("a divider");
            (path.file_stem().expect("a name").display().to_string(), config.to_owned(), said.to_owned())
        })
        .collect();
    goldens.sort();
    goldens
}

fn check(config: &str, arguments: &[&str]) -> Output {
    let site = Site::new();
    site.write("claviger.toml", config);
    let mut command = program();
    command.args(["check", "claviger.toml"]).args(arguments).current_dir(site.folder());
    command.output().expect("the program runs")
}

#[test]
fn every_mistake_is_told_with_its_place_and_its_cure() {
    let goldens = goldens();
    assert!(goldens.len() >= 30, "{}", goldens.len());
    for (name, config, said) in goldens {
        let output = check(&config, &[]);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{name}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), said, "{name}");
        let cures = said.lines().filter(|line| line.starts_with("    cure: ")).count();
        assert_eq!(cures * 2, said.lines().count(), "{name}: a cure for each mistake");
    }
}

#[test]
fn the_same_is_told_as_json() {
    for (name, config, said) in goldens() {
        let output = check(&config, &["--json"]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        let told: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        assert_eq!(told["ok"], false, "{name}");
        let lines: String = told["errors"].as_array().expect("a list").iter().map(as_text).collect();
        assert_eq!(lines, said, "{name}");
    }
}

fn as_text(error: &Value) -> String {
    let text = |key: &str| error[key].as_str().expect("text");
    let (line, column) = (&error["line"], &error["column"]);
    format!("{}:{line}:{column}: {}\n    cure: {}\n", text("file"), text("message"), text("cure"))
}

#[test]
fn a_sound_configuration_passes() {
    let sound = "[listen.a]\naddress = \"127.0.0.1:1\"\n[authn.k.api_key]\n[target.t]\nurl = \"http://127.0.0.1:2\"\n\
                 [route.r]\npath = \"/**\"\ntarget = \"t\"\nauthn = [\"k\"]\n";
    let output = check(sound, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "claviger.toml: ok, 1 route\n");
    let output = check(sound, &["--json"]);
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).expect("JSON"), json!({"ok": true, "routes": 1}));
}

#[test]
fn what_cannot_be_read_is_an_error_of_its_own() {
    let site = Site::new();
    site.write("bytes.toml", [0xff, 0xfe, 0x00]);
    for file in ["none.toml", "bytes.toml", "."] {
        let output = program().args(["check", file]).current_dir(site.folder()).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(2), "{file}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(&format!("cannot read {file}")), "{file}: {output:?}");
    }
    let run = program().args(["run", "none.toml"]).current_dir(site.folder()).output().expect("the program runs");
    assert_eq!(run.status.code(), Some(2), "a start fails in the same way");
}

#[test]
fn what_it_names_is_asked_for_where_that_is_wanted() {
    let site = Site::new();
    const ISSUER: &str = "[authn.sso.jwt]\nissuer = \"https://issuer.example\"\naudience = [\"orders\"]\nalgorithms = [\"RS256\"]\n\
                          jwks_url = \"http://127.0.0.1:1/jwks\"\n";
    let config = |sso: &str, target: &str, secret: &str| {
        format!(
            "[listen.a]\naddress = \"127.0.0.1:1\"\n[egress]\nallow = [\"127.0.0.0/8\"]\n\
             [vault.env.environment]\nprefix = \"CLAVIGER_TEST_\"\n\
             {sso}\
             [authn.own.jwt]\nissuer = \"own\"\naudience = [\"orders\"]\nalgorithms = [\"HS256\"]\nhmac_secret = \"env:shared\"\n\
             [target.t]\nurl = \"{target}\"\n\
             [credential.t.bearer]\ntarget = \"t\"\nsecret = \"env:{secret}\"\n\
             [route.r]\npath = \"/**\"\ntarget = \"t\"\ncredential = \"t\"\nauthn = [\"own\"]\n\
             [route.s]\nhost = \"s.example\"\npath = \"/**\"\ntarget = \"t\"\nauthn = [\"sso\"]\n"
        )
    };
    let check = |arguments: &[&str]| {
        let mut command = program();
        command.args(["check", "claviger.toml"]).args(arguments).current_dir(site.folder());
        command.env("CLAVIGER_TEST_SHARED", "a".repeat(32)).output().expect("the program runs")
    };
    site.write("claviger.toml", config(ISSUER, "http://nowhere.invalid", "key"));
    let output = check(&[]);
    assert_eq!(output.status.code(), Some(0), "by itself it is sound: {output:?}");
    let output = check(&["--live"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), 4, "{told}");
    for (line, want) in lines.iter().zip([
        "2 routes; but 3 of 5 that it names cannot be had:",
        "secret env:key: the vault has no secret of this name",
        "issuer sso: ",
        "target t (nowhere.invalid:80): ",
    ]) {
        assert!(line.contains(want), "{line}");
    }
    let json: Value = serde_json::from_slice(&check(&["--live", "--json"]).stdout).expect("JSON");
    assert_eq!((&json["ok"], json["missing"].as_array().map(Vec::len)), (&json!(false), Some(3)), "{json}");
    site.write("claviger.toml", config("[authn.sso.api_key]\n", "http://localhost:1", "shared"));
    let output = check(&["--live"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("all that it names is there, 3 asked for"), "{output:?}");
}
