//! The connection to a mail server, as the library is given it: bounded in what it says, and in TLS before anything of the library's is written or
//! read, since what stood in the same packet as the answer to `STARTTLS` would be taken for answers within TLS (CVE-2011-0411).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

use super::MailSecurity;
use crate::net::stream::StreamTls;

/// The most that a server may say in a session, in bytes.
const MAX_SAID: usize = 64 * 1024;
/// The most that one of its answers may have before TLS, in bytes.
const MAX_ANSWER: usize = 4 * 1024;
/// What stands for the greeting that was read before TLS.
const GREETING: &[u8] = b"220 ready\r\n";

/// A session's connection.
pub(super) struct Wire {
    inner: Box<dyn Duplex>,
    peer: SocketAddr,
    greeting: &'static [u8],
    left: usize,
}

trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for T {}

impl Wire {
    /// Connects, and goes over to TLS where that is wanted.
    ///
    /// # Errors
    /// What failed.
    pub(super) async fn open(peer: SocketAddr, security: MailSecurity, tls: Option<&StreamTls>) -> io::Result<Self> {
        let mut stream = TcpStream::connect(peer).await?;
        let (inner, greeting): (Box<dyn Duplex>, &[u8]) = match (security, tls) {
            (MailSecurity::None, _) => (Box::new(stream), b""),
            (MailSecurity::Tls, Some(tls)) => (Box::new(tls.connect(stream).await?), b""),
            (MailSecurity::StartTls, Some(tls)) => {
                start_tls(&mut stream).await?;
                (Box::new(tls.connect(stream).await?), GREETING)
            }
            (MailSecurity::StartTls | MailSecurity::Tls, None) => return Err(io::ErrorKind::InvalidInput.into()),
        };
        Ok(Self { inner, peer, greeting, left: MAX_SAID })
    }
}

/// Asks for TLS (RFC 3207). No byte is read that comes behind the answer: it is the handshake's.
async fn start_tls(stream: &mut TcpStream) -> io::Result<()> {
    for (said, want) in [("", b"220"), ("EHLO claviger\r\n", b"250"), ("STARTTLS\r\n", b"220")] {
        stream.write_all(said.as_bytes()).await?;
        let code = answer(stream).await?;
        if code != *want {
            let code = String::from_utf8_lossy(&code).into_owned();
            return Err(io::Error::other(format!("on the way to TLS it answered {code}")));
        }
    }
    Ok(())
}

/// The code of an answer, all lines of which are read (RFC 5321 §4.2.1).
async fn answer(stream: &mut TcpStream) -> io::Result<[u8; 3]> {
    let mut line = Vec::new();
    for _ in 0..MAX_ANSWER {
        line.push(stream.read_u8().await?);
        if line.last() != Some(&b'\n') {
            continue;
        }
        match line.as_slice() {
            [_, _, _, b'-', ..] => line.clear(),
            [a, b, c, ..] => return Ok([*a, *b, *c]),
            _ => break,
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.greeting.is_empty() {
            let (now, later) = self.greeting.split_at(self.greeting.len().min(into.remaining()));
            into.put_slice(now);
            self.greeting = later;
            return Poll::Ready(Ok(()));
        }
        let before = into.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, into);
        let came = into.filled().len() - before;
        match self.left.checked_sub(came) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the server says too much"))),
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("peer", &self.peer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_comes_behind_the_answer_to_starttls_is_left_to_the_handshake() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.expect("a connection");
            let answers = b"220 ready\r\n250-claviger\r\n250 STARTTLS\r\n220 go\r\n250 evil\r\n";
            connection.write_all(answers).await.expect("written");
            let _ = connection.read_to_end(&mut Vec::new()).await;
        });
        let mut stream = TcpStream::connect(address).await.expect("connected");
        start_tls(&mut stream).await.expect("TLS is offered");
        assert_eq!(stream.read_u8().await.expect("more"), b'2', "nothing of it was taken for an answer");
    }
}
