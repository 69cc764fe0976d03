//! The path normal form: computed once, matched once, and sent upstream exactly as matched.
//!
//! One rule per way to write a path ambiguously. Two spellings that every server reads alike are brought to one form (percent-encoded
//! unreserved characters are decoded, hexadecimal digits become upper case: RFC 3986 §6.2.2); everything on which servers differ is refused.

use std::fmt;
use std::sync::Arc;

/// A request path in normal form, without the query.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NormalPath {
    /// Shared by all who keep it of an exchange.
    text: Arc<str>,
    encoded_slash: bool,
}

/// Why a path was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFault {
    /// It does not begin with `/` (`*`, absolute-form that was not taken apart, empty).
    NotAbsolute,
    /// More than [`NormalPath::MAX_LEN`] bytes.
    TooLong,
    /// More than [`NormalPath::MAX_SEGMENTS`] segments.
    TooDeep,
    /// A character that RFC 3986 does not allow raw in a path: control, blank, non-ASCII, `"<>[]^{|}` or a grave accent.
    BadCharacter,
    /// A raw `#`.
    Fragment,
    /// A raw or encoded `\`.
    Backslash,
    /// A raw or encoded `;`, which begins path parameters for some servers and is ordinary for others.
    Parameters,
    /// `//`.
    EmptySegment,
    /// A `.` or `..` segment, however spelled.
    DotSegment,
    /// `%` not followed by two hexadecimal digits.
    BadEscape,
    /// `%25` followed by two hexadecimal digits: an escape of an escape.
    DoubleEncoding,
    /// An escaped control character, NUL among them.
    EncodedControl,
    /// `%2F`, where the route does not say `encoded_slash = true`.
    EncodedSlash,
}

impl NormalPath {
    /// The longest path taken, in bytes.
    pub const MAX_LEN: usize = 8 * 1024;
    /// The most segments taken.
    pub const MAX_SEGMENTS: usize = 128;

    /// Normal form of a raw path (no query).
    ///
    /// # Errors
    /// A [`PathFault`] naming the rule that the path breaks. `%2F` is kept, upper case, and told by [`Self::has_encoded_slash`]:
    /// only a route can allow it.
    pub fn parse(raw: &[u8]) -> Result<Self, PathFault> {
        if raw.first() != Some(&b'/') {
            return Err(PathFault::NotAbsolute);
        }
        if raw.len() > Self::MAX_LEN {
            return Err(PathFault::TooLong);
        }
        let mut text = String::with_capacity(raw.len());
        let mut encoded_slash = false;
        // Most paths are all plain, and a run of plain bytes is ASCII.
        let plain = raw.iter().take_while(|&&byte| matches!(CLASS[usize::from(byte)], Class::Plain)).count();
        let (plain, mut rest) = raw.split_at(plain);
        text.push_str(str::from_utf8(plain).map_err(|_| PathFault::BadCharacter)?);
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            match CLASS[usize::from(byte)] {
                Class::Plain => text.push(char::from(byte)),
                Class::Escape => {
                    let (digits, tail) = rest.split_at_checked(2).ok_or(PathFault::BadEscape)?;
                    rest = tail;
                    encoded_slash |= push_escape(&mut text, digits)?;
                }
                Class::Refused(fault) => return Err(fault),
            }
        }
        // On the text, not while it is made: `%25%32%65` spells an escape of an escape with nothing but escapes.
        let is_escape = |at: usize| text.as_bytes().get(at + 3..at + 5).and_then(hex_value).is_some();
        let has_escapes = text.len() > plain.len();
        if has_escapes && text.match_indices("%25").any(|(at, _)| is_escape(at)) {
            return Err(PathFault::DoubleEncoding);
        }
        check_segments(&text, encoded_slash)?;
        Ok(Self { text: text.into(), encoded_slash })
    }

    /// The path as text, as it is matched and sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same, for whoever keeps it.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Whether a segment holds `%2F`.
    pub fn has_encoded_slash(&self) -> bool {
        self.encoded_slash
    }

    /// The segments between slashes; none for `/`, and a last empty one where the path ends in `/`.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        segments(&self.text)
    }

    /// What is left of the path when a literal prefix of whole segments is taken off; `None` where it does not begin so.
    pub fn without_prefix(&self, prefix: &str) -> Option<Self> {
        let rest = self.text.strip_prefix(prefix)?;
        let text = match rest.as_bytes().first() {
            None => "/".into(),
            Some(b'/') => rest.into(),
            Some(_) => return None,
        };
        Some(Self { text, encoded_slash: self.encoded_slash })
    }
}

/// The segments of a path that is in normal form already.
pub(super) fn segments(path: &str) -> impl Iterator<Item = &str> + Clone {
    let inner = path.strip_prefix('/').unwrap_or(path);
    Segments((!inner.is_empty()).then_some(inner))
}

/// What is left of a path. Segments are short: looking at byte after byte finds their ends sooner than a search that is set up for long text.
#[derive(Clone)]
struct Segments<'a>(Option<&'a str>);

impl<'a> Iterator for Segments<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let left = self.0?;
        let end = left.bytes().position(|byte| byte == b'/');
        self.0 = end.map(|end| &left[end + 1..]);
        Some(&left[..end.unwrap_or(left.len())])
    }
}

#[derive(Clone, Copy)]
enum Class {
    Plain,
    Escape,
    Refused(PathFault),
}

static CLASS: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut table = [Class::Refused(PathFault::BadCharacter); 256];
    let plain = b"/-._~!$&'()*+,=:@";
    let mut i = 0;
    while i < plain.len() {
        table[plain[i] as usize] = Class::Plain;
        i += 1;
    }
    let mut byte = 0;
    while byte < 128 {
        if (byte as u8).is_ascii_alphanumeric() {
            table[byte] = Class::Plain;
        }
        byte += 1;
    }
    table[b'%' as usize] = Class::Escape;
    table[b'#' as usize] = Class::Refused(PathFault::Fragment);
    table[b'\\' as usize] = Class::Refused(PathFault::Backslash);
    table[b';' as usize] = Class::Refused(PathFault::Parameters);
    table
}

/// Appends one escape in normal form; tells whether it was a slash.
fn push_escape(text: &mut String, digits: &[u8]) -> Result<bool, PathFault> {
    let value = hex_value(digits).ok_or(PathFault::BadEscape)?;
    match value {
        0..=0x1f | 0x7f => return Err(PathFault::EncodedControl),
        b'\\' => return Err(PathFault::Backslash),
        b';' => return Err(PathFault::Parameters),
        b'-' | b'.' | b'_' | b'~' => text.push(char::from(value)),
        _ if value.is_ascii_alphanumeric() => text.push(char::from(value)),
        _ => {
            text.push('%');
            text.extend(digits.iter().map(|d| char::from(d.to_ascii_uppercase())));
        }
    }
    Ok(value == b'/')
}

fn hex_value(digits: &[u8]) -> Option<u8> {
    let nibble = |b: u8| char::from(b).to_digit(16);
    match digits {
        [high, low] => u8::try_from(nibble(*high)? * 16 + nibble(*low)?).ok(),
        _ => None,
    }
}

fn check_segments(text: &str, encoded_slash: bool) -> Result<(), PathFault> {
    let mut count = 0;
    let mut ended = false;
    for segment in segments(text) {
        if ended {
            return Err(PathFault::EmptySegment);
        }
        count += 1;
        ended = segment.is_empty();
        let is_dots = |s: &str| s == "." || s == "..";
        if is_dots(segment) || encoded_slash && segment.split("%2F").any(is_dots) {
            return Err(PathFault::DotSegment);
        }
    }
    if count > NormalPath::MAX_SEGMENTS {
        return Err(PathFault::TooDeep);
    }
    Ok(())
}

impl fmt::Display for NormalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for NormalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(raw: &str) -> Result<String, PathFault> {
        NormalPath::parse(raw.as_bytes()).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn equal_spellings_take_one_form() {
        for (raw, want) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/", "/a/"),
            ("/%61pi", "/api"),
            ("/a%7eb", "/a~b"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%3ab", "/a%3Ab"),
            ("/100%25", "/100%25"),
            ("/a.b/..c/d..", "/a.b/..c/d.."),
            ("/API", "/API"),
        ] {
            assert_eq!(normal(raw), Ok(want.to_owned()), "{raw}");
        }
    }

    #[test]
    fn ambiguous_spellings_are_refused() {
        use PathFault::*;
        for (raw, want) in [
            ("", NotAbsolute),
            ("*", NotAbsolute),
            ("a/b", NotAbsolute),
            ("http://other/api", NotAbsolute),
            ("/public/../api/x", DotSegment),
            ("/public/./api", DotSegment),
            ("/public/%2e%2e/api/x", DotSegment),
            ("/public/.%2e/api", DotSegment),
            ("/public/%2E", DotSegment),
            ("/public/..%2fapi", DotSegment),
            ("/public/x%2F..", DotSegment),
            ("//api/x", EmptySegment),
            ("/a//b", EmptySegment),
            ("/a//", EmptySegment),
            ("//", EmptySegment),
            ("/a%5cb", Backslash),
            ("/a\\b", Backslash),
            ("/%252f", DoubleEncoding),
            ("/%252e%252e/x", DoubleEncoding),
            ("/%25%32%65", DoubleEncoding),
            ("/%252%65", DoubleEncoding),
            ("/public/..;/api/x", Parameters),
            ("/api;x=y/z", Parameters),
            ("/api%3bx", Parameters),
            ("/a%00b", EncodedControl),
            ("/a%0d%0a", EncodedControl),
            ("/a%7f", EncodedControl),
            ("/a%", BadEscape),
            ("/a%2", BadEscape),
            ("/a%zz", BadEscape),
            ("/a%+1", BadEscape),
            ("/a#b", Fragment),
            ("/a b", BadCharacter),
            ("/a\u{e9}", BadCharacter),
            ("/a\0", BadCharacter),
            ("/<x>", BadCharacter),
        ] {
            assert_eq!(normal(raw), Err(want), "{raw:?}");
        }
        assert_eq!(normal(&"/a".repeat(129)), Err(TooDeep));
        assert_eq!(normal(&format!("/{}", "a".repeat(NormalPath::MAX_LEN))), Err(TooLong));
    }

    #[test]
    fn prefixes_are_whole_segments() {
        let path = NormalPath::parse(b"/stripe/v1").expect("path");
        assert_eq!(path.without_prefix("/stripe").expect("prefix").as_str(), "/v1");
        assert_eq!(path.without_prefix("/stri"), None);
        assert_eq!(path.without_prefix("/stripe/v1").expect("prefix").as_str(), "/");
    }

    proptest! {
        #[test]
        fn the_normal_form_is_a_fixed_point_and_safe(raw in "/([ -~]{0,4}(/|%2e|%2f|\\.|;|%25|%32|%65|%)?){0,6}") {
            if let Ok(path) = NormalPath::parse(raw.as_bytes()) {
                prop_assert_eq!(NormalPath::parse(path.as_str().as_bytes()), Ok(path.clone()));
                prop_assert!(path.segments().all(|s| s != "." && s != ".."));
                prop_assert!(!path.as_str().contains("//"));
                prop_assert!(path.as_str().parse::<http::uri::PathAndQuery>().is_ok());
            }
        }

        #[test]
        fn any_bytes_are_judged_without_a_panic(raw in proptest::collection::vec(any::<u8>(), 0..64)) {
            drop(NormalPath::parse(&raw));
        }
    }
}
