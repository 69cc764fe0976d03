//! `[vault.NAME]`.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{Compiled, Compiler};
use crate::config::file::{SealedFileTable, Text, VaultTable};
use crate::config::values::Period;
use crate::domain::{Name, SecretRef};
use crate::vault::{KeySource, Kind, Settings, Slot, Vault};

impl Compiler<'_, '_> {
    pub(super) fn vault(&mut self, name: &Name, (span, table): (Range<usize>, VaultTable)) -> Option<Arc<Vault>> {
        let (kind, max_stale) = match table {
            VaultTable::SealedFile(table) => {
                let key = self.master_key(span.clone(), &table)?;
                (Kind::SealedFile { path: self.path(table.path.get_ref()), key }, table.max_stale)
            }
            VaultTable::Environment(table) => (Kind::Environment { prefix: table.prefix.into_inner() }, None),
            VaultTable::Directory(table) => {
                (Kind::Directory { path: self.path(table.path.get_ref()) }, table.max_stale)
            }
        };
        let max_stale = self.max_stale(span, max_stale)?;
        Some(self.engines.vaults.open(&Settings { name: name.clone(), kind, max_stale }))
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

    /// The slot of a secret named as `vault:path`.
    pub(super) fn secret(&mut self, text: &Text, vaults: &Compiled<Arc<Vault>>) -> Option<Arc<Slot>> {
        let cure = "put the value into a vault (`claviger vault set`) and name it here as `vault:path`";
        let reference = self.report.take(text.span(), SecretRef::parse(text.get_ref()), cure)?;
        if let Some(vault) = vaults.by_name.get(reference.vault.as_str()) {
            return Some(vault.as_ref()?.slot(&reference.path));
        }
        // The text is not repeated: a secret with a colon in it looks like a reference.
        let cure = "add `[vault.NAME.KIND]`; if this is the secret itself, put it into a vault";
        self.report.add(text.span(), "what stands before `:` names no vault", cure);
        None
    }
}
