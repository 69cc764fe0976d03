//! What of `[authn.NAME.jwt]` is about the caller and not the keys.

use crate::authn::KindSource;
use crate::config::compile::Compiler;
use crate::config::file::JwtTable;
use crate::domain::PrincipalKind;

impl Compiler<'_, '_> {
    /// The sort of caller is either written here or said by each token.
    pub(super) fn kind_source(&mut self, table: &JwtTable) -> Option<KindSource> {
        match (&table.kind, &table.kind_claim) {
            (Some(_), Some(claim)) => {
                let cure = "write either `kind` or `kind_claim`";
                self.report.add(claim.span(), "what sort of caller it is comes from one place", cure);
                None
            }
            (None, Some(claim)) => {
                let name = claim.get_ref();
                let named = if name.is_empty() { Err("not a claim") } else { Ok(name.clone()) };
                self.report.take(claim.span(), named, "name a claim, such as `caller_kind`").map(KindSource::Claim)
            }
            (kind, None) => self.kind(kind.as_ref(), PrincipalKind::Human).map(KindSource::Fixed),
        }
    }

    /// Whether tokens have to be of RFC 9068.
    pub(super) fn profile(&mut self, table: &JwtTable) -> Option<bool> {
        let Some(text) = &table.profile else { return Some(false) };
        let known = if text.get_ref() == "at+jwt" { Ok(true) } else { Err("no such profile") };
        self.report.take(text.span(), known, "write `at+jwt`, or leave it out")
    }

    /// A prefix without `roles` would look like a restriction and be none.
    pub(super) fn roles_prefix(&mut self, table: &JwtTable) -> Option<Option<String>> {
        let Some(text) = &table.roles_prefix else { return Some(None) };
        let prefix = match (text.get_ref().as_str(), &table.roles) {
            ("", _) => Err("an empty prefix"),
            (_, None) => Err("a prefix of roles that no claim names"),
            (prefix, Some(_)) => Ok(Some(prefix.to_owned())),
        };
        self.report.take(text.span(), prefix, "write `roles` with the claim, and the text before each name")
    }
}
