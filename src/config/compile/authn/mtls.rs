//! `[authn.NAME.mtls]`.

use std::ops::Range;

use super::super::Compiler;
use crate::authn::Authenticator;
use crate::config::file::MtlsTable;
use crate::domain::Name;

impl Compiler<'_, '_> {
    pub(super) fn mtls(&mut self, name: &Name, span: Range<usize>, table: MtlsTable) -> Option<Authenticator> {
        let _ = (name, table);
        self.report.add(span, "this method is not there yet", "choose another");
        None
    }
}
