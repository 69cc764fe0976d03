//! Architecture and tidiness as tests: who may import whom, which crate is named where, and what a file looks like.
//!
//! The table below is DESIGN's import map (ARCHITECTURE.md draws it). When the picture changes, change this table in the
//! same commit. Every failure names file, line and cure.

use std::{
    fs,
    path::{Path, PathBuf},
};

#[path = "architecture/source.rs"]
mod source;

/// Each module and the modules it may use, from the nouns to the assembly: a module uses only what stands above it.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("crypto", &["domain"]),
    ("telemetry", &["domain"]),
    ("net", &["domain", "telemetry"]),
    ("otlp", &["domain", "net"]),
    ("session", &["domain", "crypto"]),
    ("vault", &["domain", "crypto", "telemetry", "net"]),
    ("authn", &["domain", "crypto", "telemetry", "net", "session", "vault"]),
    ("authz", &["domain", "session"]),
    ("limit", &["domain"]),
    ("target", &["domain", "telemetry", "net"]),
    ("inspect", &["domain"]),
    ("inject", &["domain", "crypto", "net", "vault", "authz"]),
    ("audit", &["domain", "crypto", "telemetry", "net", "otlp", "vault"]),
    ("monitor", &["domain", "crypto", "telemetry", "net", "vault", "audit"]),
    (
        "state",
        &[
            "domain",
            "crypto",
            "telemetry",
            "net",
            "otlp",
            "target",
            "session",
            "vault",
            "authn",
            "authz",
            "limit",
            "inspect",
            "inject",
            "audit",
            "monitor",
        ],
    ),
    (
        "proxy",
        &[
            "domain",
            "crypto",
            "telemetry",
            "net",
            "session",
            "target",
            "authn",
            "authz",
            "limit",
            "inspect",
            "inject",
            "audit",
            "state",
        ],
    ),
    (
        "config",
        &[
            "domain",
            "crypto",
            "net",
            "telemetry",
            "otlp",
            "session",
            "vault",
            "authn",
            "authz",
            "limit",
            "inspect",
            "inject",
            "audit",
            "monitor",
            "target",
            "state",
        ],
    ),
    ("cluster", &["domain", "crypto", "net", "session", "vault", "limit"]),
    (
        "review",
        &["domain", "session", "authn", "authz", "limit", "target", "inspect", "audit", "state", "proxy", "config"],
    ),
    (
        "admin",
        &["domain", "telemetry", "target", "session", "vault", "authn", "authz", "audit", "monitor", "state", "config"],
    ),
    (
        "server",
        &[
            "domain",
            "crypto",
            "telemetry",
            "net",
            "otlp",
            "session",
            "vault",
            "authn",
            "authz",
            "limit",
            "target",
            "inspect",
            "inject",
            "audit",
            "monitor",
            "state",
            "proxy",
            "config",
            "cluster",
            "admin",
        ],
    ),
    (
        "cli",
        &[
            "domain",
            "crypto",
            "telemetry",
            "net",
            "session",
            "vault",
            "authz",
            "inspect",
            "audit",
            "monitor",
            "config",
            "review",
            "server",
        ],
    ),
    ("main", &["cli"]),
];

/// Crates that only some modules may name, so that what they are for can be changed in one place.
const CRATES: &[(&str, &[&str])] = &[
    ("pingora", &["target", "proxy", "server"]),
    ("toml", &["config", "inspect"]),
    ("redis", &["cluster"]),
    ("rusqlite", &["session"]),
    ("reqwest", &["net"]),
    ("lettre", &["net"]),
];

/// A file's limit in lines; 300 is the aim.
const MAX_LINES: usize = 400;

#[test]
fn every_source_file_keeps_the_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = rust_files(&root.join("src"));
    assert!(files.len() > 10, "src/ was not found: this test would pass on nothing");
    let faults: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(file).expect("a source file is UTF-8 text");
            let name = file.strip_prefix(root).expect("found below the root").to_string_lossy().into_owned();
            faults_in(&name, &text)
        })
        .collect();
    assert!(faults.is_empty(), "{} fault(s):\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_test_and_bench_file_says_what_lives_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["tests", "benches", "loadtest", "fuzz"].iter().flat_map(|folder| rust_files(&root.join(folder)));
    let silent: Vec<_> = files.filter(|file| !fs::read_to_string(file).expect("text").starts_with("//! ")).collect();
    assert!(silent.is_empty(), "these lack a first line `//! what lives here`: {silent:?}");
}

#[test]
fn the_table_has_no_cycle_and_no_stranger() {
    for (row, (module, may_use)) in MAY_USE.iter().enumerate() {
        for used in *may_use {
            let above = MAY_USE[..row].iter().any(|(name, _)| name == used);
            assert!(
                above,
                "the table lets `{module}` use `{used}`, which does not stand above it: a cycle or a typing error"
            );
        }
    }
    for (name, modules) in CRATES {
        for module in *modules {
            assert!(
                MAY_USE.iter().any(|(known, _)| known == module),
                "`{name}` is allowed in `{module}`, which is no module"
            );
        }
    }
}

/// Every rule that this file breaks, each as `file:line: what is wrong; cure`.
fn faults_in(file: &str, text: &str) -> Vec<String> {
    let mut faults = tidiness_faults(file, text);
    let inside = file.strip_prefix("src/").unwrap_or(file).trim_end_matches(".rs");
    let module = inside.split('/').next().unwrap_or(inside);
    if is_test_file(inside) {
        return faults;
    }
    let tokens = source::shipped(text);
    let depth = inside.trim_end_matches("/mod").split('/').count();
    match MAY_USE.iter().find(|(name, _)| *name == module) {
        Some((_, may_use)) => faults.extend(import_faults(file, module, may_use, &tokens, depth)),
        None if module == "lib" => {}
        None => faults.push(format!(
            "{file}:1: module `{module}` is not in the import table; \
             cure: give it a row in ARCHITECTURE.md and tests/architecture.rs"
        )),
    }
    for (name, modules) in CRATES.iter().filter(|(_, modules)| !modules.contains(&module)) {
        let is_crate = |word: &str| word == *name || (*name == "pingora" && word.starts_with("pingora_"));
        faults.extend(source::crate_uses(&tokens, is_crate).into_iter().map(|(word, line)| {
            let home = modules.join(", ");
            let cure = format!("say it in the words of `domain` and convert in {home}");
            format!("{file}:{line}: `{word}` is named in `{module}`; cure: {cure}")
        }));
    }
    faults
}

fn import_faults(file: &str, module: &str, may_use: &[&str], tokens: &[source::Token], depth: usize) -> Vec<String> {
    let root = if module == "main" { "claviger" } else { "crate" };
    let edges = source::edges(tokens, root, depth).into_iter();
    let forbidden = edges.filter(|(used, _)| used != module && !may_use.contains(&used.as_str()));
    forbidden
        .map(|(used, line)| {
            let cure = match MAY_USE.iter().any(|(name, _)| *name == used) {
                true => "move what both need into `domain`, or let a module that may see both pass it in",
                false => "write `crate::MODULE::Item` with a module of the table; no glob or alias of the root",
            };
            format!("{file}:{line}: `{module}` may not use `{used}`; cure: {cure}")
        })
        .collect()
}

/// Rules that need no knowledge of modules.
fn tidiness_faults(file: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !text.starts_with("//! ") {
        faults.push(format!("{file}:1: no `//!` line; cure: begin with one sentence that says what lives here"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        faults.push(format!(
            "{file}:{lines}: {lines} lines, the limit is {MAX_LINES} and the aim 300; \
             cure: one subject a file; make the module a folder"
        ));
    }
    let marks = text.lines().zip(1..).filter(|(line, _)| line.contains("FIXME"));
    faults.extend(
        marks.map(|(_, line)| format!("{file}:{line}: a FIXME; cure: fix it, or say in the docs what does not work")),
    );
    let tokens = source::shipped(text);
    for (at, token) in tokens.iter().enumerate() {
        let rest = &tokens[at..];
        if source::spells(rest, &["todo", "!"]) || source::spells(rest, &["unimplemented", "!"]) {
            faults.push(format!("{file}:{}: `{}!`; cure: write it or leave it out", token.line, token.text));
        }
        if matches!(token.text.as_str(), "dead_code" | "unused") && in_lint_attribute(&tokens[..at]) {
            faults.push(format!("{file}:{}: unused code is kept alive; cure: delete what nobody calls", token.line));
        }
    }
    faults
}

/// Whether what comes next is a lint named in an `allow(...)` or `expect(...)` that is still open.
fn in_lint_attribute(before: &[source::Token]) -> bool {
    let open = before.iter().rposition(|token| matches!(token.text.as_str(), "(" | ")"));
    open.is_some_and(|at| {
        at > 0 && before[at].text == "(" && matches!(before[at - 1].text.as_str(), "allow" | "expect")
    })
}

/// A test module in a file of its own may use what it likes.
fn is_test_file(inside: &str) -> bool {
    inside.split('/').any(|part| part == "tests")
}

/// All `.rs` files below a folder, in a stable order; none when there is no such folder.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let Ok(path) = entry.map(|entry| entry.path()) else { continue };
        if path.is_dir() && !path.ends_with("target") {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_is_broken_by_its_example_and_names_the_line() {
        let long = format!("//! Long.\n{}", "\n".repeat(MAX_LINES));
        for (file, text, want) in [
            ("src/limit/mod.rs", "//! Rates.\nuse crate::authn::X;", "src/limit/mod.rs:2: `limit` may not use `authn`"),
            ("src/limit.rs", "//! Rates.\nuse super::authn::X;", "src/limit.rs:2: `limit` may not use `authn`"),
            ("src/limit/a.rs", "//! Rates.\nuse super::super::audit;", "src/limit/a.rs:2: `limit` may not use `audit`"),
            ("src/proxy/mod.rs", "//! Data.\nuse crate::config::File;", "`proxy` may not use `config`"),
            ("src/authz/mod.rs", "//! Z.\nuse crate::{self as root};", "`authz` may not use `self`"),
            ("src/authz/mod.rs", "//! Z.\nuse crate::*;", "no glob or alias of the root"),
            ("src/main.rs", "//! M.\nfn main() { claviger::proxy::run() }", "`main` may not use `proxy`"),
            (
                "src/authn/mod.rs",
                "//! N.\nuse pingora_proxy::Session;",
                "src/authn/mod.rs:2: `pingora_proxy` is named in `authn`",
            ),
            ("src/admin/mod.rs", "//! A.\nuse pingora::apps::X;", "`pingora` is named in `admin`"),
            ("src/cli/mod.rs", "//! C.\nfn f() { toml::from_str(x) }", "`toml` is named in `cli`"),
            ("src/limit/mod.rs", "//! L.\nuse redis::Client;", "convert in cluster"),
            ("src/vault/a.rs", "//! V.\nuse reqwest::Client;", "convert in net"),
            ("src/newcomer/mod.rs", "//! New.\n", "not in the import table"),
            ("src/domain/a.rs", "use std::fmt;\n//! Late.", "src/domain/a.rs:1: no `//!` line"),
            ("src/domain/a.rs", &long, "401 lines"),
            ("src/domain/a.rs", "//! A.\nfn f() { todo!() }", "src/domain/a.rs:2: `todo!`"),
            ("src/domain/a.rs", "//! A.\nfn f() { unimplemented!(\"x\") }", "`unimplemented!`"),
            ("src/domain/a.rs", "//! A.\n// FIXME later", "src/domain/a.rs:2: a FIXME"),
            ("src/domain/a.rs", "//! A.\n#[allow(dead_code)]\nfn f() {}", "src/domain/a.rs:2: unused code"),
            ("src/domain/a.rs", "//! A.\n#![expect(missing_docs, dead_code)]", "unused code"),
        ] {
            let faults = faults_in(file, text);
            assert_eq!(faults.len(), 1, "{file} {text}: {faults:?}");
            assert!(faults[0].contains(want) && faults[0].contains("cure: "), "{want}: {faults:?}");
        }
    }

    #[test]
    fn what_the_table_allows_passes() {
        for (file, text) in [
            ("src/lib.rs", "//! Root.\npub mod admin;"),
            ("src/main.rs", "//! M.\nfn main() { claviger::cli::run() }"),
            ("src/limit/mod.rs", "//! L.\nuse crate::{domain::Name, limit::rate::Rate};\nmod rate;"),
            ("src/limit/rate.rs", "//! L.\nuse super::Slot;"),
            ("src/limit/tests.rs", "//! L.\nuse crate::authn::X;"),
            ("src/limit/a.rs", "//! L.\n#[cfg(test)]\nmod tests { use crate::authn::X; fn f() { todo!() } }"),
            (
                "src/proxy/mod.rs",
                "//! P.\nuse pingora::prelude::*; use pingora_proxy::Session; use crate::state::Snapshot;",
            ),
            ("src/config/mod.rs", "//! C.\nuse toml::Value;"),
            ("src/domain/a.rs", "//! A.\nfn dead_code(unused: u8) { f(unused) }"),
        ] {
            assert_eq!(faults_in(file, text), [""; 0], "{file} {text}");
        }
    }
}
