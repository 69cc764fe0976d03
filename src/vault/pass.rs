//! The order in which one pass comes to the slots of a vault: nobody who is new waits for all others, nobody who is known grows old behind
//! those who are new, and a pass that has no end of its own is ended, to be gone on with by the next.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Slot, Vault};

/// How long a pass may take until the next begins, which comes first to those that this one did not come to.
pub(super) const WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked for slots that are new meanwhile.
const NEW_EVERY: Duration = Duration::from_millis(20);

impl Vault {
    /// Looks at these slots, and those that are new meanwhile, until that took so long.
    pub(super) fn pass_over(&self, mut slots: Vec<Arc<Slot>>, now: Instant, within: Duration) {
        let turn = self.next_turn();
        let is_new = |slot: &Arc<Slot>| slot.is_unread() && slot.turn() < turn;
        slots.sort_by_key(|slot| slot.turn());
        let (new, known): (Vec<_>, Vec<_>) = slots.into_iter().partition(is_new);
        let (mut new, mut known) = (VecDeque::from(new), VecDeque::from(known));
        let pass = self.provider.pass();
        let began = Instant::now();
        let mut searched = began;
        while began.elapsed() < within {
            let (one, other) = (new.pop_front(), known.pop_front());
            if one.is_none() && other.is_none() {
                return;
            }
            for slot in [one, other].into_iter().flatten() {
                slot.refresh(&pass, now);
                slot.had_turn(turn);
            }
            // Only where somebody was waited for: of those who never wait, passes are short.
            if searched.elapsed() >= NEW_EVERY {
                new = self.slots.in_use().into_iter().filter(is_new).collect();
                searched = Instant::now();
            }
        }
    }
}
