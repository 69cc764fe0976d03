//! `[authn.NAME.mtls]`.

use std::ops::Range;
use std::sync::Arc;

use super::super::Compiler;
use crate::authn::{Authenticator, CertificateName, Mtls, MtlsFault, MtlsSettings};
use crate::config::file::{MtlsTable, Text};
use crate::domain::{Name, PrincipalKind};

impl Compiler<'_, '_> {
    pub(super) fn mtls(&mut self, name: &Name, _: Range<usize>, table: MtlsTable) -> Option<Authenticator> {
        let ca = self.file(&table.ca);
        let places = &table.crl;
        let crl: Vec<_> = places.iter().map(|place| self.file(place)).collect();
        let identity = self.certificate_name(&table.identity, table.prefix.as_ref());
        let kind = self.kind(table.kind.as_ref(), PrincipalKind::Service);
        let settings = MtlsSettings {
            name: name.clone(),
            ca: ca?,
            crl: crl.into_iter().collect::<Option<_>>()?,
            identity: identity?,
            roles: table.roles.into_iter().map(Arc::from).collect(),
            kind: kind?,
        };
        let made = Mtls::new(settings);
        let is_about_lists = matches!(made, Err(MtlsFault::NoList | MtlsFault::BadList));
        let (place, cure) = match places.first() {
            Some(first) if is_about_lists => (first, "name PEM files of revocation lists (`X509 CRL`)"),
            Some(_) | None => (&table.ca, "name a PEM file of authorities' certificates, and nothing else"),
        };
        self.report.take(place.span(), made, cure).map(|mtls| Authenticator::Mtls(Arc::new(mtls)))
    }

    fn certificate_name(&mut self, text: &Text, prefix: Option<&Text>) -> Option<CertificateName> {
        let name = match text.get_ref().as_str() {
            "uri" => {
                let prefix = prefix.map_or("", |prefix| prefix.get_ref().as_str()).to_owned();
                Ok(CertificateName::Uri { prefix })
            }
            "dns" => Ok(CertificateName::Dns),
            "email" => Ok(CertificateName::Email),
            "subject" => Ok(CertificateName::Subject),
            _ => Err("no such name in a certificate"),
        };
        let name = self.report.take(text.span(), name, "choose `uri`, `dns`, `email` or `subject`")?;
        let Some(prefix) = prefix else { return Some(name) };
        if !matches!(name, CertificateName::Uri { .. }) {
            self.report.add(prefix.span(), "`prefix` is about URIs", "take it out, or write `identity = \"uri\"`");
        } else if !prefix.get_ref().ends_with(['/', ':']) {
            let cure = "write it up to a `/` or `:`, such as `spiffe://prod.example.com/`";
            self.report.add(prefix.span(), "a name that begins so could be in somebody else's domain", cure);
        }
        Some(name)
    }
}
