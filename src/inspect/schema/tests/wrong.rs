//! Documents that cannot be held to, and what is told of them.

use serde_json::{Value, json};

use super::{contract, of_body};
use crate::inspect::schema::{Contract, Unknown};

#[test]
fn what_is_not_supported_is_told_with_its_place() {
    let with_parameter =
        |parameter: Value| json!({"openapi": "3.1.0", "paths": {"/a/{b}": {"get": {"parameters": [parameter]}}}});
    let query = |key: &str, value: Value| {
        let mut parameter = json!({"name": "q", "in": "query", "schema": {"type": "string"}});
        parameter[key] = value;
        with_parameter(parameter)
    };
    let cases = [
        (json!({"swagger": "2.0"}), "#/openapi: OpenAPI 3.0 and 3.1"),
        (json!({"openapi": "3.1.0"}), "#/paths: there are none"),
        (json!({"openapi": "3.1.0", "paths": {}}), "#/paths: there is no operation"),
        (
            json!({"openapi": "3.1.0", "jsonSchemaDialect": "http://json-schema.org/draft-07/schema#", "paths": {}}),
            "#/jsonSchemaDialect",
        ),
        (query("style", json!("deepObject")), "#/paths/~1a~1{b}/get/parameters/0: `q` is in style `deepObject`, which"),
        (query("style", json!("matrix")), "#/paths/~1a~1{b}/get/parameters/0: `q` is in style `matrix`, which"),
        (
            query("schema", json!({"type": ["object", "integer"]})),
            "#/paths/~1a~1{b}/get/parameters/0: `q` is an object",
        ),
        (
            query("schema", json!({"properties": {"a": {"type": "object"}}})),
            "#/paths/~1a~1{b}/get/parameters/0: `q` has the member `a`, an object",
        ),
        (query("schema", Value::Null), "#/paths/~1a~1{b}/get/parameters/0: `q` has no `schema`"),
        (query("in", json!("path")), "the path has no `{q}`"),
        (query("in", json!("body")), "a parameter is `in`"),
        (query("$ref", json!("other.json#/a")), "`other.json#/a` leads out of the document"),
        (query("$ref", json!("#/components/parameters/None")), "there is no `#/components/parameters/None`"),
        (of_body("3.1.0", &json!({"$ref": "https://evil.test/a.json"})), "`https://evil.test/a.json` leads out"),
        (
            of_body("3.1.0", &json!({"properties": {"a/b": {"$ref": "#/nowhere"}}})),
            "schema/properties/a~1b: there is no `#/nowhere`",
        ),
        (of_body("3.1.0", &json!({"$dynamicRef": "#node"})), "`$dynamicRef` is not supported"),
        (
            of_body("3.1.0", &json!({"type": "strin"})),
            "#/paths/~1/post/requestBody/content/application~1json/schema/type",
        ),
        (
            of_body("3.1.0", &json!({"properties": {"a": {"pattern": "(?=x)y"}}})),
            "schema/properties/a/pattern: a pattern that no automaton",
        ),
        (of_body("3.1.0", &json!({"pattern": "(a)\\1"})), "schema/pattern: a pattern that no automaton"),
        (
            of_body("3.1.0", &json!({"pattern": "((a{1000}){1000}){1000}"})),
            "schema/pattern: a pattern that no automaton",
        ),
        (json!({"openapi": "3.1.0", "paths": {"/{a}": {"get": {}}, "/{b}": {"get": {}}}}), "another path"),
    ];
    for (document, want) in cases {
        let errors = contract(&document, Unknown::Reject).expect_err("an error");
        let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert!(told[0].contains(want), "{want}: {told:?}");
    }
    let mut referred = of_body("3.0.1", &json!({"$ref": "#/components/schemas/A"}));
    referred["components"] = json!({"schemas": {"A": {"properties": {"x": {"pattern": "(?!x)"}}}}});
    let errors = contract(&referred, Unknown::Reject).expect_err("an error");
    assert_eq!(errors[0].at, "#/components/schemas/A/properties/x/pattern", "{errors:?}");
}

#[test]
fn texts_that_are_no_document_are_told_of_in_one_line() {
    for (text, want) in [
        (&b"openapi: 3.1.0"[..], "#/paths: there are none"),
        (b"openapi: 3.1.0\nopenapi: 3.1.0", "neither JSON nor YAML"),
        (b"openapi: [", "neither JSON nor YAML"),
        (b"\xff", "neither JSON nor YAML"),
        (b"{\"openapi\": 3.1.0}", "not JSON"),
        (BOMB, "neither JSON nor YAML"),
    ] {
        let told = Contract::default().openapi(text, Unknown::Reject).expect_err("an error")[0].to_string();
        assert!(told.contains(want) && told.len() < 260, "{told}");
    }
}

/// A text that references make into a very long one.
const BOMB: &[u8] = b"
a: &a [x,x,x,x,x,x,x,x,x,x]
b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]
c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]
d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]
e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]
f: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]
g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]
h: [*g,*g,*g,*g,*g,*g,*g,*g,*g,*g]
";
