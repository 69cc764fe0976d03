//! `[authn.NAME.introspection]`.

use std::sync::Arc;
use std::time::Duration;

use super::super::{Compiled, Compiler};
use super::asked::Written;
use crate::authn::{Alg, Authenticator, ClientAuth, IntrospectionSettings, KindSource};
use crate::config::file::IntrospectionTable;
use crate::domain::{Name, PrincipalKind};
use crate::vault::Vault;

impl Compiler<'_, '_> {
    pub(super) fn introspection(
        &mut self,
        name: &Name,
        table: &IntrospectionTable,
        vaults: &Compiled<Arc<Vault>>,
    ) -> Option<Authenticator> {
        let client_auth = self.client_auth(table, vaults);
        if table.audience.is_some() == table.any_audience {
            let cure =
                "write `audience`, the name by which tokens mean this API, or `any_audience = true`, and not both";
            self.report.add(table.url.span(), "a token that is active may be for another API", cure);
        }
        let kind = self.kind(table.kind.as_ref(), PrincipalKind::Human);
        let (ask, client) = self.ask(&Written {
            name,
            url: table.url.get_ref(),
            span: table.url.span(),
            ca: table.ca.as_ref(),
            timeout: table.timeout,
            cache: table.cache,
            usual_cache: Duration::from_secs(30),
        })?;
        let settings = IntrospectionSettings {
            ask,
            client_id: table.client_id.clone(),
            client_auth: client_auth?,
            audiences: table.audience.as_ref().map_or_else(Vec::new, |audience| audience.0.clone()),
            issuer: table.issuer.clone(),
            id_claim: table.id.clone().unwrap_or_else(|| "sub".to_owned()),
            roles_claim: table.roles.clone(),
            scopes_claim: table.scopes.clone().unwrap_or_else(|| "scope".to_owned()),
            kind: KindSource::Fixed(kind?),
        };
        let made = self.engines.authenticators.introspection(settings, &client);
        self.made(table.url.span(), made).map(Authenticator::Introspection)
    }

    fn client_auth(&mut self, table: &IntrospectionTable, vaults: &Compiled<Arc<Vault>>) -> Option<ClientAuth> {
        let way = table.client_auth.as_ref().map_or("basic", |way| way.get_ref().as_str());
        let own = (&table.private_key, &table.signing_algorithm, &table.key_id, &table.assertion_audience);
        match (way, &table.client_secret, own) {
            ("basic", Some(secret), (None, None, None, None)) => {
                self.live_secret(secret, vaults).map(ClientAuth::Basic)
            }
            ("post", Some(secret), (None, None, None, None)) => self.live_secret(secret, vaults).map(ClientAuth::Post),
            ("private_key_jwt", None, (Some(key), alg, key_id, audience)) => {
                let alg = match alg {
                    Some(text) => {
                        let alg = Alg::parse(text.get_ref()).ok_or("no such algorithm");
                        self.report.take(text.span(), alg, "choose ES256, RS256 or EdDSA")?
                    }
                    None => Alg::Es256,
                };
                Some(ClientAuth::PrivateKeyJwt {
                    key: self.live_secret(key, vaults)?,
                    alg,
                    key_id: key_id.clone(),
                    audience: audience.clone().unwrap_or_else(|| table.url.get_ref().clone()),
                })
            }
            _ => {
                let place = table.client_auth.as_ref().unwrap_or(&table.url).span();
                let cure = "write `client_secret` for `basic` or `post`, or `client_auth = \"private_key_jwt\"` with `private_key`";
                self.report.add(place, "the client proves itself in one way, with what that needs", cure);
                None
            }
        }
    }
}
