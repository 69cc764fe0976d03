//! `[vault.NAME]` and `[credential.NAME]`.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use super::{Compiled, Compiler};
use crate::config::file::{CredentialTable, SealedFileTable, Text, VaultTable};
use crate::config::values::Period;
use crate::domain::{Name, SecretRef};
use crate::inject::{Credential, Method};
use crate::target::Target;
use crate::vault::{KeySource, Kind, Settings, Slot, Vault};

/// Headers that decide framing, routing or the connection: no credential may be put there.
const RESERVED_HEADERS: [&str; 11] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "forwarded",
    "x-forwarded-for",
    "content-type",
];

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

    pub(super) fn credential(
        &mut self,
        name: &Name,
        (_, table): (Range<usize>, CredentialTable),
        vaults: &Compiled<Arc<Vault>>,
        targets: &Compiled<Arc<Target>>,
    ) -> Option<Arc<Credential>> {
        let (target, secret, method) = match table {
            CredentialTable::Bearer(table) => (table.target, table.secret, Some(Method::Bearer)),
            CredentialTable::Basic(table) => {
                let method = self.basic(&table.username);
                (table.target, table.secret, method)
            }
            CredentialTable::Header(table) => {
                let method = self.injected_header(&table.name, &table.prefix);
                (table.target, table.secret, method)
            }
            CredentialTable::Query(table) => {
                let method = self.parameter(&table.parameter);
                (table.target, table.secret, method)
            }
        };
        let target = self.find(targets, &target).map(|target| target.settings().name.clone());
        let secret = self.secret(&secret, vaults);
        Some(Arc::new(Credential::new(name.clone(), target?, method?, secret?)))
    }

    fn basic(&mut self, username: &Text) -> Option<Method> {
        if username.get_ref().contains(':') || username.get_ref().chars().any(char::is_control) {
            self.report.add(username.span(), "a user name holds no `:` and no control character (RFC 7617)", "mend it");
            return None;
        }
        Some(Method::Basic { username: username.get_ref().clone() })
    }

    fn injected_header(&mut self, name: &Text, prefix: &str) -> Option<Method> {
        let parsed = self.header_name(name)?;
        if RESERVED_HEADERS.contains(&parsed.as_str()) {
            self.report.add(
                name.span(),
                "no credential may be put in this header",
                "name the one the upstream asks for",
            );
            return None;
        }
        if !prefix.bytes().all(|b| matches!(b, b' '..=b'~')) {
            self.report.add(name.span(), "`prefix` holds what a header cannot", "use visible ASCII and blanks");
            return None;
        }
        Some(Method::Header { name: parsed, prefix: prefix.to_owned() })
    }

    pub(super) fn header_name(&mut self, text: &Text) -> Option<HeaderName> {
        let parsed = HeaderName::from_bytes(text.get_ref().as_bytes()).map_err(|_| "not a header name");
        let name = self.report.take(text.span(), parsed, "a header name is letters, digits and `-`")?;
        if name.as_str().contains(['_', '.']) {
            let cure = "use `-`: servers take `_` and `.` for it, and requests that hold them are refused";
            self.report.add(text.span(), "a header name with `_` or `.` is ambiguous", cure);
            return None;
        }
        Some(name)
    }

    fn parameter(&mut self, text: &Text) -> Option<Method> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
        if text.get_ref().is_empty() || !text.get_ref().bytes().all(plain) {
            self.report.add(text.span(), "not a plain parameter name", "use letters, digits, `-`, `_`, `.`, `~`");
            return None;
        }
        Some(Method::Query { parameter: text.get_ref().clone() })
    }
}
