//! What a credential claims to be, before anything of it is proved: for counting failures, and for nothing else.

use std::sync::Arc;

use http::header::AUTHORIZATION;

use crate::authn::api_key::CanaryKey;
use crate::authn::authenticator::SIGNATURE_INPUT;
use crate::authn::basic::claimed_user;
use crate::authn::chain::{Chain, split};
use crate::crypto::api_key;
use crate::domain::RequestView;

impl Chain {
    /// Whether anything is presented: in the head, or a certificate where one is taken.
    pub fn presents(&self, request: &RequestView<'_>) -> bool {
        let shows = request.certificates.is_some() && !self.certificates.is_empty();
        shows || self.places.iter().any(|place| request.headers.contains_key(place))
    }

    /// The sort of the one credential and whom it claims to be of: a user's name, an API key's public part, a signature's key id. What a token
    /// claims counts for nobody: anybody can write one in anybody's name.
    pub fn claimed(&self, request: &RequestView<'_>) -> Option<(&'static str, String)> {
        let (place, value) = self.presented(request).ok()??;
        if *place == SIGNATURE_INPUT {
            return self.signatures.as_ref()?.claimed(request).map(|id| ("signature", id));
        }
        let (scheme, credential) = if *place == AUTHORIZATION { split(value).ok()? } else { ("Bearer", value) };
        if scheme.eq_ignore_ascii_case("Basic") && self.basic.is_some() {
            return claimed_user(credential).map(|user| ("basic", user));
        }
        Self::claimed_by(credential)
    }

    /// The decoy that was presented, or is the token that is handed in.
    pub fn canary(&self, request: &RequestView<'_>, handed_in: Option<&str>) -> Option<&Arc<CanaryKey>> {
        let presented = match handed_in {
            Some(token) => token,
            None => {
                let (place, value) = self.presented(request).ok()??;
                if *place == AUTHORIZATION { split(value).ok()?.1 } else { value }
            }
        };
        self.keys.iter().find_map(|keys| keys.canary(presented))
    }

    /// Whom a token that is handed in claims to be of.
    pub fn claimed_by(token: &str) -> Option<(&'static str, String)> {
        let (prefix, _) = api_key::parse(token)?;
        Some(("api_key", prefix.to_owned()))
    }
}
