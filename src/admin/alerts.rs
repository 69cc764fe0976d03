//! `/alerts`: what the monitor has to tell.

use serde_json::{Value, json};

use crate::monitor::{Change, Shown};

/// The alerts that go on, the latest first, and the last that are over.
pub(super) fn answer(shown: &Shown) -> Value {
    let all = |alerts: &[crate::monitor::Alert], change| alerts.iter().map(|one| one.json(change)).collect::<Vec<_>>();
    json!({ "active": all(&shown.active, Change::Raised), "over": all(&shown.over, Change::Cleared) })
}
