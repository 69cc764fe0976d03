//! What commands have in common that read or change the store.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;

use super::Failure;
use crate::server::{self, Site};
use crate::session::{Store, StoreError};

/// Where the store is.
#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    /// The configuration, whose `[store] path` is used.
    #[arg(long, value_name = "FILE", default_value = "claviger.toml")]
    config: PathBuf,
    /// The store itself, where there is no configuration that can be read.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    store: Option<PathBuf>,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(1, format!("claviger: {error}"))
    }
}

impl StoreArgs {
    /// The store, and what the configuration says, where there is one.
    pub(super) fn open(&self) -> Result<(Store, Option<Site>), Failure> {
        if let Some(path) = &self.store {
            return Ok((Store::existing(path)?, None));
        }
        let site = server::site(&self.config)
            .map_err(|error| Failure::new(2, format!("{error}\nWith `--store FILE`, no configuration is needed.")))?;
        let Some(path) = &site.store else {
            let text = format!("claviger: {} has no `[store] path`: add one and restart", self.config.display());
            return Err(Failure::new(2, text));
        };
        Ok((Store::existing(path)?, Some(site)))
    }
}

/// Who does it, as the operating system knows them.
pub(super) fn user() -> String {
    format!("uid:{}", rustix::process::getuid().as_raw())
}

/// A time to the second, in RFC 3339.
pub(super) fn stamp(time: SystemTime) -> jiff::Timestamp {
    let time = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.round(jiff::Unit::Second).unwrap_or(time)
}
