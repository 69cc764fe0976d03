//! Questions that the proxy asks of a service: a method, header fields and a body, answered with a status that means something.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::{Response, Url};

use super::client::{NamedBy, parse};
use super::{Client, NetError};
use crate::domain::Wiped;

/// What is asked. Its `Debug` is not there: header fields and body hold credentials. Who makes them of a [`Wiped`] with
/// `Bytes::from_owner` has them wiped when they are sent; not so what the libraries copy: the head of a request, a small body that goes out
/// with it, the state of header compression, and what waits to be encrypted.
pub struct Question {
    /// The method.
    pub method: Method,
    /// The header fields; those that hold a credential are marked sensitive by who makes them.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
}

/// What was answered, whatever its status but a redirect.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// A header field's value that is a credential, wiped when the last handle is dropped; nothing where it can be none.
pub fn sensitive(value: Wiped) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(value)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl Client {
    /// What `Host` says in calls to this URL, for whoever has to sign it.
    ///
    /// # Errors
    /// [`NetError::Url`].
    pub fn host_field(url: &str) -> Result<String, NetError> {
        let url = parse(url)?;
        let host = url.host_str().ok_or(NetError::Url)?;
        Ok(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }

    /// Asks at a URL that the operator wrote, under the rules and limits of this client.
    ///
    /// # Errors
    /// One [`NetError`] per way in which there is no whole answer; [`NetError::Redirect`] for every status of 3xx.
    pub async fn ask(&self, url: &str, question: Question) -> Result<Answer, NetError> {
        let url = parse(url)?;
        self.admit(&url, NamedBy::Operator)?;
        let mut response = self.send(url, question).await?;
        let headers = std::mem::take(response.headers_mut());
        Ok(Answer { status: response.status(), headers, body: self.read(response).await? })
    }

    /// Tells something at a URL that the operator wrote, and hands back how that was taken; whatever is said of it besides does not matter.
    ///
    /// # Errors
    /// As [`Self::ask`], but for the body of the answer.
    pub async fn tell(&self, url: &str, question: Question) -> Result<StatusCode, NetError> {
        let url = parse(url)?;
        self.admit(&url, NamedBy::Operator)?;
        let response = self.send(url, question).await?;
        let status = response.status();
        // The connection serves again then, where it is short.
        let _ = self.read(response).await;
        Ok(status)
    }

    async fn send(&self, url: Url, question: Question) -> Result<Response, NetError> {
        let Question { method, headers, body } = question;
        let mut request = self.http.request(method, url).headers(headers);
        if !body.is_empty() {
            request = request.body(body);
        }
        let response = request.send().await.map_err(|error| NetError::of(&error))?;
        if response.status().is_redirection() { Err(NetError::Redirect) } else { Ok(response) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::net::ClientSettings;

    fn question() -> Question {
        Question { method: Method::POST, headers: HeaderMap::new(), body: Bytes::from_static(b"token=x") }
    }

    async fn asked(answer: &'static [u8]) -> Result<(u16, Bytes), NetError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/ask", listener.local_addr().expect("bound"));
        tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.expect("a connection");
            let mut seen = Vec::new();
            while !seen.ends_with(b"token=x") {
                connection.read_buf(&mut seen).await.expect("a request");
            }
            let text = String::from_utf8_lossy(&seen);
            assert!(text.starts_with("POST /ask HTTP/1.1\r\n"), "{text}");
            let host =
                Client::host_field(&format!("http://{}/ask", connection.local_addr().expect("bound"))).expect("a URL");
            assert!(text.contains(&format!("host: {host}\r\n")), "what is signed is what is sent: {text}");
            let _ = connection.write_all(answer).await;
            if answer.is_empty() {
                std::future::pending::<()>().await;
            }
        });
        let settings = ClientSettings { max_body: 8, timeout: Duration::from_millis(500), ..ClientSettings::default() };
        let client = Client::new(settings).expect("a client");
        client.ask(&url, question()).await.map(|answer| (answer.status.as_u16(), answer.body))
    }

    #[tokio::test]
    async fn every_whole_answer_but_a_redirect_is_handed_back() {
        for (answer, want) in [
            (&b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"[..], Ok((200, Bytes::from_static(b"{}")))),
            (b"HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno", Ok((403, Bytes::from_static(b"no")))),
            (b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", Err(NetError::Redirect)),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123456789", Err(NetError::TooLarge)),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{}", Err(NetError::Interrupted)),
            (b"garbage\r\n\r\n", Err(NetError::Interrupted)),
            (b"", Err(NetError::Timeout)),
        ] {
            assert_eq!(asked(answer).await, want, "{}", String::from_utf8_lossy(answer));
        }
    }

    #[test]
    fn a_host_is_told_as_it_is_sent() {
        for (url, want) in [
            ("https://Api.Example.com", Ok("api.example.com")),
            ("https://api.example.com:443/", Ok("api.example.com")),
            ("http://api.example.com:443/", Ok("api.example.com:443")),
            ("http://[::1]:8080/", Ok("[::1]:8080")),
            ("api.example.com", Err(NetError::Url)),
        ] {
            assert_eq!(Client::host_field(url), want.map(str::to_owned), "{url}");
        }
    }

    #[tokio::test]
    async fn the_egress_rules_hold_for_questions() {
        let client = Client::new(ClientSettings::default()).expect("a client");
        for (url, want) in [
            ("http://idp.example.com/", NetError::Scheme),
            ("https://169.254.169.254/", NetError::Address),
            ("https://user:pw@idp.example.com/", NetError::Url),
        ] {
            assert_eq!(client.ask(url, question()).await.err(), Some(want), "{url}");
        }
    }
}
