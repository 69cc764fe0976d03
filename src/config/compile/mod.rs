//! Tables -> what they mean: names resolved, files read, rules indexed. Goes on after an error, so that all are told at once.

mod access;
mod audit;
mod authn;
mod cluster;
mod credential;
mod failures;
mod hmac;
mod identity;
mod identity_token;
mod inspect;
mod leak;
mod limit;
mod listen;
mod monitor;
mod notify;
mod oauth2;
mod provider;
mod role;
mod rotation;
mod route;
mod secrets_manager;
mod sessions;
mod sink;
mod target;
mod trace;
mod vault;

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::diagnostic::{Diagnostics, Report, nearest};
use super::file::Text;
use super::read::{Entries, File, read};
use super::watched::Watched;
use crate::authn::ApiKeys;
use crate::crypto::sha256;
use crate::domain::{Name, SecretRef};
use crate::inject::Credential;
use crate::net::Egress;
use crate::state::{Engines, Snapshot};
use crate::vault::Vault;

pub use cluster::{ClusterPlace, ClusterSecrets};
pub use listen::{ClientCertificate, Listener};

/// A compiled configuration: what is swapped at a reload, and what holds for the life of the process.
#[derive(Debug)]
pub struct Plan {
    /// What is swapped.
    pub snapshot: Snapshot,
    /// What only a restart or an upgrade can change.
    pub process: Process,
    /// The names of the authenticators, for commands that name one.
    pub authenticators: Vec<Name>,
    /// The authenticators by API keys, for the command that lists keys.
    pub api_keys: Vec<Arc<ApiKeys>>,
    /// What opens and seals what the nodes of a cluster share.
    pub cluster: Option<ClusterSecrets>,
}

/// The part of a configuration that holds for the life of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Worker threads per listener.
    pub threads: usize,
    /// How long requests under way may take to end.
    pub drain: Duration,
    /// Where the process id and the upgrade socket are.
    pub run_directory: PathBuf,
    /// The admin listener's address, on loopback.
    pub admin: Option<SocketAddr>,
    /// Where health, readiness and metrics are told to other machines.
    pub probes: Option<SocketAddr>,
    /// Whether the admin listener tells audit records.
    pub has_events: bool,
    /// The audit log.
    pub audit: crate::audit::Settings,
    /// The file of what outlives the process; none where nothing has to.
    pub store: Option<PathBuf>,
    /// Where the nodes of a cluster meet; none for a node that is alone.
    pub cluster: Option<ClusterPlace>,
    /// The listeners.
    pub listeners: Vec<Listener>,
}

/// Compiles a configuration: what was looked at for it, and what came of it. `file` names it in errors, and relative paths in it start at its
/// directory. `number` becomes the snapshot's.
///
/// # Errors
/// [`Diagnostics`]: everything that is wrong with it.
pub fn compile(file: &Path, text: &str, number: u64, engines: &Engines) -> (Watched, Result<Plan, Diagnostics>) {
    let mut report = Report::new(file, text);
    let tables = read(text, &mut report);
    let base = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let egress = Egress::new(tables.egress.allow.0.clone());
    let unreadable = tables.unreadable.clone();
    let watched = Watched::default();
    let mut compiler = Compiler {
        report: &mut report,
        engines,
        base,
        egress,
        unreadable,
        watched,
        tokens: Vec::new(),
        api_keys: Vec::new(),
        rotated: Vec::new(),
        secrets: BTreeMap::new(),
        own: Vec::new(),
        revoked: Vec::new(),
    };
    let authenticators = tables.authn.keys().cloned().collect();
    let (snapshot, process, cluster) = compiler.run(tables, number);
    let snapshot = Snapshot { digest: sha256(text.as_bytes()), beside: compiler.beside(), ..snapshot };
    let (watched, api_keys) = (compiler.watched, compiler.api_keys);
    (watched, report.finish().map(|()| Plan { snapshot, process, authenticators, api_keys, cluster }))
}

/// What compiling an entry needs besides the entry.
struct Compiler<'c, 'a> {
    report: &'c mut Report<'a>,
    engines: &'c Engines,
    base: PathBuf,
    egress: Egress,
    unreadable: BTreeMap<&'static str, Vec<Name>>,
    watched: Watched,
    /// The vaults of credentials that are tokens.
    tokens: Vec<Arc<Vault>>,
    /// Who proves callers by keys.
    api_keys: Vec<Arc<ApiKeys>>,
    /// The secrets that are replaced.
    rotated: Vec<SecretRef>,
    /// The secrets that are named, and whether requests need them.
    secrets: BTreeMap<SecretRef, bool>,
    /// Credentials of secrets that principals have of their own by their id alone, and the one authenticator whose ids these are.
    own: Vec<(Arc<Credential>, String)>,
    /// Whose sessions decoys end.
    revoked: Vec<Text>,
}

/// Compiled entries by name. One that is in the file but wrong is here without a value: it was told already, and who names it is not wrong.
struct Compiled<T> {
    kind: &'static str,
    by_name: BTreeMap<Name, Option<T>>,
}

impl Compiler<'_, '_> {
    fn run(&mut self, file: File, number: u64) -> (Snapshot, Process, Option<ClusterSecrets>) {
        self.check_purpose(&file);
        let mut process = self.process(&file);
        let vaults = self.vaults(file.vault);
        let (audit_key, audit_anchor) = self.audit_services(&file.audit, &vaults);
        let cluster = file.cluster.and_then(|table| self.cluster(&table.redis, process.store.is_some(), &vaults));
        let (place, secrets) = cluster.unzip();
        process.cluster = place;
        let sinks = self.each("sink", file.sink, |c, name, entry| c.sink(name, entry, &process.audit, &vaults));
        let trace = file.trace.and_then(|table| self.trace(&table, &vaults));
        let targets = self.each("target", file.target, Self::target);
        let issuer = file.identity_token.and_then(|table| self.issuer(table, &vaults, &file.route));
        let credentials = self.each("credential", file.credential, |c, name, entry| {
            c.credential(name, entry, &vaults, &targets, issuer.as_ref())
        });
        let rotations = self
            .each("rotation", file.rotation, |c, name, entry| c.rotation(name, entry, &vaults, &targets, &credentials));
        let authenticators = self.each("authn", file.authn, |c, name, entry| c.authenticator(name, entry, &vaults));
        let roles = self.roles(file.role, &authenticators);
        let failures = self.failures(&file.failures);
        let approvals = self.each("approval", file.approval, Self::approval);
        let (has_store, is_asked) = (process.store.is_some(), file.access.is_some());
        let monitor = self.monitor(file.monitor, &monitor::Ends { has_store, is_asked, approvals: &approvals });
        let notifiers = self.each("notify", file.notify, |c, name, entry| c.notifier(name, entry, &vaults));
        let limits = self.each("limit", file.limit, Self::limit);
        let inspecting = self.each("inspect", file.inspect, Self::inspecting);
        let leaks = self.each("leak", file.leak, Self::leak);
        let listeners = self.listener_states(file.listen);
        let mut parts = route::Parts {
            targets,
            credentials,
            authenticators,
            limits,
            inspecting,
            leaks,
            roles,
            told: identity::all_names(&file.route),
            issuer,
            sessions: None,
            has_sessions: file.sessions.is_some(),
            approvals,
            is_asked,
            has_store,
        };
        self.revoked_by_canaries(file.sessions.is_some(), &parts);
        let sessions = file.sessions.and_then(|table| self.sessions(&table, has_store, &vaults, &parts));
        parts.sessions = sessions.as_ref().map(|service| service.taken.clone());
        let access = file.access.and_then(|table| self.access(&table, has_store, &vaults, &parts));
        let (router, routes) = self.router(file.route, &parts);
        let vaults = vaults.by_name.into_values().flatten().chain(mem::take(&mut self.tokens)).collect();
        let snapshot = Snapshot {
            number,
            router,
            routes,
            vaults,
            targets: parts.targets.by_name.into_values().flatten().collect(),
            rotations: rotations.by_name.into_values().flatten().collect(),
            failures,
            issuer: parts.issuer,
            sessions,
            access,
            monitor,
            notifiers: notifiers.by_name.into_values().flatten().collect(),
            audit_key,
            audit_anchor,
            listeners,
            sinks: sinks.by_name.into_values().flatten().collect(),
            trace,
            ..Snapshot::default()
        };
        (snapshot, process, secrets)
    }

    /// Secrets that no request needs.
    fn beside(&mut self) -> BTreeSet<SecretRef> {
        let named = mem::take(&mut self.secrets).into_iter();
        named.filter_map(|(name, is_needed)| (!is_needed).then_some(name)).collect()
    }

    fn check_purpose(&mut self, file: &File) {
        let nothing_to_do = file.listen.is_empty() || file.route.is_empty();
        if nothing_to_do && self.report.count() == 0 {
            let cure = "write at least one `[listen.NAME]` and one `[route.NAME]`";
            self.report.add(0..0, "there is nothing to serve", cure);
        }
    }

    fn each<T, V>(
        &mut self,
        kind: &'static str,
        entries: Entries<T>,
        mut compile: impl FnMut(&mut Self, &Name, (Range<usize>, T)) -> Option<V>,
    ) -> Compiled<V> {
        let unreadable = self.unreadable.remove(kind).unwrap_or_default();
        let mut by_name: BTreeMap<_, _> = unreadable.into_iter().map(|name| (name, None)).collect();
        for (name, entry) in entries {
            let value = compile(self, &name, (entry.span, entry.table));
            by_name.insert(name, value);
        }
        Compiled { kind, by_name }
    }

    /// What a name stands for; a name that stands for nothing is told.
    fn find<'v, V>(&mut self, compiled: &'v Compiled<V>, name: &Text) -> Option<&'v V> {
        if let Some(found) = compiled.by_name.get(name.get_ref().as_str()) {
            return found.as_ref();
        }
        let kind = compiled.kind;
        let cure = match nearest(name.get_ref(), compiled.by_name.keys().map(Name::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("add `[{kind}.NAME]`, or name one that is there"),
        };
        // Without the name: it may be a secret that was written there.
        self.report.add(name.span(), format!("there is no such `{kind}`"), cure);
        None
    }

    /// A path as written, from the configuration's directory.
    fn path(&self, text: &str) -> PathBuf {
        self.base.join(text)
    }

    /// The content of a file that belongs to the configuration. Watched from now on.
    fn file(&mut self, path: &Text) -> Option<Vec<u8>> {
        self.file_of(path, MAX_FILE)
    }

    /// The same, of a file that may have as many bytes as this.
    fn file_of(&mut self, path: &Text, most: u64) -> Option<Vec<u8>> {
        let full = self.path(path.get_ref());
        self.watched.file(&full);
        let content = read_bounded(&full, most);
        let content = content.map_err(|error| format!("cannot read {}: {error}", full.display()));
        self.report.take(
            path.span(),
            content,
            "name a readable file; relative paths start at the configuration's directory",
        )
    }
}

/// The largest file that a configuration may name, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

fn read_bounded(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut content = Vec::new();
    std::fs::File::open(path)?.take(most + 1).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(std::io::Error::other(format!("it is larger than {} MiB", most >> 20)));
    }
    Ok(content)
}
