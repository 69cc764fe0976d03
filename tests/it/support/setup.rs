//! The configuration that most tests start from: one caller with an API key, one target, one credential, one route.

use std::{io::Write as _, process::Stdio};

use aws_lc_rs::digest::{SHA256, digest};

use super::{
    gateway::{Site, program},
    upstream::Upstream,
};

/// The secret that the gateway puts on requests to the target.
pub(crate) const SECRET: &str = "sk_live_4f0b2a77c1";

/// A caller's API key, and what the configuration knows of it.
pub(crate) struct Caller {
    name: String,
    prefix: String,
    /// The key as the caller presents it.
    pub(crate) key: String,
}

impl Caller {
    /// A caller with this name of at most 12 letters and digits; the same name always has the same key.
    pub(crate) fn new(name: &str) -> Self {
        let prefix = format!("{name:z<12}");
        let key = format!("clv_{prefix}_{name:x<43}");
        Self { name: name.to_owned(), prefix, key }
    }

    /// The header's value.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.key)
    }

    /// Its entry for the configuration, with the role `user`.
    pub(crate) fn entry(&self) -> String {
        let digest: String =
            digest(&SHA256, self.key.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!(
            "[authn.keys.api_key.key.{name}]\nprefix = \"{prefix}\"\ndigest = \"sha256:{digest}\"\nowner = \"{name}\"\n\
             roles = [\"user\"]\n",
            name = self.name,
            prefix = self.prefix,
        )
    }
}

/// The caller `alice`, whom every configuration made here knows.
pub(crate) fn alice() -> Caller {
    Caller::new("alice")
}

/// What a test adds to the common configuration, as TOML.
#[derive(Default, Clone, Copy)]
pub(crate) struct Parts<'a> {
    /// Keys of `[server]` besides `threads`.
    pub(crate) server: &'a str,
    /// Keys of `[listen.public]` besides `address`.
    pub(crate) listen: &'a str,
    /// Keys of `[target.api]` besides `url`.
    pub(crate) target: &'a str,
    /// Keys of `[route.api]`, which takes `/api/**`.
    pub(crate) route: &'a str,
    /// Whole tables.
    pub(crate) more: &'a str,
}

/// A configuration for this site whose `/api/**` goes to the upstream, for `alice`, with [`SECRET`].
pub(crate) fn config(site: &Site, upstream: &Upstream, parts: &Parts<'_>) -> String {
    config_to(site, &upstream.url(), parts)
}

/// The same to an upstream known by its URL alone.
pub(crate) fn config_to(site: &Site, url: &str, parts: &Parts<'_>) -> String {
    site.write("secrets/api", SECRET);
    let Parts { server, listen, target, route, more } = parts;
    format!(
        "[server]\nthreads = 2\n{server}\n\
         [admin]\naddress = \"{admin}\"\n\
         [audit]\npath = \"audit.jsonl\"\n\
         [egress]\nallow = [\"127.0.0.0/8\", \"::1/128\"]\n\
         [failures]\nenabled = false\n\
         [listen.public]\naddress = \"{public}\"\n{listen}\n\
         [vault.files.directory]\npath = \"secrets\"\n\
         {caller}\
         [target.api]\nurl = \"{url}\"\n{target}\n\
         [credential.api.bearer]\ntarget = \"api\"\nsecret = \"files:api\"\n\
         [route.api]\npath = \"/api/**\"\ntarget = \"api\"\ncredential = \"api\"\nauthn = [\"keys\"]\n\
         allow = [{{ role = \"user\" }}]\n{route}\n\
         {more}\n",
        admin = site.admin,
        public = site.public,
        caller = alice().entry(),
    )
}

/// Makes `secrets.sealed`, which `master.key` opens.
pub(crate) fn start_sealed(site: &Site) {
    let (file, key) = (site.path("secrets.sealed"), site.path("master.key"));
    let init = program().args(["vault", "init", &file, "--key-file", &key]).stdout(Stdio::null()).status();
    assert!(init.expect("the program runs").success());
}

/// Sets a secret in it.
pub(crate) fn set_secret(site: &Site, name: &str, secret: &str) {
    let (file, key) = (site.path("secrets.sealed"), site.path("master.key"));
    let mut set = program();
    set.args(["vault", "set", &file, name, "--key-file", &key]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut set = set.spawn().expect("the program runs");
    set.stdin.take().expect("a pipe").write_all(secret.as_bytes()).expect("written");
    assert!(set.wait().expect("our child").success());
}
