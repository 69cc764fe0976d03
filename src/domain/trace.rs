//! Trace context: what a request says of the trace that it belongs to (W3C Trace Context, level 1).

use super::{hex, unhex};

/// The id of a trace; never all zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId([u8; 16]);

/// The id of a span; never all zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId([u8; 8]);

/// What a `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The span that a request is a part of.
    pub parent: SpanId,
    /// Whether the caller may have recorded it.
    pub is_sampled: bool,
}

/// The length of what version 00 says; later ones may go on behind it.
const LENGTH: usize = 55;
/// The most members of a `tracestate`, and its most characters.
const MAX_STATE: (usize, usize) = (32, 512);

impl TraceId {
    /// That of these bytes; nothing of zeros.
    pub fn new(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Its last 56 bits, which are random: by them, all who see a trace decide alike whether it is sampled.
    pub fn randomness(&self) -> u64 {
        let [.., a, b, c, d, e, f, g] = self.0;
        u64::from_be_bytes([0, a, b, c, d, e, f, g])
    }
}

impl SpanId {
    /// That of these bytes; nothing of zeros.
    pub fn new(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 8] {
        &self.0
    }

    /// The id of a part of this span, by its number, which is not 0.
    #[must_use]
    pub fn part(self, number: u8) -> Self {
        let [first, rest @ ..] = self.0;
        let bytes = [first ^ number, rest[0], rest[1], rest[2], rest[3], rest[4], rest[5], rest[6]];
        // One of two that differ is not all zeros, and the other is this one.
        Self::new(bytes).unwrap_or(Self([number; 8]))
    }
}

impl TraceContext {
    /// Reads a `traceparent`; nothing where it is malformed (§3.2).
    pub fn parse(text: &str) -> Option<Self> {
        let version = unhex::<1>(text.get(..2)?)?;
        let rest = text.get(2..LENGTH)?;
        let is_whole = text.len() == LENGTH || (version > [0] && text.as_bytes()[LENGTH] == b'-');
        if version == [0xff] || !is_whole {
            return None;
        }
        let mut parts = rest.strip_prefix('-')?.split('-');
        let trace = TraceId::new(unhex(parts.next()?)?)?;
        let parent = SpanId::new(unhex(parts.next()?)?)?;
        let [flags] = unhex(parts.next()?)?;
        parts.next().is_none().then_some(Self { trace, parent, is_sampled: flags & 1 == 1 })
    }

    /// The `traceparent` that says this.
    pub fn text(&self) -> String {
        let flags = if self.is_sampled { "01" } else { "00" };
        format!("00-{}-{}-{flags}", hex(&self.trace.0), hex(&self.parent.0))
    }
}

/// Whether this is a `tracestate` (§3.3), be it in several fields.
pub fn is_trace_state<'a>(fields: impl Iterator<Item = &'a str>) -> bool {
    let (mut members, mut length) = (0, 0);
    for field in fields {
        length += field.len() + 1;
        for member in
            field.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty())
        {
            members += 1;
            if !member.split_once('=').is_some_and(|(key, value)| is_key(key) && is_value(value)) {
                return false;
            }
        }
    }
    let (most, longest) = MAX_STATE;
    members <= most && length <= longest + 1
}

fn is_key(key: &str) -> bool {
    let begins = key.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(&byte);
    begins && key.len() <= 256 && key.bytes().all(is_good)
}

fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len()) && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_malformed_context_is_none() {
        let context = TraceContext::parse(GOOD).expect("a context");
        assert_eq!((context.text().as_str(), context.is_sampled), (GOOD, true));
        let later = GOOD.replacen("00", "cc", 1);
        assert_eq!(TraceContext::parse(&later), Some(context));
        assert_eq!(TraceContext::parse(&format!("{later}-what-follows")), Some(context));
        assert!(TraceContext::parse(&GOOD.replace("-01", "-02")).is_some_and(|context| !context.is_sampled));
        for bad in [
            "",
            "00",
            &GOOD.replacen("00", "ff", 1),
            &GOOD.replace("0af765", "0AF765"),
            &GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &GOOD.replace("b7ad6b7169203331", &"0".repeat(16)),
            &GOOD.replace("-01", "-0"),
            &GOOD.replace("-01", "-0x"),
            &GOOD.replace("319c-", "319c_"),
            &format!("{GOOD}-more"),
            &format!("{later}.more"),
            &format!("{GOOD} "),
            &GOOD.replace("0af7", "0é7"),
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_state_is_a_list_of_keys_and_values() {
        let many = vec!["a=1"; 33].join(",");
        let long = format!("a={}", "x".repeat(257));
        for (fields, want) in [
            (&["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"][..], true),
            (&["fw529a3039@dt=FfAAAAA==", ""], false),
            (&["a=1", " b = 2"], false),
            (&["a=1, ,b=2,", "c=3"], true),
            (&["tenant@system=x y"], true),
            (&["A=1"], false),
            (&["=1"], false),
            (&["a="], false),
            (&["a"], false),
            (&[many.as_str()], false),
            (&[long.as_str()], false),
        ] {
            assert_eq!(is_trace_state(fields.iter().copied()), want, "{fields:?}");
        }
    }

    #[test]
    fn parts_of_a_span_are_told_apart() {
        let span = SpanId::new([1, 0, 0, 0, 0, 0, 0, 0]).expect("an id");
        let ids: Vec<_> = (1..6).map(|number| span.part(number)).chain([span]).collect();
        for (nth, id) in ids.iter().enumerate() {
            assert!(!ids[..nth].contains(id) && *id.bytes() != [0; 8], "{id:?}");
        }
        let trace = TraceId::new([0xff; 16]).expect("an id");
        assert_eq!(trace.randomness(), (1 << 56) - 1);
    }
}
