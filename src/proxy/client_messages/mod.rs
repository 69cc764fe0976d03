//! What a client says over a WebSocket (RFC 6455 §5): a message goes on once all of it has come and was judged, in the frames in which it came.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::sync::OwnedSemaphorePermit;

pub(super) use self::due::Due;
use self::frame::{Frame, TEXT, length, read};
use super::inspect::{beyond, heed};
use crate::domain::{Denial, TimedOut};
use crate::inspect::{Fault, FaultKind, Report};
use crate::state::{Bodies, Inspecting};

mod due;
mod frame;

/// The messages of one client.
pub(super) struct ClientMessages {
    inspecting: Arc<Inspecting>,
    /// How long a message may take to come: it holds room that others want.
    patience: Duration,
    /// Until when the one under way has to be whole.
    due: Due,
    /// Of the frame that begins.
    head: Vec<u8>,
    frame: Option<Frame>,
    /// The message under way, if there is one.
    message: Option<Message>,
    /// What has not gone on of it, as it came.
    raw: BytesMut,
    /// What is said in that, and a little before.
    content: BytesMut,
    /// A control frame, which may come in the middle of a message, as it came, and what is said in it.
    control: (BytesMut, BytesMut),
    /// Its share of what all messages may take.
    room: Option<OwnedSemaphorePermit>,
    /// What was found first.
    found: Option<Report>,
    /// Whether what comes cannot be told apart any more, where that stops nothing.
    is_lost: bool,
}

#[derive(Debug, Clone, Copy)]
struct Message {
    is_text: bool,
    /// Whether some of it has gone on.
    is_cut: bool,
    /// How often it was judged early for a control frame.
    hurried: u32,
    /// Until when it has to be whole.
    until: Instant,
}

/// For how many control frames within it what is there of a message is judged and gone on with, so that they need not wait: each costs a look at
/// some of what went before.
const MAX_HURRIED: u32 = 256;

/// How much of what went before is looked at again, in bytes, where a message is looked through as it passes.
const OVERLAP: usize = 4 * 1024;
/// The most of a message that is judged whole, in bytes: others wait meanwhile.
const MAX_WHOLE: usize = 1024 * 1024;
/// Up to where a message takes nothing of the room for all, and how much of it is taken at once, in bytes.
const FREE: usize = 16 * 1024;
const STEP: usize = 64 * 1024;

impl ClientMessages {
    /// Nothing yet.
    pub(super) fn new(inspecting: Arc<Inspecting>, patience: Duration) -> Self {
        Self {
            inspecting,
            patience,
            due: Due::default(),
            head: Vec::new(),
            frame: None,
            message: None,
            raw: BytesMut::new(),
            content: BytesMut::new(),
            control: Default::default(),
            room: None,
            found: None,
            is_lost: false,
        }
    }

    pub(super) fn inspecting(&self) -> &Inspecting {
        &self.inspecting
    }

    /// Until when the message under way has to be whole, as it goes on.
    pub(super) fn due(&self) -> Due {
        self.due.clone()
    }

    /// What was found.
    pub(super) fn found(&self) -> Option<&Report> {
        self.found.as_ref()
    }

    /// Begins anew.
    pub(super) fn restart(&mut self) {
        let (found, due) = (self.found.take(), self.due());
        due.set(None);
        *self = Self { found, due, ..Self::new(Arc::clone(&self.inspecting), self.patience) };
    }

    /// Takes what has come and leaves what may go on.
    ///
    /// # Errors
    /// [`Denial::Inspection`], where what was found stops it; [`Denial::TooManyInFlight`], where there is no room for more;
    /// [`Denial::TimedOut`], where a message takes too long to come.
    pub(super) fn take(&mut self, chunk: &mut Option<Bytes>, is_end: bool, bodies: &Bodies) -> Result<(), Denial> {
        // Never none, which would end it.
        let had_some = chunk.is_some();
        let mut came = chunk.take().unwrap_or_default();
        let mut out = BytesMut::with_capacity(came.len());
        while let Some(mut frame) = self.frame(&mut came)? {
            self.take_content(&mut frame, &mut came);
            self.pass_long(&mut out)?;
            self.make_room(bodies, &mut out)?;
            if frame.left > 0 {
                self.frame = Some(frame);
                break;
            }
            self.end(frame, &mut out)?;
        }
        if self.until().is_some_and(|until| Instant::now() >= until) {
            return Err(Denial::TimedOut(TimedOut::Body));
        }
        if is_end || self.is_lost {
            self.let_go(&mut out, &came)?;
        }
        self.due.set(self.until());
        *chunk = (had_some || !out.is_empty()).then(|| out.freeze());
        Ok(())
    }

    /// The end of what is under way will not be seen. What of a message nobody has seen stays here where attacks are stopped: as a part it was not
    /// judged, and no reader wants it.
    fn let_go(&mut self, out: &mut BytesMut, came: &Bytes) -> Result<(), Denial> {
        let is_dropped = self.inspecting.enforces() && !self.is_lost && !self.is_cut();
        self.message = self.message.map(|message| Message { is_cut: true, ..message });
        self.judge()?;
        self.message = None;
        let rest = self.raw.split();
        if !is_dropped {
            [&rest, &*self.head, came].into_iter().for_each(|rest| out.extend_from_slice(rest));
        }
        self.head.clear();
        Ok(())
    }

    /// The frame under way, or the next one, once its head has come.
    fn frame(&mut self, came: &mut Bytes) -> Result<Option<Frame>, Denial> {
        if self.is_lost || self.frame.is_some() {
            return Ok(self.frame.take());
        }
        while self.head.len() < length(&self.head) {
            if came.is_empty() {
                return Ok(None);
            }
            self.head.push(came.get_u8());
        }
        let frame = match read(&self.head, self.message.is_some()) {
            Ok(frame) => frame,
            Err(kind) => return self.lose(kind).map(|()| None),
        };
        let raw = if frame.is_control { &mut self.control.0 } else { &mut self.raw };
        raw.extend_from_slice(&self.head);
        if !frame.is_control {
            let is_text = self.head.first().is_some_and(|first| first & 0x0f == TEXT);
            let begun = || Message { is_text, is_cut: false, hurried: 0, until: Instant::now() + self.patience };
            self.message.get_or_insert_with(begun);
        }
        self.head.clear();
        Ok(Some(frame))
    }

    fn take_content(&mut self, frame: &mut Frame, came: &mut Bytes) {
        let some = usize::try_from(frame.left).unwrap_or(usize::MAX).min(came.len());
        let masked = came.split_to(some);
        let (raw, content) = match &mut self.control {
            (raw, content) if frame.is_control => (raw, content),
            _ => (&mut self.raw, &mut self.content),
        };
        raw.extend_from_slice(&masked);
        let mut mask = frame.mask;
        mask.rotate_left(frame.came % 4);
        content.extend(masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame.left -= some as u64;
        frame.came = (frame.came + some) % 4;
    }

    /// Takes a share of the room for all messages, where one becomes long. Where nothing is stopped, it goes on without.
    fn make_room(&mut self, bodies: &Bodies, out: &mut BytesMut) -> Result<(), Denial> {
        let held = self.raw.len() + self.content.len();
        while held > FREE + self.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) {
            match (bodies.message_room(STEP), &mut self.room) {
                (Some(more), Some(room)) => room.merge(more),
                (Some(more), None) => self.room = Some(more),
                (None, _) if self.inspecting.enforces() => return Err(Denial::TooManyInFlight),
                (None, _) => return self.pass_now(out),
            }
        }
        Ok(())
    }

    /// Lets a message go on that is longer than what is judged whole, where that may be: also one of many frames in which little is said.
    fn pass_long(&mut self, out: &mut BytesMut) -> Result<(), Denial> {
        let most = self.most();
        if self.content.len() <= most && self.raw.len() <= 2 * most + FREE {
            return Ok(());
        }
        beyond(&self.inspecting)?;
        self.pass_now(out)
    }

    /// Until when the message under way has to be whole, where it waits for that.
    fn until(&self) -> Option<Instant> {
        let waits = |message: &Message| self.inspecting.enforces() && !message.is_cut;
        self.message.filter(waits).map(|message| message.until)
    }

    fn is_cut(&self) -> bool {
        self.message.is_some_and(|message| message.is_cut)
    }

    /// How much of a message is judged whole, in bytes.
    fn most(&self) -> usize {
        self.inspecting.memory.min(self.inspecting.body).min(MAX_WHOLE)
    }

    /// Judges what there is of a message, and lets it go on.
    fn pass_now(&mut self, out: &mut BytesMut) -> Result<(), Denial> {
        self.message = self.message.map(|message| Message { is_cut: true, ..message });
        self.judge()?;
        out.extend_from_slice(&self.raw.split());
        self.content.advance(self.content.len().saturating_sub(OVERLAP.min(self.most() / 2)));
        Ok(())
    }

    /// Lets what has ended go on.
    fn end(&mut self, frame: Frame, out: &mut BytesMut) -> Result<(), Denial> {
        if frame.is_control {
            let report = self.inspecting.profile.judge_message(&self.control.1, false);
            heed(&self.inspecting, report, &mut self.found)?;
            // Some of a frame may have gone on: nothing goes before the rest of it.
            if let Some(message) = self.message.as_mut().filter(|message| message.is_cut && !self.raw.is_empty()) {
                message.hurried += 1;
                if message.hurried <= MAX_HURRIED {
                    self.pass_now(out)?;
                }
            }
            let to = if self.raw.is_empty() || !self.is_cut() { out } else { &mut self.raw };
            to.extend_from_slice(&self.control.0);
            self.control.0.clear();
            self.control.1.clear();
        } else if frame.is_last {
            self.judge()?;
            out.extend_from_slice(&self.raw.split());
            self.content.clear();
            (self.message, self.room) = (None, None);
        }
        Ok(())
    }

    fn judge(&mut self) -> Result<(), Denial> {
        let profile = &self.inspecting.profile;
        let report = match self.message {
            Some(Message { is_text, is_cut: false, .. }) => profile.judge_message(&self.content, is_text),
            Some(Message { is_cut: true, .. }) => profile.judge_window(&self.content),
            None => return Ok(()),
        };
        heed(&self.inspecting, report, &mut self.found)
    }

    /// Goes by what is no frame of a client, or cannot be read: whatever is tuned, nothing of what follows can be seen.
    fn lose(&mut self, kind: FaultKind) -> Result<(), Denial> {
        self.is_lost = true;
        let fault = Fault { kind, at: "frame".to_owned(), keyword: None };
        let report = Report { fault: Some(fault), is_attack: true, ..Report::default() };
        heed(&self.inspecting, report, &mut self.found)
    }
}

impl fmt::Debug for ClientMessages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientMessages")
            .field("held", &self.raw.len())
            .field("found", &self.found)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
