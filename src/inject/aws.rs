//! An access key of AWS as a credential: its secret never leaves, what it signs does.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwapOption;

use crate::crypto::sigv4::{AccessKey, DayKey, Fault, Head, Payload, Settings, Signature, Signer, SigningTime};
use crate::domain::Secret;

/// Whom a signature is for, and what it says of the body.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AwsSettings {
    /// Such as `eu-central-1`.
    pub region: String,
    /// The service's name in signatures, such as `dynamodb`.
    pub service: String,
    /// What is said of the body.
    pub payload: AwsPayload,
}

/// What a signature says of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AwsPayload {
    /// Its digest, for which it is read before anything is sent.
    Signed,
    /// Nothing, where the service takes that, as S3 does over TLS.
    Unsigned,
}

impl AwsSettings {
    pub(super) fn signs_body(&self) -> bool {
        self.payload == AwsPayload::Signed
    }
}

/// An access key, ready to sign.
pub(super) struct Aws {
    settings: AwsSettings,
    how: Settings,
    access: AccessKey,
    secret: Arc<Secret>,
    /// Derived once a day.
    day: ArcSwapOption<DayKey>,
}

impl Aws {
    /// Of an id, its secret, and a session token where it is a temporary one.
    pub(super) fn new(settings: AwsSettings, secrets: &[Arc<Secret>]) -> Option<Self> {
        let (id, secret, token) = match secrets {
            [id, secret] => (id, secret, None),
            [id, secret, token] => (id, secret, Some(token.expose())),
            _ => return None,
        };
        let access = AccessKey::new(std::str::from_utf8(id.expose()).ok()?, token).ok()?;
        let how = Settings::for_service(&settings.service);
        let aws = Self { settings, how, access, secret: Arc::clone(secret), day: ArcSwapOption::empty() };
        // A key that cannot be derived would fail with each request.
        aws.key(&SigningTime::new(SystemTime::now()).ok()?).ok()?;
        Some(aws)
    }

    pub(super) fn sign(&self, head: &Head<'_>, payload: Payload, now: SystemTime) -> Result<Signature, Fault> {
        let at = SigningTime::new(now)?;
        let key = self.key(&at)?;
        Signer { access: &self.access, key: &key, settings: &self.how }.sign(head, payload, &at)
    }

    fn key(&self, at: &SigningTime) -> Result<Arc<DayKey>, Fault> {
        if let Some(key) = self.day.load_full().filter(|key| key.is_for(at)) {
            return Ok(key);
        }
        let AwsSettings { region, service, .. } = &self.settings;
        let key = Arc::new(DayKey::derive(self.secret.expose(), at, region, service)?);
        self.day.store(Some(Arc::clone(&key)));
        Ok(key)
    }
}
