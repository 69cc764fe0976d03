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
