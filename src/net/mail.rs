//! Mail by SMTP, under the egress rules: the address that is connected to is one that they permit.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use lettre::message::{Mailbox, SinglePart};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use super::Egress;
use super::resolver::is_localhost;
use crate::domain::{RequestId, Secret};

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
    authorities: Vec<Certificate>,
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

/// How long each step of sending may take.
const TIMEOUT: Duration = Duration::from_secs(10);

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
        let authorities = match authorities {
            None => Vec::new(),
            Some(pem) => vec![Certificate::from_pem(&pem).map_err(|_| "its authorities are no PEM certificates")?],
        };
        Ok(Self { host, port, security, authorities, egress })
    }

    /// Whether mail can be sent to, or from, this address.
    ///
    /// # Errors
    /// That it cannot.
    pub fn check_address(text: &str) -> Result<(), &'static str> {
        text.parse::<Mailbox>().map(drop).map_err(|_| "this is no mail address")
    }

    /// Sends a mail. The library keeps copies of the password that it does not wipe.
    ///
    /// # Errors
    /// Why it was not taken; never with what was sent.
    pub async fn send(&self, mail: &Mail<'_>, login: Option<(&str, &Secret)>) -> Result<(), String> {
        let message = message(mail).map_err(|error| error.to_string())?;
        let addresses = self.egress.resolve(&self.host, self.port).await.map_err(|error| error.to_string())?;
        let mut failed = "the server has no address".to_owned();
        for address in addresses {
            match self.transport(address.ip(), login)?.send(message.clone()).await {
                Ok(_) => return Ok(()),
                Err(error) => failed = error.to_string(),
            }
        }
        Err(failed)
    }

    fn transport(
        &self,
        ip: IpAddr,
        login: Option<(&str, &Secret)>,
    ) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
        let tls = match self.security {
            MailSecurity::None => Tls::None,
            MailSecurity::StartTls => Tls::Required(self.tls()?),
            MailSecurity::Tls => Tls::Wrapper(self.tls()?),
        };
        let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(ip.to_string())
            .port(self.port)
            .tls(tls)
            .hello_name(ClientId::Domain("claviger".to_owned()))
            .timeout(Some(TIMEOUT));
        let Some((user, password)) = login else { return Ok(transport.build()) };
        let password = std::str::from_utf8(password.expose()).map_err(|_| "the password is no text")?;
        let credentials = Credentials::new(user.to_owned(), password.trim_end().to_owned());
        Ok(transport.credentials(credentials).authentication(vec![Mechanism::Plain, Mechanism::Login]).build())
    }

    /// The name that was written is what the certificate has to be of, whatever address it leads to.
    fn tls(&self) -> Result<TlsParameters, String> {
        let mut tls = TlsParameters::builder(self.host.clone());
        if !self.authorities.is_empty() {
            tls = tls.certificate_store(CertificateStore::None);
        }
        for authority in &self.authorities {
            tls = tls.add_root_certificate(authority.clone());
        }
        tls.build().map_err(|error| error.to_string())
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
