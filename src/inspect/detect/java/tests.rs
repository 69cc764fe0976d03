//! Attacks and honest look-alikes.

use proptest::prelude::*;

use super::*;
use crate::inspect::Part;

fn ids(value: &[u8], part: Part, trail: &[u8], is_name: bool) -> Vec<&'static str> {
    let occurs = Bytes::of(value);
    let lower = value.to_ascii_lowercase();
    let mut found = Found::default();
    run(&Input { bytes: value, lower: &lower, part, trail, is_name, occurs: &occurs }, &mut found);
    found.evidence.into_iter().map(|(id, _)| id).collect()
}

#[test]
fn attacks_are_seen() {
    for (value, want) in [
        (&b"java.lang.Runtime"[..], "java.gadget"),
        (b"java.lang.ProcessBuilder", "java.gadget"),
        (b"com.sun.rowset.JdbcRowSetImpl", "java.gadget"),
        (b"org.apache.commons.collections.functors.InvokerTransformer", "java.gadget"),
        (b"java.net.URLClassLoader", "java.gadget"),
        (b"java.lang.Class", "java.class-name"),
        (b"java.io.FileOutputStream", "java.class-name"),
        (b"com.opensymphony.xwork2", "java.class-name"),
        (b"javax.naming.Context", "java.class-name"),
        (b"\xac\xed\x00\x05sr", "java.serialized"),
        (b"aced00057372", "java.serialized"),
        (b"rO0ABXNyABE=", "java.serialized"),
        (b"x=;rO0ABXNy", "java.serialized"),
        (b"WKztAAVzcg==", "java.serialized"),
        (b"(#a=1)", "java.ognl-assignment"),
        (b"%{#b = @x@y}", "java.ognl-assignment"),
        (b"TWluZVByb2Nlc3NCdWlsZGVy", "java.name-in-base64"),
    ] {
        assert!(ids(value, Part::Query, b"q", false).contains(&want), "{}", value.escape_ascii());
    }
    assert_eq!(ids(b"classLoader", Part::Body, b"class.module.classLoader", true), ["java.class-loader"]);
    assert_eq!(ids(b"a.jsp..", Part::Header, b"x-filename", false), ["java.upload"]);
}

#[test]
fn honest_text_is_left_alone() {
    for (value, trail) in [
        ("java.lang.NullPointerException", "type"),
        ("java.lang.NullPointerException at com.acme.Foo.bar(Foo.java:12)", "note"),
        ("java.util.List", "type"),
        ("java.io.tmpdir", "key"),
        ("java.runtime.version", "key"),
        ("org.apache.commons:commons-collections4:4.4", "name"),
        ("org.apache.commons", "groupId"),
        ("org.springframework.boot", "id"),
        ("java.lang.String", "schema.class_name"),
        ("Use java.lang.Runtime to start it", "note"),
        ("The InvokerTransformer gadget", "title"),
        ("ProcessBuilder", "q"),
        ("closure", "q"),
        ("aced0005 is a magic", "note"),
        ("/app/login.jsp", "path"),
        ("see [here](#part) and (#3 = three)", "note"),
        ("classLoader", "classLoader"),
        ("", ""),
    ] {
        let found = ids(value.as_bytes(), Part::Body, trail.as_bytes(), false);
        assert_eq!(found, [""; 0], "{value}");
    }
    assert_eq!(ids(b"classLoader", Part::Body, b"settings.classLoader", true), [""; 0]);
}

proptest! {
    #[test]
    fn no_bytes_panic(value in prop::collection::vec(any::<u8>(), 0..300), trail in ".{0,20}", is_name: bool) {
        ids(&value, Part::Body, trail.as_bytes(), is_name);
    }

    #[test]
    fn no_name_panics(value in r"(java|\.|\$|javax|runtime|[A-Za-z]|aced0005|rO0AB|ztAA|s7QAF){0,12}") {
        ids(value.as_bytes(), Part::Query, b"x", true);
    }
}
