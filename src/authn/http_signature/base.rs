//! The signature base (RFC 9421 §2.5): the text that was signed, made again from the request as it came.

use std::borrow::Cow;

use http::HeaderName;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::domain::{AuthnFault, RequestView};

use super::input::{Component, Presented};

/// The derived components that are understood (RFC 9421 §2.2).
pub(super) const DERIVED: [&str; 8] =
    ["@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query", "@query-param"];

/// The longest signature base, in bytes: heads are bounded, but a component may repeat most of one.
const MAX_BASE: usize = 64 * 1024;

/// The most parameters of a query of which some are signed one by one.
const MAX_PARAMETERS: usize = 256;

/// What of the application/x-www-form-urlencoded set is left as it is.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// Makes the signature base.
///
/// # Errors
/// [`AuthnFault::Component`] where a component is not understood or the request does not have it.
pub(super) fn signature_base(presented: &Presented, request: &RequestView<'_>) -> Result<String, AuthnFault> {
    let mut base = String::with_capacity(1024);
    let has_parameters = presented.components.iter().any(|component| component.parameter.is_some());
    let parameters = if has_parameters { query_parameters(request)? } else { Vec::new() };
    for component in &presented.components {
        base.push_str(&component.identifier);
        base.push_str(": ");
        base.push_str(&value(component, request, &parameters)?);
        base.push('\n');
        if base.len() > MAX_BASE {
            return Err(AuthnFault::Component);
        }
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(&presented.params_text);
    Ok(base)
}

/// Whether the first component holds all that the second one says.
pub(super) fn implies(covered: &str, required: &str) -> bool {
    covered == required
        || match covered {
            "@target-uri" => matches!(required, "@scheme" | "@authority" | "@path" | "@query" | "@request-target"),
            "@request-target" => matches!(required, "@path" | "@query"),
            _ => false,
        }
}

fn value<'a>(
    component: &Component,
    request: &RequestView<'a>,
    parameters: &'a [(String, String)],
) -> Result<Cow<'a, str>, AuthnFault> {
    let target = request.target;
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    Ok(match component.name.as_str() {
        "@method" => Cow::Borrowed(request.method.as_str()),
        "@target-uri" => Cow::Owned(format!("{}://{}{target}", scheme(request), authority(request))),
        "@authority" => Cow::Owned(authority(request)),
        "@scheme" => Cow::Borrowed(scheme(request)),
        "@request-target" => Cow::Borrowed(target),
        "@path" => Cow::Borrowed(path),
        "@query" => Cow::Owned(format!("?{}", query.unwrap_or_default())),
        "@query-param" => {
            let name = component.parameter.as_deref().ok_or(AuthnFault::Component)?;
            Cow::Borrowed(query_parameter(parameters, name)?)
        }
        name if name.starts_with('@') => return Err(AuthnFault::Component),
        name => Cow::Owned(field(name, request)?),
    })
}

fn scheme(request: &RequestView<'_>) -> &'static str {
    if request.is_tls { "https" } else { "http" }
}

/// The host in lower case, without the scheme's default port (RFC 9421 §2.2.3).
fn authority(request: &RequestView<'_>) -> String {
    let default = if request.is_tls { ":443" } else { ":80" };
    let authority = request.authority.to_ascii_lowercase();
    authority.strip_suffix(default).map(str::to_owned).unwrap_or(authority)
}

/// A field's lines, trimmed and joined (RFC 9421 §2.1). Bytes beyond visible ASCII are nothing that a text could have been signed as.
fn field(name: &str, request: &RequestView<'_>) -> Result<String, AuthnFault> {
    let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| AuthnFault::Component)?;
    if known.as_str() != name {
        return Err(AuthnFault::Component);
    }
    let mut joined: Option<String> = None;
    for line in request.headers.get_all(known) {
        let line = line.to_str().map_err(|_| AuthnFault::Component)?.trim_matches([' ', '\t']);
        match &mut joined {
            None => joined = Some(line.to_owned()),
            Some(text) => {
                text.push_str(", ");
                text.push_str(line);
            }
        }
    }
    joined.ok_or(AuthnFault::Component)
}

/// The names and values of all parameters in the form's encoding (RFC 9421 §2.2.8). Made once, and of a bounded number: nothing of the
/// request is proved yet, and whoever sends it chooses how many there are and how many are signed.
fn query_parameters(request: &RequestView<'_>) -> Result<Vec<(String, String)>, AuthnFault> {
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let mut all = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if all.len() == MAX_PARAMETERS {
            return Err(AuthnFault::Component);
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        all.push((encoded(key)?, encoded(value)?));
    }
    Ok(all)
}

/// The value of the one parameter with this name. One that is there twice is none: the upstream may read either.
fn query_parameter<'a>(parameters: &'a [(String, String)], name: &str) -> Result<&'a str, AuthnFault> {
    let mut found = parameters.iter().filter(|(key, _)| key == name);
    match (found.next(), found.next()) {
        (Some((_, value)), None) => Ok(value),
        _ => Err(AuthnFault::Component),
    }
}

fn encoded(part: &str) -> Result<String, AuthnFault> {
    let spaced = part.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| AuthnFault::Component)?;
    Ok(utf8_percent_encode(&decoded, FORM).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::http_signature::input::parse;
    use crate::authn::testing::with_request;

    const HEADERS: [(&str, &str); 5] = [
        ("accept", " application/json "),
        ("accept", "*/*"),
        ("x-empty", ""),
        ("date", "Tue"),
        ("x-latin", "caf\u{e9}"),
    ];

    /// The value that one component has in a request for this target.
    fn of(component: &str, target: &str, authority: &str, is_tls: bool) -> Result<String, AuthnFault> {
        let presented = parse(format!("s=({component});created=1").as_bytes(), b"s=:AAAA:", None)?;
        let base = with_request(&HEADERS, |request| {
            signature_base(&presented, &RequestView { target, authority, is_tls, ..*request })
        })?;
        let (line, params) = base.split_once('\n').expect("two lines");
        assert_eq!(params, format!("\"@signature-params\": ({component});created=1"));
        Ok(line.strip_prefix(&format!("{component}: ")).expect("the identifier").to_owned())
    }

    #[test]
    fn components_are_what_the_client_sent() {
        let target = "/a%2fb/%7E?x=1&y=2&y=3&b%20c=d+e%2A&bad=%ff&f";
        for (component, want) in [
            (r#""@method""#, Some("GET")),
            (r#""@target-uri""#, Some("https://api.test:8443/a%2fb/%7E?x=1&y=2&y=3&b%20c=d+e%2A&bad=%ff&f")),
            (r#""@authority""#, Some("api.test:8443")),
            (r#""@scheme""#, Some("https")),
            (r#""@request-target""#, Some(target)),
            (r#""@path""#, Some("/a%2fb/%7E")),
            (r#""@query""#, Some("?x=1&y=2&y=3&b%20c=d+e%2A&bad=%ff&f")),
            (r#""accept""#, Some("application/json, */*")),
            (r#""x-empty""#, Some("")),
            (r#""@status""#, None),
            (r#""@query-param""#, None),
            (r#""@signature-params""#, None),
            (r#""""#, None),
            (r#""missing""#, None),
            (r#""Date""#, None),
            (r#""x-latin""#, None),
            ("\"date:\"", None),
        ] {
            let got = of(component, target, "API.test:8443", true);
            assert_eq!(got, want.map(str::to_owned).ok_or(AuthnFault::Component), "{component}");
        }
    }

    #[test]
    fn query_parameters_are_signed_once_and_in_one_spelling() {
        for (target, name, want) in [
            ("/?x=1&y=2", "x", Some("1")),
            ("/?x=1&y=2", "z", None),
            ("/?x=1&x=1", "x", None),
            ("/?x=1&%78=2", "x", None),
            ("/?b%20c=d+e%2A", "b%20c", Some("d%20e*")),
            ("/?b+c=d", "b%20c", Some("d")),
            ("/?b+c=d", "b c", None),
            ("/?x", "x", Some("")),
            ("/?x=%c3%a9", "x", Some("%C3%A9")),
            ("/?x=%ff", "x", None),
            ("/?%ff=1&x=1", "x", None),
            ("/", "x", None),
        ] {
            let got = of(&format!(r#""@query-param";name="{name}""#), target, "a.test", false);
            assert_eq!(got, want.map(str::to_owned).ok_or(AuthnFault::Component), "{target} {name}");
        }
    }

    #[test]
    fn default_ports_are_dropped_and_an_empty_query_is_a_question_mark() {
        for (authority, is_tls, want) in [
            ("A.test:443", true, "a.test"),
            ("a.test:80", true, "a.test:80"),
            ("a.test:80", false, "a.test"),
            ("a.test:443", false, "a.test:443"),
            ("[::1]:8080", false, "[::1]:8080"),
        ] {
            assert_eq!(of(r#""@authority""#, "/", authority, is_tls), Ok(want.to_owned()));
        }
        for (target, want) in [("/", "?"), ("/?", "?"), ("/?a", "?a")] {
            assert_eq!(of(r#""@query""#, target, "a.test", true), Ok(want.to_owned()));
        }
    }

    #[test]
    fn a_wider_component_stands_for_its_parts() {
        for (covered, required, want) in [
            ("@path", "@path", true),
            ("@target-uri", "@authority", true),
            ("@target-uri", "@query", true),
            ("@target-uri", "@method", false),
            ("@request-target", "@path", true),
            ("@request-target", "@authority", false),
            ("@query-param", "@query", false),
            ("@path", "@query", false),
        ] {
            assert_eq!(implies(covered, required), want, "{covered} {required}");
        }
    }
}
