//! `[sessions]`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::route::Parts;
use super::{Compiled, Compiler};
use crate::authn::{ANONYMOUS, Authenticator, SESSIONS, TakenSessions};
use crate::config::file::{SessionsTable, Text};
use crate::config::values::{Period, Spanned};
use crate::crypto::MasterKey;
use crate::domain::{Host, Name};
use crate::session::Sessions;
use crate::state::{Endpoint, TokenService};
use crate::vault::{Slot, Vault};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const URL_CURE: &str = "write an https URL without a path, such as `https://gateway.example.com`";

impl Compiler<'_, '_> {
    pub(super) fn sessions(
        &mut self,
        table: &SessionsTable,
        has_store: bool,
        vaults: &Compiled<Arc<Vault>>,
        parts: &Parts,
    ) -> Option<Arc<TokenService>> {
        if !has_store {
            let cure = "add `[store]` with `path`";
            self.report.add(table.issuer.span(), "sessions are kept in the store, and there is none", cure);
        }
        let issuer = table.issuer.get_ref().trim_end_matches('/').to_owned();
        let host = self.report.take(table.issuer.span(), gateway_host(&issuer), URL_CURE);
        let seal = self.sealing_key(&table.key, vaults);
        let max = self.within(
            table.max.as_ref(),
            HOUR,
            Duration::from_secs(1),
            Sessions::MAX_LIFETIME,
            "a session lasts 1s to 24h",
        );
        let longest = Duration::from_secs(366 * 24 * 3600);
        let rotate = self.within(table.rotate.as_ref(), 24 * HOUR, HOUR, longest, "a key signs for 1h or more");
        let idle = table.idle.as_ref().map(|idle| self.idle(idle));
        let per_principal = self.positive(table.per_principal.as_ref()).map_or(100, std::num::NonZeroU32::get);
        let realm = Name::parse(SESSIONS).ok()?;
        let authn = self.provers(&realm, &table.authn, parts);
        let limits = self.own_limits(&realm, &table.limits, parts);
        let of: Arc<[Name]> =
            table.authn.get_ref().iter().filter_map(|text| Name::parse(text.get_ref()).ok()).collect();
        let nonced = |name: &Name| {
            parts.authenticators.by_name.get(name).and_then(Option::as_ref).is_some_and(Authenticator::needs_nonce)
        };
        let nonced = of.iter().filter(|name| nonced(name)).cloned().collect();
        let tokens = self.engines.authenticators.session_tokens(&issuer);
        Some(Arc::new(TokenService {
            name: realm,
            host: host?,
            metadata: metadata(&issuer),
            issuer,
            authn: authn?,
            limits,
            roles: Arc::clone(&parts.roles),
            max: max?,
            idle: match idle {
                Some(idle) => Some(idle?),
                None => None,
            },
            per_principal,
            seal: seal?,
            rotate: rotate?,
            taken: TakenSessions { tokens, of, nonced },
        }))
    }

    /// Checks that there are sessions for decoys to end, and principals who may have some.
    pub(super) fn revoked_by_canaries(&mut self, has_sessions: bool, parts: &Parts) {
        let revoked = std::mem::take(&mut self.revoked);
        for text in &revoked {
            self.member(text, &parts.authenticators);
        }
        if let Some(first) = revoked.first().filter(|_| !has_sessions) {
            self.report.add(first.span(), "there are no sessions to end", "add `[sessions]`, or take `revokes` out");
        }
    }

    /// A key that is not there yet refuses sessions, as every missing secret does; one that is there has to be a key.
    pub(super) fn sealing_key(&mut self, text: &Text, vaults: &Compiled<Arc<Vault>>) -> Option<Arc<Slot>> {
        let slot = self.secret(text, vaults)?;
        if let Ok(secret) = slot.load() {
            let key = std::str::from_utf8(secret.expose()).ok().and_then(|text| MasterKey::parse(text.trim_end()).ok());
            let cure = "make one with `claviger key sealing`, and put it into the vault";
            self.report.take(text.span(), key.ok_or("this is no key that seals"), cure)?;
        }
        Some(slot)
    }

    /// The authenticators whose proofs begin sessions: somebody has to be proved by each.
    fn provers(&mut self, realm: &Name, list: &Spanned<Vec<Text>>, parts: &Parts) -> Option<crate::authn::Chain> {
        let mut is_sound = true;
        for text in list.get_ref() {
            if [ANONYMOUS, SESSIONS].contains(&text.get_ref().as_str()) {
                let cure = "name `[authn.NAME]`s that prove somebody";
                self.report.add(text.span(), "this begins no session", cure);
                is_sound = false;
            }
        }
        if is_sound { self.chain(realm, list, parts) } else { None }
    }

    /// What `sessions` in a route's `authn` stands for.
    pub(super) fn taken_sessions(&mut self, text: &Text, parts: &Parts) -> Option<Authenticator> {
        // Where they are wrong, that was told.
        if !parts.has_sessions {
            self.report.add(text.span(), "there are no sessions", "add `[sessions]`");
        }
        parts.sessions.clone().map(Authenticator::Sessions)
    }

    pub(super) fn idle(&mut self, written: &Spanned<Period>) -> Option<Duration> {
        let idle = written.get_ref().0;
        let enough = (idle >= MINUTE).then_some(idle).ok_or("an idle time is 1m or more");
        self.report.take(written.span(), enough, "write one such as `15m`")
    }

    pub(super) fn within(
        &mut self,
        written: Option<&Spanned<Period>>,
        default: Duration,
        shortest: Duration,
        longest: Duration,
        rule: &'static str,
    ) -> Option<Duration> {
        let Some(written) = written else { return Some(default) };
        let time = written.get_ref().0;
        let is_within = (shortest..=longest).contains(&time);
        self.report.take(written.span(), is_within.then_some(time).ok_or(rule), "leave it out for its default")
    }
}

/// The host of the gateway's own URL, which has no path. In the clear, nobody but this machine may see a token.
pub(super) fn gateway_host(issuer: &str) -> Result<String, &'static str> {
    let wrong = "this is not the URL of a gateway";
    let (scheme, authority) = issuer.split_once("://").ok_or(wrong)?;
    let host = Host::parse(authority).map_err(|_| wrong)?;
    let name = host.as_str().trim_matches(['[', ']']);
    let is_loopback = name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if scheme == "https" || (scheme == "http" && is_loopback) { Ok(host.as_str().to_owned()) } else { Err(wrong) }
}

/// RFC 8414 §2, with what RFC 8705 §5 and RFC 9449 §5.1 add.
fn metadata(issuer: &str) -> Arc<str> {
    let at = |endpoint: Endpoint| format!("{issuer}{}", endpoint.path());
    let auth_methods = ["client_secret_basic", "client_secret_post", "tls_client_auth", "none"];
    let document = json!({
        "issuer": issuer,
        "token_endpoint": at(Endpoint::Token),
        "revocation_endpoint": at(Endpoint::Revocation),
        "introspection_endpoint": at(Endpoint::Introspection),
        "jwks_uri": at(Endpoint::KeySet),
        "grant_types_supported": TokenService::GRANT_TYPES,
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": auth_methods,
        "revocation_endpoint_auth_methods_supported": ["none"],
        "introspection_endpoint_auth_methods_supported": auth_methods,
        "dpop_signing_alg_values_supported": crate::authn::Dpop::ALGORITHMS.map(crate::authn::Alg::name),
        "tls_client_certificate_bound_access_tokens": true,
    });
    document.to_string().into()
}
