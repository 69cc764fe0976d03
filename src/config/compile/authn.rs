//! `[authn.NAME]`.

mod asked;
mod basic;
mod forward_auth;
mod http_signature;
mod introspection;
mod jwt;
mod mtls;
mod token_review;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Compiled, Compiler};
use crate::audit::pseudonyms::RESERVED;
use crate::authn::{
    ANONYMOUS, Alg, ApiKeyEntry, ApiKeySettings, ApiKeys, Authenticator, JwtSettings, KeySource, LiveSecret, SESSIONS,
    SharedKey,
};
use crate::config::file::{ApiKeyTable, AuthnTable, JwtTable, KeyTable, Text};
use crate::config::values::{Period, Spanned};
use crate::crypto::ApiKeyRecord;
use crate::domain::{Name, PrincipalKind};
use crate::net::{Client, ClientSettings};
use crate::vault::Vault;

impl Compiler<'_, '_> {
    pub(super) fn authenticator(
        &mut self,
        name: &Name,
        (span, table): (Range<usize>, AuthnTable),
        vaults: &Compiled<Arc<Vault>>,
    ) -> Option<Authenticator> {
        if name.as_str() == ANONYMOUS {
            let cure = "choose another name; `anonymous` in a route's `authn` needs no table";
            self.report.add(span, "this name stands for callers who present nothing", cure);
            return None;
        }
        if name.as_str() == SESSIONS {
            let cure = "choose another name; `[sessions]` says who may begin them";
            self.report.add(span, "this name stands for the sessions that the gateway begins", cure);
            return None;
        }
        if RESERVED.contains(&name.as_str()) {
            let cure = "choose another name";
            self.report.add(span, "records tell so of what was done on the machine itself", cure);
            return None;
        }
        match table {
            AuthnTable::Jwt(table) => self.jwt(name, &table, vaults),
            AuthnTable::ApiKey(table) => self.api_keys(name, span, table),
            AuthnTable::Introspection(table) => self.introspection(name, &table, vaults),
            AuthnTable::TokenReview(table) => self.token_review(name, span, &table, vaults),
            AuthnTable::Mtls(table) => self.mtls(name, span, table),
            AuthnTable::HttpSignature(table) => self.http_signature(name, span, table, vaults),
            AuthnTable::Basic(table) => self.passwords(name, span, table),
            AuthnTable::ForwardAuth(table) => self.forward_auth(name, &table),
        }
    }

    fn jwt(&mut self, name: &Name, table: &JwtTable, vaults: &Compiled<Arc<Vault>>) -> Option<Authenticator> {
        let algorithms = self.algorithms(&table.algorithms);
        let keys = self.key_source(table, algorithms.as_deref(), vaults);
        let kind = self.kind_source(table);
        let is_access_token_profile = self.profile(table);
        let roles_prefix = self.roles_prefix(table);
        let settings = JwtSettings {
            name: name.clone(),
            issuer: table.issuer.get_ref().clone(),
            audiences: table.audience.0.clone(),
            algorithms: algorithms?,
            keys: keys?,
            leeway: table.leeway.map_or(Duration::from_secs(10), |Period(leeway)| leeway),
            types: table.typ.clone(),
            id_claim: table.id.clone().unwrap_or_else(|| "sub".to_owned()),
            roles_claim: table.roles.clone(),
            roles_prefix: roles_prefix?,
            scopes_claim: table.scopes.clone().unwrap_or_else(|| "scope".to_owned()),
            kind: kind?,
            is_access_token_profile: is_access_token_profile?,
            is_nonce_needed: table.dpop_nonce,
            keys_refresh: table.keys_refresh.map(|Period(every)| every),
        };
        let client = self.client(table.issuer.span())?;
        let made = self.engines.authenticators.jwt(settings, &client);
        let cure = "name the issuer and audience exactly as tokens do, a leeway of at most 30s, a key that fits the algorithms, and `keys_refresh` with keys from a URL alone";
        self.report.take(table.issuer.span(), made, cure).map(Authenticator::Jwt)
    }

    pub(super) fn client(&mut self, span: Range<usize>) -> Option<Arc<Client>> {
        let settings = ClientSettings { egress: self.egress.clone(), ..ClientSettings::default() };
        self.report.take(span, Client::new(settings), "check the system's certificates").map(Arc::new)
    }

    fn algorithms(&mut self, texts: &[Text]) -> Option<Vec<Alg>> {
        let mut algorithms = Vec::new();
        for text in texts {
            let alg = Alg::parse(text.get_ref()).ok_or("no such algorithm");
            algorithms.push(self.report.take(
                text.span(),
                alg,
                "write a registered name, such as RS256, ES256 or EdDSA",
            ));
        }
        algorithms.into_iter().collect()
    }

    fn key_source(
        &mut self,
        table: &JwtTable,
        algorithms: Option<&[Alg]>,
        vaults: &Compiled<Arc<Vault>>,
    ) -> Option<KeySource> {
        match (&table.jwks_url, &table.jwks_file, &table.public_key_file, &table.hmac_secret) {
            (None, None, None, None) => Some(KeySource::Discovery),
            (Some(url), None, None, None) => Some(KeySource::JwksUrl(url.get_ref().clone())),
            (None, Some(path), None, None) => Some(KeySource::JwksFile(self.path(path.get_ref()))),
            (None, None, Some(path), None) => {
                let text = String::from_utf8(self.file(path)?).map_err(|_| "the file is no text");
                let text = self.report.take(path.span(), text, "name a file with one public key in PEM")?;
                Some(KeySource::Pem { text, alg: self.one_algorithm(path, algorithms?)? })
            }
            (None, None, None, Some(secret)) => {
                let alg = self.one_algorithm(secret, algorithms?)?;
                let slot = self.secret(secret, vaults)?;
                self.watched.secret(&slot);
                let value = slot.load();
                let key = self.report.take(secret.span(), value, "put the secret into its vault first")?;
                Some(KeySource::Secret { key: SharedKey::new(key, Some(LiveSecret::new(slot))), alg })
            }
            _ => {
                let cure = "write at most one of `jwks_url`, `jwks_file`, `public_key_file`, `hmac_secret`";
                self.report.add(table.issuer.span(), "an issuer's keys come from one place", cure);
                None
            }
        }
    }

    fn one_algorithm(&mut self, place: &Text, algorithms: &[Alg]) -> Option<Alg> {
        if let [alg] = algorithms {
            return Some(*alg);
        }
        let cure = "write `algorithms = [\"...\"]` with the one that the key is for";
        self.report.add(place.span(), "a single key is for a single algorithm", cure);
        None
    }

    pub(super) fn kind(&mut self, text: Option<&Text>, default: PrincipalKind) -> Option<PrincipalKind> {
        let Some(text) = text else { return Some(default) };
        let kind = PrincipalKind::parse(text.get_ref()).ok_or("no such sort of caller");
        self.report.take(text.span(), kind, "choose `human`, `service` or `agent`")
    }

    fn api_keys(&mut self, name: &Name, span: Range<usize>, table: ApiKeyTable) -> Option<Authenticator> {
        let header = match &table.header {
            Some(text) => Some(self.header_name(text)?),
            None => None,
        };
        let keys = self.key_entries(table.key);
        let made = ApiKeys::new(ApiKeySettings { name: name.clone(), header, keys });
        let cure = "paste the entry that `claviger key new` printed";
        let keys = Arc::new(self.report.take(span, made, cure)?);
        self.api_keys.push(Arc::clone(&keys));
        Some(Authenticator::ApiKey(keys))
    }

    fn key_entries(&mut self, tables: BTreeMap<Spanned<String>, Spanned<KeyTable>>) -> Vec<ApiKeyEntry> {
        let mut entries = Vec::with_capacity(tables.len());
        for (label, table) in tables {
            let parsed = Name::parse(label.get_ref());
            let Some(parsed) = self.report.take(label.span(), parsed, "label the key with such a name") else {
                continue;
            };
            entries.extend(self.key_entry(parsed, table.into_inner()));
        }
        entries
    }

    fn key_entry(&mut self, label: Name, table: KeyTable) -> Option<ApiKeyEntry> {
        let record = ApiKeyRecord::new(table.prefix.get_ref(), table.digest.get_ref());
        let record = self.report.take(table.prefix.span(), record, "paste the entry that `claviger key new` printed");
        let expires = match &table.expires {
            Some(text) => Some(self.moment(text)?),
            None => None,
        };
        let kind = self.kind(table.kind.as_ref(), PrincipalKind::Service);
        let canary = self.canary_key(&table);
        let texts = |list: Vec<String>| list.into_iter().map(Arc::from).collect();
        Some(ApiKeyEntry {
            label,
            record: record?,
            owner: table.owner.into_inner(),
            roles: texts(table.roles),
            scopes: texts(table.scopes),
            kind: kind?,
            expires,
            networks: Some(table.networks.0).filter(|networks| !networks.is_empty()),
            canary: canary?,
        })
    }

    /// Whose sessions a decoy ends; the inner `None` stands for a key that is none.
    #[expect(clippy::option_option, reason = "wrong and absent are two things")]
    fn canary_key(&mut self, table: &KeyTable) -> Option<Option<Vec<(Name, String)>>> {
        let place = table.owner.span();
        if !table.canary && table.revokes.is_empty() {
            return Some(None);
        }
        if !table.canary {
            self.report.add(place, "a key ends sessions only as a decoy", "add `canary = true`, or take `revokes` out");
            return None;
        }
        let confers = !table.roles.is_empty() || !table.scopes.is_empty() || table.kind.is_some();
        if confers || table.expires.is_some() || !table.networks.0.is_empty() {
            let cure = "take out `roles`, `scopes`, `kind`, `expires` and `networks`";
            self.report.add(place, "a decoy proves nobody, from anywhere and at any time", cure);
            return None;
        }
        self.revoked.extend(table.revokes.iter().cloned());
        let member = |text: &Text| {
            let (authenticator, id) = text.get_ref().split_once(':')?;
            Some((Name::parse(authenticator).ok()?, id.to_owned()))
        };
        // What names nobody is told once all authenticators are known.
        Some(Some(table.revokes.iter().filter_map(member).collect()))
    }

    pub(super) fn moment(&mut self, text: &Text) -> Option<SystemTime> {
        let moment =
            text.get_ref().parse::<jiff::Timestamp>().ok().and_then(|moment| SystemTime::try_from(moment).ok());
        self.report.take(text.span(), moment.ok_or("not a moment"), "write one such as \"2027-01-31T00:00:00Z\"")
    }
}
