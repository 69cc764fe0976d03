//! `[authn.NAME.token_review]`.

use std::ops::Range;

use super::super::Compiler;
use crate::authn::Authenticator;
use crate::config::file::TokenReviewTable;
use crate::domain::Name;

impl Compiler<'_, '_> {
    pub(super) fn token_review(
        &mut self,
        name: &Name,
        span: Range<usize>,
        table: TokenReviewTable,
    ) -> Option<Authenticator> {
        let _ = (name, table);
        self.report.add(span, "this method is not there yet", "choose another");
        None
    }
}
