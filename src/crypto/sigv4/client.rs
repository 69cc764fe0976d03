//! What a client brings of its own signature, none of which may reach the target, and the uploads that cannot be signed again.

use http::{HeaderMap, HeaderName, header};
use percent_encoding::percent_decode_str;

use super::canonical::{parameters, push_parameter};
use super::{AMZ_CONTENT_SHA256, UNSIGNED_TRAILER};

/// The fields that a client's signature consists of.
pub static CLIENTS_OWN: [HeaderName; 4] = [
    header::AUTHORIZATION,
    HeaderName::from_static("x-amz-date"),
    HeaderName::from_static("x-amz-security-token"),
    HeaderName::from_static("x-amz-content-sha256"),
];

/// The parameters that the signature of a presigned URL consists of ("Add the signature to the request", query string). The last is not in
/// that list, yet some signers put it there.
const CLIENTS_OWN_PARAMETERS: [&str; 8] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "X-Amz-Content-Sha256",
];

/// Takes all that is left of a client's signature out of the fields. [`Upload::of`] has to be asked before.
pub fn take_off(headers: &mut HeaderMap) {
    for name in &CLIENTS_OWN {
        headers.remove(name);
    }
}

/// The query to send and to sign in place of the client's: without the parameters of a presigned URL, however they are escaped, and without
/// empty ones; all others in their order, escaped in the one way that every signer reads alike. May be empty.
pub fn query_to_send(query: &str) -> String {
    let mut kept = String::with_capacity(query.len());
    for (name, value) in parameters(query).filter(|(name, _)| !is_clients_own(name)) {
        kept.push_str(if kept.is_empty() { "" } else { "&" });
        push_parameter(&mut kept, name);
        if let Some(value) = value {
            kept.push('=');
            push_parameter(&mut kept, value);
        }
    }
    kept
}

fn is_clients_own(name: &str) -> bool {
    let name: Vec<u8> = percent_decode_str(name).collect();
    CLIENTS_OWN_PARAMETERS.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
}

/// How a client sends the body, by its own fields ("Signature calculations for the authorization header: transferring payload in multiple
/// chunks", Amazon S3 API Reference).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upload {
    /// As it is.
    Plain,
    /// In chunks without signatures and with a checksum behind them: to be signed with [`super::Payload::UnsignedTrailer`].
    UnsignedTrailer,
    /// In chunks that are signed one after the other, from the signature of the head on. Only who has the client's key can do that, so this is
    /// to be refused.
    SignedChunks,
}

impl Upload {
    /// What the head, as the client sent it, says of its body.
    pub fn of(headers: &HeaderMap) -> Self {
        let digests = headers.get_all(&AMZ_CONTENT_SHA256);
        let mut streaming = digests.iter().map(|digest| digest.as_bytes().trim_ascii()).filter(is_streaming).peekable();
        if streaming.peek().is_some() {
            let is_unsigned = streaming.all(|digest| digest == UNSIGNED_TRAILER.as_bytes());
            return if is_unsigned && digests.iter().count() == 1 { Self::UnsignedTrailer } else { Self::SignedChunks };
        }
        let mut codings =
            headers.get_all(header::CONTENT_ENCODING).iter().flat_map(|list| list.as_bytes().split(|b| *b == b','));
        let is_chunked = codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"aws-chunked"));
        if is_chunked { Self::SignedChunks } else { Self::Plain }
    }
}

fn is_streaming(digest: &&[u8]) -> bool {
    digest.get(..10).is_some_and(|front| front.eq_ignore_ascii_case(b"STREAMING-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::sigv4::tests::headers;
    use crate::crypto::sigv4::{EMPTY_SHA256, UNSIGNED_PAYLOAD};

    #[test]
    fn a_presigned_query_loses_its_signature_and_keeps_the_rest_in_order() {
        for (query, want) in [
            ("", ""),
            ("z=1&a=2", "z=1&a=2"),
            ("list-type=2&prefix=a/b+c&acl", "list-type=2&prefix=a%2Fb%20c&acl"),
            ("&&z&&", "z"),
            ("X-Amz-Algorithm=AWS4-HMAC-SHA256&z=1&X-Amz-Credential=a&X-Amz-Date=b&X-Amz-Expires=c", "z=1"),
            ("X-Amz-SignedHeaders=a&X-Amz-Signature=b&X-Amz-Security-Token=c&X-Amz-Content-Sha256=d&z=", "z="),
            ("x-amz-signature=a&X-AMZ-DATE&%58-Amz%2dSignature=b&z", "z"),
            ("X-Amz-Signatures=a&X-Amz=b", "X-Amz-Signatures=a&X-Amz=b"),
        ] {
            assert_eq!(query_to_send(query), want, "{query}");
        }
    }

    #[test]
    fn uploads_in_signed_chunks_are_told_from_others() {
        const DIGEST: &str = "x-amz-content-sha256";
        const CODING: &str = "content-encoding";
        let signed = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
        for (fields, want) in [
            (&[][..], Upload::Plain),
            (&[(DIGEST, UNSIGNED_PAYLOAD)], Upload::Plain),
            (&[(DIGEST, EMPTY_SHA256), (CODING, "gzip")], Upload::Plain),
            (&[(DIGEST, signed)], Upload::SignedChunks),
            (&[(DIGEST, "streaming-aws4-hmac-sha256-payload")], Upload::SignedChunks),
            (&[(DIGEST, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")], Upload::SignedChunks),
            (&[(DIGEST, "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD")], Upload::SignedChunks),
            (&[(DIGEST, "STREAMING-")], Upload::SignedChunks),
            (&[(DIGEST, UNSIGNED_TRAILER)], Upload::UnsignedTrailer),
            (&[(DIGEST, UNSIGNED_TRAILER), (CODING, "aws-chunked")], Upload::UnsignedTrailer),
            (&[(DIGEST, UNSIGNED_TRAILER), (DIGEST, signed)], Upload::SignedChunks),
            (&[(DIGEST, UNSIGNED_TRAILER), (DIGEST, UNSIGNED_PAYLOAD)], Upload::SignedChunks),
            (&[(CODING, "aws-chunked")], Upload::SignedChunks),
            (&[(CODING, "gzip, AWS-Chunked")], Upload::SignedChunks),
            (&[(CODING, "gzip"), (CODING, "aws-chunked,br")], Upload::SignedChunks),
            (&[(CODING, "aws-chunked-not")], Upload::Plain),
            (&[(DIGEST, UNSIGNED_PAYLOAD), (CODING, "aws-chunked")], Upload::SignedChunks),
        ] {
            assert_eq!(Upload::of(&headers(fields)), want, "{fields:?}");
        }
    }
}
