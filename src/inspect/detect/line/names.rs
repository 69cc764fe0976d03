//! Names of header fields, in lower case, and of methods.

/// Fields that attacks add to responses, requests and mails, and that no text of a user has at the beginning of its second line.
pub(super) fn is_injected(name: &[u8]) -> bool {
    matches!(
        name,
        b"access-control-allow-origin"
            | b"bcc"
            | b"clear-site-data"
            | b"content-disposition"
            | b"content-length"
            | b"content-security-policy"
            | b"content-transfer-encoding"
            | b"content-type"
            | b"mime-version"
            | b"proxy-authorization"
            | b"refresh"
            | b"remote-addr"
            | b"set-cookie"
            | b"set-cookie2"
            | b"transfer-encoding"
            | b"x-forwarded-for"
            | b"x-forwarded-host"
            | b"x-frame-options"
            | b"x-original-url"
            | b"x-rewrite-url"
            | b"x-xss-protection"
    )
}

/// Fields that count where a value has one line: in the path, in parameters, in cookies and fields.
pub(super) fn is_header(name: &[u8]) -> bool {
    matches!(
        name,
        b"accept"
            | b"authorization"
            | b"cache-control"
            | b"cc"
            | b"client-ip"
            | b"connection"
            | b"content-encoding"
            | b"content-location"
            | b"cookie"
            | b"etag"
            | b"expires"
            | b"from"
            | b"host"
            | b"last-modified"
            | b"link"
            | b"location"
            | b"origin"
            | b"pragma"
            | b"referer"
            | b"reply-to"
            | b"return-path"
            | b"server"
            | b"strict-transport-security"
            | b"subject"
            | b"to"
            | b"true-client-ip"
            | b"upgrade"
            | b"user-agent"
            | b"vary"
            | b"via"
            | b"www-authenticate"
            | b"x-client-ip"
            | b"x-forwarded-proto"
            | b"x-http-method-override"
            | b"x-mailer"
            | b"x-real-ip"
    )
}

/// Methods of HTTP, WebDAV and of servers' debugging.
pub(super) fn is_method(method: &[u8]) -> bool {
    matches!(
        method,
        b"CONNECT"
            | b"COPY"
            | b"DEBUG"
            | b"DELETE"
            | b"GET"
            | b"HEAD"
            | b"LOCK"
            | b"MKCOL"
            | b"MOVE"
            | b"OPTIONS"
            | b"PATCH"
            | b"POST"
            | b"PROPFIND"
            | b"PROPPATCH"
            | b"PUT"
            | b"SEARCH"
            | b"TRACE"
            | b"TRACK"
            | b"UNLOCK"
    )
}

/// Whether a text ends with a method by which requests are sent, whatever letters stand before it.
pub(super) fn ends_with_method(text: &[u8]) -> bool {
    [&b"GET"[..], b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS"].iter().any(|method| text.ends_with(method))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found() {
        assert!(
            is_injected(b"set-cookie") && is_injected(b"access-control-allow-origin") && is_injected(b"x-rewrite-url")
        );
        assert!(is_header(b"accept") && is_header(b"x-real-ip") && !is_header(b"note"));
        assert!(is_method(b"CONNECT") && is_method(b"UNLOCK") && !is_method(b"get"));
    }
}
