//! Multipart bodies.

use super::*;

const FORM: &str = "multipart/form-data; boundary=b";

/// A body of parts, each with its head.
fn form(parts: &[(&str, &str)]) -> String {
    let parts: String = parts.iter().map(|(head, content)| format!("--b\r\n{head}\r\n\r\n{content}\r\n")).collect();
    parts + "--b--\r\n"
}

fn named(rest: &str) -> String {
    format!("Content-Disposition: form-data; name=\"n\"{rest}")
}

#[test]
fn parts_give_names_and_contents_by_their_types() {
    let cases = [
        ("", "a\r\nb", &["body.n=a\r\nb"][..]),
        ("\r\nContent-Type: text/plain; charset=utf-16", "", &[]),
        ("\r\nContent-Type: application/json", "{\"k\":\"v\"}", &["body.n.k (name)=k", "body.n.k=v"]),
        ("\r\nContent-Type: text/xml", "<a>b</a>", &["body.n.a (name)=a", "body.n.a=b"]),
        ("\r\nContent-Type: application/octet-stream", "a\x01", &["body.n=a\x01"]),
        ("; filename=\"\"\r\nContent-Type: image/png", "a\x01", &["body.n.(filename) (name)=", "body.n=a\x01"]),
        (
            "; filename=\"x.bin\"\r\nContent-Type: application/octet-stream",
            "\u{1}\u{2}",
            &["body.n.(filename) (name)=x.bin", "body.n=\x01\x02"],
        ),
        ("; filename=\"x'.txt\"", "text", &["body.n.(filename) (name)=x'.txt", "body.n=text"]),
        ("\r\nContent-Transfer-Encoding: base64", "PHNjcmlwdD4=", &["body.n.script (name)=script", "body.n=<script>"]),
        (
            "\r\nContent-Transfer-Encoding: quoted-printable",
            "=3Cb=3E",
            &["body.n.b (name)=b", "body.n=<b>", "body.n==3Cb=3E"],
        ),
        ("\r\nContent-Transfer-Encoding: binary", "<b>", &["body.n.b (name)=b", "body.n=<b>"]),
        ("\r\nX-Other: y", "z", &["body.n.X-Other=y", "body.n=z"]),
        ("", "x--b y", &["body.n=x--b y"]),
    ];
    for (rest, content, want) in cases {
        let mut want = want.to_vec();
        want.push("body.n (name)=n");
        assert_values(&values(FORM, form(&[(&named(rest), content)])), &want, rest);
    }
    assert_eq!(values(FORM, "--b--\r\n"), Ok(vec![]));
    let mixed = "multipart/mixed; boundary=\"b\"";
    assert_values(&values(mixed, form(&[("Content-Type: text/plain", "x")])), &["body[0]=x"], "mixed");
}

#[test]
fn a_charset_of_the_form_is_that_of_its_fields() {
    let charset = |name: &str| form(&[("Content-Disposition: form-data; name=\"_charset_\"", name), (&named(""), "x")]);
    assert!(values(FORM, charset("utf-8")).is_ok());
    assert_eq!(values(FORM, charset("utf-7")), Err(FaultKind::UnknownCharset));
    assert_eq!(values(FORM, charset("utf-")), Err(FaultKind::UnknownCharset));
}

#[test]
fn parts_of_two_meanings_are_refused() {
    use FaultKind::*;
    for (rest, content, kind) in [
        ("; name=\"m\"", "", BadHead),
        ("; name*=utf-8''m", "", BadHead),
        ("; filename*0=a; filename*1=b", "", BadHead),
        ("\r\nContent-Type: text/plain; charset=utf-16le", "text", UnknownCharset),
        ("; filename=x\r\nContent-Type: text/plain; charset=utf-16le", "text", BadText),
        ("; filename=\"a\"; filename*=utf-8''b", "", BadHead),
        ("; filename=\"a\\\"b\"", "", BadHead),
        ("; filename=\"../x.sh\"", "", FileName),
        ("; filename=\"/etc/passwd\"", "", FileName),
        ("; filename=\"..%2fx\"", "", FileName),
        ("; filename=..", "", FileName),
        ("; filename*=utf-8''..%2f..%2fx", "", FileName),
        ("\r\n folded: x", "", BadHead),
        ("\r\nno colon", "", BadHead),
        ("\r\nX: a\nY: b", "", BadHead),
        ("\r\nContent-Disposition: form-data; name=\"m\"", "", BadHead),
        ("\r\nContent-Type: text/plain\r\nContent-Type: text/html", "", BadHead),
        ("\r\nContent-Type: plain", "", BadHead),
        ("\r\nContent-Type: text/plain; charset=utf-7", "+ADw-", UnknownCharset),
        ("\r\nContent-Transfer-Encoding: x-uuencode", "", BadHead),
        ("\r\nContent-Transfer-Encoding: base64", "<script>", BrokenCoding),
        ("\r\nContent-Type: application/json", "{", Malformed),
        ("\r\nContent-Type: text/xml", "<!DOCTYPE a><a/>", Doctype),
        ("", "x\n--b\r\n", Malformed),
        ("", "x\r\n--bx\r\n", Malformed),
    ] {
        assert_eq!(values(FORM, form(&[(&named(rest), content)])), Err(kind), "{rest} {content}");
    }
}

#[test]
fn bodies_of_two_meanings_are_refused() {
    let part = named("") + "\r\n\r\nx\r\n";
    for (kind, text, want) in [
        ("multipart/form-data", form(&[]), FaultKind::BadHead),
        ("multipart/form-data; boundary=\"b \"", form(&[]), FaultKind::BadHead),
        ("multipart/form-data; boundary=\"b<\"", form(&[]), FaultKind::BadHead),
        ("multipart/form-data; boundary=b; boundary=c", form(&[]), FaultKind::BadHead),
        (FORM, format!("preamble\r\n--b\r\n{part}--b--\r\n"), FaultKind::Malformed),
        (FORM, format!("--b\r\n{part}--b--\r\nepilogue"), FaultKind::Malformed),
        (FORM, format!("--b\r\n{part}"), FaultKind::Malformed),
        (FORM, format!("--b \r\n{part}--b--"), FaultKind::Malformed),
        (FORM, format!("--b\r\n{part}--b--").replace("\r\n", "\n"), FaultKind::Malformed),
        (FORM, "--b\r\nno head\r\n--b--".to_owned(), FaultKind::Malformed),
        (FORM, "--b\r\n\r\nno head\r\n--b--".to_owned(), FaultKind::BadHead),
        (FORM, "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--".to_owned(), FaultKind::BadHead),
        (FORM, "--b\r\nContent-Disposition: attachment; name=n\r\n\r\nx\r\n--b--".to_owned(), FaultKind::BadHead),
        (FORM, format!("{}--b--", format!("--b\r\n{part}").repeat(65)), FaultKind::TooMany),
    ] {
        assert_eq!(values(kind, &text), Err(want), "{kind} {text}");
    }
    let file = named("; filename=x") + "\r\n\r\nx\r\n";
    assert_eq!(values(FORM, format!("{}--b--", format!("--b\r\n{file}").repeat(17))), Err(FaultKind::TooMany));
    let mut nested = form(&[("Content-Type: text/plain", "x")]).replace("--b", "--b2");
    nested = format!("--b1\r\nContent-Type: multipart/mixed; boundary=b2\r\n\r\n{nested}--b1--");
    assert_values(&values("multipart/mixed; boundary=b1", &nested), &["body[0][0]=x"], "nested");
    nested = format!("--b0\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n{nested}\r\n--b0--");
    assert_eq!(values("multipart/mixed; boundary=b0", &nested), Err(FaultKind::TooDeep));
}
