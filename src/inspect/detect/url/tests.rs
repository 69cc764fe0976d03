//! Where URLs lead to, in all spellings, and which are nobody's concern.

use proptest::prelude::*;

use super::super::shell::tests::{judge_json, judge_path, judge_query};
use crate::inspect::Report;

fn ours(report: &Report) -> u32 {
    report.findings.iter().filter(|finding| finding.rule.starts_with("url.")).map(|finding| finding.score).sum()
}

const ATTACKS: &[&str] = &[
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0xA9.0xFE.0xA9.0xFE/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[fd00:ec2::254]/",
    "http://169.254.170.2/v2/credentials",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://metadata.goog/computeMetadata/v1/",
    "//169.254.169.254/latest/",
    "//127.0.0.1:6379/",
    "//evil.example/c99.txt?",
    "http://100.100.100.200/latest/",
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.127.127.127/",
    "http://127.0.0.1:80@evil.example",
    "http://10.0.0.1/",
    "http://192.168.1.1/admin",
    "http://::1/",
    "http://ⓔⓧ.ⓒⓞⓜ",
    "http://127.0.0.1:80:443/",
    "http://a.example:80:8080/x",
    "http://0/x",
    "http://0.0.0.0:8080/",
    "http://2130706433/",
    "http://017700000001/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://[::]/",
    "http://[::1]:80/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]/",
    "http://localhost:6379/",
    "https://localhost/admin",
    "http://LOCALHOST/",
    "http://localhost./",
    "//localhost/x",
    "http://localtest.me/",
    "http://127.0.0.1.nip.io/",
    "http://10-0-0-1.sslip.io/",
    "http://spoofed.localtest.me",
    "http://app.localhost/",
    "http://host.docker.internal/",
    "http://kubernetes.default.svc/",
    "https://x.svc.cluster.local/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "http://①②⑦.⓪.⓪.①/",
    "http://１２７.０.０.１/",
    "http://127。0。0。1/",
    "http:\\\\127.0.0.1\\",
    "http:/127.0.0.1",
    "http:127.0.0.1",
    "gopher://127.0.0.1:6379/_x",
    "dict://x:11211/stat",
    "file:///etc/passwd",
    "tftp://x/y",
    "jar:http://x!/y",
    "netdoc:///etc/passwd",
    "ldap://x/y",
    "url:file:///etc/passwd",
    "ftps://x.example/y",
    "http://example.com@evil.example/",
    "http://google.com:80 &@127.0.0.1:22/# @google.com:80/",
    "http://evil.example/shell.txt?",
    "https://evil.example?",
    "http://192.0.2.1/x.php",
    "http://[2001:db8::1]/x.php",
    "http://l\\o\\c\\alhost/",
    "http://x.burpcollaborator.net/",
    "http://abc.oastify.com",
];

const HONEST: &[&str] = &[
    "https://example.com/",
    "//cdn.example.com/lib.js",
    "// a comment in code",
    "http://example.com:8080/a/b",
    "https://hooks.example.com/in?x=1",
    "https://images.example.net/file/etc.png",
    "https://user@example.com/x",
    "https://npm.pkg.github.com/@org/x",
    "https://mastodon.example/@user@example.com",
    "git://github.com/o/r.git",
    "ssh://git@localhost:22/x",
    "git@github.com:o/r.git",
    "mailto:a@b.example",
    "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
    "data:text/plain,x",
    "10.0.0.1",
    "127.0.0.1",
    "localhost",
    "1.2.3",
    "2852039166",
    "12:30",
    "0x1F",
    "http",
    "tel:+1",
    "See http://localhost:3000 in your browser once the server has started up",
    "[link](https://example.com)",
    "postgres://u:p@db/x",
    "redis://localhost:6379/0",
    "https://example.com/path?next=http://localhost/",
    "ws://example.com/",
    "blob:x",
    "http://example.internal-tools.example/",
    "https://metadata.example.com/",
    "1:2:3:4",
    "http://[2001:db8::1]:80/",
    "mysql://db.example:3306:x/y",
    "a::b",
];

#[test]
fn urls_that_lead_inside_are_found() {
    let missed: Vec<_> = ATTACKS.iter().filter(|value| ours(&judge_query("url", value.as_bytes())) < 5).collect();
    assert!(missed.is_empty(), "missed: {missed:#?}");
    for name in ["url", "host", "target"] {
        assert!(ours(&judge_query(name, b"169.254.169.254")) >= 5, "{name}");
        assert!(ours(&judge_query(name, b"localhost:8080/x")) >= 5, "{name}");
    }
    assert!(ours(&judge_path("/proxy/http://example.com/")) >= 5);
    for slashes in ["//", "///", "/////"] {
        let value = format!("have a look at http:{slashes}169.254.169.254/latest/meta-data, please");
        assert!(ours(&judge_query("q", value.as_bytes())) > 0, "{value}");
    }
    for name in ["file", "page", "include", "absolute_path"] {
        assert!(ours(&judge_query(name, b"http://evil.example/x.txt")) >= 5, "{name}");
    }
}

#[test]
fn urls_of_public_names_pass() {
    let stopped: Vec<_> = HONEST
        .iter()
        .filter(|value| ours(&judge_query("q", value.as_bytes())) >= 5 || ours(&judge_json("q", value)) >= 5)
        .collect();
    assert!(stopped.is_empty(), "stopped: {stopped:#?}");
    assert!(ours(&judge_query("redirect_uri", b"http://127.0.0.1:8912/callback")) < 5);
    assert!(ours(&judge_query("page", b"https://example.com/pricing")) < 5);
    assert!(ours(&judge_query("profile", b"https://example.com/x.txt")) < 5);
    assert!(ours(&judge_json("clone_url", "https://github.com/o/r.git")) < 5);
}

proptest! {
    #[test]
    fn no_bytes_panic(value in proptest::collection::vec(any::<u8>(), 0..200)) {
        judge_query("url", &value);
    }

    #[test]
    fn no_url_panics(value in "(http|https|jar|url)?:?/{0,3}[\\[\\]@:.#?/%x0-9a-f⓪①]{0,60}") {
        judge_query("url", value.as_bytes());
    }
}
