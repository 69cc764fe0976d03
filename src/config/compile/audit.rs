//! `[audit]`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Compiled, Compiler};
use crate::audit::pseudonyms::{Every, Field, Keys, Pseudonyms};
use crate::audit::{Durability, OnFull, Settings};
use crate::config::file::{AuditTable, PseudonymsTable, Text};
use crate::config::values::{Size, Spanned};
use crate::crypto::SigningKey;
use crate::domain::Name;
use crate::state::AuditAnchor;
use crate::vault::{Slot, Vault};

const SMALLEST: u64 = 64 * 1024;
const LARGEST: u64 = 16 * 1024 * 1024 * 1024;
const MINUTE: Duration = Duration::from_mins(1);
const YEAR: Duration = Duration::from_hours(24 * 366);

impl Compiler<'_, '_> {
    pub(super) fn audit(&mut self, table: &AuditTable) -> Settings {
        let default = Settings::default();
        let path = table.path.as_deref().filter(|path| *path != "-").map(|path| self.path(path));
        let anchor = table.anchor.as_ref().map(|text| (text, self.path(text.get_ref())));
        if let Some((text, anchor)) = &anchor
            && path.as_ref() == Some(anchor)
        {
            let cure = "name a file on another disk, or one that only others may write";
            self.report.add(text.span(), "an anchor that is the log itself holds nothing", cure);
        }
        let (second, hour) = (Duration::from_secs(1), Duration::from_hours(1));
        let wait = (Duration::from_millis(100), MINUTE);
        let (every, age) = (default.checkpoint_every, default.max_age);
        let keep = table
            .keep
            .as_ref()
            .and_then(|keep| self.within(Some(keep), YEAR, MINUTE, YEAR, "a whole file is kept for 1m to 366d"));
        Settings {
            node: table.node.as_ref().and_then(|text| self.node(text)),
            on_full: self.on_full(table),
            durability: self.durability(table),
            max_wait: self
                .within(table.max_wait.as_ref(), default.max_wait, wait.0, wait.1, "a request waits 100ms to 1m")
                .unwrap_or(default.max_wait),
            checkpoint_every: self
                .within(table.checkpoint_every.as_ref(), every, second, hour, "there is a checkpoint every 1s to 1h")
                .unwrap_or(every),
            max_age: self
                .within(table.max_age.as_ref(), age, MINUTE, YEAR, "a file is written for 1m to 366d")
                .unwrap_or(age),
            max_size: self.max_size(table.max_size.as_ref()).unwrap_or(default.max_size),
            keep,
            pseudonyms: table.pseudonyms.as_ref().and_then(|own| self.pseudonyms(own, keep)),
            anchor: anchor.map(|(_, anchor)| anchor),
            anchor_url: table.anchor_url.as_ref().map(|text| text.get_ref().clone()),
            path,
            ..default
        }
    }

    fn node(&mut self, text: &Text) -> Option<Name> {
        self.report.take(text.span(), Name::parse(text.get_ref()), "write a name such as `gw-1`")
    }

    /// A directory that is not there is made at the start; one that is there has to be in order.
    fn pseudonyms(&mut self, table: &PseudonymsTable, keep_log: Option<Duration>) -> Option<Pseudonyms> {
        let every = match &table.period {
            None => Some(Every::default()),
            Some(text) => {
                let every = Every::parse(text.get_ref()).ok_or("there is no such period");
                self.report.take(text.span(), every, "choose `day`, `week` or `month`")
            }
        };
        let fields = match &table.fields {
            None => Some(Field::USUAL.to_vec()),
            Some(texts) => texts.iter().map(|text| self.field(text)).collect(),
        };
        let keep = match &table.keep {
            None => keep_log,
            Some(keep) => self.within(Some(keep), YEAR, MINUTE, 10 * YEAR, "a key is kept for 1m to 3660d"),
        };
        let (directory, span) = (self.path(table.directory.get_ref()), table.directory.span());
        match Keys::of(&directory).and_then(|keys| keys.read(every.unwrap_or_default().at(SystemTime::now()))) {
            Err(fault) if !fault.is_missing() => {
                self.report.add(span, fault.to_string(), fault.cure());
                None
            }
            Ok(_) | Err(_) => Some(Pseudonyms { directory, every: every?, fields: fields?, keep }),
        }
    }

    fn field(&mut self, text: &Text) -> Option<Field> {
        let all: Vec<_> = Field::ALL.iter().map(|field| format!("`{}`", field.text())).collect();
        let field = Field::parse(text.get_ref()).ok_or("there is no such field");
        self.report.take(text.span(), field, format!("choose of {}", all.join(", ")))
    }

    fn max_size(&mut self, written: Option<&Spanned<Size>>) -> Option<u64> {
        let written = written?;
        let size = Some(written.get_ref().0).filter(|size| (SMALLEST..=LARGEST).contains(size));
        self.report.take(written.span(), size.ok_or("a file has 64KiB to 16GiB"), "leave it out for 256MiB")
    }

    fn on_full(&mut self, table: &AuditTable) -> OnFull {
        let Some(text) = &table.on_full else { return OnFull::default() };
        let parsed = OnFull::parse(text.get_ref()).ok_or("there is no such way");
        let on_full = self.report.take(text.span(), parsed, "choose `refuse`, `wait` or `drop`").unwrap_or_default();
        let is_durable = table.durability.as_ref().is_some_and(|text| text.get_ref() == Durability::Fsync.text());
        if on_full == OnFull::Drop && is_durable {
            let cure = "choose `refuse` or `wait`, or `durability = \"batch\"`";
            self.report.add(text.span(), "a request whose record has to be on the disk cannot go on without one", cure);
        }
        on_full
    }

    fn durability(&mut self, table: &AuditTable) -> Durability {
        let Some(text) = &table.durability else { return Durability::default() };
        let parsed = Durability::parse(text.get_ref()).ok_or("there is no such durability");
        let durability = self.report.take(text.span(), parsed, "choose `batch` or `fsync`").unwrap_or_default();
        if durability == Durability::Fsync && table.path.as_deref().is_none_or(|path| path == "-") {
            self.report.add(text.span(), "standard output is on no disk", "give the log a file as `path`");
        }
        durability
    }

    /// What signs checkpoints, and where they are sent.
    pub(super) fn audit_services(
        &mut self,
        table: &AuditTable,
        vaults: &Compiled<Arc<Vault>>,
    ) -> (Option<Arc<Slot>>, Option<Arc<AuditAnchor>>) {
        let anchor = self.audit_anchor(table, vaults).map(Arc::new);
        (table.key.as_ref().and_then(|text| self.audit_key(text, vaults)), anchor)
    }

    fn audit_anchor(&mut self, table: &AuditTable, vaults: &Compiled<Arc<Vault>>) -> Option<AuditAnchor> {
        let token = match &table.anchor_token {
            Some(text) => Some(self.secret_beside(text, vaults)?),
            None => None,
        };
        let Some(text) = &table.anchor_url else {
            if let Some(text) = &table.anchor_token {
                self.report.add(text.span(), "there is no service that it could be for", "add `anchor_url`");
            }
            return None;
        };
        let (url, client) = (text.get_ref().clone(), self.client(text.span())?);
        let is_plain = !url.contains(['?', '#']);
        let sound = client.check(&url).map_err(|error| error.to_string());
        let sound = sound.and_then(|()| is_plain.then_some(()).ok_or_else(|| "the URL has a query".to_owned()));
        self.report.take(text.span(), sound, "write an https URL without a query, or http on loopback")?;
        Some(AuditAnchor { url, client, token })
    }

    /// A key that is not there yet signs as soon as it is; one that is there has to be a key.
    fn audit_key(&mut self, text: &Text, vaults: &Compiled<Arc<Vault>>) -> Option<Arc<Slot>> {
        let slot = self.secret_beside(text, vaults)?;
        if let Ok(secret) = slot.load() {
            let cure = "make one with `claviger key audit`, and put it into the vault";
            let key = SigningKey::from_pem(&secret).ok().filter(|key| key.public_pem().is_some());
            self.report.take(text.span(), key.ok_or("this is not one Ed25519 private key in PEM (PKCS #8)"), cure)?;
        }
        Some(slot)
    }
}
