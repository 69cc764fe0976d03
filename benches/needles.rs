//! What looking for a secret costs: a mebibyte in chunks of 16 KiB, of each kind of text.

#![allow(clippy::print_stdout, reason = "its figures are what it is for")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use claviger::inject::needles::{Needles, Scrubber};

const LEN: u32 = 1 << 20;
const CHUNK: usize = 16 << 10;
const ROUNDS: u32 = 60;

mod scaled;

use scaled::scaled;

/// One key as many APIs have it, one short password, one that repeats itself, and a long key.
const KEY: &[u8] = b"sk_live_51Hxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
const MIXED: &[u8] = b"ghp_R4nd0mTok3nWithM1xedCharacters0123Ab";
const SHORT: &[u8] = b"hunter2!";
const REPEATING: &[u8] = b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";

fn main() {
    let long: Vec<u8> = random(3).take(2048).map(|byte| b'a' + byte % 26).collect();
    for (name, text) in texts() {
        println!(
            "{name:24} key {:6.0}  mixed {:6.0}  short {:6.0}  three {:6.0}  repeating {:6.0}  long {:6.0}  MB/s",
            speed(&[KEY], &text),
            speed(&[MIXED], &text),
            speed(&[SHORT], &text),
            speed(&[KEY, MIXED, SHORT], &text),
            speed(&[REPEATING], &text),
            speed(&[&long], &text)
        );
    }
    small_chunks();
    drip();
    let began = Instant::now();
    let count = scaled(100);
    for _ in 0..count {
        black_box(Needles::new(&[KEY]));
    }
    println!("compiling takes {:?}", began.elapsed() / count);
}

fn texts() -> Vec<(&'static str, Bytes)> {
    let len = scaled(LEN) as usize;
    let fill = |piece: &[u8]| Bytes::from(piece.repeat(len.div_ceil(piece.len())));
    let noise: Vec<u8> = random(1).take(len).collect();
    let compact = json(false);
    let base64 = STANDARD.encode(&noise);
    let lines: Vec<u8> = base64.as_bytes().chunks(76).flat_map(|line| [line, b"\r\n"].concat()).collect();
    let digests: String = noise.iter().take(len / 2).map(|byte| format!("{byte:02x}")).collect();
    let percent: String = noise.iter().take(len / 3).map(|byte| format!("%{byte:02X}")).collect();
    let query = "https%3A%2F%2Fapi.example.com%2Fv1%2Fcustomers%3Fq%3Dname%2520of%2Bx%26limit%3D10&next=";
    let escaped = |bytes: &[u8]| bytes.iter().flat_map(|byte| format!("%{byte:02x}").into_bytes()).collect::<Vec<u8>>();
    vec![
        ("(a) JSON", fill(&compact)),
        ("(a) JSON, indented", fill(&json(true))),
        ("(b) random", Bytes::from(noise)),
        ("(c) base64", Bytes::from(base64.into_bytes())),
        ("(c) base64 in lines", Bytes::from(lines)),
        ("    hex", Bytes::from(digests.into_bytes())),
        ("(d) percent, all", Bytes::from(percent.into_bytes())),
        ("(d) percent, a query", fill(query.as_bytes())),
        ("(e) all but the last", fill(&KEY[..KEY.len() - 1])),
        ("(e) so in base64", fill(&STANDARD.encode(KEY).as_bytes()[..50])),
        ("(e) so with percent", fill(&escaped(&KEY[..KEY.len() - 1]))),
        ("(e) so, half percent", fill(&[&KEY[..8], &escaped(&KEY[8..39])].concat())),
        ("(e) a", fill(b"a")),
        ("(e) %61", fill(b"%61")),
        ("(e) a%61", fill(b"aaaaaaaaaa%61")),
        ("(e) 16 a, line end", fill(b"YWFhYWFhYWFhYWFh\n")),
        ("    found everywhere", fill(KEY)),
    ]
}

fn json(is_indented: bool) -> Vec<u8> {
    let one = |id: u8| {
        format!(
            "{{\"id\": \"cus_{:x}\",\n  \"object\": \"customer\",\n  \"address\": null,\n  \"balance\": {id},\n  \"created\": 168{id}0012,\n  \
             \"email\": \"jenny{id}@example.com\",\n  \"livemode\": false,\n  \"description\": \"said \\\"hello\\\" & went\",\n  \
             \"url\": \"https://api.example.com/v1/customers/{id}?expand=sk&limit=10\",\n  \"metadata\": {{}}}},\n",
            u64::from(id) * 0x1234_5678_9abc
        )
    };
    let text: String = (0..=255).map(one).collect();
    if is_indented { text.into_bytes() } else { text.replace(",\n  ", ",").into_bytes() }
}

fn random(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        state.to_be_bytes()[0]
    })
}

/// The best of many rounds: others share the machine.
fn speed(secrets: &[&[u8]], text: &Bytes) -> f64 {
    let needles = Arc::new(Needles::new(secrets));
    let chunks: Vec<Bytes> =
        (0..text.len()).step_by(CHUNK).map(|at| text.slice(at..text.len().min(at + CHUNK))).collect();
    let round = || {
        let mut scrubber = Scrubber::new(Arc::clone(&needles));
        let began = Instant::now();
        for chunk in &chunks {
            black_box(scrubber.push(chunk.clone(), false));
        }
        began.elapsed()
    };
    let best = (0..scaled(ROUNDS)).map(|_| round()).min().unwrap_or(Duration::MAX);
    text.len() as f64 / best.as_secs_f64() / 1e6
}

/// A stream of server-sent events, as a model answers.
fn small_chunks() {
    let needles = Arc::new(Needles::new(&[KEY]));
    let mut scrubber = Scrubber::new(needles);
    let event = Bytes::from_static(
        b"data: {\"id\":\"chatcmpl-123\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"}}]}\n\n",
    );
    let began = Instant::now();
    let count = scaled(100_000);
    for _ in 0..count {
        black_box(scrubber.push(event.clone(), false));
    }
    println!("an event of {} bytes takes {:?}", event.len(), began.elapsed() / count);
}

/// The worst that chunks can do: the key as long as escapes make it, byte by byte, so that all of it is held and looked at again each time.
fn drip() {
    let text: Vec<u8> =
        KEY.iter().take(KEY.len() - 1).flat_map(|byte| format!("&#x000000{byte:02x};").into_bytes()).collect();
    let mut scrubber = Scrubber::new(Arc::new(Needles::new(&[KEY])));
    let began = Instant::now();
    for byte in text.repeat(20) {
        black_box(scrubber.push(Bytes::copy_from_slice(&[byte]), false));
    }
    println!("a byte of a needle that drips in takes {:?}", began.elapsed() / (20 * text.len() as u32));
}
