//! What checks cost, whatever a client sends.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Instant;

use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::{any, proptest};
use serde_json::{Value, json};

use super::{JSON, check, contract, document, of_body};
use crate::inspect::Limits;
use crate::inspect::profile::Head;
use crate::inspect::schema::{Contract, Seen, Unknown};

/// Operations that share schemas, as large documents have them.
fn large(operations: usize) -> Value {
    let (mut paths, mut schemas) = (json!({}), json!({}));
    for n in 0..operations {
        let next = |step: usize| json!({"$ref": format!("#/components/schemas/S{}", (n + step) % operations)});
        schemas[format!("S{n}")] = json!({"type": "object", "required": ["id"], "properties": {
            "id": {"type": "string", "pattern": format!("^s{n}-[A-Za-z0-9]{{8,24}}$")}, "state": {"type": "string", "enum": ["a", "b", "c"]},
            "amount": {"type": "integer", "format": "int64"}, "when": {"type": "string", "format": "date-time", "nullable": true},
            "near": next(1), "far": {"type": "array", "items": next(7)}, "some": {"anyOf": [next(3), {"type": "string"}]},
            "tags": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 100}}}});
        paths[format!("/r{}/{{id}}/s{n}", n % 20)] = json!({
            "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string", "maxLength": 40}}],
            "get": {"parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer"}}, {"name": "q", "in": "query", "schema": {"type": "string"}}]},
            "post": {"requestBody": {"required": true, "content": {"application/json": {"schema": next(0)}}}}});
    }
    json!({"openapi": "3.0.3", "paths": paths, "components": {"schemas": schemas}})
}

#[test]
fn large_documents_compile_and_check_fast() {
    let document = large(200);
    for unknown in [Unknown::Reject, Unknown::Closed] {
        let start = Instant::now();
        let contract = contract(&document, unknown).expect("a contract");
        let compiled = start.elapsed();
        let item = |n: usize| json!({"id": format!("s{n}-abcdefgh"), "state": "a", "amount": 5, "when": "2026-01-01T00:00:00Z"});
        let mut body = item(5);
        body["far"] = Value::Array((0..8).map(|_| item(12)).collect());
        let (body, start) = (body.to_string(), Instant::now());
        for _ in 0..1000 {
            assert_eq!(check(&contract, "POST /r5/x/s5", &[JSON], &body), "");
        }
        let posted = start.elapsed() / 1000;
        let start = Instant::now();
        for _ in 0..1000 {
            assert_eq!(check(&contract, "GET /r5/x/s5?limit=5&q=a", &[], ""), "");
        }
        let text = format!(
            "{unknown:?}: {:?} for {} operations, POST of {} bytes {posted:?}, GET {:?}",
            compiled,
            contract.promises().len(),
            body.len(),
            start.elapsed() / 1000
        );
        assert!(compiled.as_secs() < 5, "{text}");
    }
}

#[test]
fn long_lists_of_different_things_are_checked_fast() {
    let contract = contract(&of_body("3.1.0", &json!({"uniqueItems": true})), Unknown::Reject).expect("a contract");
    for item in [|n: u32| json!({"a": [n, "b"]}), |n| json!(n), |n| json!(format!("x{n}")), |n| json!([n])] {
        let body = Value::Array((0..50_000).map(item).collect()).to_string();
        let start = Instant::now();
        assert_eq!(check(&contract, "POST /", &[JSON], &body), "");
        let text = format!("{} bytes of different things: {:?}", body.len(), start.elapsed());
        assert!(start.elapsed().as_secs() < 5, "{text}");
    }
    assert_eq!(check(&contract, "POST /", &[JSON], "[1,2,1]"), "body: uniqueItems");
}

#[test]
fn long_lists_of_what_a_client_chose_to_be_alike_are_checked_fast() {
    let items = json!({"type": "array", "uniqueItems": true, "maxItems": 1_000_000});
    let contract = contract(&of_body("3.1.0", &items), Unknown::Reject).expect("a contract");
    let mut plain = Contract::default();
    plain.schema("POST /", br#"{"uniqueItems":true}"#).expect("a schema");
    // Trees of empty lists, by the bits of a number, and numbers that differ in digits that a float has not.
    let tree = |n: u32| {
        (0..17).rev().fold("[".to_owned(), |text, bit| text + if n >> bit & 1 == 1 { "[[]]," } else { "[]," }) + "0]"
    };
    let large = |n: u32| (u64::MAX - u64::from(n)).to_string();
    let id = |n: u32| format!("{{\"a\":{},\"b\":{}}}", i64::MAX - i64::from(n), i64::MAX - i64::from(n % 7));
    for (name, item) in [("trees", &tree as &dyn Fn(u32) -> String), ("numbers", &large), ("ids", &id)] {
        let body = format!("[{}]", (0..15_000).map(item).collect::<Vec<_>>().join(","));
        for contract in [&contract, &plain] {
            let start = Instant::now();
            assert_eq!(check(contract, "POST /", &[JSON], &body), "", "{name}");
            assert!(start.elapsed().as_secs() < 2, "{name}: {:?} for {} bytes", start.elapsed(), body.len());
        }
    }
}

#[test]
fn what_failed_is_told_in_no_more_time_than_a_body_takes() {
    let node = json!({"$ref": "#/components/schemas/N"});
    let part = |n: usize| json!({"allOf": [{"$ref": "#/components/schemas/Base"}, {"properties": {format!("p{n}"): {"type": "string"}}}]});
    let base = json!({"type": "object", "properties": {"parent": node, "note": {"type": "string", "pattern": "^[A-Za-z0-9 ,.!?-]*$"}}});
    let mut document = of_body("3.1.0", &node);
    document["components"] = json!({"schemas": {"Base": base, "N": {"allOf": [part(0), part(1), part(2), part(3)]}}});
    let contract = contract(&document, Unknown::Allow).expect("a contract");
    for (depth, note, told) in [(2, 20, "body.p3: type"), (8, 200_000, "body: schema"), (6, 9_000, "body: schema")] {
        let deep = (0..depth)
            .fold(format!("{{\"note\":\"{}\"}}", "x".repeat(note)), |body, _| format!("{{\"parent\":{body}}}"));
        let body = format!("{},\"p3\":1}}", &deep[..deep.len() - 1]);
        let start = Instant::now();
        assert_eq!(check(&contract, "POST /", &[JSON], &body), told);
        assert!(start.elapsed().as_secs() < 2, "{depth} deep, {note} long: {:?}", start.elapsed());
    }
}

#[test]
fn what_a_choice_makes_of_a_body_is_not_gathered() {
    let mut plain = Contract::default();
    let of = |kind: &str| json!({"type": "array", "items": {"type": "array", "items": {"type": kind}}});
    plain.schema("POST /", json!({"anyOf": [of("string"), of("object")]}).to_string().as_bytes()).expect("a schema");
    assert_eq!(check(&plain, "POST /", &[JSON], "[[0]]"), "body: schema");
    let small = format!("[{}{{}}]", "{\"\":0},".repeat(100_000));
    assert_eq!(check(&plain, "POST /", &[JSON], &small), "body: size", "its values would take 70 MB");
    let text = json!(["{[,\"\\".repeat(300_000), []]).to_string();
    assert_eq!(check(&plain, "POST /", &[JSON], &text), "body: schema", "a text is one value");
}

#[test]
fn a_choice_within_a_choice_costs_no_more_than_the_body() {
    let node = json!({"$ref": "#/components/schemas/N"});
    let branch = |key: &str| json!({"type": "object", "required": [key], "properties": {"a": node.clone(), "b": node.clone(), "x": {"type": "integer"}, "y": {}}});
    let mut body = String::from("\"leaf\"");
    for _ in 0..30 {
        let mut outer = String::new();
        write!(outer, "{{\"a\":{body},\"x\":1,\"y\":1}}").expect("written");
        body = outer;
    }
    for (choice, more) in [
        ("anyOf", "title"),
        ("oneOf", "title"),
        ("allOf", "title"),
        ("anyOf", "unevaluatedProperties"),
        ("allOf", "unevaluatedProperties"),
    ] {
        let mut document = of_body("3.1.0", &json!({"$ref": "#/components/schemas/N"}));
        let schema = json!({choice: [branch("x"), branch("y")], more: false});
        document["components"] = json!({"schemas": {"N": schema}});
        let mut plain = Contract::default();
        let schema = json!({"$ref": "#/components/schemas/N", "components": document["components"]});
        plain.schema("POST /", schema.to_string().as_bytes()).expect("a schema");
        let open = contract(&document, Unknown::Reject).expect("a contract");
        let closed = contract(&document, Unknown::Closed).expect("a contract");
        for (name, contract) in [("open", open), ("closed", closed), ("plain", plain)] {
            for body in
                [body.clone(), body.replace("\"leaf\"", "{\"x\":1}"), body.replace("\"leaf\"", "{\"x\":1,\"y\":1}")]
            {
                let start = Instant::now();
                let told = check(&contract, "POST /", &[JSON], &body);
                let text = format!("{choice} {more} {name}: {:?} {told}", start.elapsed());
                assert!(start.elapsed().as_secs() < 2, "{text}");
            }
        }
    }
}

static CONTRACT: LazyLock<Contract> =
    LazyLock::new(|| contract(&document("3.1.0"), Unknown::Closed).expect("a contract"));

proptest! {
    #[test]
    fn whatever_a_client_sends_is_checked_without_a_panic(path in "/v1/orders.{0,20}", query in any::<Vec<u8>>(), cookie in "[ -~]{0,40}", body in any::<Vec<u8>>()) {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", HeaderValue::from_str(&cookie).expect("a value"));
        let query = String::from_utf8_lossy(&query);
        for kind in ["application/json", "application/x-www-form-urlencoded"] {
            headers.insert("content-type", HeaderValue::from_static(kind));
            for method in [Method::GET, Method::POST] {
                let head = Head { method: &method, path: &path, query: Some(&query), headers: &headers };
                let _ = CONTRACT.check(&head, Seen::Whole(&body), &Limits::default());
            }
        }
    }
}
