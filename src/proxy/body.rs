//! The request's body on its way: how much has come, whether it is the one that was signed, and what is sent in its place.

use std::mem;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use crate::authn::{BodyCheck, BodyDigest};
use crate::domain::{AuthnFault, Denial};
use crate::inject::Filled;

use super::windows::Windows;

/// A body under way. One that was signed is kept back until all of it was found to be right, up to [`MAX_HELD`]; of a longer one the last
/// bytes that came always are, so that the upstream never has the whole of another.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) deadline: Instant,
    seen: u64,
    signed: Option<Box<Signed>>,
    /// What goes on in its place, where a secret was put in it.
    filled: Option<Filled>,
    /// How it is looked through on its way; none where it was before, or is not.
    pub(super) windows: Option<Box<Windows>>,
    /// Whether all has gone on.
    is_over: bool,
}

#[derive(Debug)]
struct Signed {
    digest: BodyDigest,
    /// None when the end has come.
    check: Option<BodyCheck>,
    held: BytesMut,
}

/// The most of a signed body that is kept back, in bytes, besides what came last.
const MAX_HELD: usize = 64 * 1024;

impl Body {
    /// A body of which nothing has come, with the digest that it must have.
    pub(super) fn new(digest: Option<BodyDigest>, deadline: Instant) -> Self {
        let signed =
            digest.map(|digest| Box::new(Signed { check: Some(digest.begin()), digest, held: BytesMut::new() }));
        Self { deadline, seen: 0, signed, filled: None, windows: None, is_over: false }
    }

    /// The same, with another one to go on in its place.
    pub(super) fn replaced_by(self, filled: Option<Filled>) -> Self {
        Self { filled, ..self }
    }

    /// The same, to be looked through on its way.
    pub(super) fn watched_by(self, windows: Option<Box<Windows>>) -> Self {
        Self { windows, ..self }
    }

    /// Begins anew: another attempt sends the body from its beginning.
    pub(super) fn restart(&mut self) {
        self.seen = 0;
        self.is_over = false;
        if let Some(windows) = &mut self.windows {
            windows.restart();
        }
        if let Some(signed) = &mut self.signed {
            signed.check = Some(signed.digest.begin());
            signed.held.clear();
        }
    }

    /// Takes what has come and leaves what may go on.
    ///
    /// # Errors
    /// [`Denial::BodyTooLarge`], [`AuthnFault::Digest`] for a body that was not signed, or what was found in it; nothing more of it may go on
    /// then.
    pub(super) fn take(&mut self, chunk: &mut Option<Bytes>, is_end: bool, limit: u64) -> Result<(), Denial> {
        self.seen += chunk.as_ref().map_or(0, Bytes::len) as u64;
        if self.seen > limit {
            return Err(Denial::BodyTooLarge);
        }
        // A chunk that is none is the end for Pingora, whatever it says besides.
        let is_end = is_end || chunk.is_none();
        self.signed.as_mut().map_or(Ok(()), |signed| signed.take(chunk, is_end))?;
        if let Some(windows) = &mut self.windows {
            windows.take(chunk, is_end)?;
        }
        if let Some(filled) = &self.filled {
            // All of it at the end, whatever came before: what came has been judged by then. Never none, which would end the body.
            let is_last = is_end && !mem::replace(&mut self.is_over, true);
            *chunk = Some(if is_last { filled.bytes().clone() } else { Bytes::new() });
        }
        Ok(())
    }
}

impl Signed {
    fn take(&mut self, chunk: &mut Option<Bytes>, is_end: bool) -> Result<(), Denial> {
        let wrong = Denial::Unauthenticated(AuthnFault::Digest);
        let next = chunk.clone().unwrap_or_default();
        let Some(mut check) = self.check.take() else {
            return if next.is_empty() { Ok(()) } else { Err(wrong) };
        };
        check.update(&next);
        if !is_end {
            self.check = Some(check);
            let is_long = self.held.len() + next.len() > MAX_HELD;
            // Never none, which would end the body.
            *chunk = Some(if is_long { self.held.split().freeze() } else { Bytes::new() });
            self.held.extend_from_slice(&next);
            return Ok(());
        }
        if !check.is_right() {
            return Err(wrong);
        }
        if !self.held.is_empty() {
            let mut all = mem::take(&mut self.held);
            all.extend_from_slice(&next);
            *chunk = Some(all.freeze());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";

    /// What goes on of these chunks, the last of which is the end, and what it comes to.
    fn pass(body: &mut Body, chunks: &[Option<&'static str>]) -> (String, Result<(), Denial>) {
        let mut passed = String::new();
        for (n, chunk) in chunks.iter().enumerate() {
            let mut chunk = chunk.map(|text| Bytes::from_static(text.as_bytes()));
            let is_end = n + 1 == chunks.len();
            if let Err(denial) = body.take(&mut chunk, is_end, 100) {
                return (passed, Err(denial));
            }
            assert!(is_end || chunk.is_some(), "none would end the body");
            passed.push_str(&String::from_utf8_lossy(&chunk.unwrap_or_default()));
        }
        (passed, Ok(()))
    }

    #[test]
    fn the_last_bytes_go_on_only_when_all_are_right() {
        let wrong = Err(Denial::Unauthenticated(AuthnFault::Digest));
        let digest = BodyDigest::parse(HELLO.as_bytes()).expect("a digest");
        let mut body = Body::new(Some(digest), Instant::now());
        for (chunks, passed, want) in [
            (&[Some("hello")][..], "hello", Ok(())),
            (&[Some("hel"), Some("lo")], "hello", Ok(())),
            (&[Some("hel"), Some(""), Some("lo"), None], "hello", Ok(())),
            (&[Some("hello"), Some("")], "hello", Ok(())),
            (&[Some("hellx")], "", wrong),
            (&[Some("hellx"), None], "", wrong),
            (&[Some("hel"), Some("lx"), None], "", wrong),
            (&[Some("hel"), None], "", wrong),
            (&[None], "", wrong),
            (&[Some("hello"), Some("!"), None], "", wrong),
        ] {
            body.restart();
            assert_eq!(pass(&mut body, chunks), (passed.to_owned(), want), "{chunks:?}");
        }
        body.restart();
        assert_eq!(pass(&mut body, &[Some("hello")]).1, Ok(()));
        assert_eq!(pass(&mut body, &[None]).1, Ok(()), "told twice that it ended");
        assert_eq!(pass(&mut body, &[Some("more")]).1, wrong, "and yet something comes");
    }

    #[test]
    fn a_body_that_was_not_signed_goes_on_as_it_comes_up_to_the_limit() {
        let mut body = Body::new(None, Instant::now());
        assert_eq!(pass(&mut body, &[Some("hel"), Some("lo")]), ("hello".to_owned(), Ok(())));
        let long = "x".repeat(100);
        let mut chunk = Some(Bytes::from(long));
        assert_eq!(body.take(&mut chunk, true, 100), Err(Denial::BodyTooLarge));
    }

    #[test]
    fn a_body_with_a_secret_goes_on_once_and_after_the_clients_was_found_to_be_right() {
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", http::HeaderValue::from_static("application/json"));
        let filled = crate::inject::testing::filled(&headers, "__API_KEY__", "s3cr3t");
        let digest = BodyDigest::parse(HELLO.as_bytes()).expect("a digest");
        for (digest, last, want) in [
            (None, "lo", Ok(())),
            (Some(digest.clone()), "lo", Ok(())),
            (Some(digest), "lx", Err(Denial::Unauthenticated(AuthnFault::Digest))),
        ] {
            let mut body = Body::new(digest, Instant::now()).replaced_by(filled.clone());
            for _ in 0..2 {
                let passed = if want.is_ok() { r#"{"key":"s3cr3t"}"# } else { "" };
                assert_eq!(pass(&mut body, &[Some("hel"), Some(last)]), (passed.to_owned(), want));
                assert!(
                    want.is_err() || pass(&mut body, &[None]) == (String::new(), Ok(())),
                    "told twice that it ended"
                );
                body.restart();
            }
        }
    }

    #[test]
    fn of_a_body_too_long_to_keep_back_the_last_bytes_are() {
        let digest = BodyDigest::parse(HELLO.as_bytes()).expect("a digest");
        let mut body = Body::new(Some(digest), Instant::now());
        let part = Bytes::from(vec![b'x'; 40 * 1024]);
        let mut passed = Vec::new();
        for _ in 0..4 {
            let mut chunk = Some(part.clone());
            body.take(&mut chunk, false, 1 << 20).expect("not the end");
            passed.push(chunk.expect("never none").len() / 1024);
        }
        assert_eq!(passed, [0, 40, 40, 40]);
        let mut last = Some(part);
        assert_eq!(body.take(&mut last, true, 1 << 20), Err(Denial::Unauthenticated(AuthnFault::Digest)));
    }
}
