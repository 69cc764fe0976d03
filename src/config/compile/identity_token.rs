//! `[identity_token]`, and what routes say of it.

use std::sync::Arc;
use std::time::Duration;

use super::identity::is_taken;
use super::route::Parts;
use super::{Compiled, Compiler};
use crate::config::file::{IdentityTokenTable, IssuerTable, RouteTable, Text};
use crate::config::read::Entries;
use crate::config::values::{Period, Spanned};
use crate::crypto::SigningKey;
use crate::domain::{HostPattern, PathPattern};
use crate::inject::{Credential, IdentityHeader, IdentityToken, Issuer, IssuerSettings};
use crate::vault::{Slot, Vault};

/// Where a key set is, unless told otherwise.
const JWKS_PATH: &str = "/.well-known/jwks.json";
const URL_CURE: &str = "write an https URL without a query, such as `https://gateway.example.com`";

impl Compiler<'_, '_> {
    pub(super) fn issuer(
        &mut self,
        table: IssuerTable,
        vaults: &Compiled<Arc<Vault>>,
        routes: &Entries<RouteTable>,
    ) -> Option<Arc<Issuer>> {
        let host = self.report.take(table.issuer.span(), host(table.issuer.get_ref()), URL_CURE);
        let path = table.jwks_path.as_ref().map_or(JWKS_PATH, |path| path.get_ref());
        let span = table.jwks_path.as_ref().map_or_else(|| table.issuer.span(), |path| path.span());
        let is_one = PathPattern::parse(path).is_ok() && !path.contains('*');
        let is_one = is_one.then_some(()).ok_or("this is not one path in normal form");
        self.report.take(span.clone(), is_one, "write one such as `/.well-known/jwks.json`");
        let is_same = |route: &RouteTable| route.path.get_ref() == path;
        if let Some((name, _)) = routes.iter().find(|(_, entry)| is_same(&entry.table)) {
            let message = format!("route `{name}` has the path of the key set");
            self.report.add(span, message, "give one of them another path");
        }
        let lifetime = self.lifetime(table.lifetime.as_ref());
        let key = self.signing_key(&table.key, vaults);
        let other_keys: Option<Vec<_>> = table
            .other_keys
            .iter()
            .map(|text| self.signing_key(text, vaults))
            .collect::<Vec<_>>()
            .into_iter()
            .collect();
        Some(Arc::new(Issuer::new(IssuerSettings {
            issuer: table.issuer.into_inner(),
            host: host?,
            path: path.to_owned(),
            lifetime: lifetime?,
            key: key?,
            other_keys: other_keys?,
        })))
    }

    fn lifetime(&mut self, written: Option<&Spanned<Period>>) -> Option<Duration> {
        let Some(written) = written else { return Some(Duration::from_secs(60)) };
        let lifetime = written.get_ref().0;
        let range = Issuer::MIN_LIFETIME..=Issuer::MAX_LIFETIME;
        let lifetime = range.contains(&lifetime).then_some(lifetime).ok_or("a token lives 1s to 10m");
        self.report.take(written.span(), lifetime, "leave it out for 1m")
    }

    /// A key that is not there yet refuses requests, as every missing secret does; one that is there has to be a key.
    fn signing_key(&mut self, text: &Text, vaults: &Compiled<Arc<Vault>>) -> Option<Arc<Slot>> {
        let slot = self.secret(text, vaults)?;
        if let Ok(secret) = slot.load() {
            let cure = "make one with `claviger key identity`, and put it into the vault";
            self.report.take(text.span(), SigningKey::from_pem(&secret), cure)?;
        }
        Some(slot)
    }

    /// The outer `None` stands for an error, the inner for a route without a token.
    #[expect(clippy::option_option, reason = "wrong and absent are two things")]
    pub(super) fn identity_token(
        &mut self,
        table: Option<&Spanned<IdentityTokenTable>>,
        headers: &[IdentityHeader],
        credential: Option<&Credential>,
        parts: &Parts,
    ) -> Option<Option<IdentityToken>> {
        let Some(spanned) = table else { return Some(None) };
        let table = spanned.get_ref();
        let header = self.header_name(&table.header)?;
        if is_taken(&header, credential, &parts.places()) || headers.iter().any(|other| *other.name() == header) {
            let cure = "name one of your own, such as `X-Identity`";
            self.report.add(table.header.span(), "this header means something else already", cure);
            return None;
        }
        let audience = Some(table.audience.get_ref().clone()).filter(|text| !text.is_empty());
        let audience = audience.ok_or("a token is for somebody");
        let audience = self.report.take(table.audience.span(), audience, "write what the target is called there")?;
        let Some(issuer) = &parts.issuer else {
            let cure = "add `[identity_token]` with `issuer` and `key`";
            self.report.add(spanned.span(), "there is no key that signs tokens", cure);
            return None;
        };
        Some(Some(IdentityToken::new(Arc::clone(issuer), header, audience)))
    }
}

/// The host of an issuer's URL.
fn host(issuer: &str) -> Result<HostPattern, &'static str> {
    let wrong = "an issuer is the URL of the gateway";
    let url: http::Uri = issuer.parse().map_err(|_| wrong)?;
    let host = url.host().filter(|_| url.scheme_str() == Some("https") && url.query().is_none()).ok_or(wrong)?;
    let pattern = HostPattern::parse(host).map_err(|_| wrong)?;
    if matches!(pattern, HostPattern::Exact(_)) && !issuer.contains(['@', '#']) { Ok(pattern) } else { Err(wrong) }
}
