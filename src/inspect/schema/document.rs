//! OpenAPI 3.0 and 3.1: a document -> its operations, and one schema of all of them.

use http::Method;
use serde_json::{Map, Value, json};

use super::style::{Field, Said, named};
use super::templates::Templates;
use super::translate::{Translator, token};
use super::{ContractError, Document, Promise, Unknown, options, servers, told};
use crate::inspect::Part;

/// What one operation takes.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) promise: Promise,
    /// The names of what varies in its path, in order.
    pub(super) path_names: Vec<String>,
    pub(super) parameters: Vec<Parameter>,
    /// The member that its parameters are checked as; none where nothing is said of them.
    pub(super) member: Option<String>,
    pub(super) body: Option<Body>,
}

/// A parameter.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) part: Part,
    /// Of a header field in lower case.
    pub(super) name: String,
    pub(super) is_required: bool,
    /// Whether it may be there without a value.
    pub(super) may_be_empty: bool,
    pub(super) field: Field,
}

/// What bodies an operation takes.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) is_required: bool,
    pub(super) content: Vec<Content>,
}

/// One type of bodies.
#[derive(Debug)]
pub(super) struct Content {
    /// The type, in lower case; `text/*`, `*/*`.
    pub(super) range: String,
    /// The member that it is checked as.
    pub(super) member: Option<String>,
    /// The fields of a form.
    pub(super) fields: Vec<(String, Field)>,
}

/// The methods that a path can have (OpenAPI 3.1 4.8.9).
const METHODS: [(&str, Method); 8] = [
    ("get", Method::GET),
    ("put", Method::PUT),
    ("post", Method::POST),
    ("delete", Method::DELETE),
    ("options", Method::OPTIONS),
    ("head", Method::HEAD),
    ("patch", Method::PATCH),
    ("trace", Method::TRACE),
];

/// The most operations of a document.
const MAX_OPERATIONS: usize = 5_000;

/// Dialects of schemas that are 2020-12 (OpenAPI 3.1 4.8.24.5).
const DIALECTS: [&str; 2] =
    ["https://spec.openapis.org/oas/3.1/dialect/base", "https://json-schema.org/draft/2020-12/schema"];

/// Compiles a document.
///
/// # Errors
/// All that is wrong with it, or asks for what is not supported.
pub(super) fn compile(document: &Value, unknown: Unknown) -> Result<Document, Vec<ContractError>> {
    let alone = |at: &str, why: &str| vec![ContractError { at: at.to_owned(), why: why.to_owned() }];
    let version = document.get("openapi").and_then(Value::as_str).unwrap_or_default();
    let is_3_0 = version.starts_with("3.0.");
    if !is_3_0 && !version.starts_with("3.1.") {
        return Err(alone("#/openapi", "OpenAPI 3.0 and 3.1 are supported"));
    }
    let dialect = document.get("jsonSchemaDialect").and_then(Value::as_str);
    if dialect.is_some_and(|dialect| !DIALECTS.contains(&dialect)) {
        return Err(alone(
            "#/jsonSchemaDialect",
            "schemas are supported in the dialect of OpenAPI 3.1 and in JSON Schema 2020-12",
        ));
    }
    let Some(paths) = document.get("paths").and_then(Value::as_object) else {
        return Err(alone("#/paths", "there are none"));
    };
    let mut reader = Reader {
        translator: Translator::new(document, is_3_0, unknown),
        templates: Templates::default(),
        operations: Vec::new(),
        members: Map::new(),
        places: Vec::new(),
    };
    for (path, item) in paths.iter().filter(|(path, _)| !path.starts_with("x-")) {
        reader.path(path, item);
    }
    reader.finish(unknown)
}

struct Reader<'d> {
    translator: Translator<'d>,
    templates: Templates,
    operations: Vec<Operation>,
    /// Members of the one schema.
    members: Map<String, Value>,
    /// Where in the document each member stands.
    places: Vec<(String, String)>,
}

impl<'d> Reader<'d> {
    fn finish(mut self, unknown: Unknown) -> Result<Document, Vec<ContractError>> {
        if self.operations.is_empty() && self.translator.errors.is_empty() {
            self.translator.wrong("#/paths", "there is no operation");
        }
        let schema = self.translator.finish(self.members);
        if !self.translator.errors.is_empty() {
            return Err(self.translator.errors);
        }
        let validator = options().build(&schema).map_err(|error| {
            let path = match error.instance_path().as_str() {
                "" => error.schema_path().as_str(),
                path => path,
            };
            let at = told::place(path, &self.translator.pointers(), &self.places);
            vec![ContractError { at, why: told::why(&error) }]
        })?;
        let origin = servers::origin(self.translator.document().get("servers"));
        Ok(Document { unknown, templates: self.templates, operations: self.operations, origin, validator })
    }

    fn path(&mut self, path: &str, item: &'d Value) {
        let Some((at, item)) = self.translator.resolve(&format!("#/paths/{}", token(path)), item) else { return };
        for (key, method) in &METHODS {
            if let Some(operation) = item.get(*key) {
                self.operation((&at, item), key, method, operation, path);
            }
        }
        // Whoever may GET something may ask for its head (RFC 9110 9.3.2).
        if let (Some(get), None) = (item.get("get"), item.get("head")) {
            self.operation((&at, item), "get", &Method::HEAD, get, path);
        }
    }

    fn operation(
        &mut self,
        (path_at, item): (&str, &'d Value),
        key: &str,
        method: &Method,
        operation: &'d Value,
        path: &str,
    ) {
        let (n, at) = (self.operations.len(), format!("{path_at}/{key}"));
        if n >= MAX_OPERATIONS {
            return self.translator.wrong(&at, "there are more operations than are supported");
        }
        // The nearest stand for all others (OpenAPI 3.1 4.8.10).
        let declared = [(operation, &*at), (item, path_at), (self.translator.document(), "#")];
        let declared = declared.into_iter().find_map(|(of, at)| Some((of.get("servers")?, at)));
        let bases = match servers::base_paths(declared.map(|(servers, _)| servers)) {
            Ok(bases) => bases,
            Err(why) => return self.translator.wrong(&format!("{}/servers", declared.map_or("#", |(_, at)| at)), why),
        };
        let mut path_names = Vec::new();
        for base in &bases {
            match self.templates.add(&format!("{base}{path}"), method, n) {
                Ok(names) => path_names = names,
                Err(why) => return self.translator.wrong(&at, why),
            }
        }
        let (parameters, member) = self.parameters(n, &at, (path_at, item), operation, &path_names);
        let body = operation.get("requestBody").and_then(|body| self.body(n, &at, body));
        let base = bases.first().map_or("", String::as_str);
        let id = operation.get("operationId").and_then(Value::as_str).map(str::to_owned);
        let promise = Promise { method: method.clone(), path: format!("{base}{path}"), id };
        self.operations.push(Operation { promise, path_names, parameters, member, body });
    }

    /// The parameters of an operation; those of its path that it does not have itself are among them.
    fn parameters(
        &mut self,
        n: usize,
        at: &str,
        (path_at, item): (&str, &'d Value),
        operation: &'d Value,
        path_names: &[String],
    ) -> (Vec<Parameter>, Option<String>) {
        let list = |value: &'d Value, at: &str| {
            let all = value.get("parameters").and_then(Value::as_array).into_iter().flatten().enumerate();
            all.map(|(n, value)| (format!("{at}/parameters/{n}"), value)).collect::<Vec<_>>()
        };
        let mut parameters: Vec<Parameter> = Vec::new();
        let mut schemas: Map<String, Value> = Map::new();
        for (at, value) in list(operation, at).into_iter().chain(list(item, path_at)) {
            let Some((at, value)) = self.translator.resolve(&at, value) else { continue };
            let Some((parameter, schema)) = self.parameter(&at, value) else { continue };
            let is_known = |known: &Parameter| (known.part, &known.name) == (parameter.part, &parameter.name);
            if parameters.iter().any(is_known) {
                continue;
            }
            if parameter.part == Part::Path && !path_names.contains(&parameter.name) {
                self.translator.wrong(&at, format!("the path has no `{{{}}}`", parameter.name));
                continue;
            }
            let place = schemas.entry(parameter.part.as_str()).or_insert_with(|| json!({"properties": {}}));
            place["properties"][&parameter.name] = schema;
            parameters.push(parameter);
        }
        if schemas.is_empty() {
            return (parameters, None);
        }
        let member = format!("p{n}");
        self.members.insert(member.clone(), json!({ "properties": schemas }));
        self.places.push((member.clone(), format!("{at}/parameters")));
        (parameters, Some(member))
    }

    fn parameter(&mut self, at: &str, value: &'d Value) -> Option<(Parameter, Value)> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let is = |key: &str| value.get(key).and_then(Value::as_bool);
        let Some(name) = text("name") else {
            self.translator.wrong(at, "a parameter has a `name`");
            return None;
        };
        let part = match text("in") {
            Some("path") => Part::Path,
            Some("query") => Part::Query,
            Some("header") => Part::Header,
            Some("cookie") => Part::Cookie,
            _ => {
                self.translator.wrong(at, "a parameter is `in` path, query, header or cookie");
                return None;
            }
        };
        let name = if part == Part::Header { name.to_ascii_lowercase() } else { name.to_owned() };
        if part == Part::Header && ["accept", "content-type", "authorization"].contains(&name.as_str()) {
            // They count for nothing (OpenAPI 3.1 4.8.12.2.1).
            return None;
        }
        let Some(schema) = value.get("schema").filter(|schema| told::is_schema(schema)) else {
            self.translator.wrong(at, format!("`{name}` has no `schema`; parameters with `content` are not supported"));
            return None;
        };
        let said = Said { style: text("style"), explode: is("explode") };
        let field = match Field::of(self.translator.document(), part, said, schema) {
            Ok(field) => field,
            Err(why) => {
                self.translator.wrong(at, format!("`{name}` {why}"));
                return None;
            }
        };
        let schema = self.translator.schema(&format!("{at}/schema"), schema);
        let (is_required, may_be_empty) =
            (is("required") == Some(true) || part == Part::Path, is("allowEmptyValue") == Some(true));
        Some((Parameter { part, name, is_required, may_be_empty, field }, schema))
    }

    fn body(&mut self, n: usize, at: &str, body: &'d Value) -> Option<Body> {
        let (at, body) = self.translator.resolve(&format!("{at}/requestBody"), body)?;
        let is_required = body.get("required").and_then(Value::as_bool).unwrap_or(false);
        let mut content = Vec::new();
        for (kind, media) in body.get("content").and_then(Value::as_object).into_iter().flatten() {
            let at = format!("{at}/content/{}", token(kind));
            let range = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            content.push(self.content((n, content.len()), &at, range, media));
        }
        if content.is_empty() {
            self.translator.wrong(&at, "a body has `content`");
        }
        Some(Body { is_required, content })
    }

    fn content(&mut self, (n, m): (usize, usize), at: &str, range: String, media: &'d Value) -> Content {
        let is_form = range == "application/x-www-form-urlencoded";
        // Bodies of other types are held to their type alone.
        let is_checked = is_form || range.ends_with("/*") || crate::inspect::decode::is_json(&range);
        let Some(schema) = media.get("schema").filter(|schema| is_checked && told::is_schema(schema)) else {
            return Content { range, member: None, fields: Vec::new() };
        };
        let (at_schema, member) = (format!("{at}/schema"), format!("b{n}.{m}"));
        let fields = if is_form { self.fields(at, media, schema) } else { Vec::new() };
        let translated = self.translator.schema(&at_schema, schema);
        self.members.insert(member.clone(), translated);
        self.places.push((member.clone(), at_schema));
        Content { range, member: Some(member), fields }
    }

    fn fields(&mut self, at: &str, media: &'d Value, schema: &'d Value) -> Vec<(String, Field)> {
        let mut properties = Vec::new();
        named(self.translator.document(), schema, &mut properties, 0);
        let mut fields: Vec<(String, Field)> = Vec::new();
        for (name, schema) in properties {
            let encoding = media.get("encoding").and_then(|all| all.get(name));
            let said = |key: &str| encoding.and_then(|encoding| encoding.get(key));
            if said("contentType").is_some() {
                self.translator
                    .wrong(at, format!("`{name}` has an encoding with a `contentType`, which is not supported"));
                continue;
            }
            let said = Said {
                style: said("style").and_then(Value::as_str),
                explode: said("explode").and_then(Value::as_bool),
            };
            match Field::of(self.translator.document(), Part::Body, said, schema) {
                Ok(_) if fields.iter().any(|(known, _)| known == name) => {}
                Ok(field) => fields.push((name.to_owned(), field)),
                Err(why) => self.translator.wrong(at, format!("`{name}` {why}")),
            }
        }
        fields
    }
}
