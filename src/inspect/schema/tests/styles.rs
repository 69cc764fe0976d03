//! Objects and lists in parameters and forms, as each style writes them; and documents in YAML.

use serde_json::json;

use super::{FORM, check, contract};
use crate::inspect::schema::{Contract, Unknown};

#[test]
fn objects_and_lists_are_read_as_their_styles_write_them() {
    let filter = json!({"type": "object", "additionalProperties": false, "properties": {
        "size": {"type": "integer"}, "tag": {"type": "array", "items": {"type": "string", "maxLength": 3}}}});
    let either = json!({"anyOf": [{"type": "integer"}, {"type": "object", "required": ["gt"], "properties": {"gt": {"type": "integer"}}}]});
    let color = json!({"type": "object", "required": ["r"], "properties": {"r": {"type": "integer"}, "g": {"type": "integer"}}});
    let list = json!({"type": "array", "items": {"type": "integer"}});
    let form = json!({"application/x-www-form-urlencoded": {
        "schema": {"properties": {"filter": filter}}, "encoding": {"filter": {"style": "deepObject"}}}});
    let document = json!({"openapi": "3.1.0", "paths": {"/a": {
        "get": {"parameters": [
            {"name": "filter", "in": "query", "style": "deepObject", "schema": filter},
            {"name": "created", "in": "query", "style": "deepObject", "explode": true, "schema": either},
            {"name": "color", "in": "query", "schema": color},
            {"name": "pipe", "in": "query", "style": "pipeDelimited", "schema": list},
            {"name": "space", "in": "query", "style": "spaceDelimited", "explode": false, "schema": list},
        ]},
        "post": {"requestBody": {"content": form}}}}});
    let contract = contract(&document, Unknown::Reject).expect("a contract");
    for (query, want) in [
        ("", ""),
        ("filter[size]=4&filter[tag]=a&filter[tag]=b", ""),
        ("filter%5Bsize%5D=4", ""),
        ("created=5", ""),
        ("created[gt]=5", ""),
        ("r=1&g=2", ""),
        ("pipe=1|2", ""),
        ("space=1%202", ""),
        ("filter[size]=x", "query.filter.size: type"),
        ("filter[size]=4&filter[size]=5", "query.filter[size]: once"),
        ("filter[tag]=long", "query.filter.tag[0]: maxLength"),
        ("filter[other]=4", "query.filter.other: additionalProperties"),
        ("filter=4", "query.filter: type"),
        ("filter[size]=4&filter=5", "query.filter: once"),
        ("filter[size][$ne]=4", "query.filter[size][$ne]: style"),
        ("filter[]=4", "query.filter[]: style"),
        ("filter[size=4", "query.filter[size: unknown"),
        ("created[lt]=5", "query.created: oneOf/anyOf"),
        ("color=1", "query.color: unknown"),
        ("r=x", "query.color.r: type"),
        ("g=2", "query.color.r: required"),
        ("pipe=1|x", "query.pipe[1]: type"),
        ("space=1,2", "query.space[0]: type"),
    ] {
        assert_eq!(check(&contract, &format!("GET /a?{query}"), &[], ""), want, "{query}");
    }
    for (body, want) in [("filter[size]=4", ""), ("filter[size]=x", "body.filter.size: type"), ("other=1", "")] {
        assert_eq!(check(&contract, "POST /a", &[FORM], body), want, "{body}");
    }
}

#[test]
fn a_document_in_yaml_says_the_same() {
    let text = "\
openapi: 3.1.0
info: { title: orders, version: '1' }
paths:
  /orders: # the list
    get:
      parameters:
        - &limit
          name: limit
          in: query
          schema: { type: integer, minimum: 1 }
        - name: sort
          in: query
          schema: { enum: [on, off, \"no\"] }
      responses:
        200: { description: all of them }
    head:
      parameters: [*limit]
";
    let mut contract = Contract::default();
    contract.openapi(text.as_bytes(), Unknown::Reject).expect("a contract");
    for (line, want) in [
        ("GET /orders?limit=1&sort=off", ""),
        ("GET /orders?limit=0", "query.limit: minimum"),
        ("GET /orders?sort=false", "query.sort: enum"),
        ("HEAD /orders?sort=on", "query.sort: unknown"),
    ] {
        assert_eq!(check(&contract, line, &[], ""), want, "{line}");
    }
}
