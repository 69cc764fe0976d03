//! Room that a thread keeps from one request to the next, so that judging one takes no allocation.

use std::cell::Cell;

use super::detect::Found;
use super::gate::Woken;

/// Room that is used again for each value, and by each request that a thread judges.
#[derive(Default)]
pub(super) struct Room {
    pub(super) woken: Woken,
    pub(super) found: Found,
    pub(super) lower: Vec<u8>,
    pub(super) decoded: Vec<u8>,
    pub(super) clients: Clients,
}

thread_local! {
    static ROOM: Cell<Option<Box<Room>>> = const { Cell::new(None) };
}

/// How many bytes of room are kept from one request to the next.
const MAX_KEPT: usize = 64 << 10;

/// What clients call themselves, where a profile found nothing in it: the same few texts come with each request. No other field is kept, as it
/// may hold a secret.
#[derive(Default)]
pub(super) struct Clients {
    known: [(u64, Vec<u8>); 4],
    next: usize,
}

/// The longest name of a client that is kept.
const MAX_CLIENT: usize = 256;

impl Clients {
    pub(super) fn knows(&self, profile: u64, name: &[u8]) -> bool {
        self.known.iter().any(|(by, known)| *by == profile && known == name)
    }

    pub(super) fn learn(&mut self, profile: u64, name: &[u8]) {
        if let Some((by, known)) = self.known.get_mut(self.next)
            && name.len() <= MAX_CLIENT
        {
            *by = profile;
            known.clear();
            known.extend_from_slice(name);
            self.next = (self.next + 1) % 4;
        }
    }
}

impl Room {
    /// That of this thread, if it has one that is not in use.
    pub(super) fn take() -> Option<Box<Self>> {
        ROOM.take()
    }

    /// Leaves it for the next request, without what only a large one needs.
    pub(super) fn give_back(mut self: Box<Self>) {
        for bytes in [&mut self.lower, &mut self.decoded] {
            bytes.clear();
            bytes.shrink_to(MAX_KEPT);
        }
        ROOM.set(Some(self));
    }
}
