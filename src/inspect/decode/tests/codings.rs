//! Content codings: taken off, bounded, and believed in nothing.

use std::io::{Read as _, Write as _};

use super::*;

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).expect("written");
    encoder.finish().expect("finished")
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).expect("written");
    encoder.finish().expect("finished")
}

fn deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).expect("written");
    encoder.finish().expect("finished")
}

fn brotli(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    brotli::CompressorReader::new(body, 4096, 5, 22).read_to_end(&mut out).expect("compressed");
    out
}

fn zstd(body: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(body, 3).expect("compressed")
}

type Encoder = fn(&[u8]) -> Vec<u8>;
const ENCODERS: [(&str, Encoder); 5] =
    [("gzip", gzip), ("deflate", zlib), ("deflate", deflate), ("br", brotli), ("zstd", zstd)];

fn coded(coding: &str, text: &[u8]) -> Result<Vec<String>, FaultKind> {
    let mut all = All::default();
    let headers = headers(&[("content-type", "application/json"), ("content-encoding", coding)]);
    body(&headers, text, &Limits::default(), &mut all).map_err(|fault| fault.kind)?;
    Ok(all.0)
}

#[test]
fn codings_are_taken_off() {
    let text = format!("[\"{}\"]", "x y ".repeat(50_000));
    for (name, encode) in ENCODERS {
        assert_values(&coded(name, &encode(b"[\"a\"]")), &["body[0]=a"], name);
        assert_values(&coded(name, &encode(text.as_bytes())), &[&format!("body[0]={}", "x y ".repeat(50_000))], name);
        assert_values(&coded(&format!("{name}, gzip"), &gzip(&encode(b"[\"a\"]"))), &["body[0]=a"], name);
    }
    assert_values(&coded("identity", b"[\"a\"]"), &["body[0]=a"], "identity");
    assert_values(&coded("X-GZIP, identity", &gzip(b"[\"a\"]")), &["body[0]=a"], "old name");
}

#[test]
fn codings_that_lie_are_refused() {
    for (name, encode) in ENCODERS {
        let good = encode(b"[\"a\"]");
        assert_eq!(coded(name, &[&good[..], b"x"].concat()), Err(FaultKind::BrokenCoding), "{name} and more");
        assert_eq!(coded(name, &[&good[..], &good].concat()), Err(FaultKind::BrokenCoding), "{name} twice");
        assert_eq!(coded(name, &good[..good.len() - 1]), Err(FaultKind::BrokenCoding), "{name} cut");
        assert!(coded(name, b"[\"a\"]").is_err(), "{name} it is not");
    }
    for name in ["x-unknown", "compress", "gzip, x", "gzip; q=1", "", "snappy"] {
        assert_eq!(coded(name, b"x"), Err(FaultKind::UnknownCoding), "{name}");
    }
    assert_eq!(coded("gzip, gzip, gzip", b"x"), Err(FaultKind::UnknownCoding));
}

#[test]
fn bombs_are_stopped_while_they_go_off() {
    let zeros = vec![b' '; 64 << 20];
    for (name, encode) in ENCODERS {
        let bomb = encode(&zeros);
        assert_eq!(coded(name, &bomb), Err(FaultKind::Bomb), "{name} of {} bytes", bomb.len());
        assert_eq!(coded(&format!("{name}, gzip"), &gzip(&bomb)), Err(FaultKind::Bomb), "{name} twice");
    }
    // Within 1 MiB all may be the same.
    let small = [b"[1".as_slice(), &vec![b' '; 1 << 19], b"]"].concat();
    assert_eq!(coded("gzip", &gzip(&small)), Ok(vec![]));
}

#[test]
fn messages_in_frames_are_taken_out_of_their_coding() {
    let message = gzip(b"\x0a\x03a'b");
    let frame = [&[1][..], &(message.len() as u32).to_be_bytes(), &message].concat();
    let mut all = All::default();
    let fields = headers(&[("content-type", "application/grpc"), ("grpc-encoding", "gzip")]);
    body(&fields, &frame, &Limits::default(), &mut all).expect("read");
    assert_eq!(all.0, ["body[0][1]=a'b"]);
}

#[test]
fn brotli_is_read_with_any_window() {
    // Not all the same, and larger than the window that is tried first.
    let noise = |n: u32| n.wrapping_mul(2_654_435_761).to_be_bytes();
    let large: Vec<u8> = (0..600_000).flat_map(|n| if n % 7 < 3 { noise(n) } else { noise(n % 1_000) }).collect();
    for (window, body) in
        [(10, &large[..4_000]), (18, &large), (22, &large[..900_000]), (22, &large), (24, &large[..10]), (24, &large)]
    {
        let mut coded = Vec::new();
        brotli::CompressorReader::new(body, 4096, 5, window).read_to_end(&mut coded).expect("compressed");
        let inflated = coding::inflate(coding::Coding::Brotli, &coded, &Limits::default());
        assert!(inflated.as_deref() == Ok(body), "{window} {} {:?}", body.len(), inflated.map(|body| body.len()));
    }
}
