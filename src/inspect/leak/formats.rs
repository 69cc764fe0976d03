//! Secrets that tell what they are by how they begin, as their issuers' documentation describes them.
//!
//! Left out is what has no beginning of its own (AWS's secret keys, Twilio's and Mailgun's keys): it would be found everywhere by chance.

use super::check::has_crc;
use super::view::{Verdict, View};

/// The characters that a secret is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// `0-9a-f`.
    Hex,
    /// `A-Z2-7`.
    Base32,
    /// `A-Z0-9`.
    Upper,
    /// Letters and digits.
    Alnum,
    /// And `_`.
    Word,
    /// And `-`.
    Url,
    /// And `.`.
    Dotted,
    /// Letters, digits, `+`, `/`.
    Base64,
}

impl Alphabet {
    #[inline]
    pub(super) fn has(self, byte: u8) -> bool {
        match self {
            Self::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::Base32 => matches!(byte, b'A'..=b'Z' | b'2'..=b'7'),
            Self::Upper => matches!(byte, b'A'..=b'Z' | b'0'..=b'9'),
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Word => byte.is_ascii_alphanumeric() || byte == b'_',
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Self::Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'),
        }
    }

    /// How many of a text's first bytes it has, counted up to a bound.
    pub(super) fn run(self, text: &[u8], most: usize) -> usize {
        text.iter().take(most).take_while(|byte| self.has(**byte)).count()
    }
}

/// What stands behind a beginning.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// So many characters, and then none of the alphabet.
    Exact(Alphabet, usize),
    /// So many, or more up to a bound.
    Range(Alphabet, usize, usize),
    /// At least so many: it ends where the alphabet does, however far that is.
    AtLeast(Alphabet, usize),
    /// So many, of which the last six are a checksum.
    Summed(usize),
    /// So many of one alphabet, a byte, and so many of another.
    Pair((Alphabet, usize), u8, (Alphabet, usize)),
    /// One of the beginnings that `sk-` has.
    Sk,
}

/// A format: how it begins, and what stands behind that.
#[derive(Debug)]
pub(super) struct Format(pub(super) &'static str, pub(super) Shape);

use Alphabet::{Alnum, Base32, Base64, Dotted, Hex, Upper, Url, Word};
use Shape::{AtLeast, Exact, Pair, Range, Sk, Summed};

/// All formats. No beginning is that of another, and with the three of other kinds they are no more than the vector search takes.
pub(super) const FORMATS: [Format; 61] = [
    // Amazon Web Services: access keys, long-lived and temporary.
    Format("AKIA", Exact(Base32, 16)),
    Format("ASIA", Exact(Base32, 16)),
    // GitHub: personal, OAuth, user-to-server, server-to-server, refresh, fine-grained.
    Format("ghp_", Summed(36)),
    Format("gho_", Summed(36)),
    Format("ghu_", Summed(36)),
    Format("ghs_", Summed(36)),
    Format("ghr_", AtLeast(Alnum, 36)),
    Format("github_pat_", Pair((Alnum, 22), b'_', (Alnum, 59))),
    // GitLab: personal, deploy, runner, trigger, CI job, agent, OAuth.
    Format("glpat-", AtLeast(Dotted, 20)),
    Format("gldt-", AtLeast(Dotted, 20)),
    Format("glrt-", AtLeast(Dotted, 20)),
    Format("glptt-", AtLeast(Dotted, 40)),
    Format("glcbt-", AtLeast(Dotted, 20)),
    Format("glagent-", AtLeast(Dotted, 50)),
    Format("gloas-", AtLeast(Dotted, 64)),
    // Slack: bot, user, workspace, refresh, session; app; webhooks.
    Format("xoxb-", AtLeast(Url, 24)),
    Format("xoxp-", AtLeast(Url, 24)),
    Format("xoxe-", AtLeast(Url, 24)),
    Format("xoxs-", AtLeast(Url, 24)),
    Format("xapp-", AtLeast(Url, 40)),
    Format("hooks.slack.com/services/", AtLeast(Base64, 40)),
    // OpenAI, Anthropic, OpenRouter.
    Format("sk-", Sk),
    // Stripe: secret and restricted keys, secrets of webhooks.
    Format("sk_live_", AtLeast(Alnum, 24)),
    Format("rk_live_", AtLeast(Alnum, 24)),
    Format("whsec_", Range(Base64, 32, 64)),
    // Google: API keys, OAuth access tokens, OAuth client secrets.
    Format("AIza", Exact(Url, 35)),
    Format("ya29.", AtLeast(Url, 30)),
    Format("GOCSPX-", Exact(Url, 28)),
    // Package registries.
    Format("npm_", Summed(36)),
    Format("pypi-AgE", AtLeast(Url, 80)),
    Format("rubygems_", Exact(Hex, 48)),
    // HashiCorp Vault: service and batch tokens.
    Format("hvs.", AtLeast(Url, 24)),
    Format("hvb.", AtLeast(Url, 90)),
    // DigitalOcean: personal, OAuth, refresh.
    Format("dop_v1_", Exact(Hex, 64)),
    Format("doo_v1_", Exact(Hex, 64)),
    Format("dor_v1_", Exact(Hex, 64)),
    // Mail services.
    Format("SG.", Pair((Url, 22), b'.', (Url, 43))),
    Format("xkeysib-", Pair((Hex, 64), b'-', (Alnum, 16))),
    // Shopify: access, custom app, private app, shared secret.
    Format("shpat_", Exact(Hex, 32)),
    Format("shpca_", Exact(Hex, 32)),
    Format("shppa_", Exact(Hex, 32)),
    Format("shpss_", Exact(Hex, 32)),
    // Facebook: graph tokens. Long, since base64 of binary may begin so too.
    Format("EAA", Range(Alnum, 120, 255)),
    // Square: access tokens and secrets.
    Format("sq0atp-", Exact(Url, 22)),
    Format("sq0csp-", Exact(Url, 43)),
    // Others, one each.
    Format("dapi", Exact(Hex, 32)),
    Format("ATATT3", AtLeast(Url, 100)),
    Format("lin_api_", Exact(Alnum, 40)),
    Format("figd_", AtLeast(Url, 38)),
    Format("PMAK-", Pair((Hex, 24), b'-', (Hex, 34))),
    Format("NRAK-", Exact(Upper, 27)),
    Format("glsa_", Pair((Alnum, 32), b'_', (Hex, 8))),
    Format("dckr_pat_", AtLeast(Url, 27)),
    Format("hf_", Exact(Alnum, 34)),
    Format("gsk_", Exact(Alnum, 52)),
    Format("xai-", Exact(Alnum, 80)),
    Format("sbp_", Exact(Hex, 40)),
    Format("pscale_", AtLeast(Dotted, 36)),
    Format("dp.pt.", Exact(Alnum, 43)),
    Format("AGE-SECRET-KEY-1", Exact(Upper, 58)),
    // Azure: the key of a storage account in a connection string.
    Format("AccountKey=", Exact(Base64, 86)),
];

/// What a key of OpenAI's older form has in its middle: `OpenAI` in base64.
const OPENAI: &[u8] = b"T3BlbkFJ";
/// A secret has at least so many different characters: what documentation stands in for one has not.
const LEAST_DIFFERENT: u32 = 7;

/// What is found.
pub(super) enum Is {
    /// So long.
    Closed(usize),
    /// So long, and as far on as there are characters of the alphabet.
    Open(usize, Alphabet),
}

impl Format {
    /// What begins at this place, where the format's beginning stands.
    pub(super) fn judge(&self, view: &View<'_>, place: usize) -> Result<Is, Verdict> {
        if !view.begins_word(place) {
            return Err(Verdict::No);
        }
        let start = self.0.len();
        let rest = view.from(place + start);
        match self.1 {
            Exact(alphabet, len) => closed(view, start, rest, alphabet, (len, len)),
            Range(alphabet, least, most) => closed(view, start, rest, alphabet, (least, most)),
            AtLeast(alphabet, least) => open(view, start, rest, alphabet, least),
            Summed(len) => {
                let is = closed(view, start, rest, Alnum, (len, len))?;
                if rest.get(..len).is_some_and(has_crc) { Ok(is) } else { Err(Verdict::No) }
            }
            Pair((one, len), between, (other, rest_len)) => {
                let has = one.run(rest, len);
                if has < len {
                    return Err(if has == rest.len() { view.short() } else { Verdict::No });
                }
                match rest.get(len) {
                    None => Err(view.short()),
                    Some(byte) if *byte != between => Err(Verdict::No),
                    Some(_) => {
                        let other_start = start + len + 1;
                        closed(view, other_start, view.from(place + other_start), other, (rest_len, rest_len))
                    }
                }
            }
            Sk => sk(view, start, rest),
        }
    }
}

/// A run of one alphabet whose length is within bounds, and behind which it ends.
fn closed(
    view: &View<'_>,
    start: usize,
    rest: &[u8],
    alphabet: Alphabet,
    (least, most): (usize, usize),
) -> Result<Is, Verdict> {
    let has = alphabet.run(rest, most + 1);
    if has <= most && has == rest.len() && !view.is_end {
        return Err(Verdict::More);
    }
    let runs_on = rest.get(has).is_some_and(|byte| matches!(byte, b'+' | b'/') || Word.has(*byte));
    let is_one = (least..=most).contains(&has) && !runs_on && is_varied(rest, has);
    let is_sample = alphabet == Base32 && rest.get(..has).is_some_and(|own| own.ends_with(b"EXAMPLE"));
    if is_one && !is_sample { Ok(Is::Closed(start + has)) } else { Err(Verdict::No) }
}

fn open(view: &View<'_>, start: usize, rest: &[u8], alphabet: Alphabet, least: usize) -> Result<Is, Verdict> {
    let has = alphabet.run(rest, least);
    if has < least {
        return Err(if has == rest.len() { view.short() } else { Verdict::No });
    }
    if is_varied(rest, least) { Ok(Is::Open(start + least, alphabet)) } else { Err(Verdict::No) }
}

fn sk(view: &View<'_>, start: usize, rest: &[u8]) -> Result<Is, Verdict> {
    for (name, least) in [("ant-", 60), ("proj-", 40), ("svcacct-", 40), ("admin-", 40), ("or-v1-", 60)] {
        if let Some(behind) = rest.strip_prefix(name.as_bytes()) {
            return open(view, start + name.len(), behind, Url, least);
        }
        if name.as_bytes().starts_with(rest) && !view.is_end {
            return Err(Verdict::More);
        }
    }
    let is = closed(view, start, rest, Alnum, (48, 48))?;
    if rest.get(20..28) == Some(OPENAI) { Ok(is) } else { Err(Verdict::No) }
}

fn is_varied(text: &[u8], len: usize) -> bool {
    let bits = text.iter().take(len).fold(0u128, |bits, byte| bits | 1 << (byte & 127));
    bits.count_ones() >= LEAST_DIFFERENT
}
