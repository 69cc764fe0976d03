//! What messages of WebSockets give.

use super::*;

fn said(text: &[u8], is_text: bool) -> Result<Vec<String>, FaultKind> {
    let mut all = All::default();
    message(text, is_text, &Limits::default(), &mut all).map_err(|fault| fault.kind)?;
    Ok(all.0)
}

#[test]
fn what_is_said_is_read_behind_what_subprotocols_put_around_it() {
    for (text, want) in [
        ("hello", &["body=hello"][..]),
        (r#"{"a":"b"}"#, &["body.a (name)=a", "body.a=b"]),
        (r#"42/chat,7["say","hello"]"#, &["body[0]=say", "body[1]=hello", "body=42/chat,7"]),
        ("1 or 1=1 --[]", &["body=1 or 1=1 --[]"]),
        ("{\"a\":1}\u{1e}{\"b\":\"c\"}\u{1e}", &["body.a (name)=a", "body.b (name)=b", "body.b=c"]),
        (
            "SEND\ndestination:/app/hello\ncontent-length:5\n\nhello\0\n",
            &[
                "body.destination (name)=destination",
                "body.destination=/app/hello",
                "body.content-length (name)=content-length",
                "body.content-length=5",
                "body=hello",
            ],
        ),
        ("3 of [these", &["body=3 of [these"]),
        ("it's\u{1e}two", &["body=it's\u{1e}two"]),
        ("SEND\nx:a\\cb\n\n\0", &["body.x (name)=x", "body.x=a\\cb", "body.x=a:b", "body="]),
        ("7[broken", &["body=7[broken"]),
        ("{broken", &["body={broken"]),
        ("[a] or [\"b\" c]", &["body=[a] or [\"b\" c]"]),
        (r#"["a"](x) is it"#, &["body[0]=a", r#"body=["a"](x) is it"#]),
        (r#"0{"name": "x","#, &["body.name (name)=name", "body.name=x", r#"body=0{"name": "x","#]),
        ("see {this}", &["body=see {this}"]),
        (r#"42, ["a", b] is it"#, &[r#"body=42, ["a", b] is it"#, "body[0]=a"]),
        ("so:\n{\"a\":\"b\"}\n[c]", &["body=so:\n{\"a\":\"b\"}\n[c]", "body[1].a (name)=a", "body[1].a=b"]),
    ] {
        assert_values(&said(text.as_bytes(), true), want, text);
    }
    let packed = "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==";
    let script = "body.(base64)=<script>alert(1)</script>";
    for (text, want) in [
        (format!("b{packed}"), script),
        (format!("b4{packed}"), script),
        (format!("b{}", packed.replace("cmlw", "c ml\u{1}w")), script),
        ("42/dyn-{,[\"say\"]".to_owned(), "body[0]=say"),
        (format!("42/{},7[\"say\"]", "a".repeat(300)), "body[0]=say"),
        ("{\"a\":1}\n{\"b\":\"c\"}\n".to_owned(), "body[1].b=c"),
        ("SEND\ncontent-length:3\n\na\0b\0".to_owned(), "body=a\0b"),
        ("SEND\nx\\cy:1\n\n\0".to_owned(), "body.x:y (name)=x:y"),
        (r#"["SEND\nx:y\n\nhello\u0000"]"#.to_owned(), "body.x=y"),
        ("{\0\"\0a\0\"\0:\0\"\0b\0\"\0}\0".to_owned(), "body.a=b"),
    ] {
        let found = said(text.as_bytes(), false).expect("read");
        assert!(found.iter().any(|found| found == want), "{text}: {found:?}");
    }
    let bytes = [&[0xff, 1, 0xfe, 2, 0xfd][..], b" some text that is long enough", &[3; 30]].concat();
    assert_values(&said(&bytes, false), &["body= some text that is long enough"], "bytes");
}

#[test]
fn what_can_be_read_in_two_ways_is_refused_wherever_it_stands() {
    let aliases: String = (0..101).map(|n| format!("a{n}:b ")).collect();
    for (text, want) in [
        (r#"{"a":1,"a":2}"#.to_owned(), FaultKind::DuplicateKey),
        (r#"42["say",{"a":1,"a":2}]"#.to_owned(), FaultKind::DuplicateKey),
        ("{\"type\":6}\u{1e}{\"a\":1,\"a\":2}\u{1e}".to_owned(), FaultKind::DuplicateKey),
        (r#"42/x?y=z,7 ["say",{"a":1,"a":2}]"#.to_owned(), FaultKind::DuplicateKey),
        ("\nsend\r\nx:y\n\r\n{\"a\":1,\"a\":2}\0x".to_owned(), FaultKind::DuplicateKey),
        ("SEND\n\n{}\0SEND\n\n{\"a\":1,\"a\":2}\0".to_owned(), FaultKind::DuplicateKey),
        ("SEND\nx:y\n\n{\"a\":1,\"a\":2}\0".to_owned(), FaultKind::DuplicateKey),
        (format!("42{}", "[".repeat(100)), FaultKind::TooDeep),
        (r#"{"x":NaN,"a":1,"a":2}"#.to_owned(), FaultKind::Malformed),
        (r#"42["say",NaN,{"a":1,"a":2}]"#.to_owned(), FaultKind::Malformed),
        (r#"[1,NaN,{},{"a":1,"a":2}]"#.to_owned(), FaultKind::Malformed),
        (r#"42/a!, ["say",{"a":1,"a":2}]"#.to_owned(), FaultKind::DuplicateKey),
        (r#"[" {\"a\":1,\"a\":2}",1]"#.to_owned(), FaultKind::DuplicateKey),
        ("SEND\ncontent-length:29\n\n{}\0SEND\n\n{\"a\":1,\"a\":2}\0\0".to_owned(), FaultKind::DuplicateKey),
        ("{}\u{1e}".repeat(200_000), FaultKind::TooMany),
        ("{\"a\":1}\n{\"a\":1,\"a\":2}".to_owned(), FaultKind::DuplicateKey),
        (r#"["{\"a\":1,\"a\":2}"]"#.to_owned(), FaultKind::DuplicateKey),
        (r#"["SEND\n\n{\"a\":1,\"a\":2}\u0000"]"#.to_owned(), FaultKind::DuplicateKey),
        (format!(r#"42/{},["say",{{"a":1,"a":2}}]"#, "{".repeat(9)), FaultKind::DuplicateKey),
        ("SEND\nx:\u{1e}{\n\n{\"a\":1,\"a\":2}\0".to_owned(), FaultKind::DuplicateKey),
        ("SEND\ncontent-length:0\n\nXSEND\nx:y\n\n{\"a\":1,\n\"a\":2}\0".to_owned(), FaultKind::DuplicateKey),
        (r#"["42[\"s\",{\"a\":1,\"a\":2}]"]"#.to_owned(), FaultKind::DuplicateKey),
        (r#"["{\"t\":1}\u001e{\"a\":1,\"a\":2}\u001e"]"#.to_owned(), FaultKind::DuplicateKey),
        ("null\r{\"a\":1,\"a\":2}".to_owned(), FaultKind::DuplicateKey),
        ("null\n{\"a\":1,\"a\":2}\n-1".to_owned(), FaultKind::DuplicateKey),
        (format!("{}\"x\"\n{{\"a\":1,\"a\":2}}", "null\n".repeat(60)), FaultKind::DuplicateKey),
        ("{\"k\":1}\nping\n{\"a\":1,\"a\":2}\r\n".to_owned(), FaultKind::DuplicateKey),
        ("[1e999,\"{\\\"a\\\":1,\\\"a\\\":2}\"]".to_owned(), FaultKind::DuplicateKey),
        ("[\"{}\\n{\\\"a\\\":1,\\\"a\\\":2}\"]".to_owned(), FaultKind::DuplicateKey),
        ("\0SEND\nx:y\n\n{\"a\":1,\"a\":2}\0".to_owned(), FaultKind::DuplicateKey),
        ("SEND\nx:y\n\r\r\n{\"a\":1,\"a\":2}\0".to_owned(), FaultKind::DuplicateKey),
        ("SEND\ncontent-length:4\n\na\0b\n\0SEND\n\n{\"a\":1,\"a\":2}\0".to_owned(), FaultKind::DuplicateKey),
        (format!(r#"{{"payload":{{"query":"{{{aliases}}}"}}}}"#), FaultKind::TooMany),
        (format!(r#"42["q",{{"query":"{{{aliases}}}"}}]"#), FaultKind::TooMany),
    ] {
        assert_eq!(said(text.as_bytes(), true), Err(want), "{text}");
    }
    // Readers of Socket.IO take any blank in an id for a digit.
    for id in ["\u{a0}", "\u{b}", "\u{feff}", "\u{2028}", "\u{3000}", " 1", "1 2", "/x, 1"] {
        let text = format!(r#"42{id}["say",{{"a":1,"a":2}}]"#);
        assert_eq!(said(text.as_bytes(), true), Err(FaultKind::DuplicateKey), "{text}");
    }
    // However records are cut, those that are whole are read.
    for (before, behind) in
        [("\u{1e}", "\u{1e}"), ("\u{1e} ", "\u{1e}"), ("\u{1e}", "\u{1e}\u{1e}"), ("\u{1e}", "\u{1e}{"), ("\u{1e}", "")]
    {
        let text = format!("{{\"type\":6}}{before}{{\"a\":1,\"a\":2}}{behind}");
        assert_eq!(said(text.as_bytes(), true), Err(FaultKind::DuplicateKey), "{text}");
    }
    for binary in [&b"SEND\n\n{\"a\":1,\"a\":2}\0"[..], br#"42["say",{"a":1,"a":2}]"#] {
        assert_eq!(said(binary, false), Err(FaultKind::DuplicateKey), "text, whatever it is said to be");
    }
    assert_eq!(said(b"\xff", true), Err(FaultKind::BadText));
    let torn = [&b"{\"type\":6,\"to\":\"somebody\"}\x1e{\"a\":1,\"a\":2}\x1e"[..], b"\xff\x1e"].concat();
    assert_eq!(said(&torn, false), Err(FaultKind::DuplicateKey));
}

/// What takes values and counts bytes.
#[derive(Default)]
struct Amount(usize);

impl Sink for Amount {
    fn value(&mut self, _at: Location<'_>, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

#[test]
fn frames_that_say_to_be_long_are_not_looked_through_again_and_again() {
    let count = 500;
    let frame = |rest: usize| format!("SEND\ncontent-length:{rest:05}\n\nx\0");
    let each = frame(0).len();
    let text: String = (1..=count).rev().map(|left| frame((left - 1) * each + 1)).collect();
    let mut amount = Amount::default();
    message(text.as_bytes(), true, &Limits::default(), &mut amount).expect("read");
    assert!(amount.0 < 4 * text.len(), "{} of {}", amount.0, text.len());
}

#[test]
fn what_socket_io_says_by_requests_is_read_as_what_it_says_otherwise() {
    for (body, want) in [
        ("42[\"say\",{\"a\":1,\"a\":2}]", Err(FaultKind::DuplicateKey)),
        ("42[\"say\"]\u{1e}42[{\"a\":1,\"a\":2}]", Err(FaultKind::DuplicateKey)),
        ("2\u{1e}bPHNj cmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==", Ok(true)),
        ("42 [\"say\",{\"a\":1,\"a\":2}]", Err(FaultKind::DuplicateKey)),
        ("1717171717{\"level\":\"info\"} end", Ok(false)),
        ("5[\"a\"](http://x)", Ok(false)),
        ("42[\"say\"]\u{1e}bPHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==", Ok(true)),
        ("bPHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==", Ok(true)),
        ("5 [of \"them\"", Ok(false)),
    ] {
        let found = values("text/plain;charset=UTF-8", body.as_bytes());
        let is_script = |found: Vec<String>| found.iter().any(|found| found.contains("<script>"));
        assert_eq!(found.map(is_script), want, "{body}");
    }
    let form = values("", "q=%3Cscript%3E&r=1\u{1e}{}".as_bytes()).expect("read");
    assert!(form.iter().any(|found| found == "body.q=<script>"), "what has no type is a form as well: {form:?}");
}
