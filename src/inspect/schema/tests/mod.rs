//! Requests against documents: what passes, and what fails where and by which keyword.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use super::{Contract, ContractError, Seen, Unknown};
use crate::inspect::profile::Head;
use crate::inspect::{FaultKind, Limits};

mod cost;
mod styles;
mod wrong;

fn document(version: &str) -> Value {
    json!({
        "openapi": version,
        "info": {"title": "orders", "version": "1"},
        "servers": [{"url": "https://api.test/v1"}],
        "paths": {
            "/orders": {
                "get": {
                    "operationId": "listOrders",
                    "parameters": [
                        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
                        {"name": "state", "in": "query", "schema": {"$ref": "#/components/schemas/State"}},
                        {"name": "id", "in": "query", "schema": {"type": "array", "items": {"type": "integer"}, "maxItems": 3}},
                        {"name": "tag", "in": "query", "explode": false, "schema": {"type": "array", "items": {"type": "string", "maxLength": 3}}},
                        {"name": "deep", "in": "query", "schema": {"type": "boolean"}},
                        {"name": "flag", "in": "query", "allowEmptyValue": true, "schema": {"type": "integer"}},
                        {"$ref": "#/components/parameters/Tenant"},
                        {"name": "session", "in": "cookie", "schema": {"type": "string", "format": "uuid"}}
                    ]
                },
                "post": {
                    "requestBody": {"required": true, "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Order"}},
                        "application/x-www-form-urlencoded": {"schema": {"type": "object", "additionalProperties": false,
                            "required": ["amount"],
                            "properties": {"amount": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2}}}},
                        "image/*": {}
                    }}
                }
            },
            "/orders/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer", "format": "int32"}}],
                "get": {},
                "delete": {"parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string", "pattern": "^o-[0-9]+$"}}]}
            },
            "/orders/last": {"get": {"parameters": [{"name": "x-required", "in": "header", "required": true, "schema": {"type": "integer"}}]}}
        },
        "components": {
            "parameters": {"Tenant": {"name": "X-Tenant", "in": "header", "schema": {"type": "string", "pattern": "^[a-z]+$"}}},
            "schemas": {
                "State": {"type": "string", "enum": ["open", "done"]},
                "Order": {
                    "type": "object",
                    "required": ["id", "items"],
                    "properties": {
                        "id": {"type": "string", "readOnly": true},
                        "when": {"type": "string", "format": "date-time"},
                        "parent": {"$ref": "#/components/schemas/Order"},
                        "items": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Item"}},
                        "pay": {"oneOf": [{"$ref": "#/components/schemas/Card"}, {"$ref": "#/components/schemas/Bank"}]}
                    }
                },
                "Item": {"type": "object", "required": ["amount"], "additionalProperties": false,
                    "properties": {"amount": {"type": "integer", "minimum": 0}, "note": {"type": "string", "maxLength": 5}}},
                "Card": {"type": "object", "required": ["card"], "properties": {"card": {"type": "object", "properties": {"no": {"type": "integer"}}}}},
                "Bank": {"type": "object", "required": ["iban"], "properties": {"iban": {"type": "string"}}}
            }
        }
    })
}

fn contract(document: &Value, unknown: Unknown) -> Result<Contract, Vec<ContractError>> {
    let mut contract = Contract::default();
    contract.openapi(document.to_string().as_bytes(), unknown)?;
    Ok(contract)
}

/// What fails of a request, written as `POST /v1/orders?a=b`.
fn check(contract: &Contract, line: &str, fields: &[(&str, &str)], body: &str) -> String {
    let (method, target) = line.split_once(' ').expect("a request line");
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let (method, mut headers): (Method, _) = (method.parse().expect("a method"), HeaderMap::new());
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
    }
    let head = Head { method: &method, path, query, headers: &headers };
    let checked = contract.check(&head, Seen::Whole(body.as_bytes()), &Limits::default());
    checked.map_or_else(
        |fault| {
            assert_eq!(fault.kind, FaultKind::Contract);
            assert!(fault.to_string().len() <= 200, "{fault}");
            format!("{}: {}", fault.at, fault.keyword.unwrap_or_default())
        },
        |()| String::new(),
    )
}

const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A request line, header fields, and what fails.
type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], &'c str);

#[test]
fn heads_are_held_to_their_operations() {
    for version in ["3.0.3", "3.1.0"] {
        let contract = contract(&document(version), Unknown::Reject).expect("a contract");
        let cases: [Case<'_>; 36] = [
            ("GET /v1/orders", &[], ""),
            ("HEAD /v1/orders?limit=5", &[], ""),
            ("GET /v1/orders?limit=5&state=open&deep=true&flag=", &[], ""),
            ("GET /v1/orders?id=1&id=2&tag=a,b", &[], ""),
            ("GET /v1/orders?limi%74=5", &[], ""),
            ("GET /v1/orders/7", &[], ""),
            ("GET /v1/orders/last", &[("x-required", "4")], ""),
            ("DELETE /v1/orders/o-7", &[], ""),
            ("GET /v1/orders", &[("x-tenant", "acme"), ("x-other", "1")], ""),
            ("GET /v1/orders", &[("cookie", "a=b; session=3f2504e0-4f89-41d3-9a0c-0305e82c3301")], ""),
            ("GET /orders", &[], "path: operation"),
            ("PUT /v1/orders", &[], "path: operation"),
            ("OPTIONS /v1/orders", &[], "path: operation"),
            ("GET /v1/orders/7/", &[], "path: operation"),
            ("GET /v1/orders?limit=0", &[], "query.limit: minimum"),
            ("GET /v1/orders?limit=1.5", &[], "query.limit: type"),
            ("GET /v1/orders?limit=1%20or%201=1", &[], "query.limit: type"),
            ("GET /v1/orders?limit=", &[], "query.limit: type"),
            ("GET /v1/orders?limit=5&limit=6", &[], "query.limit: once"),
            ("GET /v1/orders?limit=99999999999999999999999", &[], "query.limit: maximum"),
            ("GET /v1/orders?state=gone", &[], "query.state: enum"),
            ("GET /v1/orders?id=1&id=x", &[], "query.id[1]: type"),
            ("GET /v1/orders?id=1&id=2&id=3&id=4", &[], "query.id: maxItems"),
            ("GET /v1/orders?tag=a,bbbb", &[], "query.tag[1]: maxLength"),
            ("GET /v1/orders?deep=1", &[], "query.deep: type"),
            ("GET /v1/orders?flag=x", &[], "query.flag: type"),
            ("GET /v1/orders?debug=1", &[], "query.debug: unknown"),
            ("GET /v1/orders?limit=%ff", &[], "query: text"),
            ("GET /v1/orders", &[("x-tenant", "ACME")], "header.x-tenant: pattern"),
            ("GET /v1/orders", &[("x-tenant", "a"), ("x-tenant", "b")], "header.x-tenant: once"),
            ("GET /v1/orders", &[("cookie", "session=1")], "cookie.session: format"),
            ("GET /v1/orders/x", &[], "path.id: type"),
            ("GET /v1/orders/3000000000", &[], "path.id: maximum"),
            ("DELETE /v1/orders/7", &[], "path.id: pattern"),
            ("GET /v1/orders/last", &[], "header.x-required: required"),
            ("GET /v1/orders/last", &[("x-required", "a")], "header.x-required: type"),
        ];
        for (line, fields, want) in cases {
            assert_eq!(check(&contract, line, fields, ""), want, "{version} {line} {fields:?}");
        }
        let allowing = self::contract(&document(version), Unknown::Allow).expect("a contract");
        assert_eq!(check(&allowing, "GET /v1/orders?debug=1", &[], ""), "");
    }
}

#[test]
fn bodies_are_held_to_their_schemas() {
    for version in ["3.0.3", "3.1.0"] {
        let contract = contract(&document(version), Unknown::Reject).expect("a contract");
        let cases: [(&str, (&str, &str), &str); 30] = [
            (r#"{"items":[{"amount":5}]}"#, JSON, ""),
            (r#"{"items":[{"amount":5}],"more":1}"#, JSON, ""),
            (r#"{"items":[{"amount":5}],"when":"2026-01-01T00:00:00Z","pay":{"iban":"x"}}"#, JSON, ""),
            ("amount=5&tags=a&tags=b", FORM, ""),
            ("not looked into", ("content-type", "image/png"), ""),
            ("", JSON, "body: required"),
            (r#"{"items":[{"amount":5}]}"#, ("content-type", "text/plain"), "header.content-type: content"),
            (r#"{"items":[{"amount":5}]}"#, ("x-none", "1"), "header.content-type: content"),
            ("[]", JSON, "body: type"),
            ("{}", JSON, "body.items: required"),
            (r#"{"items":[]}"#, JSON, "body.items: minItems"),
            (r#"{"items":[{"amount":5},{}]}"#, JSON, "body.items[1].amount: required"),
            (r#"{"items":[{"amount":-1}]}"#, JSON, "body.items[0].amount: minimum"),
            (r#"{"items":[{"amount":"5"}]}"#, JSON, "body.items[0].amount: type"),
            (r#"{"items":[{"amount":5,"admin":true}]}"#, JSON, "body.items[0].admin: additionalProperties"),
            (r#"{"items":[{"amount":5,"note":"secret value"}]}"#, JSON, "body.items[0].note: maxLength"),
            (r#"{"items":[{"amount":5}],"when":"yesterday"}"#, JSON, "body.when: format"),
            (
                r#"{"items":[{"amount":5}],"parent":{"items":[{"amount":null}]}}"#,
                JSON,
                "body.parent.items[0].amount: type",
            ),
            (r#"{"items":[{"amount":5}],"pay":{"card":{"no":"x"}}}"#, JSON, "body.pay: oneOf/anyOf"),
            (r#"{"items":[{"amount":5}],"pay":5}"#, JSON, "body.pay: oneOf/anyOf"),
            (r#"{"items":[{"amount":1e999}]}"#, JSON, "body: json"),
            ("{", JSON, "body: json"),
            ("amount=x", FORM, "body.amount: type"),
            ("tags=a", FORM, "body.amount: required"),
            ("amount=5&admin=1", FORM, "body.admin: additionalProperties"),
            ("amount=5&amount=6", FORM, "body.amount: once"),
            ("amount=5&tags=a&tags=b&tags=c", FORM, "body.tags: maxItems"),
            ("amount=%ff", FORM, "body: text"),
            (r#"{"items":[{"amount":5.0}]}"#, JSON, ""),
            (r#"{"items":[{"amount":5.5}]}"#, JSON, "body.items[0].amount: type"),
        ];
        for (body, kind, want) in cases {
            assert_eq!(check(&contract, "POST /v1/orders", &[kind], body), want, "{version} {body}");
        }
        assert_eq!(check(&contract, "GET /v1/orders", &[JSON], "{}"), "body: requestBody");
        let closed = self::contract(&document(version), Unknown::Closed).expect("a contract");
        for (body, want) in [
            (r#"{"items":[{"amount":5}],"more":1}"#, "body.more: additionalProperties"),
            (
                r#"{"items":[{"amount":5}],"parent":{"items":[{"amount":5}],"a\nb":1}}"#,
                "body.parent.a\\nb: additionalProperties",
            ),
            (r#"{"items":[{"amount":5}],"pay":{"card":{"no":1}}}"#, ""),
        ] {
            assert_eq!(check(&closed, "POST /v1/orders", &[JSON], body), want, "{version} {body}");
        }
    }
}

#[test]
fn what_is_not_read_before_it_is_sent_is_not_taken_on_trust() {
    let contract = contract(&document("3.1.0"), Unknown::Reject).expect("a contract");
    let mut headers = HeaderMap::new();
    for (kind, want) in [("application/json", Some("unseen")), ("image/png", None)] {
        headers.insert("content-type", HeaderValue::from_static(kind));
        let head = Head { method: &Method::POST, path: "/v1/orders", query: None, headers: &headers };
        let fault = contract.check(&head, Seen::Passing, &Limits::default()).err();
        assert_eq!(fault.and_then(|fault| fault.keyword).as_deref(), want);
    }
}

/// A document of one operation with this body.
fn of_body(version: &str, schema: &Value) -> Value {
    json!({"openapi": version, "paths": {"/": {"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}}}})
}

#[test]
fn schemas_of_3_0_are_of_a_dialect_of_their_own() {
    let cases = [
        (json!({"type": "string", "nullable": true}), "null", ""),
        (json!({"type": "string"}), "null", "body: type"),
        (json!({"type": "string", "nullable": true, "enum": ["a"]}), "null", ""),
        (json!({"nullable": true, "allOf": [{"type": "string"}]}), "null", ""),
        (json!({"type": "integer", "minimum": 5, "exclusiveMinimum": true}), "5", "body: exclusiveMinimum"),
        (json!({"type": "integer", "minimum": 5, "exclusiveMinimum": false}), "5", ""),
        (json!({"type": "integer", "maximum": 5, "exclusiveMaximum": true}), "4", ""),
        (json!({"type": "string", "format": "regex"}), "\"(\"", ""),
    ];
    for (schema, body, want) in cases {
        let contract = contract(&of_body("3.0.0", &schema), Unknown::Reject).expect("a contract");
        assert_eq!(check(&contract, "POST /", &[JSON], body), want, "{schema}");
    }
}

#[test]
fn a_plain_schema_holds_the_bodies_of_its_requests() {
    let schema = br##"{"$schema": "http://json-schema.org/draft-07/schema#", "required": ["amount"],
        "properties": {"amount": {"$ref": "#/definitions/cents"}}, "definitions": {"cents": {"type": "integer", "minimum": 1}}}"##;
    let mut contract = Contract::default();
    contract.schema("POST /v1/charges/*", schema).expect("a schema");
    for (line, kind, body, want) in [
        ("POST /v1/charges/1", JSON, r#"{"amount":5}"#, ""),
        ("POST /v1/charges/1", JSON, r#"{"amount":0}"#, "body.amount: minimum"),
        ("POST /v1/charges/1", JSON, "", "body: required"),
        ("POST /v1/charges/1", FORM, "amount=5", "header.content-type: content"),
        ("POST /v1/charges", JSON, "{}", ""),
        ("PUT /v1/charges/1", JSON, "{}", ""),
    ] {
        assert_eq!(check(&contract, line, &[kind], body), want, "{line} {body}");
    }
    for place in ["/v1", "POST v1", "post /v1", "POST /v1/**", "POST /a{b}", "POST /v*"] {
        assert!(Contract::default().schema(place, schema).is_err(), "{place}");
    }
    for wrong in [
        "",
        "[]",
        r#"{"type": 5}"#,
        r#"{"$ref": "https://evil.test/x"}"#,
        r#"{"$ref": "other.json"}"#,
        r#"{"$ref": "file:///etc/passwd"}"#,
        r#"{"pattern": "(?=a)"}"#,
    ] {
        assert!(Contract::default().schema("POST /", wrong.as_bytes()).is_err(), "{wrong}");
    }
    // Beside a document, it adds what is asked for.
    contract.openapi(document("3.1.0").to_string().as_bytes(), Unknown::Reject).expect("a document");
    assert_eq!(check(&contract, "POST /v1/charges/1", &[JSON], r#"{"amount":5}"#), "");
    assert_eq!(check(&contract, "POST /v1/charges", &[JSON], "{}"), "path: operation");
}

#[test]
fn names_that_a_client_chose_are_told_shortened() {
    let contract = contract(&document("3.1.0"), Unknown::Closed).expect("a contract");
    let long = "\u{1}".repeat(5000);
    let body = json!({"items": [{"amount": 5, long: 1}]}).to_string();
    let told = check(&contract, "POST /v1/orders", &[JSON], &body);
    assert!(told.starts_with("body.items[0].\\x01") && told.ends_with(": additionalProperties"), "{told}");
}
