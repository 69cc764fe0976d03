//! `[vault.NAME.aws_secrets_manager]`: a vault that is opened with a key in another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;

use super::{Compiled, Compiler};
use crate::config::file::{SecretsManagerTable, Text};
use crate::domain::Name;
use crate::vault::{SecretsManagerSettings, Slot, Vault};

/// The vaults by name, and which of them a key may come from. One that is wrong is here without a value.
#[derive(Default)]
pub(super) struct Keys(BTreeMap<Name, Option<Place>>);

enum Place {
    Local(Arc<Vault>),
    Remote,
}

impl Keys {
    /// Those compiled so far, and those that need a key themselves.
    pub(super) fn of<'n>(compiled: &Compiled<Arc<Vault>>, locked: impl Iterator<Item = &'n Name>) -> Self {
        let place =
            |vault: &Arc<Vault>| if vault.is_remote() { Place::Remote } else { Place::Local(Arc::clone(vault)) };
        let known = compiled.by_name.iter().map(|(name, vault)| (name.clone(), vault.as_ref().map(place)));
        Self(known.chain(locked.map(|name| (name.clone(), Some(Place::Remote)))).collect())
    }
}

impl Compiler<'_, '_> {
    pub(super) fn secrets_manager(
        &mut self,
        table: &SecretsManagerTable,
        keys: &Keys,
        refresh: Option<Duration>,
        timeout: Option<Duration>,
    ) -> Option<SecretsManagerSettings> {
        let region = self.name_of_aws(&table.region);
        let access_key = self.local_secret(&table.access_key, keys);
        let secret = self.local_secret(&table.secret, keys);
        let session_token = match &table.session_token {
            Some(text) => Some(self.local_secret(text, keys)?),
            None => None,
        };
        let (region, refresh, timeout) = (region?, refresh?, timeout?);
        let (place, url) = match &table.url {
            Some(url) => (url.span(), self.origin(url)?),
            None => (table.region.span(), format!("https://secretsmanager.{region}.amazonaws.com")),
        };
        let client = self.client_of((place, &url), table.ca.as_ref(), timeout)?;
        Some(SecretsManagerSettings {
            url,
            region,
            access_key: access_key?,
            secret: secret?,
            session_token,
            refresh,
            client,
        })
    }

    /// What is signed has the path `/`, whatever else the URL says.
    fn origin(&mut self, url: &Text) -> Option<String> {
        let has_more = url.get_ref().parse::<Uri>().is_ok_and(|uri| uri.path() != "/" || uri.query().is_some());
        if has_more {
            let cure = "write no more than the host and the port, such as `https://secretsmanager.cn-north-1.amazonaws.com.cn`";
            self.report.add(url.span(), "the endpoint has no path and no query", cure);
            return None;
        }
        Some(url.get_ref().clone())
    }

    /// The slot of a secret that is there without anybody being asked.
    fn local_secret(&mut self, text: &Text, keys: &Keys) -> Option<Arc<Slot>> {
        let reference = self.reference(text)?;
        match keys.0.get(reference.vault.as_str()) {
            Some(Some(Place::Local(vault))) => Some(vault.slot(&reference.path)),
            Some(Some(Place::Remote)) => {
                let cure = "keep it in a vault of the kind `sealed_file`, `environment` or `directory`";
                self.report.add(text.span(), "the access key is in a vault that has to be asked itself", cure);
                None
            }
            Some(None) => None,
            None => {
                self.no_such_vault(text);
                None
            }
        }
    }
}
