//! Room for bodies that are kept until they were judged, shared by all that come at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What all bodies together may take.
#[derive(Debug)]
pub struct Bodies {
    /// In KiB.
    room: Arc<Semaphore>,
    /// In bytes.
    own: Arc<Semaphore>,
    /// In bytes.
    messages: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// The most of all bodies that lies in memory at once, in KiB.
const ROOM: usize = 512 << 10;

/// The most of all bodies for the gateway itself, whose senders nobody has proved yet, in bytes.
const OWN: usize = 64 << 20;

/// The most of all WebSockets' messages that lies in memory at once, in bytes. Not of the same as bodies: nothing says until when one has to end.
const MESSAGES: usize = 128 << 20;

impl Default for Bodies {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let [room, own, messages, turns] =
            [ROOM, OWN, MESSAGES, cores].map(|permits| Arc::new(Semaphore::new(permits)));
        Self { room, own, messages, turns }
    }
}

impl Bodies {
    /// Room for a body of so many bytes, until it is dropped; none where there is none now.
    pub fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        taken(&self.room, bytes.div_ceil(1024))
    }

    /// The same for bytes that the gateway itself is sent, as they come.
    pub fn own_room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        taken(&self.own, bytes)
    }

    /// The same for what comes of a WebSocket's message before it can be judged.
    pub fn message_room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        taken(&self.messages, bytes)
    }

    /// A turn to judge a large body, which keeps a core busy: as many have one as there are cores.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }
}

fn taken(room: &Arc<Semaphore>, permits: usize) -> Option<OwnedSemaphorePermit> {
    Arc::clone(room).try_acquire_many_owned(u32::try_from(permits).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_and_comes_back() {
        let bodies = Bodies::default();
        let half = bodies.room(ROOM / 2 * 1024).expect("half of it");
        assert!(bodies.room((ROOM / 2 + 1) * 1024).is_none());
        drop(half);
        assert!(bodies.room(ROOM * 1024).is_some());
        assert!(bodies.room(usize::MAX).is_none());
        let all = bodies.own_room(OWN).expect("all of it");
        assert!(
            bodies.own_room(1).is_none() && bodies.room(1).is_some(),
            "what strangers send takes nobody else's room"
        );
        drop(all);
        assert!(bodies.own_room(1).is_some());
    }
}
