//! `[credential.NAME]`.

use std::ops::Range;
use std::sync::Arc;

use http::HeaderName;

use super::oauth2::Obtained;
use super::{Compiled, Compiler};
use crate::config::file::{AwsCredential, BodyCredential, CredentialTable, SeveralCredential, Text};
use crate::crypto::sigv4::is_s3;
use crate::domain::Name;
use crate::inject::{
    AwsPayload, AwsSettings, Blank, Credential, Field, Issuer, Method, OnBehalf, PathTemplate, Piece, Placeholder,
    SecretTemplate,
};
use crate::target::{Scheme, Target};
use crate::vault::{Slot, Vault};

/// Headers that decide framing, routing or the connection: no credential may be put there.
const RESERVED_HEADERS: [&str; 11] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "forwarded",
    "x-forwarded-for",
    "content-type",
];

/// What a credential is made of.
enum What {
    Pieces(Vec<Piece>),
    /// The secret is each principal's own.
    Own(Method, Arc<Vault>, SecretTemplate),
    /// It is a token that is had on each principal's behalf.
    Behalf(OnBehalf),
    /// It is a decoy.
    Canary,
}

impl Compiler<'_, '_> {
    pub(super) fn credential(
        &mut self,
        name: &Name,
        (span, table): (Range<usize>, CredentialTable),
        vaults: &Compiled<Arc<Vault>>,
        targets: &Compiled<Arc<Target>>,
        issuer: Option<&Arc<Issuer>>,
    ) -> Option<Arc<Credential>> {
        let (target, what) = match table {
            CredentialTable::Bearer(table) => (table.target, self.piece(Some(Method::Bearer), &table.secret, vaults)),
            CredentialTable::Basic(table) => {
                let method = self.basic(&table.username);
                (table.target, self.piece(method, &table.secret, vaults))
            }
            CredentialTable::Header(table) => {
                let method = self.injected_header(&table.name, &table.prefix);
                (table.target, self.piece(method, &table.secret, vaults))
            }
            CredentialTable::Query(table) => {
                let method = self.parameter(&table.parameter);
                (table.target, self.piece(method, &table.secret, vaults))
            }
            CredentialTable::Cookie(table) => {
                let method = self.cookie(&table.name);
                (table.target, self.piece(method, &table.secret, vaults))
            }
            CredentialTable::Path(table) => {
                let template = PathTemplate::parse(table.template.get_ref());
                let template = self.report.take(table.template.span(), template, "write one such as `/bot{secret}`");
                (table.target, self.piece(template.map(Method::Path), &table.secret, vaults))
            }
            CredentialTable::Body(table) => {
                let method = self.blank(&table).map(Method::Body);
                (table.target, self.piece(method, &table.secret, vaults))
            }
            CredentialTable::Several(table) => {
                let pieces = self.several(span, &table, vaults);
                (table.target, pieces.map(What::Pieces))
            }
            CredentialTable::Oauth2(table) => {
                let token = self.oauth2(name, &table, vaults, issuer).map(|obtained| match obtained {
                    Obtained::Shared(slot) => What::Pieces(vec![Piece { method: Method::Bearer, secrets: vec![slot] }]),
                    Obtained::Own(behalf) => What::Behalf(behalf),
                });
                (table.target, token)
            }
            CredentialTable::Canary(table) => (table.target, Some(What::Canary)),
            CredentialTable::AwsSigv4(table) => {
                let piece = self.aws(&table, vaults);
                (table.target, piece.map(|piece| What::Pieces(vec![piece])))
            }
            CredentialTable::Hmac(table) => {
                let method = self.hmac(&table);
                (table.target, self.piece(method, &table.secret, vaults))
            }
            CredentialTable::ClientCertificate(table) => {
                (table.target, self.piece(Some(Method::ClientCertificate), &table.secret, vaults))
            }
        };
        let found = self.find(targets, &target).cloned();
        let (found, what) = (found?, what?);
        self.may_show(&target, &found, &what).then_some(())?;
        let (name, target) = (name.clone(), found.settings().name.clone());
        self.engines.metrics.credential_refused(&name, 0);
        Some(Arc::new(match what {
            What::Pieces(pieces) => Credential::new(name, target, pieces),
            What::Canary => Credential::canary(name, target),
            What::Behalf(behalf) => Credential::on_behalf(name, target, behalf),
            What::Own(method, vault, template) => Credential::of_principals(name, target, method, vault, template),
        }))
    }

    /// Whether the target can be shown a certificate, where there is one among the pieces.
    fn may_show(&mut self, text: &Text, target: &Target, what: &What) -> bool {
        let is_shown = |method: &Method| matches!(method, Method::ClientCertificate);
        let shows = match what {
            What::Pieces(pieces) => pieces.iter().any(|piece| is_shown(&piece.method)),
            What::Own(method, ..) => is_shown(method),
            What::Behalf(_) | What::Canary => false,
        };
        let may_show = !shows || target.settings().origin.scheme == Scheme::Https;
        if !may_show {
            let cure = "name a target with an `https` URL";
            let message = "a client certificate is shown in TLS, which this target does not speak";
            self.report.add(text.span(), message, cure);
        }
        may_show
    }

    fn piece(&mut self, method: Option<Method>, secret: &Text, vaults: &Compiled<Arc<Vault>>) -> Option<What> {
        if SecretTemplate::is_one(secret.get_ref()) {
            let (vault, template) = self.own_secret(secret, vaults)?;
            return Some(What::Own(method?, vault, template));
        }
        let secret = self.secret(secret, vaults);
        Some(What::Pieces(vec![Piece { method: method?, secrets: vec![secret?] }]))
    }

    /// The place of a secret that each principal has one of their own at.
    fn own_secret(&mut self, text: &Text, vaults: &Compiled<Arc<Vault>>) -> Option<(Arc<Vault>, SecretTemplate)> {
        let cure = "write `vault:path` with `{principal.id}` in the path, and `{principal.authenticator}` with a `/` between them";
        let (vault, path) = text.get_ref().split_once(':').unwrap_or_default();
        let template = SecretTemplate::parse(path).ok_or("no place of a principal's own secret");
        let template = self.report.take(text.span(), template, cure)?;
        let Some(vault) = vaults.by_name.get(vault) else {
            self.report.add(text.span(), "what stands before `:` names no vault", "add `[vault.NAME.KIND]`");
            return None;
        };
        let vault = Arc::clone(vault.as_ref()?);
        if !vault.tells_paths_apart() {
            let cure = "use another kind of vault";
            self.report.add(text.span(), "in the environment, two principals could have the same variable", cure);
            return None;
        }
        if vault.guesses(path) {
            let message = "AWS takes part of an ARN for the whole, and so could give a principal the secret of another";
            self.report.add(text.span(), message, "write the name of the secret in place of its ARN");
            return None;
        }
        Some((vault, template))
    }

    fn several(
        &mut self,
        span: Range<usize>,
        table: &SeveralCredential,
        vaults: &Compiled<Arc<Vault>>,
    ) -> Option<Vec<Piece>> {
        let headers = table.headers.iter().map(|(name, secret)| (self.injected_header(name, ""), secret));
        let mut all: Vec<_> = headers.collect();
        all.extend(table.query.iter().map(|(name, secret)| (self.parameter(name), secret)).collect::<Vec<_>>());
        all.extend(table.cookies.iter().map(|(name, secret)| (self.cookie(name), secret)).collect::<Vec<_>>());
        all.extend(table.client_certificate.iter().map(|secret| (Some(Method::ClientCertificate), secret)));
        if all.is_empty() {
            let cure = "name `headers`, `query`, `cookies` or `client_certificate`";
            self.report.add(span, "a credential puts something on requests", cure);
            return None;
        }
        let pieces = all.into_iter().map(|(method, secret)| {
            let secret = self.secret(secret, vaults);
            Some(Piece { method: method?, secrets: vec![secret?] })
        });
        pieces.collect::<Vec<_>>().into_iter().collect()
    }

    fn aws(&mut self, table: &AwsCredential, vaults: &Compiled<Arc<Vault>>) -> Option<Piece> {
        let (region, service) = (self.name_of_aws(&table.region), self.name_of_aws(&table.service));
        let payload = match &table.payload {
            None if service.as_deref().is_some_and(is_s3) => Some(AwsPayload::Unsigned),
            None => Some(AwsPayload::Signed),
            Some(text) => {
                let payload = match text.get_ref().as_str() {
                    "signed" => Ok(AwsPayload::Signed),
                    "unsigned" => Ok(AwsPayload::Unsigned),
                    _ => Err("no such payload"),
                };
                self.report.take(text.span(), payload, "choose `signed` or `unsigned`")
            }
        };
        let mut secrets: Vec<Option<Arc<Slot>>> = Vec::new();
        for text in [Some(&table.access_key), Some(&table.secret), table.session_token.as_ref()].into_iter().flatten() {
            secrets.push(self.secret(text, vaults));
        }
        let secrets = secrets.into_iter().collect::<Option<Vec<_>>>()?;
        let settings = AwsSettings { region: region?, service: service?, payload: payload? };
        Some(Piece { method: Method::Aws(settings), secrets })
    }

    fn blank(&mut self, table: &BodyCredential) -> Option<Blank> {
        let placeholder = Placeholder::parse(table.placeholder.get_ref());
        let placeholder = self.report.take(table.placeholder.span(), placeholder, "write one such as `__API_KEY__`");
        let field = Field::parse(table.field.get_ref());
        let field = self.report.take(table.field.span(), field, "write one such as `auth_key` or `auth/key`");
        Some(Blank { placeholder: placeholder?, field: field? })
    }

    /// A region or a service.
    pub(super) fn name_of_aws(&mut self, text: &Text) -> Option<String> {
        let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        let text_is_part = !text.get_ref().is_empty() && text.get_ref().bytes().all(is_part);
        let checked = if text_is_part { Ok(text.get_ref().clone()) } else { Err("not a name of AWS") };
        self.report.take(text.span(), checked, "write it as AWS does, such as `eu-central-1` or `dynamodb`")
    }

    fn cookie(&mut self, name: &Text) -> Option<Method> {
        // A token (RFC 6265 §4.1.1), as the names of headers are.
        let is_name = HeaderName::from_bytes(name.get_ref().as_bytes()).is_ok();
        let checked = if is_name { Ok(name.get_ref().clone()) } else { Err("not the name of a cookie") };
        let name = self.report.take(name.span(), checked, "use letters, digits, `-` and `_`")?;
        Some(Method::Cookie { name })
    }

    fn basic(&mut self, username: &Text) -> Option<Method> {
        if username.get_ref().contains(':') || username.get_ref().chars().any(char::is_control) {
            self.report.add(username.span(), "a user name holds no `:` and no control character (RFC 7617)", "mend it");
            return None;
        }
        Some(Method::Basic { username: username.get_ref().clone() })
    }

    fn injected_header(&mut self, name: &Text, prefix: &str) -> Option<Method> {
        let parsed = self.free_header(name)?;
        if !prefix.bytes().all(|b| matches!(b, b' '..=b'~')) {
            self.report.add(name.span(), "`prefix` holds what a header cannot", "use visible ASCII and blanks");
            return None;
        }
        Some(Method::Header { name: parsed, prefix: prefix.to_owned() })
    }

    /// A header that a credential may be put in.
    pub(super) fn free_header(&mut self, name: &Text) -> Option<HeaderName> {
        let parsed = self.header_name(name)?;
        if RESERVED_HEADERS.contains(&parsed.as_str()) {
            self.report.add(
                name.span(),
                "no credential may be put in this header",
                "name the one the upstream asks for",
            );
            return None;
        }
        Some(parsed)
    }

    pub(super) fn header_name(&mut self, text: &Text) -> Option<HeaderName> {
        let parsed = HeaderName::from_bytes(text.get_ref().as_bytes()).map_err(|_| "not a header name");
        let name = self.report.take(text.span(), parsed, "a header name is letters, digits and `-`")?;
        if name.as_str().contains(['_', '.']) {
            let cure = "use `-`: servers take `_` and `.` for it, and requests that hold them are refused";
            self.report.add(text.span(), "a header name with `_` or `.` is ambiguous", cure);
            return None;
        }
        Some(name)
    }

    fn parameter(&mut self, text: &Text) -> Option<Method> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
        if text.get_ref().is_empty() || !text.get_ref().bytes().all(plain) {
            self.report.add(text.span(), "not a plain parameter name", "use letters, digits, `-`, `_`, `.`, `~`");
            return None;
        }
        Some(Method::Query { parameter: text.get_ref().clone() })
    }
}
