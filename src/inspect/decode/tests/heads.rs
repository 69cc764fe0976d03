//! Queries, cookies, header fields.

use super::*;

#[test]
fn queries_give_names_and_values() {
    for (query, want) in [
        ("", &[][..]),
        ("q=1", &["query.q (name)=q", "query.q=1"]),
        ("a+b=c%20d%2Be", &["query.a b (name)=a b", "query.a b=c d+e"]),
        ("u[$ne]=x", &["query.u[$ne] (name)=u[$ne]", "query.u[$ne]=x"]),
        ("<script>", &["query.<script> (name)=<script>", "query.<script>="]),
        ("a=1&&a=2=3", &["query.a (name)=a", "query.a=1", "query.a=2=3"]),
        ("q=100%&r=%zz", &["query.q (name)=q", "query.q=100%", "query.r (name)=r", "query.r=%zz"]),
        (
            "f={\"a\":[\"x\"]}",
            &["query.f (name)=f", "query.f.(json).a (name)=a", "query.f.(json).a[0]=x", "query.f={\"a\":[\"x\"]}"],
        ),
        (
            "f=JyBvciAxPTEgLS0gLQ==",
            &["query.f (name)=f", "query.f.(base64)=' or 1=1 -- -", "query.f=JyBvciAxPTEgLS0gLQ=="],
        ),
        (
            "query={user(id:\"x'\"){n}}",
            &["query.query (name)=query", "query.query.(graphql).id=x'", "query.query={user(id:\"x'\"){n}}"],
        ),
    ] {
        assert_values(&head_values(Some(query), &[]), want, query);
    }
    assert_eq!(head_values(Some("a=%00"), &[]), Err(FaultKind::BadText));
    assert_eq!(head_values(Some("a%00=1"), &[]), Err(FaultKind::BadText));
    assert_eq!(head_values(Some(&"a&".repeat(1_001)), &[]), Err(FaultKind::TooMany));
}

#[test]
fn cookies_are_given_one_by_one() {
    let found = head_values(None, &[("cookie", "a=1; b=\"x y\";c"), ("cookie", "d={\"k\":\"v\"}")]);
    let want = [
        "cookie.a (name)=a",
        "cookie.a=1",
        "cookie.b (name)=b",
        "cookie.b=x y",
        "cookie.c (name)=c",
        "cookie.c=",
        "cookie.d (name)=d",
        "cookie.d.(json).k (name)=k",
        "cookie.d.(json).k=v",
        "cookie.d={\"k\":\"v\"}",
    ];
    assert_values(&found, &want, "cookies");
    assert_eq!(head_values(None, &[("cookie", "$Version=1; a=\"b")]), Err(FaultKind::BadHead));
    let large = format!("a={}", "x".repeat(9_000));
    assert_eq!(head_values(None, &[("cookie", &large), ("cookie", &large)]), Err(FaultKind::TooLong));
}

#[test]
fn fields_with_a_grammar_are_passed_over_unless_they_break_it() {
    for (name, value, is_given) in [
        ("user-agent", "x", true),
        ("x-anything", "x", true),
        ("accept", "text/html, */*;q=0.8", false),
        ("accept", "${jndi:ldap://x}", true),
        ("accept-language", "de-CH, de;q=0.9, *;q=0.5", false),
        ("accept-language", "../../../../etc/passwd", true),
        ("accept-language", "php://filter/resource=index", true),
        ("accept-language", "1 AND SLEEP(5)--", true),
        ("accept-language", "1 UNION SELECT password FROM users", true),
        ("accept-foo", "x", true),
        ("accept", ";cat /etc/passwd", true),
        ("accept", "/etc/passwd", true),
        ("content-type", "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW", false),
        ("if-modified-since", "1 UNION SELECT password FROM users", true),
        ("cache-control", "max-age=0, no-cache", false),
        ("range", "bytes=0-499, -500", false),
        ("via", "1.1 varnish, HTTP/2 edge.example.com", false),
        ("priority", "u=1, i", false),
        ("if-none-match", "W/\"abc--123\"", false),
        ("if-none-match", "\"abc\", \"d/e+f==\"", false),
        ("if-match", "1\" OR \"1\"=\"1", true),
        ("if-match", "\"1 UNION SELECT password\"", true),
        ("if-modified-since", "Sat, 29 Oct 1994 19:43:31 GMT", false),
        ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits", false),
        ("authorization", "Bearer abc.def", false),
        ("authorization", "Basic dXNlcjpwYXNz", false),
        ("authorization", "Bearer ${jndi:ldap://x}", false),
        ("proxy-authorization", "Digest x=<y>", false),
        ("content-type", "application/json", false),
        ("sec-ch-ua", "\"Not A(Brand\";v=\"99\"", false),
        ("referer", "https://x/", true),
    ] {
        let found = head_values(None, &[(name, value)]).expect("read");
        assert_eq!(!found.is_empty(), is_given, "{name}: {value} {found:?}");
    }
}

#[test]
fn a_token_tells_what_its_head_says() {
    // {"alg":"none","typ":"JWT"}
    let token = "Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhZG1pbiJ9.";
    let want = [
        "header.authorization.(jwt).alg (name)=alg",
        "header.authorization.(jwt).alg=none",
        "header.authorization.(jwt).typ (name)=typ",
        "header.authorization.(jwt).typ=JWT",
    ];
    assert_values(&head_values(None, &[("authorization", token)]), &want, token);
}

#[test]
fn framing_of_two_meanings_is_a_fault() {
    for fields in [
        &[("content-length", "3"), ("transfer-encoding", "chunked")][..],
        &[("transfer-encoding", "xchunked")],
        &[("transfer-encoding", "chunked"), ("transfer-encoding", "identity")],
        &[("content-length", "3"), ("content-length", "3")],
        &[("content-length", "+3")],
        &[("content-length", "")],
        &[("content-type", "text/plain"), ("content-type", "text/plain")],
        &[("content-type", "plain")],
    ] {
        assert_eq!(head_values(None, fields), Err(FaultKind::BadHead), "{fields:?}");
    }
    assert_eq!(head_values(None, &[("content-type", "text/plain; charset=utf-7")]), Err(FaultKind::UnknownCharset));
    assert_eq!(head_values(None, &[("content-length", "3")]), Ok(vec![]));
    assert_eq!(head_values(None, &[("transfer-encoding", "chunked")]), Ok(vec![]));
}

#[test]
fn segments_of_a_path_are_looked_into() {
    let mut all = All::default();
    let asked = Head { method: &Method::GET, path: "/v1/JyBvciAxPTEgLS0gLQ", query: None, headers: &HeaderMap::new() };
    head(&asked, &Limits::default(), &mut all).expect("read");
    assert_eq!(all.0, ["path=/v1/JyBvciAxPTEgLS0gLQ", "path.(base64)=' or 1=1 -- -"]);
}
