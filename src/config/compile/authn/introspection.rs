//! `[authn.NAME.introspection]`.

use std::ops::Range;

use super::super::Compiler;
use crate::authn::Authenticator;
use crate::config::file::IntrospectionTable;
use crate::domain::Name;

impl Compiler<'_, '_> {
    pub(super) fn introspection(
        &mut self,
        name: &Name,
        span: Range<usize>,
        table: IntrospectionTable,
    ) -> Option<Authenticator> {
        let _ = (name, table);
        self.report.add(span, "this method is not there yet", "choose another");
        None
    }
}
