//! `[authn.NAME.forward_auth]`.

use std::time::Duration;

use http::HeaderName;

use super::super::Compiler;
use super::asked::Written;
use crate::authn::{Authenticator, ForwardAuthSettings};
use crate::config::file::{ForwardAuthTable, Text};
use crate::domain::{Name, PrincipalKind};

impl Compiler<'_, '_> {
    pub(super) fn forward_auth(&mut self, name: &Name, table: &ForwardAuthTable) -> Option<Authenticator> {
        let credential_headers = self.header_names(&table.credential_headers);
        let request_headers = self.header_names(&table.request_headers);
        let id_header = self.header_name(&table.id_header);
        let roles_header = match &table.roles_header {
            Some(text) => self.header_name(text).map(Some),
            None => Some(None),
        };
        let kind = self.kind(table.kind.as_ref(), PrincipalKind::Human);
        let (ask, client) = self.ask(&Written {
            name,
            url: table.url.get_ref(),
            span: table.url.span(),
            ca: table.ca.as_ref(),
            timeout: table.timeout,
            cache: table.cache,
            usual_cache: Duration::ZERO,
        })?;
        let settings = ForwardAuthSettings {
            ask,
            credential_headers: credential_headers?,
            request_headers: request_headers?,
            id_header: id_header?,
            roles_header: roles_header?,
            kind: kind?,
        };
        let made = self.engines.authenticators.forward_auth(settings, &client);
        self.made(table.url.span(), made).map(Authenticator::ForwardAuth)
    }

    fn header_names(&mut self, texts: &[Text]) -> Option<Vec<HeaderName>> {
        let names: Vec<_> = texts.iter().map(|text| self.header_name(text)).collect();
        names.into_iter().collect()
    }
}
