//! The parameters of a request to the token service (RFC 6749 appendix B).

use std::collections::HashMap;

use http::{HeaderMap, header};

use crate::domain::{Denial, OauthFault};

/// Parameters by name, each once.
#[derive(Debug)]
pub(super) struct Form(HashMap<String, String>);

/// The most parameters that a form may have.
const MAX_PARAMETERS: usize = 64;

impl Form {
    /// Reads `application/x-www-form-urlencoded`. A parameter without a value counts as left out (RFC 6749 §3.2).
    ///
    /// # Errors
    /// [`OauthFault::InvalidRequest`] for a body of another type, and a parameter that is there twice.
    pub(super) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, Denial> {
        let wrong = Denial::TokenRequest(OauthFault::InvalidRequest);
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") || std::str::from_utf8(body).is_err() {
            return Err(wrong);
        }
        let mut parameters = HashMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            if parameters.len() == MAX_PARAMETERS || parameters.insert(name.into_owned(), value.into_owned()).is_some()
            {
                return Err(wrong);
            }
        }
        parameters.retain(|_, value| !value.is_empty());
        Ok(Self(parameters))
    }

    /// A parameter's value, if it has one.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The words of a parameter, with one space between each two; none where it is left out.
    pub(super) fn words(&self, name: &str) -> Option<Vec<&str>> {
        self.get(name).map(|text| text.split(' ').filter(|word| !word.is_empty()).collect())
    }
}

/// One value that is encoded as in a form.
pub(super) fn decode(text: &str) -> String {
    let plain = text.replace('+', " ");
    percent_encoding::percent_decode_str(&plain).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_is_there_once_and_says_something() {
        let mut headers = HeaderMap::new();
        for (kind, body, want) in [
            ("application/x-www-form-urlencoded", "a=1&b=x+y%2Fz&c=", Some("x y/z")),
            ("application/x-www-form-urlencoded; charset=UTF-8", "b=x+y%2Fz", Some("x y/z")),
            ("Application/X-WWW-Form-Urlencoded", "a=1", None),
        ] {
            headers.insert(header::CONTENT_TYPE, kind.parse().expect("a value"));
            let form = Form::parse(&headers, body.as_bytes()).expect("a form");
            assert_eq!((form.get("b"), form.get("c")), (want, None), "{body}");
        }
        for (kind, body) in [
            ("application/x-www-form-urlencoded", "a=1&a=1"),
            ("application/x-www-form-urlencoded", "a=&a=1"),
            ("application/json", "{}"),
            ("", "a=1"),
        ] {
            headers.insert(header::CONTENT_TYPE, kind.parse().expect("a value"));
            let fault = Form::parse(&headers, body.as_bytes()).expect_err(body);
            assert_eq!(fault, Denial::TokenRequest(OauthFault::InvalidRequest), "{body}");
        }
        let many: String = (0..65).map(|n| format!("p{n}=x&")).collect();
        assert!(Form::parse(&headers, many.as_bytes()).is_err());
    }
}
