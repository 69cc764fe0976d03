//! The one HTTP client for the proxy's own calls.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{ACCEPT, CACHE_CONTROL};
use reqwest::{Certificate, ClientBuilder, Identity, Response, Url, redirect};

use super::resolver::{LOOPBACK, Resolver, is_localhost};
use super::{Egress, NetError};
use crate::domain::Wiped;

/// The limits and rules of a [`Client`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSettings {
    /// Where connections may go.
    pub egress: Egress,
    /// Whether plain HTTP is allowed to hosts other than loopback.
    pub allow_http: bool,
    /// PEM certificates of authorities trusted instead of the system's.
    pub authorities: Option<String>,
    /// The longest a whole call may take, body included.
    pub timeout: Duration,
    /// The longest a connection may take to be there, TLS included.
    pub connect_timeout: Duration,
    /// The largest body taken, in bytes.
    pub max_body: usize,
}

impl Default for ClientSettings {
    /// 10 s in all, 3 s to connect, 1 MiB, HTTPS, public addresses.
    fn default() -> Self {
        Self {
            egress: Egress::default(),
            allow_http: false,
            authorities: None,
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(3),
            max_body: 1 << 20,
        }
    }
}

/// An HTTP client that follows no redirect, keeps no cookie, asks no proxy that the environment names, and connects only where the egress
/// rules allow.
#[derive(Debug)]
pub struct Client {
    settings: ClientSettings,
    pub(super) http: reqwest::Client,
}

/// What a call brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The whole body.
    pub body: Bytes,
    /// How long the server says it stays true (RFC 9111 §5.2.2.1); zero where it forbids to keep it.
    pub max_age: Option<Duration>,
}

/// Who named a URL, and so how far its host is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NamedBy {
    /// The operator: a private address that is written out counts as declared.
    Operator,
    /// A document that was fetched: judged like any resolved name.
    Document,
}

impl Client {
    /// A client under these rules.
    ///
    /// # Errors
    /// [`NetError::Authorities`] and [`NetError::Setup`].
    pub fn new(settings: ClientSettings) -> Result<Self, NetError> {
        let http = builder(&settings)?.build().map_err(|_| NetError::Setup)?;
        Ok(Self { settings, http })
    }

    /// The same, which shows a certificate of its own to servers that ask for one: PEM, as its key. What the TLS library makes of the key
    /// is not wiped.
    ///
    /// # Errors
    /// [`NetError::Identity`] and those of [`Self::new`].
    pub fn showing(settings: ClientSettings, certificate: &[u8], key: &[u8]) -> Result<Self, NetError> {
        // The last key in it counts.
        let mut both = Wiped::with_capacity(certificate.len() + 1 + key.len());
        [certificate, b"\n", key].iter().for_each(|part| both.extend(part));
        let identity = Identity::from_pem(both.as_ref()).map_err(|_| NetError::Identity)?;
        let http = builder(&settings)?.identity(identity).build().map_err(|_| NetError::Identity)?;
        Ok(Self { settings, http })
    }

    /// The rules it works under.
    pub fn settings(&self) -> &ClientSettings {
        &self.settings
    }

    /// Whether a call to a URL that the operator wrote can be allowed at all, without making it.
    ///
    /// # Errors
    /// [`NetError::Url`], [`NetError::Scheme`] and [`NetError::Address`].
    pub fn check(&self, url: &str) -> Result<(), NetError> {
        self.admit(&parse(url)?, NamedBy::Operator)
    }

    /// Fetches a JSON document from a URL that the operator wrote. The body is not looked at.
    ///
    /// # Errors
    /// One [`NetError`] per way to fail; any status but 200 is one.
    pub async fn get_json_bytes(&self, url: &str) -> Result<Fetched, NetError> {
        self.get(parse(url)?, NamedBy::Operator).await
    }

    /// Fetches a JSON document from a URL that stands in the document at `source`. Unless both have the same origin, the URL must be
    /// HTTPS (or plain HTTP be allowed everywhere), and a private address in it must be declared: a document opens no door.
    ///
    /// # Errors
    /// Those of [`Self::get_json_bytes`].
    pub async fn get_json_bytes_found(&self, url: &str, source: &str) -> Result<Fetched, NetError> {
        let (url, source) = (parse(url)?, parse(source)?);
        let named_by = if url.origin() == source.origin() { NamedBy::Operator } else { NamedBy::Document };
        self.get(url, named_by).await
    }

    async fn get(&self, url: Url, named_by: NamedBy) -> Result<Fetched, NetError> {
        self.admit(&url, named_by)?;
        let request = self.http.get(url).header(ACCEPT, "application/json");
        let response = request.send().await.map_err(|error| NetError::of(&error))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(NetError::Redirect);
        }
        if status != http::StatusCode::OK {
            return Err(NetError::Status(status.as_u16()));
        }
        let max_age = max_age(response.headers());
        Ok(Fetched { body: self.read(response).await?, max_age })
    }

    /// Whether a call to this URL may be made at all. Names are judged again when they are resolved.
    pub(super) fn admit(&self, url: &Url, named_by: NamedBy) -> Result<(), NetError> {
        let host = url.host_str().ok_or(NetError::Url)?;
        let literal: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        let address = literal.or_else(|| is_localhost(host).then_some(LOOPBACK[0]));
        let is_local = named_by == NamedBy::Operator && address.is_some_and(|ip| ip.is_loopback());
        match url.scheme() {
            "https" => {}
            "http" if self.settings.allow_http || is_local => {}
            _ => return Err(NetError::Scheme),
        }
        let egress = &self.settings.egress;
        let permitted = address.is_none_or(|ip| match named_by {
            NamedBy::Operator => egress.permits_literal(ip),
            NamedBy::Document => egress.permits(ip),
        });
        if permitted { Ok(()) } else { Err(NetError::Address) }
    }

    /// The whole body, which is wiped when the last handle is dropped: answers hold secrets and tokens. What cannot be wiped from here are
    /// the buffers of the libraries: those in which TLS was opened and from which HTTP cut its chunks, which the connection still holds.
    pub(super) async fn read(&self, mut response: Response) -> Result<Bytes, NetError> {
        let limit = self.settings.max_body;
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(NetError::TooLarge);
        }
        let mut body = Wiped::default();
        while let Some(chunk) = response.chunk().await.map_err(|error| NetError::of(&error))? {
            if body.len() + chunk.len() > limit {
                return Err(NetError::TooLarge);
            }
            body.extend(&chunk);
        }
        Ok(Bytes::from_owner(body))
    }
}

fn builder(settings: &ClientSettings) -> Result<ClientBuilder, NetError> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("claviger/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .timeout(settings.timeout)
        .connect_timeout(settings.connect_timeout)
        .dns_resolver(Arc::new(Resolver::new(Arc::new(settings.egress.clone()))));
    let Some(pem) = &settings.authorities else { return Ok(builder) };
    let authorities = Certificate::from_pem_bundle(pem.as_bytes()).ok().filter(|found| !found.is_empty());
    Ok(builder.tls_certs_only(authorities.ok_or(NetError::Authorities)?))
}

pub(super) fn parse(url: &str) -> Result<Url, NetError> {
    let url = Url::parse(url).map_err(|_| NetError::Url)?;
    if url.username().is_empty() && url.password().is_none() { Ok(url) } else { Err(NetError::Url) }
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let ages = values.flat_map(|value| value.split(',')).filter_map(|directive| {
        let directive = directive.trim();
        if directive.eq_ignore_ascii_case("no-store") || directive.eq_ignore_ascii_case("no-cache") {
            return Some(0);
        }
        let (name, seconds) = directive.split_once('=')?;
        if name.eq_ignore_ascii_case("max-age") { seconds.parse().ok() } else { None }
    });
    ages.min().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server on loopback that answers each connection with these bytes, and its port.
    async fn serve(answer: &'static [u8]) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let _ = connection.read(&mut [0; 4096]).await;
                let _ = connection.write_all(answer).await;
            }
        });
        port
    }

    fn client(max_body: usize) -> Client {
        Client::new(ClientSettings { max_body, ..ClientSettings::default() }).expect("a client")
    }

    #[tokio::test]
    async fn takes_a_whole_body_of_status_200_and_nothing_else() {
        let ok: Result<Fetched, NetError> =
            Ok(Fetched { body: Bytes::from_static(b"{}"), max_age: Some(Duration::from_secs(90)) });
        for (answer, want) in [
            (&b"HTTP/1.1 200 OK\r\ncache-control: public, Max-Age=90\r\ncontent-length: 2\r\n\r\n{}"[..], ok.clone()),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123456789", Err(NetError::TooLarge)),
            (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n5\r\n12345\r\n0\r\n\r\n",
                Err(NetError::TooLarge),
            ),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{}", Err(NetError::Interrupted)),
            (b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", Err(NetError::Redirect)),
            (b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", Err(NetError::Status(500))),
            (b"HTTP/1.1 204 No\r\n\r\n", Err(NetError::Status(204))),
            (b"garbage\r\n\r\n", Err(NetError::Interrupted)),
        ] {
            let port = serve(answer).await;
            for host in ["127.0.0.1", "localhost"] {
                let got = client(8).get_json_bytes(&format!("http://{host}:{port}/")).await;
                assert_eq!(got, want, "{}", String::from_utf8_lossy(answer));
            }
        }
    }

    #[tokio::test]
    async fn a_silent_server_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));
        let settings = ClientSettings { timeout: Duration::from_millis(50), ..ClientSettings::default() };
        let client = Client::new(settings).expect("a client");
        assert_eq!(client.get_json_bytes(&url).await, Err(NetError::Timeout));
    }

    #[test]
    fn urls_are_judged_by_scheme_host_and_who_named_them() {
        use NamedBy::{Document, Operator};
        let client = client(8);
        for (url, named_by, want) in [
            ("https://idp.example.com/", Operator, Ok(())),
            ("https://idp.example.com/", Document, Ok(())),
            ("http://idp.example.com/", Operator, Err(NetError::Scheme)),
            ("ftp://idp.example.com/", Operator, Err(NetError::Scheme)),
            ("http://127.0.0.1/", Operator, Ok(())),
            ("http://[::1]/", Operator, Ok(())),
            ("http://localhost./", Operator, Ok(())),
            ("http://localhost.evil.example/", Operator, Err(NetError::Scheme)),
            ("http://127.0.0.1/", Document, Err(NetError::Scheme)),
            ("https://127.0.0.1/", Document, Err(NetError::Address)),
            ("https://127.1/", Document, Err(NetError::Address)),
            ("https://LOCALHOST/", Document, Err(NetError::Address)),
            ("https://10.0.0.1/", Operator, Ok(())),
            ("https://10.0.0.1/", Document, Err(NetError::Address)),
            ("https://169.254.169.254/", Operator, Err(NetError::Address)),
            ("https://[::ffff:169.254.169.254]/", Operator, Err(NetError::Address)),
            ("https://0xa9fea9fe/", Operator, Err(NetError::Address)),
        ] {
            assert_eq!(client.admit(&parse(url).expect(url), named_by), want, "{url} {named_by:?}");
        }
        for bad in ["", "/path", "https://user@idp.example.com/", "https://:pw@idp.example.com/"] {
            assert_eq!(client.check(bad), Err(NetError::Url), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_a_forbidden_address_is_not_connected_to() {
        use reqwest::dns::Resolve;
        let resolver = Resolver::new(Arc::new(Egress::default()));
        let name = "169.254.169.254".parse().expect("a name");
        let error = resolver.resolve(name).await.err().expect("forbidden");
        assert!(error.is::<super::super::resolver::Forbidden>());
    }

    #[test]
    fn authorities_must_be_certificates() {
        for pem in ["", "nonsense"] {
            let settings = ClientSettings { authorities: Some(pem.to_owned()), ..ClientSettings::default() };
            assert_eq!(Client::new(settings).err(), Some(NetError::Authorities));
        }
    }
}
