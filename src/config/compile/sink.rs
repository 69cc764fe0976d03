//! `[sink.NAME]`.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, header};

use super::{Compiled, Compiler};
use crate::audit::Settings;
use crate::audit::sinks::{Confirm, FACILITIES, Format, SinkProof, SinkSettings, SinkTo, SyslogHead};
use crate::config::file::{OtlpSink, SinkAuth, SinkTable, SyslogSink, Text, WebhookSink};
use crate::config::values::{Period, Spanned};
use crate::domain::Name;
use crate::net::{Client, StreamSettings, StreamTls, host_name};
use crate::otlp::Exporter;
use crate::vault::Vault;

const TIMEOUT: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_hours(24);

impl Compiler<'_, '_> {
    pub(super) fn sink(
        &mut self,
        name: &Name,
        (span, table): (Range<usize>, SinkTable),
        log: &Settings,
        vaults: &Compiled<Arc<Vault>>,
    ) -> Option<SinkSettings> {
        if log.path.is_none() {
            let cure = "write `[audit] path`, and `[sink.NAME.stdout]` where records are to be on standard output too";
            self.report.add(span, "a sink reads the files of the audit log, and there are none", cure);
        }
        let (to, max_batch, max_age) = match &table {
            SinkTable::Syslog(sink) => (self.syslog(sink), None, &sink.max_age),
            SinkTable::Webhook(sink) => (self.webhook_sink(sink, vaults), sink.max_batch.as_ref(), &sink.max_age),
            SinkTable::Otlp(sink) => (self.otlp_sink(sink, vaults), sink.max_batch.as_ref(), &sink.max_age),
            SinkTable::Stdout(sink) => (Some(SinkTo::Stdout), None, &sink.max_age),
        };
        // What is removed with its file, no sink can deliver.
        let longest = log.keep.unwrap_or(366 * DAY);
        let rule = "records wait for a sink for 1s at least, and no longer than `[audit] keep` keeps them";
        let max_age = self.within(max_age.as_ref(), longest.min(3 * DAY), Duration::from_secs(1), longest, rule);
        let max_batch = match max_batch {
            None => Some(1000),
            Some(written) => {
                let count = Some(*written.get_ref()).filter(|count| (1..=10_000).contains(count));
                let cure = "leave it out for its default";
                self.report.take(written.span(), count.ok_or("1 to 10000 records are sent at once"), cure)
            }
        };
        let (host, max_batch) = (host_name(), max_batch? as usize);
        Some(SinkSettings { name: name.clone(), host, to: to?, max_age: max_age?, max_batch })
    }

    fn syslog(&mut self, sink: &SyslogSink) -> Option<SinkTo> {
        let cure = "write `HOST:PORT`, such as `logs.example.com:6514`";
        let place = self.report.take(sink.address.span(), host_and_port(sink.address.get_ref()), cure);
        let timeout = self.step(sink.timeout.as_ref());
        let facility = match &sink.facility {
            None => Some(16),
            Some(text) => {
                let number = FACILITIES.iter().position(|name| *name == text.get_ref()).ok_or("no such facility");
                let cure = "write one of syslog's, such as `auth` or `local0`";
                self.report.take(text.span(), number, cure).and_then(|number| u8::try_from(number).ok())
            }
        };
        let is_tls = sink.tls.unwrap_or(true);
        let unused = [&sink.ca, &sink.server_name].into_iter().flatten().filter(|_| !is_tls);
        for text in unused {
            self.report.add(text.span(), "without TLS, no server is proved", "leave it out, or leave `tls` out");
        }
        let (host, port) = place?;
        let tls = if is_tls { Some(self.syslog_tls(sink, &host)?) } else { None };
        let stream = StreamSettings { host, port, egress: self.egress.clone(), tls, timeout: timeout? };
        let head = SyslogHead { facility: facility?, host: host_name(), process: std::process::id() };
        let confirm = if sink.confirm.unwrap_or(true) { Confirm::Close } else { Confirm::Write };
        Some(SinkTo::Syslog { stream, head, confirm })
    }

    fn syslog_tls(&mut self, sink: &SyslogSink, host: &str) -> Option<StreamTls> {
        let ca = match &sink.ca {
            Some(path) => Some(self.file(path)?),
            None => None,
        };
        let name = sink.server_name.as_ref().map_or(host, |text| text.get_ref());
        let place = sink.ca.as_ref().or(sink.server_name.as_ref()).unwrap_or(&sink.address);
        let cure = "name a PEM file of authorities, and the server as its certificate does";
        self.report.take(place.span(), StreamTls::new(name, ca.as_deref()), cure)
    }

    fn webhook_sink(&mut self, sink: &WebhookSink, vaults: &Compiled<Arc<Vault>>) -> Option<SinkTo> {
        let client = self.receiver(&sink.url, sink.ca.as_ref(), sink.timeout.as_ref());
        let format = match &sink.format {
            None => Some(Format::Ndjson),
            Some(text) => {
                let format = match text.get_ref().as_str() {
                    "ndjson" => Ok(Format::Ndjson),
                    "array" => Ok(Format::Array),
                    _ => Err("no such form"),
                };
                self.report.take(text.span(), format, "choose `ndjson` or `array`")
            }
        };
        let proof = self.sink_auth(sink.auth.as_ref(), vaults);
        let (url, gzip) = (sink.url.get_ref().clone(), sink.gzip.unwrap_or(false));
        Some(SinkTo::Webhook { url, client: client?, format: format?, gzip, proof: proof? })
    }

    fn otlp_sink(&mut self, sink: &OtlpSink, vaults: &Compiled<Arc<Vault>>) -> Option<SinkTo> {
        let client = self.receiver(&sink.url, sink.ca.as_ref(), sink.timeout.as_ref());
        let proof = self.sink_auth(sink.auth.as_ref(), vaults);
        let (url, gzip) = (sink.url.get_ref().clone(), sink.gzip.unwrap_or(true));
        Some(SinkTo::Otlp { exporter: Exporter { url, client: client?, gzip }, proof: proof? })
    }

    pub(super) fn receiver(
        &mut self,
        url: &Text,
        ca: Option<&Text>,
        timeout: Option<&Spanned<Period>>,
    ) -> Option<Arc<Client>> {
        let timeout = self.step(timeout);
        let settings = self.client_of((url.span(), url.get_ref()), ca, timeout?)?;
        self.report.take(url.span(), Client::new(settings), "check the system's certificates").map(Arc::new)
    }

    fn step(&mut self, written: Option<&Spanned<Period>>) -> Option<Duration> {
        let (shortest, longest) = (Duration::from_millis(100), Duration::from_secs(300));
        self.within(written, TIMEOUT, shortest, longest, "a receiver is waited for 100ms to 5m")
    }

    #[expect(clippy::option_option, reason = "wrong and left out are two things")]
    pub(super) fn sink_auth(
        &mut self,
        auth: Option<&SinkAuth>,
        vaults: &Compiled<Arc<Vault>>,
    ) -> Option<Option<SinkProof>> {
        let Some(auth) = auth else { return Some(None) };
        let secret = self.secret_beside(&auth.secret, vaults);
        let name = match &auth.name {
            None => Some(header::AUTHORIZATION),
            Some(text) => {
                let cure = "write a header's name, such as `X-Api-Key`";
                self.report.take(text.span(), HeaderName::try_from(text.get_ref().as_str()), cure)
            }
        };
        let header = name?;
        let default = if header == header::AUTHORIZATION { "Bearer " } else { "" };
        let prefix = auth.prefix.clone().unwrap_or_else(|| default.to_owned());
        Some(Some(SinkProof { header, prefix, secret: secret? }))
    }
}

fn host_and_port(text: &str) -> Result<(String, u16), &'static str> {
    let wrong = "this is not the address of a server";
    let (host, port) = text.rsplit_once(':').ok_or(wrong)?;
    let port = port.parse().ok().filter(|port| *port > 0).ok_or(wrong)?;
    let is_host =
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte));
    let is_literal = host.starts_with('[') == host.contains(':');
    if is_host && is_literal { Ok((host.to_owned(), port)) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_host_and_a_port() {
        for (text, want) in [
            ("logs.example.com:6514", Some(("logs.example.com", 6514))),
            ("127.0.0.1:514", Some(("127.0.0.1", 514))),
            ("[::1]:514", Some(("[::1]", 514))),
            ("::1:514", None),
            ("logs.example.com", None),
            ("logs.example.com:0", None),
            ("https://logs.example.com:6514", None),
            (":514", None),
        ] {
            let got = host_and_port(text).ok();
            assert_eq!(got, want.map(|(host, port)| (host.to_owned(), port)), "{text}");
        }
    }
}
