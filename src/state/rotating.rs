//! The replacing of a credential's secret, with what it takes to prove a new one.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;

use crate::domain::Secret;
use crate::inject::Credential;
use crate::target::Target;
use crate::vault::Rotation;

/// A compiled `[rotation.NAME]`.
#[derive(Debug, Clone)]
pub struct Rotating {
    /// Where it stands.
    pub rotation: Arc<Rotation>,
    /// Whose secret it is.
    pub credential: Arc<Credential>,
    /// The only target that it may be shown to.
    pub target: Arc<Target>,
    /// What the target is asked.
    pub probe: Probe,
}

/// What a target is asked with a new secret.
#[derive(Debug, Clone)]
pub struct Probe {
    /// The path, below that of the target.
    pub path: PathAndQuery,
    /// The statuses by which the secret is taken.
    pub expect: RangeInclusive<u16>,
    /// How long that may take.
    pub timeout: Duration,
}

impl Rotating {
    /// Whether the target takes a secret.
    ///
    /// # Errors
    /// Why it does not, or cannot be asked; never with what was sent.
    pub async fn prove(&self, secret: &Arc<Secret>) -> Result<(), String> {
        let injection = self.credential.trial(secret).ok_or("it cannot be sent in this form")?;
        let query = injection.query(self.probe.path.query());
        let asked = self.target.ask(
            self.probe.path.path(),
            query.as_ref().map(|text| text.as_str()).or(self.probe.path.query()),
            |head| {
                for (name, value) in injection.headers() {
                    head.insert(name.clone(), value.clone());
                }
                if let Some(cookies) = injection.cookies(std::iter::empty()) {
                    head.insert(http::header::COOKIE, cookies);
                }
            },
        );
        match tokio::time::timeout(self.probe.timeout, asked).await {
            Ok(Ok(status)) if self.probe.expect.contains(&status) => Ok(()),
            Ok(Ok(status)) => Err(format!("the target answered with status {status}")),
            Ok(Err(reason)) => Err(reason),
            Err(_) => Err(format!("the target did not answer within {:?}", self.probe.timeout)),
        }
    }
}
