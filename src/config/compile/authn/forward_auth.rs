//! `[authn.NAME.forward_auth]`.

use std::ops::Range;

use super::super::Compiler;
use crate::authn::Authenticator;
use crate::config::file::ForwardAuthTable;
use crate::domain::Name;

impl Compiler<'_, '_> {
    pub(super) fn forward_auth(
        &mut self,
        name: &Name,
        span: Range<usize>,
        table: ForwardAuthTable,
    ) -> Option<Authenticator> {
        let _ = (name, table);
        self.report.add(span, "this method is not there yet", "choose another");
        None
    }
}
