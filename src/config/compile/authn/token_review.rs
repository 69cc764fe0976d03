//! `[authn.NAME.token_review]`.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::super::{Compiled, Compiler};
use super::asked::Written;
use crate::authn::{Authenticator, OwnToken, TokenReviewSettings};
use crate::config::file::TokenReviewTable;
use crate::domain::{Name, PrincipalKind};
use crate::vault::Vault;

const URL: &str = "https://kubernetes.default.svc";
const TOKEN_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

impl Compiler<'_, '_> {
    pub(super) fn token_review(
        &mut self,
        name: &Name,
        span: Range<usize>,
        table: &TokenReviewTable,
        vaults: &Compiled<Arc<Vault>>,
    ) -> Option<Authenticator> {
        let span = table.url.as_ref().map_or(span, |url| url.span());
        let own_token = match (&table.token_file, &table.token) {
            (Some(_), Some(token)) => {
                let cure = "write either `token_file` or `token`";
                self.report.add(token.span(), "the proxy's own token comes from one place", cure);
                None
            }
            (None, Some(token)) => self.live_secret(token, vaults).map(OwnToken::Vault),
            (path, None) => Some(OwnToken::File(self.path(path.as_deref().unwrap_or(TOKEN_FILE)))),
        };
        let kind = self.kind(table.kind.as_ref(), PrincipalKind::Service);
        let (ask, client) = self.ask(&Written {
            name,
            url: table.url.as_ref().map_or(URL, |url| url.get_ref()),
            span: span.clone(),
            ca: table.ca.as_ref(),
            timeout: table.timeout,
            cache: table.cache,
            usual_cache: Duration::from_secs(30),
        })?;
        let settings =
            TokenReviewSettings { ask, own_token: own_token?, audiences: table.audience.0.clone(), kind: kind? };
        let made = self.engines.authenticators.token_review(settings, &client);
        self.made(span, made).map(Authenticator::TokenReview)
    }
}
