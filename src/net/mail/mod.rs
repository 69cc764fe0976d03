//! Mail by SMTP, under the egress rules: the address that is connected to is one that they permit.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use lettre::Message;
use lettre::message::{Mailbox, SinglePart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail as From, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use tokio::time::timeout;

use super::resolver::is_localhost;
use super::stream::StreamTls;
use super::{Egress, NetError};
use crate::domain::{RequestId, Secret};

mod wire;

use wire::Wire;

/// What protects the connection to a mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// TLS after `STARTTLS` (RFC 3207), or nothing is sent.
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// Nothing; on loopback alone.
    None,
}

/// A mail server.
#[derive(Debug)]
pub struct MailServer {
    host: String,
    port: u16,
    security: MailSecurity,
    /// How the server is proved, where it is.
    tls: Option<StreamTls>,
    egress: Egress,
}

/// One mail.
#[derive(Debug)]
pub struct Mail<'a> {
    /// The sender's address.
    pub from: &'a str,
    /// The recipients' addresses.
    pub to: &'a [String],
    /// The subject.
    pub subject: &'a str,
    /// The text.
    pub text: String,
}

/// How long it may take until a server takes a message, to one address of it; and then, until it has (RFC 5321 §4.5.3.2.6: it may look into it).
const TIMEOUT: Duration = Duration::from_secs(60);
const TIMEOUT_OF_TEXT: Duration = Duration::from_secs(300);
/// How long a server is heard out that has taken everything.
const TIMEOUT_OF_QUIT: Duration = Duration::from_secs(1);

impl MailServer {
    /// A server, as `HOST:PORT`, proved by these authorities (PEM) or else the system's.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(
        server: &str,
        security: MailSecurity,
        authorities: Option<Vec<u8>>,
        egress: Egress,
    ) -> Result<Self, &'static str> {
        let (host, port) = server.rsplit_once(':').ok_or("a server has a host and a port")?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let port = port.parse().map_err(|_| "this is no port")?;
        let literal = host.parse::<IpAddr>().ok();
        let is_loopback = is_localhost(&host) || literal.is_some_and(|ip| ip.is_loopback());
        if host.is_empty() {
            return Err("a server has a host and a port");
        }
        if security == MailSecurity::None && !is_loopback {
            return Err("without TLS, others could read what is sent, and the server would not be proved");
        }
        if literal.is_some_and(|ip| !egress.permits_literal(ip)) {
            return Err("the egress rules forbid this address");
        }
        let tls = match security {
            MailSecurity::None => None,
            MailSecurity::StartTls | MailSecurity::Tls => {
                Some(StreamTls::new(&host, authorities.as_deref()).map_err(unproved)?)
            }
        };
        Ok(Self { host, port, security, tls, egress })
    }

    /// Whether mail can be sent to, or from, this address.
    ///
    /// # Errors
    /// That it cannot.
    pub fn check_address(text: &str) -> Result<(), &'static str> {
        text.parse::<Mailbox>().map(drop).map_err(|_| "this is no mail address")
    }

    /// Sends a mail, to all whom the server takes it for. The library keeps copies of the password that it does not wipe.
    ///
    /// # Errors
    /// Why it was not taken; never with what was sent, nor with what the server said, who may say what was sent.
    pub async fn send(&self, mail: &Mail<'_>, login: Option<(&str, &Secret)>) -> Result<(), String> {
        let message = message(mail).map_err(|error| error.to_string())?;
        let addresses = self.egress.resolve(&self.host, self.port).await.map_err(|error| error.to_string())?;
        let mut failed = Vec::new();
        for address in addresses {
            let open = timeout(TIMEOUT, self.open(address, &message, login)).await;
            let mut connection = match open.unwrap_or_else(|_| Err("it took too long".to_owned())) {
                Ok(connection) => connection,
                Err(error) => {
                    failed.push(format!("{}: {error}", address.ip()));
                    continue;
                }
            };
            // From here on it may have been taken, whatever is heard: no other address is tried.
            let sent = timeout(TIMEOUT_OF_TEXT, connection.message(&message.formatted())).await;
            let sent = sent.map_err(|_| "it did not say in time whether it took the text".to_owned());
            let sent = sent.and_then(|sent| sent.map(drop).map_err(|error| told(&error)));
            let _ = timeout(TIMEOUT_OF_QUIT, connection.quit()).await;
            return sent;
        }
        Err(if failed.is_empty() { "the server has no address".to_owned() } else { failed.join("; ") })
    }

    /// A connection on which the text is waited for.
    async fn open(
        &self,
        address: SocketAddr,
        message: &Message,
        login: Option<(&str, &Secret)>,
    ) -> Result<AsyncSmtpConnection, String> {
        let wire = Wire::open(address, self.security, self.tls.as_ref()).await;
        let wire = wire.map_err(|error| format!("no connection: {error}"))?;
        let hello = ClientId::Domain("claviger".to_owned());
        let mut connection =
            AsyncSmtpConnection::connect_with_transport(Box::new(wire), &hello).await.map_err(|error| told(&error))?;
        if let Some((user, password)) = login {
            let password = std::str::from_utf8(password.expose()).map_err(|_| "the password is no text")?;
            let credentials = Credentials::new(user.to_owned(), password.trim_end().to_owned());
            let proved = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await;
            proved.map_err(|error| format!("at the login, {}", told(&error)))?;
        }
        address_to(&mut connection, message).await.map(|()| connection)
    }
}

/// What the server has to be able to do for a message (RFC 6531, RFC 6152).
fn parameters(connection: &AsyncSmtpConnection, message: &Message) -> Result<Vec<MailParameter>, String> {
    let (envelope, info) = (message.envelope(), connection.server_info());
    let mut all = Vec::new();
    let mut addresses = envelope.from().into_iter().chain(envelope.to());
    if !addresses.all(|address| AsRef::<str>::as_ref(address).is_ascii()) {
        if !info.supports_feature(Extension::SmtpUtfEight) {
            return Err("it takes no addresses beyond ASCII (SMTPUTF8)".to_owned());
        }
        all.push(MailParameter::SmtpUtfEight);
    }
    if !message.formatted().is_ascii() {
        if !info.supports_feature(Extension::EightBitMime) {
            return Err("it takes no text beyond ASCII (8BITMIME)".to_owned());
        }
        all.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(all)
}

/// Says from whom and to whom a message is, up to its text (RFC 5321 §3.3). A recipient that the server does not take keeps it from no other.
async fn address_to(connection: &mut AsyncSmtpConnection, message: &Message) -> Result<(), String> {
    let (envelope, parameters) = (message.envelope(), parameters(connection, message)?);
    let from = From::new(envelope.from().cloned(), parameters);
    connection.command(from).await.map_err(|error| told(&error))?;
    let mut refused = Ok(());
    let mut taken = 0;
    for to in envelope.to() {
        match connection.command(Rcpt::new(to.clone(), Vec::new())).await {
            Ok(_) => taken += 1,
            Err(error) => {
                log::error!("the mail server takes no mail for {to}: {}", told(&error));
                refused = Err(told(&error));
            }
        }
    }
    if taken == 0 {
        return refused;
    }
    connection.command(Data).await.map(drop).map_err(|error| told(&error))
}

/// What went wrong, without a word of the server's.
fn told(error: &Error) -> String {
    match error.status() {
        Some(code) => format!("it answered {code}"),
        None if error.is_response() => "its answer makes no sense".to_owned(),
        None if error.is_client() => "it does not offer what is needed".to_owned(),
        None => "the connection broke".to_owned(),
    }
}

fn unproved(error: NetError) -> &'static str {
    if error == NetError::Authorities {
        "its authorities are no PEM certificates"
    } else if error == NetError::Url {
        "its name can be in no certificate"
    } else {
        "TLS cannot be set up"
    }
}

fn message(mail: &Mail<'_>) -> Result<Message, Box<dyn std::error::Error + Send + Sync>> {
    let from: Mailbox = mail.from.parse()?;
    let id = format!("<{}@{}>", RequestId::new(SystemTime::now()), from.email.domain());
    let mut message = Message::builder().from(from).subject(mail.subject).message_id(Some(id));
    for to in mail.to {
        message = message.to(to.parse()?);
    }
    Ok(message.singlepart(SinglePart::plain(mail.text.clone()))?)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn nothing_is_sent_in_the_clear_but_to_this_machine_and_nowhere_that_is_forbidden() {
        for (server, security, is_good) in [
            ("smtp.example.com:587", MailSecurity::StartTls, true),
            ("smtp.example.com:465", MailSecurity::Tls, true),
            ("smtp.example.com:25", MailSecurity::None, false),
            ("127.0.0.1:25", MailSecurity::None, true),
            ("[::1]:25", MailSecurity::None, true),
            ("localhost:25", MailSecurity::None, true),
            ("169.254.169.254:25", MailSecurity::StartTls, false),
            ("smtp.example.com", MailSecurity::StartTls, false),
            (":25", MailSecurity::StartTls, false),
            ("smtp.example.com:http", MailSecurity::StartTls, false),
        ] {
            let made = MailServer::new(server, security, None, Egress::default());
            assert_eq!(made.is_ok(), is_good, "{server}");
        }
    }

    /// What becomes of a mail at a server that answers each line so; with what it was told.
    async fn sent(answers: impl Fn(&str) -> Vec<u8> + Send + 'static) -> (Result<(), String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let served = tokio::spawn(async move {
            let mut connection = BufReader::new(listener.accept().await.expect("a connection").0);
            let (mut said, mut line) = (String::new(), String::new());
            loop {
                if connection.get_mut().write_all(&answers(&line)).await.is_err() {
                    return said;
                }
                line.clear();
                if connection.read_line(&mut line).await.map_or(0, |read| read) == 0 {
                    return said;
                }
                said.push_str(&line);
            }
        });
        let server = MailServer::new(&address.to_string(), MailSecurity::None, None, Egress::default());
        let to = ["soc@example.com".to_owned(), "gone@example.com".to_owned()];
        let mail = Mail { from: "claviger@example.com", to: &to, subject: "x", text: "text".to_owned() };
        let sent = server.expect("a server").send(&mail, None).await;
        (sent, served.await.expect("served"))
    }

    fn honest(line: &str) -> &'static str {
        match line.get(..4) {
            None => "220 ready\r\n",
            Some("DATA") => "354 go on\r\n",
            Some("EHLO" | "MAIL" | "RCPT" | "QUIT") => "250 good\r\n",
            Some(_) if line == ".\r\n" => "250 taken\r\n",
            Some(_) => "",
        }
    }

    #[tokio::test]
    async fn a_recipient_that_is_gone_keeps_mail_from_no_other() {
        let is_gone = |line: &str| line.contains("gone@");
        let (result, said) = sent(move |line| {
            if line == ".\r\n" {
                return b"250 taken\r\n".to_vec();
            }
            if line.starts_with("RCPT") && is_gone(line) { b"550 no\r\n".to_vec() } else { honest(line).into() }
        })
        .await;
        assert_eq!(result, Ok(()));
        assert!(said.contains("RCPT TO:<soc@example.com>") && said.contains("Subject: x"), "{said}");
        let (result, said) =
            sent(|line| if line.starts_with("RCPT") { b"550 AGNsYXZp\r\n".to_vec() } else { honest(line).into() })
                .await;
        assert_eq!(result, Err("127.0.0.1: it answered 550".to_owned()), "not what the server said");
        assert!(!said.contains("DATA"), "{said}");
    }

    #[tokio::test]
    async fn what_was_taken_is_sent_whatever_follows() {
        let taken = |line: &str| if line.starts_with("QUIT") { Vec::new() } else { honest(line).into() };
        assert_eq!(sent(taken).await.0, Ok(()));
    }

    #[tokio::test]
    async fn a_server_that_never_ends_a_line_is_left() {
        let (result, _) = sent(|line| if line.is_empty() { vec![b'2'; 1 << 20] } else { Vec::new() }).await;
        assert_eq!(result, Err("127.0.0.1: the connection broke".to_owned()));
    }

    #[test]
    fn a_subject_of_several_lines_adds_no_header() {
        let to = ["soc@example.com".to_owned()];
        let subject = "x\r\nBcc: eve@example.com";
        let mail = Mail { from: "claviger@example.com", to: &to, subject, text: "text\r\n.\r\n".to_owned() };
        let sent = String::from_utf8(message(&mail).expect("a message").formatted()).expect("text");
        assert!(!sent.lines().any(|line| line.starts_with("Bcc")), "{sent}");
        // RFC 2045 §4, RFC 5322 §3.6.4.
        let id = |line: &str| line.starts_with("Message-ID: <") && line.ends_with("@example.com>");
        assert!(sent.lines().any(|line| line == "MIME-Version: 1.0") && sent.lines().any(id), "{sent}");
    }
}
