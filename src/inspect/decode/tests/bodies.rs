//! JSON, streams of it, forms, GraphQL, protocol buffers, texts.

use super::*;

#[test]
fn json_gives_keys_and_strings() {
    for (text, want) in [
        ("{}", &[][..]),
        (" [ ] ", &[]),
        ("null", &[]),
        ("\"a\"", &["body=a"]),
        ("[1, -2.5e+3, true, false, null]", &[]),
        ("{\"a\":1}", &["body.a (name)=a"]),
        (
            "{\"a\":{\"b\":[0,\"x\",[\"y\"]]},\"c\":\"z\"}",
            &[
                "body.a (name)=a",
                "body.a.b (name)=b",
                "body.a.b[1]=x",
                "body.a.b[2][0]=y",
                "body.c (name)=c",
                "body.c=z",
            ],
        ),
        ("[\"\\u0041\\n\\\"\\ud83d\\ude00\"]", &["body[0]=A\n\"😀"]),
        (
            "[\"0123456789 long enough \\\\ for words of eight\"]",
            &["body[0]=0123456789 long enough \\ for words of eight"],
        ),
        (
            "{\"n\":\"{\\\"x\\\":\\\"y\\\"}\"}",
            &["body.n (name)=n", "body.n.(json).x (name)=x", "body.n.(json).x=y", "body.n={\"x\":\"y\"}"],
        ),
        ("{\"n\":\"{x}\"}", &["body.n (name)=n", "body.n={x}"]),
        (
            "{\"n\":\"PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==\"}",
            &[
                "body.n (name)=n",
                "body.n=PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
                "body.n.(base64)=<script>alert(1)</script>",
            ],
        ),
        // {"a":"<script>"} in base64
        (
            "{\"n\":\"eyJhIjoiPHNjcmlwdD4ifQ==\"}",
            &[
                "body.n (name)=n",
                "body.n=eyJhIjoiPHNjcmlwdD4ifQ==",
                "body.n.(base64).(json).a (name)=a",
                "body.n.(base64).(json).a=<script>",
                "body.n.(base64)={\"a\":\"<script>\"}",
            ],
        ),
    ] {
        assert_values(&values("application/json", text), want, text);
    }
}

#[test]
fn json_that_is_none_is_refused() {
    use FaultKind::*;
    for (text, kind) in [
        ("{\"a\":1} {}", Malformed),
        ("{\"a\":1,}", Malformed),
        ("[1,]", Malformed),
        ("[,1]", Malformed),
        ("{'a':1}", Malformed),
        ("{\"a\":1 /* c */}", Malformed),
        ("{\"a\" 1}", Malformed),
        ("{\"a\":NaN}", Malformed),
        ("[01]", Malformed),
        ("[-]", Malformed),
        ("[1.]", Malformed),
        ("[+1]", Malformed),
        ("[tru]", Malformed),
        ("[1", Malformed),
        ("[\"a]", Malformed),
        ("[\"\\x\"]", Malformed),
        ("[\"\\u12\"]", Malformed),
        ("[\"a\tb\"]", Malformed),
        ("[1}", Malformed),
        ("]", Malformed),
        (" ", Malformed),
        ("\u{feff}{}", Malformed),
        ("q=1", Malformed),
        ("[\"\\ud800\"]", BadText),
        ("[\"\\ud800\\ud800\"]", BadText),
        ("[\"\\udc00\"]", BadText),
        ("{\"a\":1,\"a\":2}", DuplicateKey),
        ("{\"a\":1,\"\\u0061\":2}", DuplicateKey),
        ("[{\"b\":{\"a\":1},\"b\":2}]", DuplicateKey),
    ] {
        assert_eq!(values("application/json", text), Err(kind), "{text}");
    }
    assert_eq!(values("application/json", b"[\"\xff\"]"), Err(BadText));
    assert_eq!(values("application/json; charset=utf-7", "[]"), Err(UnknownCharset));
}

#[test]
fn json_is_bounded() {
    let limits = Limits { depth: 3, keys: 40, array: 5, string: 10, digits: 4, ..Limits::default() };
    let keys = |n: usize, last: &str| {
        let keys: Vec<String> = (0..n).map(|n| format!("\"k{n}\":0")).collect();
        format!("{{{},\"{last}\":0}}", keys.join(","))
    };
    for (text, want) in [
        ("[[[1]]]".to_owned(), None),
        ("[[[[1]]]]".to_owned(), Some(FaultKind::TooDeep)),
        ("[1,2,3,4,5]".to_owned(), None),
        ("[1,2,3,4,5,6]".to_owned(), Some(FaultKind::TooMany)),
        ("[12345]".to_owned(), Some(FaultKind::TooLong)),
        ("[\"12345678901\"]".to_owned(), Some(FaultKind::TooLong)),
        (keys(39, "last"), None),
        (keys(40, "last"), Some(FaultKind::TooMany)),
        (keys(38, "k0"), Some(FaultKind::DuplicateKey)),
        (keys(38, "k37"), Some(FaultKind::DuplicateKey)),
    ] {
        assert_eq!(values_within("application/json", &text, &limits).err(), want, "{text}");
    }
    let deep = "[".repeat(1_000_000);
    assert_eq!(values("application/json", deep), Err(FaultKind::TooDeep));
}

#[test]
fn wide_json_is_read_by_its_mark_or_type() {
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let want = ["body.a (name)=a", "body.a=é"];
    assert_values(&values("application/json; charset=utf-16le", wide("{\"a\":\"é\"}")), &want, "by type");
    assert_values(&values("application/json", wide("\u{feff}{\"a\":\"é\"}")), &want, "by mark");
    assert_eq!(values("application/json", wide("{}")), Err(FaultKind::Malformed));
}

#[test]
fn streams_of_json_are_read_text_by_text() {
    let lines = "{\"a\":\"x\"}\n\n[\"y\"]\r\n";
    assert_values(
        &values("application/x-ndjson", lines),
        &["body[0].a (name)=a", "body[0].a=x", "body[1][0]=y"],
        lines,
    );
    assert_eq!(values("application/x-ndjson", "{}\n{"), Err(FaultKind::Malformed));
    assert_values(&values("application/json-seq", "\x1e\"a\"\n\x1e\"b\"\n"), &["body[0]=a", "body[1]=b"], "sequence");
    assert_eq!(values("application/json-seq", "{}"), Err(FaultKind::Malformed));
}

#[test]
fn forms_give_pairs_and_json_sent_as_one_is_json() {
    let form = "application/x-www-form-urlencoded";
    assert_values(&values(form, "a=%3C+b&c"), &["body.a (name)=a", "body.a=< b", "body.c (name)=c", "body.c="], "form");
    assert_values(
        &values(form, "{\"a\":\"b&c=d\"}"),
        &[
            "body.a (name)=a",
            "body.a=b&c=d",
            "body.c (name)=c",
            "body.c=d\"}",
            "body.{\\\"a\\\":\\\"b (name)={\"a\":\"b",
            "body.{\\\"a\\\":\\\"b=",
        ],
        "json",
    );
    assert_eq!(values(form, "{\"a\":1,\"a\":2}"), Err(FaultKind::DuplicateKey));
    assert_eq!(values("application/x-www-form-urlencoded; charset=utf-16le", "a=1 "), Err(FaultKind::UnknownCharset));
    assert_eq!(values(form, b"\xff\xfe=1&a=1"), Err(FaultKind::UnknownCharset));
    assert_eq!(values(form, "a=%00"), Err(FaultKind::BadText));
    let limits = Limits { string: 3, parameters: 2, ..Limits::default() };
    assert_eq!(values_within(form, "a=1234", &limits), Err(FaultKind::TooLong));
    assert_eq!(values_within(form, "a=1&b=2&c=3", &limits), Err(FaultKind::TooMany));
}

#[test]
fn documents_of_graphql_give_their_strings() {
    let json = |text: &str| format!("{{\"query\":{}}}", serde_json::to_string(text).expect("a string"));
    let given = |text: &str| values("application/json", json(text));
    let name = "body.query (name)=query";
    for (text, want) in [
        ("{ user(id: \"1'\") { name } }", &["body.query.(graphql).id=1'", name][..]),
        (
            "query Q($a: [Int!] = 1) @d(x: \"y\") { a: b(in: {k: \"\\u0041\"}) ...F } fragment F on T { c }",
            &["body.query.(graphql).k=A", "body.query.(graphql).x=y", name],
        ),
        (
            "{ a(b: \"\"\"x \"y\" z\"\"\") } # note",
            &["body.query.(graphql).b=x \"y\" z", "body.query.(graphql)=note", name],
        ),
        ("query the database", &["body.query=query the database", name]),
        ("{{7*7}}", &["body.query={{7*7}}", name]),
        ("{a} ' or 1=1", &["body.query={a} ' or 1=1", name]),
        ("status = open", &["body.query=status = open", name]),
    ] {
        let raw = format!("body.query={text}");
        assert_values(&given(text), &[want, &[&raw]].concat(), text);
    }
    let aliases: String = (0..101).map(|n| format!("a{n}:b ")).collect();
    for ignored in ["", ",", " ,\n,", "\u{feff}", ",\u{feff},"] {
        assert_eq!(given(&format!("{ignored}{{{aliases}}}")), Err(FaultKind::TooMany), "{ignored:?}");
    }
    assert_eq!(given(&format!("{}a{}", "{a".repeat(33), "}".repeat(33))), Err(FaultKind::TooDeep));
    let batch = format!("[{}]", vec![json("{a}"); 51].join(","));
    for hidden in ["a(b: \"\"\"\\\"\"\"\"\"\")", "a \u{feff}"] {
        assert_eq!(given(&format!("{{{hidden} {aliases}}}")), Err(FaultKind::TooMany), "{hidden:?}");
    }
    assert_eq!(given(&format!("\"what it does\" query Q {{{aliases}}}")), Err(FaultKind::TooMany));
    assert_eq!(values("application/json", &batch), Err(FaultKind::TooMany));
    assert_values(&values("application/graphql", "{a(b:\"c\")}"), &["body.(graphql).b=c"], "alone");
    assert_eq!(values("application/graphql", "{a(b:\"c\"}"), Err(FaultKind::Malformed));
}

#[test]
fn fragments_count_where_they_are_spread() {
    let given = |text: &str| {
        let json = format!("{{\"query\":{}}}", serde_json::to_string(text).expect("a string"));
        values("application/json", &json).map(|_| ())
    };
    // Each is spread in the one before, `times` times, and has `inner`.
    let chain = |length: usize, times: usize, inner: &str| {
        let one = |n: usize| format!(" fragment F{n} on T {{ {inner} {} }}", format!("...F{} ", n + 1).repeat(times));
        let all: String = (0..length).map(one).collect();
        format!("{{ ...F0 }}{all} fragment F{length} on T {{ a }}")
    };
    for (what, text, want) in [
        ("honest", chain(4, 2, "a b: c ... on U { d }"), Ok(())),
        ("none such", "{ a ...F }".to_owned(), Ok(())),
        ("deep", chain(32, 1, "a"), Err(FaultKind::TooDeep)),
        ("deeper than any limit", chain(20_000, 1, "a"), Err(FaultKind::TooDeep)),
        ("aliases", chain(7, 2, "b: c"), Err(FaultKind::TooMany)),
        ("fields", chain(17, 2, "a"), Err(FaultKind::TooMany)),
        ("round", "{ ...F } fragment F on T { a ...G } fragment G on T { ...F }".to_owned(), Err(FaultKind::TooDeep)),
        ("one's own", "fragment F on T { ...F } { a }".to_owned(), Err(FaultKind::TooDeep)),
        (
            "two of one name",
            "{ ...F } fragment F on T { a } fragment F on T { b }".to_owned(),
            Err(FaultKind::DuplicateKey),
        ),
    ] {
        assert_eq!(given(&text), want, "{what}");
    }
    let aliases: String = (0..101).map(|n| format!("a{n}:b ")).collect();
    for operations in [format!("{{\"query\":\"{{{aliases}}}\"}}"), format!("[{{\"query\":\"{{{aliases}}}\"}}]")] {
        for kind in ["", "Content-Type: application/json\r\n"] {
            let head = format!("Content-Disposition: form-data; name=\"operations\"\r\n{kind}");
            let body = format!("--x\r\n{head}\r\n{operations}\r\n--x--\r\n");
            assert_eq!(
                values("multipart/form-data; boundary=x", body),
                Err(FaultKind::TooMany),
                "{kind:?} {operations}"
            );
        }
    }
}

#[test]
fn messages_give_their_texts() {
    let frame = |flag: u8, message: &[u8]| [&[flag][..], &(message.len() as u32).to_be_bytes(), message].concat();
    let message = b"\x0a\x03a'b\x10\x05\x1a\x05\x0a\x03xyz";
    let want = ["body[0][1]=a'b", "body[0][3][1]=xyz", "body[0][3]=\n\x03xyz"];
    let found = values("application/grpc", frame(0, message)).expect("read");
    assert!(found.iter().all(|value| want.contains(&&**value)) && found.len() == 2, "{found:?}");
    assert_eq!(values("application/grpc", [frame(0, message), vec![0, 0]].concat()), Err(FaultKind::Malformed));
    assert_eq!(values("application/grpc", frame(2, message)), Err(FaultKind::Malformed));
    assert_eq!(values("application/grpc", frame(1, message)), Err(FaultKind::BrokenCoding));
    assert_eq!(values("application/grpc", [0, 0xff, 0xff, 0xff, 0xff, 1]), Err(FaultKind::Malformed));
    assert_values(&values("application/x-protobuf", b"\x0a\x03a'b"), &["body[1]=a'b"], "alone");
}

#[test]
fn what_has_no_format_is_one_text_or_none() {
    for (kind, text, want) in [
        ("text/plain", &b"a\nb"[..], &["body=a\nb"][..]),
        ("text/plain; charset=utf-16", b"\xff\xfea\0", &["body=a"]),
        ("", b"some text", &["body=some text"]),
        ("", b"\xef\xbb\xbfsome text", &["body=some text"]),
        ("", b"{\"a\":\"b\"}", &["body.a (name)=a", "body.a=b", "body={\"a\":\"b\"}"]),
        ("text/plain", b" [\"b\"] more", &["body[0]=b", "body= [\"b\"] more"]),
        ("", b"a=%3C&b", &["body.a (name)=a", "body.a=<", "body.b (name)=b", "body.b=", "body=a=%3C&b"]),
        ("text/plain", b"a=%3C&b", &["body=a=%3C&b"]),
        ("", b"{\"a\":", &["body.a (name)=a", "body={\"a\":"]),
        (
            "",
            b"<?xml version=\"1.0\"?><a>b</a>",
            &["body.a (name)=a", "body.a=b", "body=<?xml version=\"1.0\"?><a>b</a>"],
        ),
        ("application/x-mine", b"text", &["body=text"]),
        ("application/octet-stream", b"\xff\x01\x02", &[]),
        ("application/octet-stream", b"\x01\x02' or 1=1", &["body=\x01\x02' or 1=1"]),
        ("application/octet-stream", b"text", &["body=text"]),
        ("image/png", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01 words that are found", &[]),
        ("application/pdf", b"\x89PNG\r\n\x1a\n\0\0\0\0\0 words that are found", &["body= words that are found"]),
        ("image/png", b"'<script>", &["body='<script>"]),
        ("image/gif", b"GIF89a<script>", &["body=GIF89a<script>"]),
        ("", b"ID3=' or 1=1", &["body.ID3 (name)=ID3", "body.ID3=' or 1=1", "body=ID3=' or 1=1"]),
        ("application/json", b"", &[]),
        ("multipart/form-data; boundary=x", b"", &[]),
    ] {
        assert_values(&values(kind, text), want, kind);
    }
    assert_eq!(values("text/plain", "{\"a\":1,\"a\":2}"), Err(FaultKind::DuplicateKey));
    assert_eq!(values("text/plain", "<!DOCTYPE a SYSTEM \"x\">"), Err(FaultKind::Doctype));
    assert_eq!(values("text/plain; charset=utf-8", b"\xff"), Err(FaultKind::BadText));
    assert_eq!(values("", b"<?xml version=\"1.0\"?><!DOCTYPE a>"), Err(FaultKind::Doctype));
    assert_eq!(values("plain", b"x"), Err(FaultKind::BadHead));
}
