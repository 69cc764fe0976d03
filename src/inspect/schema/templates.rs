//! Path templates (OpenAPI 3.1 4.8.8): matched segment by segment, literal before parameter.

use std::collections::BTreeMap;

use http::Method;
use percent_encoding::percent_decode_str;

/// All templates, as a tree of their segments.
#[derive(Debug, Default)]
pub(super) struct Templates(Node);

#[derive(Debug, Default)]
struct Node {
    literal: BTreeMap<String, Node>,
    /// Segments with a parameter: the longest text around it first, so that a bare one is last.
    varied: Vec<(Varied, Node)>,
    /// The operations of the template that ends here.
    ends: Vec<(Method, usize)>,
}

/// A segment with a parameter and maybe text around it: `{id}`, `{name}.json`, `{name}:cancel`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Varied {
    before: String,
    after: String,
}

impl Varied {
    fn take<'s>(&self, segment: &'s str) -> Option<&'s str> {
        let value = segment.strip_prefix(self.before.as_str())?.strip_suffix(self.after.as_str())?;
        Some(value).filter(|value| !value.is_empty())
    }
}

/// What a path matched.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Matched {
    /// The operation.
    pub(super) operation: usize,
    /// The values of its parameters, in the order of the template.
    pub(super) values: Vec<String>,
}

/// A segment of a template.
#[derive(Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Varied(Varied, String),
}

/// The most segments of a template and of a path that can match one.
const MAX_SEGMENTS: usize = 64;

fn segment(text: &str) -> Result<Segment, &'static str> {
    let literal =
        |text: &str| percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| "its path is not UTF-8");
    let Some((before, rest)) = text.split_once('{') else { return Ok(Segment::Literal(literal(text)?)) };
    let (name, after) = rest.split_once('}').ok_or("a `{` in its path has no `}`")?;
    if name.is_empty() || after.contains(['{', '}']) || before.contains('}') {
        return Err("two parameters in one segment of its path, or one without a name, are not supported");
    }
    Ok(Segment::Varied(Varied { before: literal(before)?, after: literal(after)? }, name.to_owned()))
}

impl Templates {
    /// Adds an operation; tells the names of the parameters in its path, in order.
    ///
    /// # Errors
    /// The template is none, or there is such an operation.
    pub(super) fn add(&mut self, path: &str, method: &Method, operation: usize) -> Result<Vec<String>, &'static str> {
        let path = path.strip_prefix('/').ok_or("its path does not begin with `/`")?;
        let (mut node, mut names) = (&mut self.0, Vec::new());
        for (count, text) in path.split('/').enumerate() {
            if count >= MAX_SEGMENTS {
                return Err("its path has too many segments");
            }
            node = match segment(text)? {
                Segment::Literal(literal) => node.literal.entry(literal).or_default(),
                Segment::Varied(varied, name) => {
                    if names.contains(&name) {
                        return Err("its path has one parameter twice");
                    }
                    names.push(name);
                    node.varied(varied)
                }
            };
        }
        if node.ends.iter().any(|(known, _)| known == method) {
            return Err("another path with other names of parameters has this method too");
        }
        node.ends.push((method.clone(), operation));
        Ok(names)
    }

    /// The operation that a path, percent-encoded, asks for with this method.
    pub(super) fn find(&self, path: &str, method: &Method) -> Option<Matched> {
        let segments = path.strip_prefix('/')?.split('/').map(|text| percent_decode_str(text).decode_utf8().ok());
        let segments: Vec<_> = segments.take(MAX_SEGMENTS + 1).collect::<Option<_>>()?;
        if segments.len() > MAX_SEGMENTS {
            return None;
        }
        let mut values = Vec::new();
        let operation = self.0.find(&segments, method, &mut values)?;
        Some(Matched { operation, values: values.into_iter().map(str::to_owned).collect() })
    }
}

impl Node {
    fn varied(&mut self, varied: Varied) -> &mut Self {
        let length = |varied: &Varied| varied.before.len() + varied.after.len();
        let at = match self.varied.iter().position(|(known, _)| *known == varied) {
            Some(at) => at,
            None => {
                let at = self.varied.partition_point(|(known, _)| length(known) >= length(&varied));
                self.varied.insert(at, (varied, Self::default()));
                at
            }
        };
        &mut self.varied[at].1
    }

    /// Each node is looked at once at the most, since one way leads to it.
    fn find<'s>(&self, segments: &'s [impl AsRef<str>], method: &Method, values: &mut Vec<&'s str>) -> Option<usize> {
        let Some((first, rest)) = segments.split_first() else {
            return self.ends.iter().find(|(known, _)| known == method).map(|(_, operation)| *operation);
        };
        if let Some(found) = self.literal.get(first.as_ref()).and_then(|node| node.find(rest, method, values)) {
            return Some(found);
        }
        for (varied, node) in &self.varied {
            if let Some(value) = varied.take(first.as_ref()) {
                let mark = values.len();
                values.push(value);
                if let Some(found) = node.find(rest, method, values) {
                    return Some(found);
                }
                values.truncate(mark);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_segments_come_before_parameters() {
        let mut templates = Templates::default();
        let all = [
            (Method::GET, "/a/{x}"),
            (Method::GET, "/a/b"),
            (Method::DELETE, "/a/{y}"),
            (Method::GET, "/a/{x}/c/{z}"),
            (Method::GET, "/a/{x}.json"),
            (Method::POST, "/a/{x}:cancel"),
            (Method::GET, "/"),
            (Method::GET, "/a/b/"),
        ];
        for (n, (method, path)) in all.iter().enumerate() {
            templates.add(path, method, n).expect(path);
        }
        let cases = [
            ("/a/b", Method::GET, Some((1, vec![]))),
            ("/a/%62", Method::GET, Some((1, vec![]))),
            ("/a/q%20r", Method::GET, Some((0, vec!["q r"]))),
            ("/a/b", Method::DELETE, Some((2, vec!["b"]))),
            ("/a/b/c/1", Method::GET, Some((3, vec!["b", "1"]))),
            ("/a/q.json", Method::GET, Some((4, vec!["q"]))),
            ("/a/q:cancel", Method::POST, Some((5, vec!["q"]))),
            ("/", Method::GET, Some((6, vec![]))),
            ("/a/b/", Method::GET, Some((7, vec![]))),
            ("/a/", Method::GET, None),
            ("/a", Method::GET, None),
            ("/a/b", Method::PUT, None),
            ("/A/b", Method::GET, None),
            ("/a/%ff", Method::GET, None),
        ];
        for (path, method, want) in cases {
            let found = templates.find(path, &method).map(|found| (found.operation, found.values));
            let want = want.map(|(n, values)| (n, values.into_iter().map(str::to_owned).collect::<Vec<_>>()));
            assert_eq!(found, want, "{method} {path}");
        }
        for wrong in ["a", "/{a}{b}", "/{a", "/{}", "/{a}/{a}", "/a/{other}"] {
            assert!(templates.add(wrong, &Method::GET, 9).is_err(), "{wrong}");
        }
    }
}
