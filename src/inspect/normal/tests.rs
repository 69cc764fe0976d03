//! What is taken off, and what is not.

use proptest::prelude::*;

use super::*;

fn decoded(text: &[u8]) -> Option<String> {
    let mut out = Vec::new();
    decode(text, &mut out).then(|| String::from_utf8_lossy(&out).into_owned())
}

#[test]
fn encodings_are_taken_off() {
    let cases: [(&[u8], &str); 39] = [
        (b"%27 or 1=1", "' or 1=1"),
        (b"%2527", "'"),
        (b"%252527", "'"),
        (b"%u0027", "'"),
        (b"%uFF07", "'"),
        (b"1%27+union+select", "1' union select"),
        (b"1+union+select%271", "1 union select'1"),
        (b"%C0%AE%C0%AE/", "../"),
        (b"\xc0\xae\xc0\xaf", "./"),
        (b"\xe0\x80\xaf", "/"),
        (b"\xf0\x80\x80\xaf", "/"),
        ("＜script＞".as_bytes(), "<script>"),
        (b"&lt;script&gt;", "<script>"),
        (b"&ltscript&gt", "<script>"),
        (b"&LT;script&GT;", "<script>"),
        (b"&amp;lt;b", "<b"),
        (b"&#60;b", "<b"),
        (b"&#60b", "<b"),
        (b"&#x3cb", "\u{3cb}"),
        (b"&#x3c;b", "<b"),
        (b"&#X0000000000000000000000000000000000000000003C;b", "<b"),
        (b"java&Tab;script&colon;x", "java\tscript:x"),
        (b"&lpar;1&rpar;", "(1)"),
        (b"v&NEWLINE;b&colon;", "v\nb:"),
        (b"$&lbracejndi:x", "${jndi:x"),
        ("1ʹ".as_bytes(), "1'"),
        (b"\\x3cscript\\x3E", "<script>"),
        (b"\\u003cscript\\u003E", "<script>"),
        (b"\\u{3c}script\\u{00003e}", "<script>"),
        (b"\\74script\\076", "\\74script>"),
        (b"\\074script", "<script"),
        (b"%26lt%3Bb", "<b"),
        (b"%5Cu0065val", "eval"),
        (b"100%25", "100%"),
        (b"&#x1F600;", "\u{1f600}"),
        (b"\\u{1F600}", "\u{1f600}"),
        (b"a%00b", "ab"),
        (b"<scr\0ipt>", "<script>"),
        (b"x.php%00.png", "x.php\0.png"),
    ];
    for (text, want) in cases {
        assert_eq!(decoded(text).as_deref(), Some(want), "{}", text.escape_ascii());
    }
}

#[test]
fn what_is_not_encoded_is_left_alone() {
    for text in [
        "",
        "plain",
        "100% of it",
        "50%+",
        "a & b",
        "AT&T",
        "http://x/?a=1&lt=5&gt=6&b=2",
        "C:\\new\\temp",
        "\\d+\\s",
        "C++ + D",
        "don’t – 日本語",
        "%zz",
        "%u12",
        "&#;",
        "&#xg;",
        "&bogus;",
        "\\u{}",
        "\\u{110000}",
        "\\ud800",
        "&#xd800;",
        "\\400",
        "&",
    ] {
        assert_eq!(decoded(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn rounds_are_bounded() {
    assert_eq!(decoded(b"%25252527").as_deref(), Some("%27"));
}

proptest! {
    #[test]
    fn any_bytes_become_no_longer(text in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut out = Vec::new();
        if decode(&text, &mut out) {
            prop_assert!(out.len() <= text.len());
        }
    }

    #[test]
    fn any_tokens_become_no_longer(text in "(%|&|#|x|u|\\\\|\\{|\\}|;|[0-9a-f]|lt|gt|amp|\u{ff07}){0,40}") {
        let mut out = Vec::new();
        if decode(text.as_bytes(), &mut out) {
            prop_assert!(out.len() <= text.len());
        }
    }
}
