//! `[vault.NAME]`.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::secrets_manager::Keys;
use super::{Compiled, Compiler};
use crate::config::file::{HashicorpTable, SealedFileTable, Text, VaultTable};
use crate::config::read::Entries;
use crate::config::values::{Period, Spanned};
use crate::domain::{Name, SecretRef};
use crate::inject::SecretTemplate;
use crate::net::{Client, ClientSettings};
use crate::vault::{CommandSettings, HashicorpSettings, KeySource, Kind, Login, Settings, Slot, Vault};

/// Where Kubernetes mounts the token of a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

impl Compiler<'_, '_> {
    /// All of them: first those that need none of the others, for what opens the rest is in them.
    pub(super) fn vaults(&mut self, entries: Entries<VaultTable>) -> Compiled<Arc<Vault>> {
        let needs_key = |table: &VaultTable| matches!(table, VaultTable::AwsSecretsManager(_));
        let (last, first): (Entries<_>, Entries<_>) =
            entries.into_iter().partition(|(_, entry)| needs_key(&entry.table));
        let mut vaults = self.each("vault", first, |c, name, entry| c.vault(name, entry, &Keys::default()));
        let keys = Keys::of(&vaults, last.keys());
        let last = self.each("vault", last, |c, name, entry| c.vault(name, entry, &keys));
        vaults.by_name.extend(last.by_name);
        vaults
    }

    fn vault(&mut self, name: &Name, (span, table): (Range<usize>, VaultTable), keys: &Keys) -> Option<Arc<Vault>> {
        let (kind, max_stale) = match table {
            VaultTable::SealedFile(table) => {
                let key = self.master_key(span.clone(), &table)?;
                (Kind::SealedFile { path: self.path(table.path.get_ref()), key }, table.max_stale)
            }
            VaultTable::Environment(table) => (Kind::Environment { prefix: table.prefix.into_inner() }, None),
            VaultTable::Directory(table) => {
                (Kind::Directory { path: self.path(table.path.get_ref()) }, table.max_stale)
            }
            VaultTable::Hashicorp(table) => {
                let (refresh, timeout) = self.pace(table.refresh.as_ref(), 30, table.timeout.as_ref());
                let kind = self.hashicorp(span.clone(), &table, refresh?, timeout?)?;
                (Kind::Hashicorp(Box::new(kind)), self.longer_than(span.clone(), table.max_stale, refresh?)?)
            }
            VaultTable::AwsSecretsManager(table) => {
                let (refresh, timeout) = self.pace(table.refresh.as_ref(), 30, table.timeout.as_ref());
                let kind = self.secrets_manager(&table, keys, refresh, timeout)?;
                (Kind::SecretsManager(Box::new(kind)), self.longer_than(span.clone(), table.max_stale, refresh?)?)
            }
            VaultTable::Command(table) => {
                let (refresh, timeout) = self.pace(table.refresh.as_ref(), 60, table.timeout.as_ref());
                let program = self.program(&table.program)?;
                let settings = CommandSettings { program, refresh: refresh?, timeout: timeout? };
                (Kind::Command(settings), self.longer_than(span.clone(), table.max_stale, refresh?)?)
            }
        };
        let max_stale = self.max_stale(span, max_stale)?;
        Some(self.engines.vaults.open(&Settings { name: name.clone(), kind, max_stale }))
    }

    /// How often, and how long at most.
    fn pace(
        &mut self,
        refresh: Option<&Spanned<Period>>,
        default: u64,
        timeout: Option<&Spanned<Period>>,
    ) -> (Option<Duration>, Option<Duration>) {
        let seconds = Duration::from_secs;
        let rule = "secrets are asked for again every 1s to 1h";
        let refresh = self.within(refresh, seconds(default), seconds(1), seconds(3600), rule);
        let rule = "asking takes at most 30s, and no less than 100ms";
        (refresh, self.within(timeout, seconds(5), Duration::from_millis(100), seconds(30), rule))
    }

    /// A value that is good for no longer than it takes to ask again would be none in between.
    #[expect(clippy::option_option, reason = "wrong and left out are two things")]
    fn longer_than(
        &mut self,
        span: Range<usize>,
        max_stale: Option<Period>,
        refresh: Duration,
    ) -> Option<Option<Period>> {
        let longest = max_stale.as_ref().map_or(Settings::DEFAULT_STALE, |Period(duration)| *duration);
        if longest < refresh * 2 {
            let cure = "make it two times `refresh`, or more";
            self.report.add(span, "`max_stale` is too short: a value would be too old before it is read again", cure);
            return None;
        }
        Some(max_stale)
    }

    fn program(&mut self, words: &Spanned<Vec<String>>) -> Option<Vec<String>> {
        let all = words.get_ref();
        if all.first().is_none_or(|program| program.is_empty() || program.contains(CommandSettings::PATH)) {
            let cure = "write the program and its arguments, such as `[\"/usr/bin/pass\", \"show\", \"{path}\"]`";
            self.report.add(words.span(), "`program` names no program", cure);
            return None;
        }
        Some(all.clone())
    }

    fn hashicorp(
        &mut self,
        span: Range<usize>,
        table: &HashicorpTable,
        refresh: Duration,
        timeout: Duration,
    ) -> Option<HashicorpSettings> {
        let url = table.url.get_ref();
        let client = self.client_of((table.url.span(), url), table.ca.as_ref(), timeout)?;
        let login = self.login(span, table)?;
        let kv2 = table.kv2.clone().unwrap_or_else(|| vec!["secret".to_owned()]);
        let kv2 = kv2.iter().map(|mount| mount.trim_matches('/').to_owned()).collect();
        Some(HashicorpSettings { url: url.clone(), namespace: table.namespace.clone(), kv2, login, refresh, client })
    }

    /// The rules of calls to a server, where calls can be made to this URL at all.
    pub(super) fn client_of(
        &mut self,
        (place, url): (Range<usize>, &str),
        ca: Option<&Text>,
        timeout: Duration,
    ) -> Option<ClientSettings> {
        let authorities = match ca {
            Some(path) => Some(String::from_utf8_lossy(&self.file(path)?).into_owned()),
            None => None,
        };
        let limits = ClientSettings { egress: self.egress.clone(), authorities, timeout, ..ClientSettings::default() };
        let client = ClientSettings { connect_timeout: limits.connect_timeout.min(timeout), ..limits };
        let place_of_ca = ca.map_or_else(|| place.clone(), |ca| ca.span());
        let made = self.report.take(place_of_ca, Client::new(client.clone()), "name a PEM file of authorities")?;
        self.report.take(place, made.check(url), "write an https URL, or http on loopback")?;
        Some(client)
    }

    fn login(&mut self, span: Range<usize>, table: &HashicorpTable) -> Option<Login> {
        let mount = |given: &Option<String>, default: &str| given.clone().unwrap_or_else(|| default.to_owned());
        match (&table.token_file, &table.token_env, &table.app_role, &table.kubernetes, &table.cert) {
            (Some(file), None, None, None, None) => Some(Login::TokenFile(self.path(file))),
            (None, Some(variable), None, None, None) => Some(Login::TokenEnv(variable.clone())),
            (None, None, Some(role), None, None) => Some(Login::AppRole {
                mount: mount(&role.mount, "approle"),
                role_id: role.role_id.clone(),
                secret_id_file: self.path(&role.secret_id_file),
            }),
            (None, None, None, Some(role), None) => Some(Login::Kubernetes {
                mount: mount(&role.mount, "kubernetes"),
                role: role.role.clone(),
                token_file: self.path(role.token_file.as_deref().unwrap_or(SERVICE_ACCOUNT)),
            }),
            (None, None, None, None, Some(cert)) if is_https(table.url.get_ref()) => Some(Login::Cert {
                mount: mount(&cert.mount, "cert"),
                role: cert.role.clone(),
                certificate: self.path(&cert.certificate),
                key: self.path(&cert.key),
            }),
            (None, None, None, None, Some(_)) => {
                let cure = "write an https URL, or log in otherwise";
                self.report.add(table.url.span(), "a certificate is shown over TLS alone", cure);
                None
            }
            _ => {
                let cure = "write exactly one of `token_file`, `token_env`, `app_role`, `kubernetes`, `cert`";
                self.report.add(span, "a server's token comes from one place", cure);
                None
            }
        }
    }

    fn max_stale(&mut self, span: Range<usize>, written: Option<Period>) -> Option<Duration> {
        let max_stale = written.map_or(Settings::DEFAULT_STALE, |Period(duration)| duration);
        if max_stale < Settings::MIN_STALE {
            self.report.add(
                span,
                "`max_stale` is too short: one late look would refuse requests",
                "make it 2s or more",
            );
            return None;
        }
        Some(max_stale)
    }

    fn master_key(&mut self, span: Range<usize>, table: &SealedFileTable) -> Option<KeySource> {
        match (&table.key_file, &table.key_env, &table.systemd_credential) {
            (Some(file), None, None) => Some(KeySource::File(self.path(file))),
            (None, Some(variable), None) => Some(KeySource::Env(variable.clone())),
            (None, None, Some(name)) => Some(KeySource::SystemdCredential(name.clone())),
            _ => {
                let cure = "write exactly one of `key_file`, `key_env`, `systemd_credential`";
                self.report.add(span, "a sealed file's master key comes from one place", cure);
                None
            }
        }
    }

    /// The slot of a secret named as `vault:path`, which requests need.
    pub(super) fn secret(&mut self, text: &Text, vaults: &Compiled<Arc<Vault>>) -> Option<Arc<Slot>> {
        self.slot(text, vaults, true)
    }

    /// The slot of one that no request waits for.
    pub(super) fn secret_beside(&mut self, text: &Text, vaults: &Compiled<Arc<Vault>>) -> Option<Arc<Slot>> {
        self.slot(text, vaults, false)
    }

    fn slot(&mut self, text: &Text, vaults: &Compiled<Arc<Vault>>, is_needed: bool) -> Option<Arc<Slot>> {
        if SecretTemplate::is_one(text.get_ref()) {
            let cure = "name one secret; those of principals can be named in credentials of one secret";
            self.report.add(text.span(), "here no principal is known whose secret it could be", cure);
            return None;
        }
        let reference = self.reference(text)?;
        *self.secrets.entry(reference.clone()).or_default() |= is_needed;
        if let Some(vault) = vaults.by_name.get(reference.vault.as_str()) {
            return Some(vault.as_ref()?.slot(&reference.path));
        }
        self.no_such_vault(text);
        None
    }

    pub(super) fn reference(&mut self, text: &Text) -> Option<SecretRef> {
        let cure = "put the value into a vault (`claviger vault set`) and name it here as `vault:path`";
        self.report.take(text.span(), SecretRef::parse(text.get_ref()), cure)
    }

    pub(super) fn no_such_vault(&mut self, text: &Text) {
        // The text is not repeated: a secret with a colon in it looks like a reference.
        let cure = "add `[vault.NAME.KIND]`; if this is the secret itself, put it into a vault";
        self.report.add(text.span(), "what stands before `:` names no vault", cure);
    }
}

fn is_https(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"))
}
