//! What the process's memory holds of a secret that was replaced or withdrawn: nothing, however it was sent.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    process::Stdio,
    sync::atomic::AtomicU32,
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write};
use memchr::memmem;

use crate::support::{
    eventually,
    gateway::{Gateway, Site, program},
    http1::Message,
    issuer::Issuer,
    raw::request,
    scene::{Extra, Scene, config},
    tls::Authority,
    upstream::{Then, Upstream, Wire},
};

const OLD: &str = "old-0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c";
const NEW: &str = "new-c5b6a7f8e9d0c1b2a3f4e5d6c7b8a9f0";

/// How long after a change nothing of the old secret may be left; twice what is told, for a busy machine.
const LEFT: Duration = Duration::from_secs(10);

/// One route for each place that a secret is sent in.
const PLACES: [(&str, &str); 5] = [
    ("header", "name = \"x-api-key\""),
    ("basic", "username = \"user\""),
    ("query", "parameter = \"key\""),
    ("path", "template = \"/bot{secret}\""),
    ("body", "placeholder = \"__API_KEY__\"\nfield = \"key\""),
];

fn tables() -> String {
    let one = |(place, more): (&str, &str)| {
        format!(
            r#"
[credential.{place}.{place}]
target = "api"
secret = "local:kept"
{more}
[route.{place}]
path = "/{place}/**"
target = "api"
credential = "{place}"
authn = ["corp"]
allow = [{{ role = "reader" }}]
"#
        )
    };
    let vault = "[vault.local.sealed_file]\npath = \"secrets.sealed\"\nkey_file = \"master.key\"\n";
    vault.to_owned() + &PLACES.map(one).concat()
}

/// `claviger vault`, in the gateway's folder.
fn vault(site: &Site, verb: &str, more: &[&str], input: &str) {
    let (file, key) = (site.path("secrets.sealed"), site.path("master.key"));
    let mut command = program();
    command.args(["vault", verb, &file]).args(more).args(["--key-file", &key]);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the program runs");
    process.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("written");
    assert!(process.wait().expect("our child").success(), "{verb}");
}

/// How often a secret stands in what the process can write to, as it is, in base64 (as in the file), in hexadecimal and as UTF-16.
///
/// # Errors
/// When the system shows nobody the memory of the process, which it shields itself.
fn copies(pid: u32, secret: &str) -> io::Result<usize> {
    let wide: Vec<u8> = secret.bytes().flat_map(|byte| [byte, 0]).collect();
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let forms = [secret.as_bytes().to_vec(), STANDARD.encode(secret).into_bytes(), hex.into_bytes(), wide];
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let (mut count, mut read) = (0, 0_u64);
    for line in fs::read_to_string(format!("/proc/{pid}/maps"))?.lines() {
        let mut words = line.split_whitespace();
        let (Some((from, to)), Some(rights)) = (words.next().and_then(|range| range.split_once('-')), words.next())
        else {
            continue;
        };
        if !rights.starts_with("rw") {
            continue;
        }
        let address = |text| u64::from_str_radix(text, 16).expect("an address");
        let (from, to) = (address(from), address(to));
        // In pieces that overlap by as much as a form is long.
        let mut piece = vec![0; 1 << 20];
        for at in (from..to).step_by(piece.len() - 256) {
            let length = usize::try_from(to - at).unwrap_or(usize::MAX).min(piece.len());
            // What is reserved and was never touched cannot be read.
            let Ok(got) = memory.read_at(&mut piece[..length], at) else { continue };
            read += got as u64;
            // One that stands in the overlap is found in the next piece.
            let own = if at + length as u64 >= to { got } else { got.saturating_sub(256) };
            let places = forms.iter().flat_map(|form| memmem::find_iter(&piece[..got], form));
            count += places.filter(|place| *place < own).count();
        }
    }
    assert!(read > 1 << 20, "what was looked at is the memory of a process: {read} bytes");
    Ok(count)
}

/// Waits until none is left; tells how long that took.
fn wait_until_none_is_left(pid: u32, secret: &str, since: Instant) {
    let mut left = Vec::new();
    loop {
        let count = copies(pid, secret).expect("read before");
        if count == 0 {
            return;
        }
        left.push(count);
        assert!(since.elapsed() < LEFT, "copies of the old secret are left: {left:?}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// One request by each route, with bodies of many lengths, on many connections at once: what is freed then is not soon used again.
fn burst(scene: &Scene) {
    let bearer = scene.bearer();
    let one = |nth: usize| {
        let headers = [("Host", "api.test"), ("Authorization", &*bearer), ("Content-Type", "application/json")];
        for (place, _) in PLACES {
            let path = format!("/{place}/{}", "x".repeat(nth * 40));
            let body = format!("{{\"more\": \"{}\", \"key\": \"__API_KEY__\"}}", "y".repeat(nth * 2000));
            let answer = scene.gateway.send(&request("POST", &path, &headers, body.as_bytes()));
            assert_eq!(answer.status(), 200, "{place}: {}", answer.text());
        }
    };
    thread::scope(|scope| {
        for nth in 0..32 {
            scope.spawn(move || one(nth));
        }
    });
}

fn nothing_is_left(upstream: Upstream, target: &str, authority: Option<&Authority>, sent: fn(&Scene)) {
    let issuer = Issuer::start();
    let gateway = Gateway::start(|site| {
        vault(site, "init", &[], "");
        vault(site, "set", &["kept"], OLD);
        authority.inspect(|authority| drop(site.write("ours.pem", authority.pem())));
        config(site, &issuer, &upstream, &Extra { tables: &tables(), target, ..Extra::default() })
    });
    let scene = Scene { issuer, upstream, gateway, bare: AtomicU32::default() };
    let (site, pid) = (scene.gateway.site(), scene.gateway.pid());
    sent(&scene);
    match copies(pid, OLD) {
        Ok(count) => assert!(count > 0, "one that is in use is found"),
        Err(error) => {
            println!("skipped: the memory of the gateway cannot be read ({error}), which only root may");
            return;
        }
    }

    // Replaced, and used once: not so often that all that was freed would have been used again.
    let changed = Instant::now();
    vault(site, "set", &["kept"], NEW);
    eventually("the new one is in use", || {
        assert_eq!(scene.get("/header/x").status(), 200);
        (scene.upstream.requests().pop()?.header("x-api-key") == Some(NEW)).then_some(())
    });
    wait_until_none_is_left(pid, OLD, changed);
    assert!(copies(pid, NEW).expect("read before") > 0, "the one that is in use is found");

    // Withdrawn, and nobody comes any more.
    sent(&scene);
    let changed = Instant::now();
    vault(site, "rm", &["kept"], "");
    wait_until_none_is_left(pid, NEW, changed);
    assert_eq!(scene.get("/header/x").status(), 503);
}

#[test]
fn nothing_is_left_of_a_secret_that_was_replaced_or_withdrawn() {
    nothing_is_left(Upstream::start(|_, wire| wire.respond(200, &[], b"fine")), "", None, burst);
}

#[test]
fn nothing_is_left_of_one_that_was_sent_over_tls() {
    let ours = Authority::new("ours");
    let serving = ours.serving(&ours.server(&["api.test"]), false);
    let upstream = Upstream::start_tls(serving, |_, wire| wire.respond(200, &[], b"fine"));
    nothing_is_left(upstream, "server_name = \"api.test\"\nca = \"ours.pem\"", Some(&ours), burst);
}

/// How an answer is coded.
const CODINGS: [&str; 5] = ["identity", "gzip", "deflate", "br", "zstd"];

/// How much stands in an answer before the secret that it repeats, and behind it, in bytes: less than a piece, more than a window of gzip has,
/// and more than is read at once.
const AROUND: [usize; 3] = [6_000, 40_000, 300_000];

/// Letters that do not repeat, so that they take room however they are coded.
fn letters(count: usize, seed: u64) -> Vec<u8> {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ .,;:";
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ALPHABET[(state >> 33) as usize % ALPHABET.len()]
    };
    (0..count).map(|_| next()).collect()
}

/// Answers `…/CODING/AROUND` with the key that was sent, amid that many letters, in that coding.
fn repeat(request: &Message, wire: &mut Wire<'_>) -> io::Result<Then> {
    let mut parts = request.path().rsplit('/');
    let around = parts.next().and_then(|text| text.parse().ok());
    let coding = parts.next().unwrap_or_default();
    let (Some(around), Some(key)) = (around, request.header("x-api-key")) else {
        return wire.respond(200, &[], b"fine");
    };
    let text = [letters(around, 1), key.as_bytes().to_vec(), letters(around, 2)].concat();
    let coded = match coding {
        "gzip" => {
            let mut coder = write::GzEncoder::new(Vec::new(), Compression::default());
            coder.write_all(&text)?;
            coder.finish()?
        }
        "deflate" => {
            let mut coder = write::ZlibEncoder::new(Vec::new(), Compression::default());
            coder.write_all(&text)?;
            coder.finish()?
        }
        "br" => {
            let mut coder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
            coder.write_all(&text)?;
            coder.into_inner()
        }
        "zstd" => zstd::encode_all(&text[..], 3)?,
        _ => text,
    };
    let fields = [("Content-Type", "text/plain"), ("Content-Encoding", coding)];
    wire.respond(200, if coding == "identity" { &fields[..1] } else { &fields }, &coded)
}

/// An answer of each size in each coding, several at once.
fn repeated(scene: &Scene) {
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for (coding, around) in CODINGS.iter().flat_map(|coding| AROUND.map(|around| (coding, around))) {
                    let answer = scene.get(&format!("/header/{coding}/{around}"));
                    assert_eq!(answer.status(), 200, "{coding} {around}");
                    let masked = [letters(around, 1), vec![b'*'; OLD.len()], letters(around, 2)].concat();
                    assert!(answer.body == masked, "{coding} {around}: {} bytes", answer.body.len());
                }
            });
        }
    });
}

#[test]
fn nothing_is_left_of_one_that_answers_repeat() {
    nothing_is_left(Upstream::start(repeat), "", None, repeated);
}
