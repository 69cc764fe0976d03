//! What clients are told of a limit: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10) and `Retry-After`
//! (RFC 9110 §10.2.3).

use std::time::Duration;

use http::HeaderValue;

use crate::domain::Name;

use super::{Allowed, Exceeded, RateSettings};

/// The header fields of one rate limit, made ready when the configuration is compiled.
#[derive(Debug, Clone)]
pub struct RateFields {
    /// `"name"`, a Structured Fields String (RFC 9651 §3.3.3); a [`Name`] holds nothing that needs escaping there.
    quoted: String,
    policy: HeaderValue,
}

impl RateFields {
    /// The fields that tell of this limit under this name.
    pub fn new(name: &Name, settings: &RateSettings) -> Self {
        let quoted = format!("\"{name}\"");
        // `w` is whole seconds: a window that is not is told as the next longer one, with what is earned in that.
        let window = whole_seconds(settings.per).max(1);
        let earned = u128::from(settings.requests.get()) * u128::from(window) * 1_000_000_000;
        let quota = (earned / settings.per.as_nanos().max(1)).clamp(1, MAX_INTEGER.into());
        let policy = visible(format!("{quoted};q={quota};w={}", window.min(MAX_INTEGER)));
        Self { quoted, policy }
    }

    /// `RateLimit-Policy`: `q` requests are earned in `w` seconds.
    pub fn policy(&self) -> HeaderValue {
        self.policy.clone()
    }

    /// `RateLimit` of a request that was allowed: `r` more may come now, the whole burst again in `t` seconds.
    pub fn allowed(&self, allowed: &Allowed) -> HeaderValue {
        self.state(allowed.remaining, whole_seconds(allowed.reset))
    }

    /// `RateLimit` of a request that was refused: none may come now, one in `t` seconds, as `Retry-After` says too.
    pub fn exceeded(&self, exceeded: &Exceeded) -> HeaderValue {
        self.state(0, whole_seconds(exceeded.retry_after).max(1))
    }

    fn state(&self, remaining: u32, seconds: u64) -> HeaderValue {
        visible(format!("{};r={remaining};t={}", self.quoted, seconds.min(MAX_INTEGER)))
    }
}

/// `Retry-After` in whole seconds, rounded up and at least one: zero would ask for the same refusal at once.
pub fn retry_after(wait: Duration) -> HeaderValue {
    HeaderValue::from(whole_seconds(wait).max(1))
}

/// The largest Structured Fields Integer (RFC 9651 §3.3.1).
const MAX_INTEGER: u64 = 999_999_999_999_999;

fn whole_seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}

/// A value of a name's characters, digits and `";=`, all of which a field may hold; the empty one stands for what cannot be.
fn visible(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn fields(requests: u32, per: Duration) -> RateFields {
        let requests = NonZeroU32::new(requests).expect("not zero");
        let settings = RateSettings { requests, per, burst: NonZeroU32::MIN };
        RateFields::new(&Name::parse("per-client").expect("name"), &settings)
    }

    #[test]
    fn policies_tell_whole_seconds() {
        for (requests, per, want) in [
            (100, Duration::from_secs(60), "\"per-client\";q=100;w=60"),
            (5, Duration::from_millis(250), "\"per-client\";q=20;w=1"),
            (3, Duration::from_millis(1500), "\"per-client\";q=4;w=2"),
            (7, Duration::ZERO, "\"per-client\";q=7000000000;w=1"),
            (1, Duration::MAX, "\"per-client\";q=1;w=999999999999999"),
        ] {
            assert_eq!(fields(requests, per).policy(), want);
        }
    }

    #[test]
    fn states_are_rounded_so_that_nobody_comes_too_soon() {
        let fields = fields(1, Duration::from_secs(1));
        let allowed = Allowed { remaining: 9, reset: Duration::from_millis(1001) };
        assert_eq!(fields.allowed(&allowed), "\"per-client\";r=9;t=2");
        let exceeded = Exceeded { retry_after: Duration::from_nanos(1), reset: Duration::from_secs(9) };
        assert_eq!(fields.exceeded(&exceeded), "\"per-client\";r=0;t=1");
        for (wait, want) in [(Duration::ZERO, "1"), (Duration::from_millis(1), "1"), (Duration::from_millis(2001), "3")]
        {
            assert_eq!(retry_after(wait), want);
        }
    }
}
