//! `[failures]`.

use super::Compiler;
use super::listen::or;
use crate::config::file::FailuresTable;
use crate::limit::FailureSettings;

impl Compiler<'_, '_> {
    /// When callers are locked out; none where they never are.
    pub(super) fn failures(&mut self, table: &FailuresTable) -> Option<FailureSettings> {
        let free = self.positive(table.free.as_ref());
        let settings = FailureSettings {
            free: free.map_or(10, std::num::NonZeroU32::get),
            window: or(table.window, 60),
            delay: or(table.delay.as_ref().map(|delay| *delay.get_ref()), 1),
            max_delay: or(table.max_delay, 300),
        };
        if settings.delay > settings.max_delay {
            let span = table.delay.as_ref().map_or(0..0, |delay| delay.span());
            self.report.add(span, "`delay` is longer than `max_delay`", "make the first lock-out the shortest");
        }
        table.enabled.unwrap_or(true).then_some(settings)
    }
}
