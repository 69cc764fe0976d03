//! `[credential.NAME.hmac]`: what is signed, and where the signature goes.

use http::HeaderName;

use super::Compiler;
use crate::config::diagnostic::nearest;
use crate::config::file::{HmacCredential, Text};
use crate::crypto::MacAlgorithm;
use crate::inject::{HmacEncoding, HmacSettings, KeyEncoding, Method, SignedTemplate, SigningFault, ValueTemplate};

impl Compiler<'_, '_> {
    pub(super) fn hmac(&mut self, table: &HmacCredential) -> Option<Method> {
        let algorithms =
            [("sha256", MacAlgorithm::Sha256), ("sha512", MacAlgorithm::Sha512), ("sha1", MacAlgorithm::Sha1)];
        let algorithm = self.one_of(table.algorithm.as_ref(), &algorithms);
        let encodings = [("hex", HmacEncoding::Hex), ("base64", HmacEncoding::Base64)];
        let encoding = self.one_of(table.encoding.as_ref(), &encodings);
        let spellings = [("raw", KeyEncoding::Raw), ("base64", KeyEncoding::Base64), ("hex", KeyEncoding::Hex)];
        let key_encoding = self.one_of(table.key_encoding.as_ref(), &spellings);
        let header = self.free_header(&table.header);
        let value = match &table.template {
            None => Some(ValueTemplate::plain()),
            Some(text) => self.signing(text, ValueTemplate::parse, &ValueTemplate::PLACEHOLDERS, "{signature}"),
        };
        let usual = "{time}.{method}.{target}.{body_sha256}";
        let signed = self.signing(&table.signed, SignedTemplate::parse, &SignedTemplate::PLACEHOLDERS, usual);
        let time_header = match &table.time_header {
            None => Some(None),
            Some(text) => self.free_header(text).map(Some),
        };
        let (header, signed, time_header) = (header?, signed?, time_header?);
        self.is_sound(table, &header, &signed, time_header.as_ref()).then_some(())?;
        Some(Method::Hmac(Box::new(HmacSettings {
            algorithm: algorithm?,
            encoding: encoding?,
            key_encoding: key_encoding?,
            header,
            value: value?,
            signed,
            time_header,
        })))
    }

    /// The first where none is chosen.
    pub(super) fn one_of<T: Copy>(&mut self, text: Option<&Text>, choices: &[(&str, T)]) -> Option<T> {
        let chosen = |text: &Text| choices.iter().find(|(name, _)| name == text.get_ref()).map(|(_, choice)| *choice);
        let Some(text) = text else { return choices.first().map(|(_, choice)| *choice) };
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        let cure = format!("choose from `{}`", names.join("`, `"));
        self.report.take(text.span(), chosen(text).ok_or("there is no such choice"), cure)
    }

    fn signing<T>(
        &mut self,
        text: &Text,
        parse: impl Fn(&str) -> Result<T, SigningFault>,
        placeholders: &[&'static str],
        usual: &str,
    ) -> Option<T> {
        let parsed = parse(text.get_ref());
        let cure = match &parsed {
            Err(SigningFault::Placeholder(name)) => match nearest(name, placeholders.iter().copied()) {
                Some(meant) => format!("did you mean `{{{meant}}}`?"),
                None => format!("choose from `{{{}}}`", placeholders.join("}`, `{")),
            },
            Err(SigningFault::Header) => "name one that goes through all connections unchanged".to_owned(),
            Ok(_)
            | Err(SigningFault::Brace | SigningFault::Constant | SigningFault::Character | SigningFault::NoSignature) =>
            {
                format!("write a template such as `{usual}`")
            }
        };
        self.report.take(text.span(), parsed, cure)
    }

    /// Whether headers and templates go together.
    fn is_sound(
        &mut self,
        table: &HmacCredential,
        header: &HeaderName,
        signed: &SignedTemplate,
        time_header: Option<&HeaderName>,
    ) -> bool {
        let before = self.report.count();
        if signed.names(header) {
            let cure = "take the signature's own header out";
            self.report.add(table.signed.span(), "a signature cannot sign itself", cure);
        }
        if let Some(text) = &table.time_header {
            if time_header == Some(header) {
                let cure = "name another header, or write `{time}` in `template`";
                self.report.add(text.span(), "this is the header of the signature", cure);
            }
            if signed.has_two_times() {
                let cure = "keep either `{time}` or `{time_ms}` in `signed`";
                self.report.add(text.span(), "two times are signed, and a header tells one", cure);
            }
        }
        self.report.count() == before
    }
}
