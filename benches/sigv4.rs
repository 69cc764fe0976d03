//! What signing one request costs: the median of many rounds. Judges nothing; says what the aim is and whether it was met.
//!
//! `cargo bench --bench sigv4`

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints its figures, and one that cannot go on says where and stops"
)]

use std::hint::black_box;
use std::time::{Duration, Instant, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use claviger::crypto::sigv4::{
    AccessKey, DayKey, Head, Payload, Settings, Signer, SigningTime, query_to_send, take_off,
};

const ROUNDS: u32 = 200;
const TURNS: u32 = 500;
mod scaled;

use scaled::scaled;

const SECRET: &[u8] = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// The median time of one turn, in microseconds.
fn median(mut turn: impl FnMut()) -> f64 {
    let turns = scaled(TURNS);
    let mut rounds: Vec<f64> = (0..scaled(ROUNDS))
        .map(|_| {
            let start = Instant::now();
            (0..turns).for_each(|_| turn());
            start.elapsed().as_secs_f64() * 1e6 / f64::from(turns)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

fn tell(what: &str, got: f64, aim: f64) {
    let verdict = if got <= aim { "met" } else { "MISSED" };
    println!("{what:<66} {got:>9.3} us  (aim {aim} us: {verdict})");
}

/// Fields of one KiB, twelve of them, eight of which are signed.
fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut put = |name: &'static str, value: &str| {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"));
    };
    put("host", "examplebucket.s3.eu-central-1.amazonaws.com");
    put("content-type", "application/octet-stream");
    put("content-md5", "rL0Y20zC+Fzt72VPzMSk2A==");
    put("content-length", "1024");
    put("user-agent", "aws-cli/2.17.0 md/awscrt#0.20.11 ua/2.0 os/linux#6.1 md/arch#x86_64 lang/python#3.11.8");
    put("accept", "*/*");
    put("accept-encoding", "gzip, deflate, br");
    put("x-request-id", "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b");
    put("x-amz-storage-class", "STANDARD_IA");
    put("x-amz-server-side-encryption", "aws:kms");
    put(
        "x-amz-server-side-encryption-aws-kms-key-id",
        "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    );
    put("x-amz-tagging", &"team=platform&stage=prod&".repeat(12));
    headers
}

fn main() {
    let at = SigningTime::new(UNIX_EPOCH + Duration::from_secs(1_440_938_160)).expect("a time");
    let key = DayKey::derive(SECRET, &at, "eu-central-1", "s3").expect("derived");
    let access = AccessKey::new("AKIDEXAMPLE", Some(&[b'x'; 400])).expect("an access key");
    let settings = Settings::for_service("s3");
    let signer = Signer { access: &access, key: &key, settings: &settings };
    let mut headers = headers();
    take_off(&mut headers);
    let query = query_to_send("partNumber=7&uploadId=VXBsb2FkIElEIGZvciA2aWWpbmcncyBteS1tb3ZpZS5tMnRz&x-id=UploadPart");
    let method = Method::PUT;
    let path = "/backups/2015/08/30/database%20dump.tar.gz";
    let head = Head { method: &method, path, query: Some(&query), headers: &headers };
    let body = [7; 1024];
    let digest = |body: &[u8]| -> [u8; 32] {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body);
        digest.as_ref().try_into().expect("32 bytes")
    };
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    println!("a head of {} bytes", bytes + path.len() + query.len() + 16);
    let sign = |payload| black_box(signer.sign(black_box(&head), payload, &at)).expect("signed");
    let unsigned = median(|| drop(sign(Payload::Unsigned)));
    tell("signing a head, key of the day at hand, payload unsigned", unsigned, 15.0);
    let signed = median(|| drop(sign(Payload::Signed(digest(black_box(&body))))));
    tell("the same with the SHA-256 digest of a body of 1 KiB", signed, 15.0);
    let timed =
        median(|| drop(black_box(SigningTime::new(black_box(UNIX_EPOCH + Duration::from_secs(1_440_938_160))))));
    tell("the time in its form", timed, 2.0);
    let derived = median(|| drop(black_box(DayKey::derive(black_box(SECRET), &at, "eu-central-1", "s3"))));
    tell("deriving the key of a day", derived, 15.0);
    let cleaned = median(|| drop(black_box(query_to_send(black_box(&query)))));
    tell("the query to send", cleaned, 2.0);
}
