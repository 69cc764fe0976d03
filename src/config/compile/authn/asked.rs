//! What all `[authn.NAME.METHOD]` have in common that ask somebody over HTTP.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::super::listen::or;
use super::super::{Compiled, Compiler};
use crate::authn::{AskFault, AskSettings, LiveSecret};
use crate::config::file::Text;
use crate::config::values::{Period, PeriodOrNone};
use crate::domain::Name;
use crate::net::Client;
use crate::vault::Vault;

/// How to mend settings that make no authenticator.
pub(super) const CURE: &str =
    "name an `https` URL, or `http` on loopback, a `timeout` of at most 30s and a `cache` of at most 5m";

/// What is written of one who is asked.
pub(super) struct Written<'t> {
    pub(super) name: &'t Name,
    pub(super) url: &'t str,
    pub(super) span: Range<usize>,
    pub(super) ca: Option<&'t Text>,
    pub(super) timeout: Option<Period>,
    pub(super) cache: Option<PeriodOrNone>,
    /// The default of `cache`.
    pub(super) usual_cache: Duration,
}

impl Compiler<'_, '_> {
    /// Who is asked, and the client for it.
    pub(super) fn ask(&mut self, written: &Written<'_>) -> Option<(AskSettings, Arc<Client>)> {
        let timeout = or(written.timeout, 2);
        let authorities = match written.ca {
            Some(path) => {
                let pem = String::from_utf8(self.file(path)?).map_err(|_| "the file is no text");
                Some(self.report.take(path.span(), pem, "name a PEM file with the authorities' certificates")?)
            }
            None => None,
        };
        let place = written.ca.map_or(written.span.clone(), |path| path.span());
        let client = Client::new(AskSettings::limits(timeout, self.egress.clone(), authorities));
        let client = self.report.take(place, client, "name a PEM file with the authorities' certificates")?;
        let settings = AskSettings {
            name: written.name.clone(),
            url: written.url.to_owned(),
            timeout,
            cache: written.cache.map_or(written.usual_cache, |PeriodOrNone(cache)| cache),
        };
        Some((settings, Arc::new(client)))
    }

    /// A secret that is taken from its vault at each use.
    pub(super) fn live_secret(&mut self, text: &Text, vaults: &Compiled<Arc<Vault>>) -> Option<LiveSecret> {
        self.secret(text, vaults).map(LiveSecret::new)
    }

    /// The authenticator, or what is wrong with it at the place that it is about.
    pub(super) fn made<T>(&mut self, place: Range<usize>, made: Result<T, AskFault>) -> Option<T> {
        let cure = match &made {
            Err(AskFault::Audience) => "name at least one audience, and none that is empty",
            Err(AskFault::Header) => {
                "name headers that only the client sets: none of framing, routing or forwarding, and `Authorization` \
                 as the credential's alone"
            }
            Err(AskFault::NoHeader) => "name at least one header in `credential_headers`",
            Err(AskFault::Algorithm | AskFault::Key) => {
                "choose ES256, RS256 or EdDSA, and put a PEM key of that sort (PKCS #8) into the vault"
            }
            Err(AskFault::Net(_) | AskFault::Timeout | AskFault::Cache) | Ok(_) => CURE,
        };
        self.report.take(place, made, cure)
    }
}
