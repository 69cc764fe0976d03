//! XML.

use super::*;

#[test]
fn elements_attributes_and_texts_are_given() {
    for (text, want) in [
        ("<a/>", &["body.a (name)=a"][..]),
        ("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<a>x</a>\n", &["body.a (name)=a", "body.a=x"]),
        (
            "<a b='c &lt;' d = \"e\"><f>x &amp; y</f>z</a>",
            &[
                "body.a (name)=a",
                "body.a.b (name)=b",
                "body.a.b=c <",
                "body.a.d (name)=d",
                "body.a.d=e",
                "body.a.f (name)=f",
                "body.a.f=x & y",
                "body.a=z",
            ],
        ),
        (
            "<a>un<![CDATA[ion se]]>le<!-- x -->ct&#x31;</a>",
            &["body.a (name)=a", "body.a=union select1", "body.a.(comment)=x"],
        ),
        (
            "<s:a xmlns:s=\"http://x/y\"><?php x?></s:a>",
            &["body.s:a (name)=s:a", "body.s:a.xmlns:s (name)=xmlns:s", "body.s:a.(instruction)=x"],
        ),
        ("<a><![CDATA[<script>]]></a>", &["body.a (name)=a", "body.a=<script>"]),
    ] {
        assert_values(&values("application/xml", text), want, text);
        let wide: Vec<u8> =
            format!("\u{feff}{}", text.replace("utf-8", "utf-16")).encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_values(&values("application/soap+xml", wide), want, text);
    }
}

#[test]
fn what_makes_a_reader_read_elsewhere_is_refused() {
    for text in [
        "<!DOCTYPE a><a/>",
        "<?xml version=\"1.0\"?><!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><r>&x;</r>",
        "<a><!ENTITY x \"y\"></a>",
        "<a xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:include href=\"file:///etc/passwd\"/></a>",
        "<a xmlns:q=\"http://www.w3.org/2001/XInclud&#x65;\"/>",
        "<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\"><xs:include schemaLocation=\"http://x/y\"/></xs:schema>",
        "<x:import xmlns:x=\"http://www.w3.org/1999/XSL/Transform\" href=\"file:///x\"/>",
        "<?xml-stylesheet href=\"http://x/y.xsl\"?><a/>",
    ] {
        assert_eq!(values("text/xml", text), Err(FaultKind::Doctype), "{text}");
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(values("text/xml", wide), Err(FaultKind::Doctype), "wide {text}");
    }
}

#[test]
fn what_only_names_a_namespace_is_read() {
    for text in [
        "<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\"><xs:import namespace=\"http://x/y\"/></xs:schema>",
        "<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\"><xs:include schemaLocation=\"part.xsd\"/></xs:schema>",
        "<include href=\"http://x/y\"/>",
    ] {
        assert!(values("text/xml", text).is_ok(), "{text}");
    }
}

#[test]
fn xml_that_is_none_is_refused() {
    use FaultKind::*;
    for (text, kind) in [
        ("", None),
        (" ", Some(Malformed)),
        ("text", Some(Malformed)),
        ("<a>", Some(Malformed)),
        ("<a></b>", Some(Malformed)),
        ("<a/><b/>", Some(Malformed)),
        ("<a/>x", Some(Malformed)),
        ("<a b=c/>", Some(Malformed)),
        ("<a b='<'/>", Some(Malformed)),
        ("<a b='1'c='2'/>", Some(Malformed)),
        ("<a b='1' b='2'/>", Some(DuplicateKey)),
        ("<1/>", Some(Malformed)),
        ("<a>&nbsp;</a>", Some(Malformed)),
        ("<a>&#0;</a>", Some(Malformed)),
        ("<a>& b</a>", Some(Malformed)),
        ("<a>\x01</a>", Some(Malformed)),
        ("<a><!-- x -- y --></a>", Some(Malformed)),
        ("<a/><?xml version='1.0'?>", Some(Malformed)),
        ("<?xml version='1.0' encoding='utf-7'?><a/>", Some(UnknownCharset)),
        ("<?xml version='1.0' encoding='utf-16'?><a/>", Some(UnknownCharset)),
    ] {
        assert_eq!(values("application/xml", text).err(), kind, "{text}");
    }
    assert_eq!(values("application/xml", "<a>".repeat(33)), Err(TooDeep));
    assert_eq!(values("application/xml", format!("<a>{}</a>", "<b/>".repeat(100_000))), Err(TooMany));
    assert_eq!(values("application/xml", b"<a>\xff</a>"), Err(BadText));
    let limits = Limits { string: 3, ..Limits::default() };
    for text in ["<a>1234</a>", "<a>12<![CDATA[34]]></a>", "<a b='1234'/>"] {
        assert_eq!(values_within("application/xml", text, &limits), Err(TooLong), "{text}");
    }
    assert_eq!(
        values("application/xml; charset=utf-8", "<?xml version='1.0' encoding='latin1'?><a>é</a>"),
        Err(UnknownCharset)
    );
    // In EBCDIC, whatever it is said to be.
    for kind in ["", "text/plain", "application/octet-stream"] {
        assert_eq!(values(kind, b"\x4c\x6f\xa7\x94\x93\x40"), Err(UnknownCharset), "{kind}");
    }
}
