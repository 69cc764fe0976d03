//! `[trace]`.

use std::sync::Arc;

use super::{Compiled, Compiler};
use crate::config::file::TraceTable;
use crate::net::host_name;
use crate::otlp::Exporter;
use crate::state::Tracing;
use crate::vault::Vault;

impl Compiler<'_, '_> {
    pub(super) fn trace(&mut self, table: &TraceTable, vaults: &Compiled<Arc<Vault>>) -> Option<Arc<Tracing>> {
        let client = self.receiver(&table.url, table.ca.as_ref(), table.timeout.as_ref());
        let proof = self.sink_auth(table.auth.as_ref(), vaults);
        let sample = match &table.sample {
            None => Some(0.01),
            Some(written) => {
                let part = Some(*written.get_ref()).filter(|part| (0.0..=1.0).contains(part));
                self.report.take(
                    written.span(),
                    part.ok_or("less than none, or more than all"),
                    "write one from 0.0 to 1.0",
                )
            }
        };
        let exporter = Exporter { url: table.url.get_ref().clone(), client: client?, gzip: true };
        let (host, follow) = (host_name(), table.follow.unwrap_or(true));
        Some(Arc::new(Tracing::new(exporter, proof?, host, sample?, follow)))
    }
}
