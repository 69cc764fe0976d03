//! The chain: every line of a log names the digest of the line before, and its own number.
//!
//! A line begins `{"kind":"…","chain":"…","seq":N,"prev":"…"`, in this order and without spaces. `chain` is the log's id, `seq` counts its
//! lines from 1, and `prev` is the SHA-256 of the exact bytes of the line before, without its end, in base64url without padding (RFC 4648
//! §5). Both go on across files, restarts and upgrades: one path is one chain.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::{random, sha256};

/// What a line tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An exchange was allowed and is about to be forwarded.
    Decision,
    /// An exchange ended.
    Exchange,
    /// Access was ended, or given back.
    Revocation,
    /// Something was done with an access request.
    Access,
    /// Something came of replacing a secret.
    Rotation,
    /// A key of pseudonyms was destroyed.
    Erasure,
    /// The monitor raised an alert, or cleared it.
    Alert,
    /// There are exchanges without a line.
    Lost,
    /// There are records that a sink did not deliver.
    Skipped,
    /// A process began to write.
    Opened,
    /// A line was found that its process did not write to the end.
    Torn,
    /// A signed point.
    Checkpoint,
    /// A process wrote everything that it had.
    Closed,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::Decision,
        Self::Exchange,
        Self::Revocation,
        Self::Access,
        Self::Rotation,
        Self::Erasure,
        Self::Alert,
        Self::Lost,
        Self::Skipped,
        Self::Opened,
        Self::Torn,
        Self::Checkpoint,
        Self::Closed,
    ];

    /// The word for it in lines.
    pub fn text(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Exchange => "exchange",
            Self::Revocation => "revocation",
            Self::Access => "access",
            Self::Rotation => "rotation",
            Self::Erasure => "erasure",
            Self::Alert => "alert",
            Self::Lost => "lost",
            Self::Skipped => "skipped",
            Self::Opened => "opened",
            Self::Torn => "torn",
            Self::Checkpoint => "checkpoint",
            Self::Closed => "closed",
        }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.text().as_bytes() == text)
    }
}

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    const TEXT: usize = 43;

    /// That of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha256(bytes))
    }

    /// The digest of a text in base64url without padding.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        (text.len() == Self::TEXT && URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()? == 32).then_some(Self(bytes))
    }

    fn write(self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + Self::TEXT, b'A');
        // It fits by its length.
        let _ = URL_SAFE_NO_PAD.encode_slice(self.0, &mut out[start..]);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The id of a log: eight characters of base64url, random.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainId([u8; 8]);

impl ChainId {
    /// One that no other log has.
    pub fn new() -> Self {
        let mut text = [b'A'; 8];
        // Six bytes are eight characters.
        let _ = URL_SAFE_NO_PAD.encode_slice(random::<6>(), &mut text);
        Self(text)
    }

    /// The id of these characters.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let is_one = text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if is_one { text.try_into().ok().map(Self) } else { None }
    }

    /// Its characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Default for ChainId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What every line begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// What the line tells of.
    pub kind: Kind,
    /// The log that it belongs to.
    pub chain: ChainId,
    /// Its number in it, from 1.
    pub seq: u64,
    /// The digest of the line before.
    pub prev: Digest,
}

impl Head {
    /// The chain up to the line before.
    pub(super) fn before(&self) -> Chain {
        Chain { id: self.chain, seq: self.seq.saturating_sub(1), head: self.prev }
    }

    /// The head of a line, without its end; none where it is no line of a chain.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let (kind, rest) = until_quote(line.strip_prefix(b"{\"kind\":\"")?)?;
        let (chain, rest) = until_quote(rest.strip_prefix(b",\"chain\":\"")?)?;
        let rest = rest.strip_prefix(b",\"seq\":")?;
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (seq, rest) = rest.split_at(digits);
        let (prev, rest) = until_quote(rest.strip_prefix(b",\"prev\":\"")?)?;
        // A line that was cut short is none.
        if rest.last() != Some(&b'}') {
            return None;
        }
        Some(Self {
            kind: Kind::parse(kind)?,
            chain: ChainId::parse(chain)?,
            seq: number(seq)?,
            prev: Digest::parse(prev)?,
        })
    }
}

/// What stands before the next quote, and behind it. What is looked for is short.
fn until_quote(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().take(64).position(|&b| b == b'"')?;
    Some((&text[..end], &text[end + 1..]))
}

/// A number as it is written: without zeros in front.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits[0] == b'0' || digits.len() > 20 {
        return None;
    }
    digits.iter().try_fold(0_u64, |n, digit| n.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// The end of a chain, where the next line is linked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chain {
    /// The log's id.
    pub(super) id: ChainId,
    /// The number of the last line; 0 before the first.
    pub(super) seq: u64,
    /// The digest of the last line.
    pub(super) head: Digest,
}

impl Chain {
    /// What the first line of a log names where there is nothing before it.
    pub(super) const NOTHING: Digest = Digest([0; 32]);

    /// A chain without a line yet.
    pub(super) fn new() -> Self {
        Self { id: ChainId::new(), seq: 0, head: Self::NOTHING }
    }

    /// Adds one line, of its kind and of members that are written already, each with a comma in front.
    pub(super) fn link(&mut self, out: &mut Vec<u8>, kind: Kind, members: &[u8]) {
        let start = self.begin(out, kind);
        out.extend_from_slice(members);
        self.end(out, start);
    }

    /// Begins a line; tells where. Its members follow, then its [`end`](Self::end).
    pub(super) fn begin(&self, out: &mut Vec<u8>, kind: Kind) -> usize {
        let start = out.len();
        out.extend_from_slice(b"{\"kind\":\"");
        out.extend_from_slice(kind.text().as_bytes());
        out.extend_from_slice(b"\",\"chain\":\"");
        out.extend_from_slice(&self.id.0);
        out.extend_from_slice(b"\",\"seq\":");
        out.extend_from_slice(itoa::Buffer::new().format(self.seq + 1).as_bytes());
        out.extend_from_slice(b",\"prev\":\"");
        self.head.write(out);
        out.push(b'"');
        start
    }

    /// Ends the line that began there.
    pub(super) fn end(&mut self, out: &mut Vec<u8>, start: usize) {
        out.push(b'}');
        self.seq += 1;
        self.head = Digest::of(&out[start..]);
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_names_the_one_before() {
        let mut chain = Chain::new();
        let mut out = Vec::new();
        for (kind, members) in [(Kind::Opened, &b""[..]), (Kind::Exchange, b",\"x\":1"), (Kind::Closed, b",\"y\":\"\"")]
        {
            chain.link(&mut out, kind, members);
        }
        let lines: Vec<&[u8]> = out.strip_suffix(b"\n").expect("an end").split(|&b| b == b'\n').collect();
        let heads: Vec<_> = lines.iter().map(|line| Head::parse(line).expect("a head")).collect();
        assert_eq!(heads.iter().map(|head| head.seq).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(heads[0].prev, Chain::NOTHING);
        assert_eq!((heads[1].prev, heads[2].prev), (Digest::of(lines[0]), Digest::of(lines[1])));
        assert_eq!((chain.seq, chain.head), (3, Digest::of(lines[2])));
        assert!(heads.iter().all(|head| head.chain == chain.id));
        for line in lines {
            let value: serde_json::Value = serde_json::from_slice(line).expect("JSON");
            assert_eq!(value["chain"], chain.id.as_str());
        }
    }

    #[test]
    fn what_is_no_line_of_a_chain_has_no_head() {
        let good = format!(r#"{{"kind":"lost","chain":"abcd_-12","seq":7,"prev":"{}","count":1}}"#, Digest::of(b"x"));
        assert!(Head::parse(good.as_bytes()).is_some());
        for (from, to) in [
            ("lost", "other"),
            ("abcd_-12", "abcd_-1"),
            ("abcd_-12", "abcd_-1é"),
            (":7", ":07"),
            (":7", ":0"),
            (":7", ":99999999999999999999"),
            (":7", ":"),
            ("\"prev\":\"", "\"prev\":\"A"),
            ("1}", "1"),
            ("{", " {"),
        ] {
            assert_eq!(Head::parse(good.replacen(from, to, 1).as_bytes()), None, "{from} -> {to}");
        }
        assert_eq!(Head::parse(b""), None);
    }
}
