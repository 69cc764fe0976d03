//! `[authn.NAME.basic]`.

use std::ops::Range;
use std::sync::Arc;

use super::super::Compiler;
use super::super::listen::or;
use crate::authn::{Authenticator, BasicSettings, BasicUser};
use crate::config::file::{BasicTable, UserTable};
use crate::crypto::PasswordDigest;
use crate::domain::{Name, PrincipalKind};

impl Compiler<'_, '_> {
    pub(super) fn passwords(&mut self, name: &Name, span: Range<usize>, table: BasicTable) -> Option<Authenticator> {
        let mut users = Vec::with_capacity(table.user.len());
        for (user, entry) in table.user {
            users.push(self.password_user(user.get_ref(), entry.into_inner()));
        }
        let users = users.into_iter().collect::<Option<_>>()?;
        let settings = BasicSettings { name: name.clone(), cache: or(table.cache, 60), users };
        let made = self.engines.authenticators.basic(settings);
        let cure = "paste entries that `claviger key password` printed, and a `cache` of at most 1h";
        self.report.take(span, made, cure).map(Authenticator::Basic)
    }

    fn password_user(&mut self, user: &str, table: UserTable) -> Option<BasicUser> {
        let digest = PasswordDigest::parse(table.password_digest.get_ref());
        let cure = "paste the one that `claviger key password` printed";
        let digest = self.report.take(table.password_digest.span(), digest, cure);
        let expires = match &table.expires {
            Some(text) => Some(self.moment(text)?),
            None => None,
        };
        let kind = self.kind(table.kind.as_ref(), PrincipalKind::Service);
        let texts = |list: Vec<String>| list.into_iter().map(Arc::from).collect();
        Some(BasicUser {
            user: user.to_owned(),
            digest: digest?,
            owner: table.owner.map_or_else(|| user.to_owned(), |owner| owner.into_inner()),
            roles: texts(table.roles),
            scopes: texts(table.scopes),
            kind: kind?,
            expires,
            networks: Some(table.networks.0).filter(|networks| !networks.is_empty()),
        })
    }
}
