//! A secret as a segment of the path, for APIs that take it nowhere else.

use std::fmt;

use percent_encoding::{AsciiSet, percent_encode};
use zeroize::Zeroizing;

use super::method::ESCAPED;

/// A colon stays: it may stand in a segment (RFC 3986 §3.3), and the tokens of such APIs have one.
const SEGMENT: AsciiSet = ESCAPED.remove(b':');
const PLACEHOLDER: &str = "{secret}";

/// What is put in front of a request's path, such as `/bot{secret}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathTemplate {
    before: String,
    behind: String,
}

/// Why a template means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathTemplateFault {
    /// It does not hold the secret once.
    Secret,
    /// It does not begin with `/`, ends with it, or has an empty segment, `.` or `..`.
    Segments,
    /// It holds more than letters, digits, `/` and `-._~:@=`.
    Character,
}

/// A template with its secret.
pub(super) struct Front {
    /// All of it.
    pub(super) path: Zeroizing<String>,
    /// The secret in it, as it is spelled there.
    pub(super) secret: Zeroizing<String>,
}

impl PathTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// A [`PathTemplateFault`] naming the rule that is broken.
    pub fn parse(template: &str) -> Result<Self, PathTemplateFault> {
        let (before, behind) = template.split_once(PLACEHOLDER).ok_or(PathTemplateFault::Secret)?;
        if behind.contains(PLACEHOLDER) {
            return Err(PathTemplateFault::Secret);
        }
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~:@=".contains(&b);
        if !before.bytes().chain(behind.bytes()).all(is_plain) {
            return Err(PathTemplateFault::Character);
        }
        if !is_path(&format!("{before}x{behind}")) {
            return Err(PathTemplateFault::Segments);
        }
        Ok(Self { before: before.to_owned(), behind: behind.to_owned() })
    }

    /// With this secret; none where it would make a segment that leads elsewhere.
    pub(super) fn fill(&self, secret: &[u8]) -> Option<Front> {
        // With all the room it needs, neither is moved and leaves a copy.
        let mut encoded = Zeroizing::new(String::with_capacity(3 * secret.len()));
        encoded.extend(percent_encode(secret, &SEGMENT));
        let room = self.before.len() + encoded.len() + self.behind.len();
        let mut path = Zeroizing::new(String::with_capacity(room));
        for part in [&self.before, &*encoded, &self.behind] {
            path.push_str(part);
        }
        is_path(&path).then_some(Front { path, secret: encoded })
    }
}

/// Whether a path is absolute, and nobody who tidies it makes another one of it.
fn is_path(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(|segment| !matches!(segment, "" | "." | "..")))
}

impl fmt::Display for PathTemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "the template does not hold `{secret}` once",
            Self::Segments => "a path begins with `/`, does not end with it, and has no empty segment, `.` or `..`",
            Self::Character => "only letters, digits, `/` and `-._~:@=` may stand beside `{secret}`",
        })
    }
}

impl std::error::Error for PathTemplateFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_segment_whatever_it_holds() {
        for (template, secret, want) in [
            ("/bot{secret}", &b"123456:ABC-DEF_1234"[..], Some("/bot123456:ABC-DEF_1234")),
            ("/{secret}", b"a/../b?c#d", Some("/a%2F..%2Fb%3Fc%23d")),
            ("/v1/{secret}/x", b"a b%2f;\\\xff\n", Some("/v1/a%20b%252f%3B%5C%FF%0A/x")),
            ("/{secret}", b".", None),
            ("/{secret}", b"..", None),
            ("/.{secret}", b".", None),
            ("/{secret}.", b".", None),
            ("/{secret}", b"...", Some("/...")),
            ("/{secret}", b"%2e%2e", Some("/%252e%252e")),
            ("/{secret}", b"", None),
        ] {
            let front = PathTemplate::parse(template).expect("a template").fill(secret);
            assert_eq!(front.as_ref().map(|front| front.path.as_str()), want, "{template}");
        }
    }

    #[test]
    fn templates_that_mean_nothing_are_refused() {
        use PathTemplateFault::{Character, Secret, Segments};
        for (template, want) in [
            ("", Secret),
            ("/bot", Secret),
            ("/{key}", Secret),
            ("/{secret}/{secret}", Secret),
            ("bot{secret}", Segments),
            ("/bot{secret}/", Segments),
            ("//{secret}", Segments),
            ("/../{secret}", Segments),
            ("/{secret}/.", Segments),
            ("/{secret}?a", Character),
            ("/%2F{secret}", Character),
            ("/{a}{secret}", Character),
            ("/{secret}#", Character),
            ("/\u{e9}{secret}", Character),
        ] {
            assert_eq!(PathTemplate::parse(template), Err(want), "{template}");
        }
    }
}
