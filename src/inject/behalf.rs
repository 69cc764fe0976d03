//! Tokens to act on principals' behalf with: the gateway signs a token about one, and exchanges it (RFC 8693).

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;

use super::Issuer;
use crate::authz::Permit;
use crate::crypto::sha256;
use crate::domain::{Name, Principal, Secret, SecretRef, hex};
use crate::vault::{Exchange, Exchanged};

/// Where principals' tokens are exchanged, and what for.
#[derive(Debug)]
pub struct OnBehalf {
    exchange: Arc<Exchange>,
    issuer: Arc<Issuer>,
    audience: String,
}

/// What one principal's token is had by.
#[derive(Debug)]
pub(super) struct Behalf {
    of: Arc<OnBehalf>,
    pub(super) token: Arc<Exchanged>,
}

impl OnBehalf {
    /// Exchanges tokens of this issuer about principals; `audience` is what the authorization server is called in them.
    pub fn new(exchange: Exchange, issuer: Arc<Issuer>, audience: String) -> Self {
        Self { exchange: Arc::new(exchange), issuer, audience }
    }

    /// What tells apart those who must not have the same token: all that is said of them, not only who they are. A session with fewer roles
    /// than its principal has comes to no token that was had with more.
    pub(super) fn key(&self, principal: &Principal) -> String {
        let said = Value::Object(self.issuer.claims(principal, &self.audience)).to_string();
        format!("{}#{}", principal.name(), hex(&sha256(said.as_bytes())))
    }

    /// What this principal's token is had by; `credential` is what the log calls it by, with their name.
    pub(super) fn of(self: &Arc<Self>, credential: &Name, principal: &Principal) -> Behalf {
        let name = SecretRef { vault: credential.clone(), path: principal.name() };
        Behalf { of: Arc::clone(self), token: Arc::new(Exchanged::new(Arc::clone(&self.exchange), name)) }
    }

    fn subject(&self, permit: &Permit) -> Option<Secret> {
        let token = self.issuer.token(permit.principal(), &self.audience, SystemTime::now()).ok()?;
        Some(Secret::new(token.as_bytes().to_vec()))
    }
}

impl Behalf {
    /// Sees to it that there is a token, if there can be one.
    pub(super) async fn see_to(&self, permit: &Permit) {
        self.token.see_to(|| self.of.subject(permit)).await;
    }

    /// Whether there is another than that of this version, after having asked for one.
    pub(super) async fn renew(&self, permit: &Permit, version: u64) -> bool {
        self.token.renew(version, || self.of.subject(permit)).await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;
    use crate::domain::{HostPattern, PrincipalKind};
    use crate::inject::IssuerSettings;
    use crate::net::ClientSettings;
    use crate::vault::{Kind, Oauth2Grant, Oauth2Proof, Oauth2Settings, Settings, Vaults};

    fn on_behalf() -> OnBehalf {
        let name = Name::parse("keys").expect("a name");
        let kind = Kind::Environment { prefix: "NONE_".to_owned() };
        let vault = Vaults::default().open(&Settings { name, kind, max_stale: Duration::ZERO });
        let issuer = Issuer::new(IssuerSettings {
            issuer: "https://gateway.test".to_owned(),
            host: HostPattern::Any,
            path: "/keys".to_owned(),
            lifetime: Duration::from_secs(60),
            key: vault.slot("key"),
            other_keys: Vec::new(),
        });
        let exchange = Exchange::new(Oauth2Settings {
            url: "https://login.test/token".to_owned(),
            grant: Oauth2Grant::TokenExchange(None),
            client_id: None,
            proof: Oauth2Proof::None,
            more: Vec::new(),
            client: ClientSettings::default(),
        });
        OnBehalf::new(exchange, Arc::new(issuer), "https://login.test".to_owned())
    }

    #[test]
    fn whoever_differs_in_anything_that_is_said_of_them_has_a_place_of_their_own() {
        let on_behalf = on_behalf();
        let of = |authenticator: &str, id: &str, change: fn(&mut Principal)| {
            let name = Name::parse(authenticator).expect("a name");
            let mut principal = Principal::new(name, PrincipalKind::Human, id.to_owned());
            change(&mut principal);
            on_behalf.key(&principal)
        };
        let all = [
            of("corp", "ada", |_| {}),
            of("corp", "bob", |_| {}),
            of("other", "ada", |_| {}),
            of("corp", "ada#", |_| {}),
            of("corp", "ada", |one| one.kind = PrincipalKind::Agent),
            of("corp", "ada", |one| one.roles = vec!["a".into(), "b".into()]),
            of("corp", "ada", |one| one.roles = vec!["a\",\"b".into()]),
            of("corp", "ada", |one| one.scopes = vec!["a".into()]),
            of("corp", "ada", |one| one.actor = Some("bob".into())),
        ];
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len(), "{all:?}");
        // What says nothing of them makes no other place: the same caller comes with a new token every few minutes.
        assert_eq!(of("corp", "ada", |one| one.expires = Some(SystemTime::now())), all[0]);
    }
}
