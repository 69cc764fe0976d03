//! `[authn.NAME.http_signature]`.

use std::ops::Range;

use super::super::Compiler;
use crate::authn::Authenticator;
use crate::config::file::HttpSignatureTable;
use crate::domain::Name;

impl Compiler<'_, '_> {
    pub(super) fn http_signature(
        &mut self,
        name: &Name,
        span: Range<usize>,
        table: HttpSignatureTable,
    ) -> Option<Authenticator> {
        let _ = (name, table);
        self.report.add(span, "this method is not there yet", "choose another");
        None
    }
}
