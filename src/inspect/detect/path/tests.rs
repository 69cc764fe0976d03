//! What leads out of a folder or names a file of the system, and what only looks like it.

use proptest::prelude::*;

use super::super::shell::tests::{judge_json, judge_path, judge_query};
use crate::inspect::Report;

fn ours(report: &Report) -> u32 {
    if report.fault.is_some() {
        // Stopped before any detector looks.
        return 10;
    }
    report.findings.iter().filter(|finding| finding.rule.starts_with("path.")).map(|finding| finding.score).sum()
}

#[test]
fn files_and_steps_are_found_in_parameters() {
    let attacks: &[&[u8]] = &[
        b"../../../etc/passwd",
        b"/etc/passwd",
        b"/etc/hosts",
        b"/proc/1/environ",
        b"WEB-INF/web.xml",
        b"..\\..\\..\\windows\\win.ini",
        b"....//....//etc/hosts",
        b"..././..././x",
        b".../.../.../x",
        b"..;/..;/manager/html",
        b"/..;/admin",
        b"../../x",
        b"..%2f..%2fx",
        b"..%5c..%5cx",
        b"%2e%2e/%2e%2e/x",
        b"..%c0%af..%c0%afx",
        b"\xc0\xae\xc0\xae/\xc0\xae\xc0\xae/x",
        b"0x2e0x2e0x2f0x2e0x2e0x2fx",
        b"..\\/..\\/x",
        b"images/../../../x",
        b"/var/www/../../etc/passwd",
        b"../../../../etc/passwd\0.png",
        b"x.php\0.png",
        b"/proc/self/environ",
        b"/etc/shadow",
        b"C:\\boot.ini",
        b"\\\\192.0.2.1\\c$\\x",
        b"\\\\x\\admin$",
        b"/root/.ssh/id_rsa",
        b"~/.aws/credentials",
        b"/home/x/.bash_history",
        b"WEB-INF/../WEB-INF/web.xml",
        b"/.git/config",
        b"/var/run/secrets/kubernetes.io/serviceaccount/token",
        b"/run/secrets/kubernetes.io/serviceaccount/token",
        b"wp-config.php",
        b"WEB-INF/.pub/../web.xml",
        b"wp-config.php.pub",
        b"/etc/x,/etc/x,/etc/x,/etc/x,/etc/x,/etc/x,/etc/x,/etc/x,/etc/x,/etc/x,/etc/x,/etc/x,/etc/x,/etc/x,/etc/x,/etc/x,WEB-INF/",
        b"php/../../wp-config.php",
        b".;/.;/..;/x",
        b"..\\;..\\;",
        b"/..//..//etc/x",
        b"/%2e%2e/%2e%2e/x",
    ];
    let missed: Vec<_> = attacks
        .iter()
        .filter(|value| ours(&judge_query("file", value)) < 5)
        .map(|value| value.escape_ascii().to_string())
        .collect();
    assert!(missed.is_empty(), "missed: {missed:#?}");
}

#[test]
fn hidden_paths_are_found() {
    for path in [
        "/.env",
        "/.git/config",
        "/actuator/heapdump",
        "/actuator/env",
        "/app/.env",
        "/backup.sql.gz",
        "/server-status",
        "/.aws/credentials",
        "/x/.svn/entries",
        "/index.php~",
        "/api/v1/..;/admin",
        "/x/%00.json",
        "/.vscode/sftp.json",
    ] {
        assert!(ours(&judge_path(path)) >= 5, "{path}");
    }
    for path in [
        "/.well-known/openid-configuration",
        "/repos/o/r/contents/.github/workflows/ci.yml",
        "/repos/o/r/contents/src/..gitkeep",
        "/v1/envs/prod",
        "/actuator/health",
        "/users/a.b",
        "/v1/files/report.v1.2.pdf",
        "/environment",
        "/api/v1/.x",
    ] {
        assert!(ours(&judge_path(path)) < 5, "{path}");
    }
}

#[test]
fn what_only_names_files_passes() {
    let honest = [
        "../lib/x",
        "../../tsconfig.json",
        "import x from '../../lib/x'; import y from '../y';",
        "wait... what?",
        "and/or",
        "a.../b",
        "1.2.3/4",
        "see /etc/hosts for the names",
        "mount /var/log into the container",
        "The file /etc/passwd lists the users of a machine",
        "docs/../README.md",
        "https://example.com/a/../b",
        ".gitignore",
        ".env.example",
        "src/.github/x",
        "C:\\Users\\bob",
        "\\alpha",
        "...",
        "go test ./...",
        "v1.0.../x",
        "diff --git a/../x b/../x",
        "etc/passwd",
        "/etc/nginx/nginx.conf",
    ];
    for value in honest {
        let report = judge_json("note", value);
        assert!(ours(&report) < 5, "{value}: {:#?}", report.findings);
    }
    for value in ["../lib/x", "a/b", "1..2", "..", "...", "v1/../v2", "x.tar.gz"] {
        assert!(ours(&judge_query("path", value.as_bytes())) < 5, "{value}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(value in proptest::collection::vec(any::<u8>(), 0..200)) {
        judge_query("q", &value);
    }

    #[test]
    fn no_dots_panic(value in "[./\\\\;%0-9a-fx\u{0}]{0,80}") {
        judge_query("q", value.as_bytes());
        judge_path(&format!("/{}", value.replace(['\\', '\0'], "")));
    }
}
