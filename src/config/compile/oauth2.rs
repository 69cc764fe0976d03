//! `[credential.NAME.oauth2]`: the tokens of an authorization server.

use std::sync::Arc;

use jsonwebtoken::Algorithm;

use super::{Compiled, Compiler};
use crate::config::file::{AssertionTable, Oauth2Credential, Text};
use crate::domain::Name;
use crate::inject::{Issuer, OnBehalf};
use crate::net::{Client, ClientSettings};
use crate::vault::{
    Assertion, Exchange, Kind, Oauth2Grant, Oauth2Proof, Oauth2Settings, Settings, Slot, TokenType, Vault,
};

/// What the one secret of such a vault is called.
const PATH: &str = "access-token";

/// Where tokens are.
pub(super) enum Obtained {
    /// One for all, in this slot.
    Shared(Arc<Slot>),
    /// One for each principal.
    Own(OnBehalf),
}

impl Compiler<'_, '_> {
    /// Where there is a token that is good.
    pub(super) fn oauth2(
        &mut self,
        name: &Name,
        table: &Oauth2Credential,
        vaults: &Compiled<Arc<Vault>>,
        issuer: Option<&Arc<Issuer>>,
    ) -> Option<Obtained> {
        let client = self.oauth2_client(table)?;
        let assertion = match &table.assertion {
            Some(assertion) => Some(self.assertion(assertion, table, vaults)?),
            None => None,
        };
        let (grant, proof) = self.grant(table, assertion, vaults)?;
        let more = [("scope", &table.scope), ("audience", &table.audience), ("resource", &table.resource)];
        let more = more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        let settings = Oauth2Settings {
            url: table.token_url.get_ref().clone(),
            grant,
            client_id: table.client_id.clone(),
            proof,
            more: more.collect(),
            client,
        };
        if matches!(settings.grant, Oauth2Grant::TokenExchange(_)) {
            return self.on_behalf(table, settings, issuer).map(Obtained::Own);
        }
        let kind = Kind::Oauth2(Box::new(settings));
        // A token is good until its end, and nobody knows better in between.
        let settings = Settings { name: name.clone(), kind, max_stale: Settings::UNTIL_IT_ENDS };
        let vault = self.engines.vaults.open(&settings);
        let slot = vault.slot(PATH);
        self.tokens.push(vault);
        Some(Obtained::Shared(slot))
    }

    fn on_behalf(
        &mut self,
        table: &Oauth2Credential,
        settings: Oauth2Settings,
        issuer: Option<&Arc<Issuer>>,
    ) -> Option<OnBehalf> {
        let place = table.grant.as_ref().unwrap_or(&table.token_url).span();
        let Some(issuer) = issuer else {
            let cure = "add `[identity_token]` with `issuer` and `key`";
            self.report.add(place, "there is no key that signs tokens about principals", cure);
            return None;
        };
        let audience = table.subject_audience.as_ref().unwrap_or(&table.token_url);
        let named = Some(audience.get_ref().clone()).filter(|text| !text.is_empty()).ok_or("a token is for somebody");
        let named = self.report.take(audience.span(), named, "write what the server is called, or leave it out")?;
        Some(OnBehalf::new(Exchange::new(settings), Arc::clone(issuer), named))
    }

    /// The sort of token that is asked for.
    fn token_type(&mut self, table: &Oauth2Credential) -> Option<Option<TokenType>> {
        let Some(text) = &table.requested_token_type else { return Some(None) };
        let sort = TokenType::parse(text.get_ref()).ok_or("no sort of token that a target is sent (RFC 8693 §3)");
        let cure = "choose `urn:ietf:params:oauth:token-type:access_token` or `urn:ietf:params:oauth:token-type:jwt`";
        self.report.take(text.span(), sort, cure).map(Some)
    }

    fn oauth2_client(&mut self, table: &Oauth2Credential) -> Option<ClientSettings> {
        let authorities = match &table.ca {
            Some(path) => Some(String::from_utf8_lossy(&self.file(path)?).into_owned()),
            None => None,
        };
        let settings = ClientSettings { egress: self.egress.clone(), authorities, ..ClientSettings::default() };
        let place = table.ca.as_ref().unwrap_or(&table.token_url);
        let made = self.report.take(place.span(), Client::new(settings.clone()), "name a PEM file of authorities")?;
        let checked = made.check(table.token_url.get_ref());
        self.report.take(table.token_url.span(), checked, "write an https URL, or http on loopback")?;
        Some(settings)
    }

    fn grant(
        &mut self,
        table: &Oauth2Credential,
        assertion: Option<Assertion>,
        vaults: &Compiled<Arc<Vault>>,
    ) -> Option<(Oauth2Grant, Oauth2Proof)> {
        let place = table.grant.as_ref().unwrap_or(&table.token_url).span();
        let named = table.grant.as_ref().map_or("client_credentials", |text| text.get_ref().as_str());
        let secret = match &table.client_secret {
            Some(text) => Some(self.secret(text, vaults)?),
            None => None,
        };
        let refresh = match &table.refresh_token {
            Some(text) => Some(self.secret(text, vaults)?),
            None => None,
        };
        let is_exchange = named == "token_exchange";
        if let Some(text) = [&table.subject_audience, &table.requested_token_type].into_iter().flatten().next()
            && !is_exchange
        {
            self.report.add(text.span(), "this is for the grant `token_exchange`", "take it out, or name that grant");
            return None;
        }
        let (grant, left) = match (named, refresh, assertion) {
            ("token_exchange", None, left) => (Oauth2Grant::TokenExchange(self.token_type(table)?), left),
            ("client_credentials", None, left) => (Oauth2Grant::ClientCredentials, left),
            ("refresh_token", Some(token), left) => (Oauth2Grant::RefreshToken(token), left),
            ("jwt_bearer", None, Some(assertion)) => (Oauth2Grant::JwtBearer(assertion), None),
            _ => {
                let cure = "choose `client_credentials`, `refresh_token` with that token, `jwt_bearer` with `assertion`, or `token_exchange`";
                self.report.add(place, "the grant and what is handed in do not go together", cure);
                return None;
            }
        };
        let proof = match (secret, left, self.sends_in_form(table.client_auth.as_ref())?) {
            (Some(_), Some(_), _) => {
                let cure = "keep `client_secret` or `assertion`";
                self.report.add(place, "a client proves who it is in one way", cure);
                return None;
            }
            (Some(secret), None, false) => Oauth2Proof::Basic(secret),
            (Some(secret), None, true) => Oauth2Proof::Post(secret),
            (None, Some(assertion), _) => Oauth2Proof::PrivateKeyJwt(assertion),
            (None, None, _) => Oauth2Proof::None,
        };
        if table.client_id.is_none() && (!matches!(proof, Oauth2Proof::None) || named == "client_credentials") {
            self.report.add(place, "nobody knows whose secret it is", "add `client_id`");
            return None;
        }
        Some((grant, proof))
    }

    /// Whether the secret is sent in the form.
    fn sends_in_form(&mut self, text: Option<&Text>) -> Option<bool> {
        let Some(text) = text else { return Some(false) };
        let is_post = match text.get_ref().as_str() {
            "basic" => Ok(false),
            "post" => Ok(true),
            _ => Err("no such way to send a secret"),
        };
        self.report.take(text.span(), is_post, "choose `basic` or `post`")
    }

    fn assertion(
        &mut self,
        table: &AssertionTable,
        of: &Oauth2Credential,
        vaults: &Compiled<Arc<Vault>>,
    ) -> Option<Assertion> {
        let algorithm = match &table.algorithm {
            None => Some(Algorithm::RS256),
            Some(text) => {
                let known = match text.get_ref().as_str() {
                    "RS256" => Ok(Algorithm::RS256),
                    "ES256" => Ok(Algorithm::ES256),
                    "EdDSA" => Ok(Algorithm::EdDSA),
                    _ => Err("no such algorithm"),
                };
                self.report.take(text.span(), known, "choose `RS256`, `ES256` or `EdDSA`")
            }
        };
        let key = self.secret(&table.key, vaults);
        let Some(issuer) = table.issuer.clone().or_else(|| of.client_id.clone()) else {
            self.report.add(table.key.span(), "nobody is named who signs", "add `issuer`, or `client_id`");
            return None;
        };
        Some(Assertion {
            subject: table.subject.clone().unwrap_or_else(|| issuer.clone()),
            issuer,
            audience: table.audience.clone().unwrap_or_else(|| of.token_url.get_ref().clone()),
            scope: table.scope.clone(),
            key: key?,
            algorithm: algorithm?,
            key_id: table.key_id.clone(),
        })
    }
}
