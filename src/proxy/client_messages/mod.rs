//! What a client says over a WebSocket (RFC 6455 §5): a message goes on once all of it has come and was judged, in the frames in which it came.

use std::fmt;
use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::sync::OwnedSemaphorePermit;

use self::frame::{Frame, TEXT, length, read};
use super::inspect::{beyond, kind};
use crate::domain::Denial;
use crate::inspect::{Fault, FaultKind, Report};
use crate::state::{Bodies, Inspecting};

mod frame;

/// The messages of one client.
pub(super) struct ClientMessages {
    inspecting: Arc<Inspecting>,
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
    /// Its share of what all bodies may take.
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
}

/// How much of what went before is looked at again, in bytes, where a message is looked through as it passes.
const OVERLAP: usize = 4 * 1024;
/// Up to where a message takes nothing of the room for all bodies, and how much of it is taken at once, in bytes.
const FREE: usize = 16 * 1024;
const STEP: usize = 64 * 1024;

impl ClientMessages {
    /// Nothing yet.
    pub(super) fn new(inspecting: Arc<Inspecting>) -> Self {
        Self {
            inspecting,
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

    /// What was found.
    pub(super) fn found(&self) -> Option<&Report> {
        self.found.as_ref()
    }

    /// Begins anew.
    pub(super) fn restart(&mut self) {
        let found = self.found.take();
        *self = Self { found, ..Self::new(Arc::clone(&self.inspecting)) };
    }

    /// Takes what has come and leaves what may go on.
    ///
    /// # Errors
    /// [`Denial::Inspection`], where what was found stops it; [`Denial::TooManyInFlight`], where there is no room for more.
    pub(super) fn take(&mut self, chunk: &mut Option<Bytes>, is_end: bool, bodies: &Bodies) -> Result<(), Denial> {
        // Never none, which would end it.
        let had_some = chunk.is_some();
        let mut came = chunk.take().unwrap_or_default();
        let mut out = BytesMut::with_capacity(came.len());
        while let Some(mut frame) = self.frame(&mut came)? {
            self.take_content(&mut frame, &mut came);
            self.make_room(bodies)?;
            if frame.left > 0 {
                self.frame = Some(frame);
                self.pass_long(&mut out)?;
                break;
            }
            self.end(frame, &mut out)?;
        }
        if is_end || self.is_lost {
            // The end of what is under way will not be seen.
            self.message = self.message.map(|message| Message { is_cut: true, ..message });
            self.judge()?;
            self.message = None;
            out.extend_from_slice(&self.raw.split());
            out.extend_from_slice(&self.head);
            out.extend_from_slice(&came);
            self.head.clear();
        }
        *chunk = (had_some || !out.is_empty()).then(|| out.freeze());
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
            self.message.get_or_insert(Message { is_text, is_cut: false });
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

    /// Takes a share of the room for all bodies, where a message becomes long.
    fn make_room(&mut self, bodies: &Bodies) -> Result<(), Denial> {
        let held = self.raw.len() + self.content.len();
        while held > FREE + self.room.as_ref().map_or(0, |room| room.num_permits() * 1024) {
            let more = bodies.room(STEP).ok_or(Denial::TooManyInFlight)?;
            match &mut self.room {
                Some(room) => room.merge(more),
                None => self.room = Some(more),
            }
        }
        Ok(())
    }

    /// Lets a message go on that is longer than what is judged whole, where that may be.
    fn pass_long(&mut self, out: &mut BytesMut) -> Result<(), Denial> {
        let most = self.inspecting.memory.min(self.inspecting.body);
        let (Some(message), true) = (&mut self.message, self.content.len() > most) else { return Ok(()) };
        beyond(&self.inspecting)?;
        message.is_cut = true;
        self.judge()?;
        out.extend_from_slice(&self.raw.split());
        self.content.advance(self.content.len() - OVERLAP.min(most / 2));
        Ok(())
    }

    /// Lets what has ended go on.
    fn end(&mut self, frame: Frame, out: &mut BytesMut) -> Result<(), Denial> {
        if frame.is_control {
            let report = self.inspecting.profile.judge_message(&self.control.1, false);
            self.heed(report)?;
            out.extend_from_slice(&self.control.0);
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
            Some(Message { is_text, is_cut: false }) => profile.judge_message(&self.content, is_text),
            Some(Message { is_cut: true, .. }) => profile.judge_window(&self.content),
            None => return Ok(()),
        };
        self.heed(report)
    }

    fn heed(&mut self, report: Report) -> Result<(), Denial> {
        if report.is_attack {
            let kind = kind(&report);
            self.found.get_or_insert(report);
            if self.inspecting.enforces() {
                return Err(Denial::Inspection(kind));
            }
        }
        Ok(())
    }

    /// Goes by what is no frame of a client, or cannot be read: whatever is tuned, nothing of what follows can be seen.
    fn lose(&mut self, kind: FaultKind) -> Result<(), Denial> {
        self.is_lost = true;
        let fault = Fault { kind, at: "frame".to_owned(), keyword: None };
        self.heed(Report { fault: Some(fault), is_attack: true, ..Report::default() })
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
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::domain::{Inspection, Name};
    use crate::inspect::{Engine, Mode, Profile, RuleFile, Settings};
    use crate::state::Beyond;

    const ATTACK: &[u8] = b"' UNION SELECT password FROM users--";

    fn messages(mode: Mode, beyond: Beyond) -> ClientMessages {
        static ENGINE: LazyLock<Arc<Engine>> =
            LazyLock::new(|| Arc::new(Engine::new(RuleFile::ready_made().expect("rules")).expect("an engine")));
        let settings = Settings { mode, ..Settings::default() };
        let profile = Profile::new(Arc::clone(&ENGINE), settings).expect("a profile");
        ClientMessages::new(Arc::new(Inspecting {
            name: Name::parse("default").expect("a name"),
            profile: Arc::new(profile),
            body: 1 << 20,
            memory: 1 << 16,
            beyond,
            streams_grpc: true,
        }))
    }

    /// A frame as a client sends it.
    fn frame(first: u8, content: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let length = match content.len() {
            short @ ..=125 => vec![0x80 | short as u8],
            long @ ..=0xffff => [&[0xfe][..], &(long as u16).to_be_bytes()].concat(),
            longer => [&[0xff][..], &(longer as u64).to_be_bytes()].concat(),
        };
        let masked: Vec<u8> = content.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        [&[first][..], &length, &mask, &masked].concat()
    }

    /// What goes on of a stream that comes in chunks of a size, and whether it was stopped.
    fn pass(messages: &mut ClientMessages, stream: &[u8], size: usize) -> (Vec<u8>, Result<(), Denial>) {
        let (mut out, bodies) = (Vec::new(), Bodies::default());
        for chunk in stream.chunks(size) {
            let mut chunk = Some(Bytes::copy_from_slice(chunk));
            if let Err(denial) = messages.take(&mut chunk, false, &bodies) {
                return (out, Err(denial));
            }
            out.extend_from_slice(&chunk.expect("never none"));
        }
        (out, Ok(()))
    }

    #[test]
    fn whole_messages_go_on_and_attacks_do_not_however_they_are_cut() {
        let stopped = Err(Denial::Inspection(Inspection::Attack));
        let unreadable = Err(Denial::Inspection(Inspection::Unreadable));
        let (one, two) = ATTACK.split_at(9);
        let hello = frame(0x81, b"hello");
        let in_json = br#"{"id":1,"q":"\u0027 UNION SELECT password FROM users--"}"#;
        for (what, stream, goes_on, want) in [
            ("honest", [frame(0x81, b"hello"), frame(0x82, &[0xff; 300]), frame(0x81, b"")].concat(), 325, Ok(())),
            ("a text", [hello.clone(), frame(0x81, ATTACK)].concat(), 11, stopped),
            ("bytes", [hello.clone(), frame(0x82, ATTACK)].concat(), 11, stopped),
            ("json", frame(0x81, in_json), 0, stopped),
            ("behind a number", frame(0x81, &[b"42/chat,[\"say\",", &in_json[..], b"]"].concat()), 0, stopped),
            ("in frames", [frame(0x01, one), frame(0x00, b""), frame(0x80, two)].concat(), 0, stopped),
            ("around a ping", [frame(0x01, one), frame(0x89, b"x"), frame(0x80, two)].concat(), 7, stopped),
            ("in a ping", frame(0x89, ATTACK), 0, stopped),
            ("a close", frame(0x88, b"\x03\xe8bye"), 11, Ok(())),
            ("what has not ended", frame(0x01, b"hello"), 0, Ok(())),
            ("two keys", frame(0x81, br#"{"a":1,"a":2}"#), 0, unreadable),
            ("no utf-8", frame(0x81, b"\xff"), 0, unreadable),
            ("not masked", b"\x81\x02hi".to_vec(), 0, unreadable),
            ("a ping in parts", frame(0x09, b"x"), 0, unreadable),
            ("nothing to go on with", frame(0x80, b"x"), 0, unreadable),
            ("one within the other", [frame(0x01, b"x"), frame(0x81, b"y")].concat(), 0, unreadable),
            ("of a kind that there is not", frame(0x83, b"x"), 0, unreadable),
            ("compressed", frame(0xc1, b"x"), 0, Err(Denial::Inspection(Inspection::Unsupported))),
        ] {
            for size in 1..=stream.len() {
                let mut messages = messages(Mode::Enforce, Beyond::Reject);
                let (out, ended) = pass(&mut messages, &stream, size);
                assert_eq!(ended, want, "{what}, in chunks of {size}");
                // Of a chunk in which something stops it, nothing goes on.
                let most = want.map_or(&stream[..goes_on.min(stream.len())], |()| &stream[..goes_on]);
                assert!(if want.is_ok() { out == most } else { out.len() <= goes_on }, "{what}, in chunks of {size}");
                assert_eq!(messages.found().is_some(), want.is_err(), "{what}");
            }
        }
    }

    #[test]
    fn in_shadow_all_goes_on_as_it_came() {
        let long = frame(0x81, &[&b"x ".repeat(200_000)[..], ATTACK].concat());
        for (stream, is_found) in [
            ([frame(0x81, ATTACK), frame(0x81, b"hello")].concat(), true),
            (b"\x81\x02hi, and what is no frame at all".to_vec(), true),
            (long, true),
            (frame(0x81, &b"x ".repeat(200_000)), false),
        ] {
            for size in [1000, stream.len()] {
                let mut messages = messages(Mode::Shadow, Beyond::Reject);
                assert_eq!(pass(&mut messages, &stream, size), (stream.clone(), Ok(())));
                assert_eq!(messages.found().is_some(), is_found);
            }
        }
    }

    #[test]
    fn a_long_message_is_refused_or_looked_through_as_it_passes() {
        let long = frame(0x81, &b"x ".repeat(200_000));
        let with_attack = frame(0x81, &[&b"x ".repeat(200_000)[..], ATTACK, &b" x".repeat(100)].concat());
        for (beyond, stream, want) in [
            (Beyond::Reject, &long, Err(Denial::Inspection(Inspection::TooLarge))),
            (Beyond::Stream, &long, Ok(())),
            (Beyond::Stream, &with_attack, Err(Denial::Inspection(Inspection::Attack))),
        ] {
            let mut messages = messages(Mode::Enforce, beyond);
            let (out, ended) = pass(&mut messages, stream, 1000);
            assert_eq!(ended, want);
            assert!(out == stream[..out.len()] && (want.is_err() || out.len() == stream.len()));
        }
    }

    #[test]
    fn there_is_only_so_much_room() {
        let bodies = Bodies::default();
        let most = bodies.room(512 << 20).expect("all of it");
        let mut messages = messages(Mode::Enforce, Beyond::Reject);
        let mut chunk = Some(Bytes::from(frame(0x01, &[b'x'; 10_000])));
        assert_eq!(messages.take(&mut chunk, false, &bodies), Err(Denial::TooManyInFlight));
        drop(most);
        let mut chunk = Some(Bytes::from(frame(0x00, &[b'x'; 10_000])));
        assert_eq!(messages.take(&mut chunk, false, &bodies), Ok(()));
    }
}
