//! The client's address behind proxies that are trusted to tell it, and the header fields in which such things are told.

use std::net::IpAddr;

use http::HeaderMap;

use crate::domain::{NetworkSet, canonical_ip};

/// Whether a field tells where a request came from, who sent it, or what it was before a rewrite. Believed only from trusted proxies, and
/// only for the address; never passed on, since an upstream might act on it.
pub(super) fn tells_of_another(name: &str) -> bool {
    const BEGINNINGS: [&str; 20] = [
        "x-forwarded-",
        "x-original-",
        "x-envoy-",
        "x-ssl-",
        "ssl-client-",
        "x-client-cert",
        "x-client-verify",
        "x-amzn-mtls-",
        "x-amzn-oidc-",
        "x-appengine-",
        "x-auth-request-",
        "x-goog-authenticated-user-",
        "x-goog-iap-",
        "x-ms-client-principal",
        "x-ms-token-",
        "x-override-",
        "x-remote-",
        "x-webauth-",
        "remote-",
        // Makes Kubernetes take the gateway's own account for whom or what group the client names.
        "impersonate-",
    ];
    const NAMES: [&str; 35] = [
        "forwarded",
        "forwarded-for",
        "x-forwarded",
        "x-originating-ip",
        "x-proxyuser-ip",
        "x-azure-clientip",
        "x-arr-clientcert",
        "x-client-ip",
        "ali-cdn-real-ip",
        "cf-connecting-ipv6",
        "x-host",
        "x-real-ip",
        "x-cluster-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "fastly-client-ip",
        "x-rewrite-url",
        "x-method",
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "client-cert",
        "client-cert-chain",
        "x-rewrite-uri",
        "x-request-uri",
        "x-waws-unencoded-url",
        "x-script-name",
        "script-name",
        "x-http-host-override",
        "x-http-path-override",
        "x-url-scheme",
        "front-end-https",
        // Becomes a variable that programs take for the proxy to use (CVE-2016-5385).
        "proxy",
        // Tells a framework that its own checks were made (CVE-2025-29927).
        "x-middleware-subrequest",
        "x-authenticated-user",
    ];
    // Most names begin otherwise, and every request's are asked.
    matches!(name.as_bytes().first(), Some(b'x' | b'f' | b't' | b'c' | b's' | b'r' | b'a' | b'p' | b'i'))
        && (BEGINNINGS.iter().any(|beginning| name.starts_with(beginning)) || NAMES.contains(&name))
}

/// The most hops that are looked at.
const MAX_HOPS: usize = 32;

/// The client's address: the peer's, or, where the peer is trusted, the last address before the trusted ones in `Forwarded` (RFC 7239) or
/// `X-Forwarded-For`. An entry that is no address ends the search at the hop that told it. None where `Forwarded` can be read in two ways, and where
/// there are both and they do not agree: a proxy that writes one passes the other on as the client wrote it, and neither the client's word nor the
/// proxy's own address may stand for it.
pub(super) fn client_address(peer: IpAddr, trusted: &NetworkSet, headers: &HeaderMap) -> Option<IpAddr> {
    let peer = canonical_ip(peer);
    if !trusted.contains(peer) {
        return Some(peer);
    }
    let told = [forwarded_for(headers)?, x_forwarded_for(headers)].map(|hops| told_by(peer, trusted, hops));
    match told {
        [Some(one), Some(other)] if one != other => None,
        [one, other] => one.or(other).or(Some(peer)),
    }
}

/// What one field tells, if it is there.
fn told_by(peer: IpAddr, trusted: &NetworkSet, hops: Vec<Option<IpAddr>>) -> Option<IpAddr> {
    if hops.is_empty() {
        return None;
    }
    let mut client = peer;
    for hop in hops.into_iter().rev().take(MAX_HOPS) {
        let Some(address) = hop else { break };
        client = address;
        if !trusted.contains(address) {
            break;
        }
    }
    Some(client)
}

fn x_forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all("x-forwarded-for").iter();
    lines.flat_map(|line| line.to_str().unwrap_or("?").split(',').map(node_address).collect::<Vec<_>>()).collect()
}

/// The `for` of each element of `Forwarded` (RFC 7239 §4). None where it has not that form: a proxy may have put what the client wrote into another
/// parameter, and what ends that one may begin another.
fn forwarded_for(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    let mut hops = Vec::new();
    for line in headers.get_all("forwarded") {
        for element in split(line.to_str().ok()?, b',')? {
            let mut told = None;
            for pair in split(element, b';')?.into_iter().map(str::trim).filter(|pair| !pair.is_empty()) {
                let (name, value) = pair.split_once('=')?;
                let value = unquoted(value)?;
                if name.eq_ignore_ascii_case("for") && told.replace(node_address(&value)).is_some() {
                    return None;
                }
            }
            hops.push(told.flatten());
        }
    }
    Some(hops)
}

/// What stands between signs that are not in quotes; none where quotes do not end.
fn split(text: &str, sign: u8) -> Option<Vec<&str>> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            byte if byte == sign && !is_quoted => {
                parts.push(text.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..)?);
    (!is_quoted).then_some(parts)
}

/// A token as it is, and what a quoted string says; none where quotes stand elsewhere.
fn unquoted(value: &str) -> Option<String> {
    let Some(rest) = value.strip_prefix('"') else { return (!value.contains('"')).then(|| value.to_owned()) };
    let (mut said, mut chars) = (String::new(), rest.strip_suffix('"')?.chars());
    while let Some(char) = chars.next() {
        match char {
            '\\' => said.push(chars.next()?),
            '"' => return None,
            char => said.push(char),
        }
    }
    Some(said)
}

/// An address, in brackets or with a port as the two fields allow.
fn node_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']')?.0.parse().ok().map(canonical_ip);
    }
    let host = match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => host,
        _ => text,
    };
    host.parse().ok().map(canonical_ip)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    #[test]
    fn only_trusted_peers_are_believed() {
        let trusted = NetworkSet::new(vec!["10.0.0.0/8".parse().expect("network")]);
        for (peer, field, value, want) in [
            ("192.0.2.1", "x-forwarded-for", "203.0.113.9", "192.0.2.1"),
            ("10.0.0.1", "x-forwarded-for", "203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "x-forwarded-for", "1.1.1.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
            ("10.0.0.1", "x-forwarded-for", "1.1.1.1, junk, 10.0.0.2", "10.0.0.2"),
            ("10.0.0.1", "x-forwarded-for", "[2001:db8::7]:80", "2001:db8::7"),
            ("10.0.0.1", "x-forwarded-for", "203.0.113.9:1234", "203.0.113.9"),
            ("10.0.0.1", "forwarded", "for=1.1.1.1, for=\"[2001:db8::7]:443\";proto=https", "2001:db8::7"),
            ("10.0.0.1", "forwarded", "for=unknown", "10.0.0.1"),
            ("10.0.0.1", "x-real-ip", "203.0.113.9", "10.0.0.1"),
            ("::ffff:10.0.0.1", "x-forwarded-for", "203.0.113.9", "203.0.113.9"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(field.parse::<HeaderName>().expect("name"), value.parse().expect("value"));
            let got = client_address(peer.parse().expect("peer"), &trusted, &headers);
            assert_eq!(got, Some(want.parse::<IpAddr>().expect("address")), "{peer} {field}: {value}");
        }
    }

    #[test]
    fn what_a_client_wrote_into_another_parameter_is_no_hop() {
        let trusted = NetworkSet::new(vec!["10.0.0.0/8".parse().expect("network")]);
        let peer: IpAddr = "10.0.0.1".parse().expect("peer");
        for (line, want) in [
            (r#"for=203.0.113.9;host="a,for=[2001:db8::5]""#, Some("203.0.113.9")),
            (r#"host="a;for=[2001:db8::5]";for=203.0.113.9"#, Some("203.0.113.9")),
            (r#"for=203.0.113.9;host="a\",for=192.0.2.5""#, Some("203.0.113.9")),
            (r#"For="203.0.113.9:80";by=_x"#, Some("203.0.113.9")),
            (r#"for=203.0.113.9;host=a;for=192.0.2.5"#, None),
            (r#"for=203.0.113.9;host="a"b"#, None),
            (r#"for=203.0.113.9;host="a"#, None),
            (r#"for=203.0.113.9;host=a"b"#, None),
            (r#"for=203.0.113.9;host"#, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("forwarded", line.parse().expect("value"));
            let want = want.map(|text| text.parse::<IpAddr>().expect("address"));
            assert_eq!(client_address(peer, &trusted, &headers), want, "{line}");
        }
    }

    #[test]
    fn fields_that_do_not_agree_are_not_believed() {
        let trusted = NetworkSet::new(vec!["10.0.0.0/8".parse().expect("network")]);
        let peer: IpAddr = "10.0.0.1".parse().expect("peer");
        for (other, want) in [("203.0.113.9", Some("203.0.113.9")), ("192.0.2.5", None)] {
            let mut headers = HeaderMap::new();
            headers.insert("forwarded", format!("for={other}").parse().expect("value"));
            headers.insert("x-forwarded-for", "203.0.113.9".parse().expect("value"));
            let want = want.map(|text| text.parse::<IpAddr>().expect("address"));
            assert_eq!(client_address(peer, &trusted, &headers), want, "{other}");
        }
    }
}
