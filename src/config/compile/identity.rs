//! The headers in which routes tell of their principal.

use std::collections::BTreeMap;

use http::{HeaderName, header};

use super::Compiler;
use crate::config::diagnostic::nearest;
use crate::config::file::{RouteTable, Text};
use crate::config::read::Entries;
use crate::config::values::Spanned;
use crate::inject::{Credential, IdentityHeader, TemplateFault};

/// Headers that mean something to HTTP, to proxies or to whoever checks credentials, and so cannot tell of a principal.
const TAKEN: [&str; 28] = [
    "authorization",
    "proxy-authorization",
    "proxy-authenticate",
    "proxy-connection",
    "cookie",
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "content-range",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "range",
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
    "client-cert",
    "client-cert-chain",
    "dpop",
];

impl Compiler<'_, '_> {
    pub(super) fn identity_headers(
        &mut self,
        table: &BTreeMap<Spanned<String>, Text>,
        credential: Option<&Credential>,
        places: &[HeaderName],
    ) -> Option<Vec<IdentityHeader>> {
        let headers: Vec<_> =
            table.iter().map(|(name, template)| self.identity_header(name, template, credential, places)).collect();
        let headers: Vec<IdentityHeader> = headers.into_iter().collect::<Option<_>>()?;
        for (nth, (name, _)) in table.iter().enumerate() {
            let is_same = |other: &IdentityHeader| other.name().as_str().eq_ignore_ascii_case(name.get_ref());
            if headers[..nth].iter().any(is_same) {
                self.report.add(name.span(), "another entry sets this header already", "take one of them out");
            }
        }
        Some(headers)
    }

    fn identity_header(
        &mut self,
        name: &Text,
        template: &Text,
        credential: Option<&Credential>,
        places: &[HeaderName],
    ) -> Option<IdentityHeader> {
        let parsed = self.header_name(name)?;
        if is_taken(&parsed, credential, places) {
            let cure = "name one of your own, such as `X-User`";
            self.report.add(name.span(), "this header means something else and cannot tell of the caller", cure);
            return None;
        }
        let made = IdentityHeader::parse(parsed, template.get_ref());
        let cure = match &made {
            Err(TemplateFault::Field(field)) => match nearest(field, IdentityHeader::FIELDS) {
                Some(meant) => format!("did you mean `{{{meant}}}`?"),
                None => format!("choose from `{{{}}}`", IdentityHeader::FIELDS.join("}`, `{")),
            },
            Ok(_) | Err(TemplateFault::Brace | TemplateFault::Character | TemplateFault::NoField) => {
                "write a template such as `{principal.id}`".to_owned()
            }
        };
        self.report.take(template.span(), made, cure)
    }
}

/// Whether a header means something else already, to HTTP or on this route.
pub(super) fn is_taken(name: &HeaderName, credential: Option<&Credential>, places: &[HeaderName]) -> bool {
    TAKEN.contains(&name.as_str())
        || places.contains(name)
        || name.as_str().starts_with("sec-")
        || credential.is_some_and(|credential| credential.headers().any(|own| own == *name))
}

/// The headers in which any route tells of its principal: a client's own must reach no target, by whichever route.
pub(super) fn all_names(tables: &Entries<RouteTable>) -> Vec<HeaderName> {
    let tokens = tables.values().filter_map(|entry| entry.table.identity_token.as_ref());
    let names = tables.values().flat_map(|entry| entry.table.identity.keys());
    let names = names.chain(tokens.map(|token| &token.get_ref().header));
    let mut names: Vec<_> = names.filter_map(|name| HeaderName::from_bytes(name.get_ref().as_bytes()).ok()).collect();
    names.retain(|name| *name != header::HOST);
    names
}
