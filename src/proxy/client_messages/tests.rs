//! Messages judged, however they come.

use std::sync::LazyLock;

use super::*;
use crate::domain::{Inspection, Name};
use crate::inspect::{Engine, Mode, Profile, RuleFile, Settings};
use crate::state::Beyond;

const ATTACK: &[u8] = b"' UNION SELECT password FROM users--";

fn messages(mode: Mode, beyond: Beyond) -> ClientMessages {
    patient(mode, beyond, Duration::from_secs(60))
}

fn patient(mode: Mode, beyond: Beyond, patience: Duration) -> ClientMessages {
    static ENGINE: LazyLock<Arc<Engine>> =
        LazyLock::new(|| Arc::new(Engine::new(RuleFile::ready_made().expect("rules")).expect("an engine")));
    let settings = Settings { mode, ..Settings::default() };
    let profile = Profile::new(Arc::clone(&ENGINE), settings).expect("a profile");
    let inspecting = Inspecting {
        name: Name::parse("default").expect("a name"),
        profile: Arc::new(profile),
        body: 1 << 20,
        memory: 1 << 16,
        beyond,
        streams_grpc: true,
    };
    ClientMessages::new(Arc::new(inspecting), patience)
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
fn a_message_is_long_however_it_is_cut() {
    let pieces = |count: usize, size: usize| {
        let rest = frame(0x00, &vec![b'x'; size]).repeat(count);
        [frame(0x01, b"x"), rest, frame(0x80, b"")].concat()
    };
    for (what, stream) in [
        ("at once", frame(0x81, &[b'x'; 100_000])),
        ("in frames", pieces(1000, 100)),
        ("in frames in which nothing is said", pieces(100_000, 0)),
    ] {
        for size in [1 << 20, 106] {
            let mut messages = messages(Mode::Enforce, Beyond::Reject);
            let (out, ended) = pass(&mut messages, &stream, size);
            assert_eq!(ended, Err(Denial::Inspection(Inspection::TooLarge)), "{what} {size}");
            assert!(out.is_empty(), "{what} {size}");
            let mut messages = super::tests::messages(Mode::Enforce, Beyond::Stream);
            assert!(pass(&mut messages, &stream, size) == (stream.clone(), Ok(())), "{what} {size}");
            assert!(messages.raw.capacity() < 1 << 20, "{what} {size}");
        }
    }
}

#[test]
fn a_control_frame_never_goes_into_the_middle_of_another() {
    let stream = [frame(0x01, &[b'x'; 100_000]), frame(0x89, b"ping"), frame(0x80, b"y"), frame(0x81, b"z")].concat();
    for size in [1 << 20, 70_000, 1000, 7] {
        let mut messages = messages(Mode::Enforce, Beyond::Stream);
        assert!(pass(&mut messages, &stream, size) == (stream.clone(), Ok(())), "in chunks of {size}");
    }
    // Nor does it wait for what follows, unless there are very many.
    let half = [frame(0x01, &[b'x'; 100_000]), frame(0x00, b"y"), frame(0x89, b"ping")].concat();
    let mut messages = messages(Mode::Enforce, Beyond::Stream);
    assert!(pass(&mut messages, &half, 7) == (half.clone(), Ok(())));
    let many = [frame(0x00, b"y"), frame(0x89, b"")].concat().repeat(1000);
    let (out, ended) = pass(&mut messages, &many, many.len());
    assert!(ended.is_ok() && out.len() < many.len() && out[..] == many[..out.len()]);
}

#[test]
fn there_is_only_so_much_room() {
    let bodies = Bodies::default();
    let most = bodies.message_room(128 << 20).expect("all of it");
    let mut messages = messages(Mode::Enforce, Beyond::Reject);
    let mut chunk = Some(Bytes::from(frame(0x01, &[b'x'; 10_000])));
    assert_eq!(messages.take(&mut chunk, false, &bodies), Err(Denial::TooManyInFlight));
    let mut shadowed = super::tests::messages(Mode::Shadow, Beyond::Reject);
    let mut chunk = Some(Bytes::from(frame(0x01, &[b'x'; 10_000])));
    assert_eq!(shadowed.take(&mut chunk, false, &bodies), Ok(()), "nothing is stopped");
    drop(most);
    let mut chunk = Some(Bytes::from(frame(0x00, &[b'x'; 10_000])));
    assert_eq!(messages.take(&mut chunk, false, &bodies), Ok(()));
}

#[test]
fn what_of_a_message_does_not_come_does_not_go_on() {
    let begun = frame(0x01, br#"{"a":1,"a":2}"#);
    for (mode, want) in [(Mode::Enforce, 0), (Mode::Shadow, begun.len())] {
        for cut in [begun.len(), begun.len() - 3] {
            let mut chunk = Some(Bytes::copy_from_slice(&begun[..cut]));
            messages(mode, Beyond::Reject).take(&mut chunk, true, &Bodies::default()).expect("it ends");
            assert_eq!(chunk.map_or(0, |chunk| chunk.len()), want.min(cut), "{mode:?}");
        }
    }
}

#[test]
fn a_message_that_takes_too_long_holds_nothing_any_more() {
    let (bodies, late) = (Bodies::default(), Err(Denial::TimedOut(TimedOut::Body)));
    for (mode, first, want) in
        [(Mode::Enforce, 0x01, late), (Mode::Enforce, 0x81, Ok(())), (Mode::Shadow, 0x01, Ok(()))]
    {
        let mut messages = patient(mode, Beyond::Reject, Duration::ZERO);
        let mut chunk = Some(Bytes::from(frame(first, b"hello")));
        assert_eq!(messages.take(&mut chunk, false, &bodies), want, "{mode:?}");
    }
}
