//! `[authn.NAME.http_signature]`.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::super::{Compiled, Compiler};
use crate::authn::{Authenticator, HttpSignature, HttpSignatureSettings, LiveSecret, SignatureKeyEntry};
use crate::config::file::{HttpSignatureTable, SignatureKeyTable, Text};
use crate::config::values::{Period, Spanned};
use crate::crypto::{SignatureAlgorithm, SignatureKey};
use crate::domain::{Name, PrincipalKind};
use crate::vault::Vault;

/// What a signature has to cover where the table does not say.
const COMPONENTS: [&str; 5] = ["@method", "@authority", "@path", "@query", "content-digest"];

impl Compiler<'_, '_> {
    pub(super) fn http_signature(
        &mut self,
        name: &Name,
        span: Range<usize>,
        table: HttpSignatureTable,
        vaults: &Compiled<Arc<Vault>>,
    ) -> Option<Authenticator> {
        let nonce_required = match table.nonce.as_ref().map(|text| (text, text.get_ref().as_str())) {
            None | Some((_, "required")) => Some(true),
            Some((_, "optional")) => Some(false),
            Some((text, _)) => {
                self.report.add(text.span(), "no such rule for nonces", "choose `required` or `optional`");
                None
            }
        };
        let keys = self.signature_keys(name, table.key, vaults);
        let components = table.components.map(Spanned::into_inner);
        let settings = HttpSignatureSettings {
            name: name.clone(),
            components: components.unwrap_or_else(|| COMPONENTS.map(str::to_owned).to_vec()),
            max_age: table.max_age.map_or(Duration::from_secs(60), |Period(age)| age),
            leeway: table.leeway.map_or(Duration::from_secs(10), |Period(leeway)| leeway),
            tag: table.tag,
            label: table.label,
            nonce_required: nonce_required?,
            keys,
        };
        let cure = "name components as RFC 9421 does, in lower case, and mend what is told";
        self.report.take(span, HttpSignature::new(settings), cure).map(Arc::new).map(Authenticator::HttpSignature)
    }

    fn signature_keys(
        &mut self,
        name: &Name,
        tables: std::collections::BTreeMap<Spanned<String>, Spanned<SignatureKeyTable>>,
        vaults: &Compiled<Arc<Vault>>,
    ) -> Vec<SignatureKeyEntry> {
        let mut entries = Vec::with_capacity(tables.len());
        for (id, table) in tables {
            let span = table.span();
            entries.extend(self.signature_key_entry(name, id.into_inner(), (span, table.into_inner()), vaults));
        }
        entries
    }

    fn signature_key_entry(
        &mut self,
        name: &Name,
        id: String,
        (span, table): (Range<usize>, SignatureKeyTable),
        vaults: &Compiled<Arc<Vault>>,
    ) -> Option<SignatureKeyEntry> {
        let (key, place) = self.signature_key(span, &table, vaults).unzip();
        let expires = match &table.expires {
            Some(text) => Some(self.moment(text)?),
            None => None,
        };
        let kind = self.kind(table.kind.as_ref(), PrincipalKind::Service);
        let texts = |list: Vec<String>| list.into_iter().map(Arc::from).collect();
        Some(SignatureKeyEntry {
            nonces: self.engines.authenticators.nonces(name, &id),
            id,
            key: key?,
            place: place?,
            owner: table.owner.into_inner(),
            roles: texts(table.roles),
            scopes: texts(table.scopes),
            kind: kind?,
            expires,
            networks: Some(table.networks.0).filter(|networks| !networks.is_empty()),
        })
    }

    fn signature_key(
        &mut self,
        span: Range<usize>,
        table: &SignatureKeyTable,
        vaults: &Compiled<Arc<Vault>>,
    ) -> Option<(SignatureKey, Option<LiveSecret>)> {
        let algorithm = SignatureAlgorithm::parse(table.algorithm.get_ref()).ok_or("no such algorithm");
        let cure = "choose `ed25519`, `ecdsa-p256-sha256`, `ecdsa-p384-sha384`, `rsa-pss-sha512` or `hmac-sha256`";
        let algorithm = self.report.take(table.algorithm.span(), algorithm, cure)?;
        let is_shared = algorithm == SignatureAlgorithm::HmacSha256;
        let key = match (&table.public_key_file, &table.secret) {
            (Some(path), None) if !is_shared => {
                let key = SignatureKey::public(algorithm, &self.file(path)?);
                self.report.take(path.span(), key, "name a PEM file with the caller's public key, of this sort")
            }
            (None, Some(secret)) if is_shared => return self.shared_signature_key(secret, vaults),
            _ => {
                let cure = "write `secret` for `hmac-sha256`, `public_key_file` for any other, and not both";
                self.report.add(span, "a key is one secret or one public key, as its algorithm needs", cure);
                None
            }
        };
        Some((key?, None))
    }

    fn shared_signature_key(
        &mut self,
        secret: &Text,
        vaults: &Compiled<Arc<Vault>>,
    ) -> Option<(SignatureKey, Option<LiveSecret>)> {
        let slot = self.secret(secret, vaults)?;
        self.watched.secret(&slot);
        let value = self.report.take(secret.span(), slot.load(), "put the secret into its vault first")?;
        let key =
            self.report.take(secret.span(), SignatureKey::shared(&value), "make one with `openssl rand -base64 48`");
        Some((key?, Some(LiveSecret::new(slot))))
    }
}
