//! `[authn.NAME.basic]`.

use std::ops::Range;

use super::super::Compiler;
use crate::authn::Authenticator;
use crate::config::file::BasicTable;
use crate::domain::Name;

impl Compiler<'_, '_> {
    pub(super) fn passwords(&mut self, name: &Name, span: Range<usize>, table: BasicTable) -> Option<Authenticator> {
        let _ = (name, table);
        self.report.add(span, "this method is not there yet", "choose another");
        None
    }
}
