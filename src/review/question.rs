//! What somebody wants to know: whether this caller may have this request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, header};

use crate::domain::{Name, Principal, PrincipalKind};

/// A request, and who asks for it, under which circumstances.
#[derive(Debug, Clone)]
pub struct Question {
    /// The method.
    pub method: String,
    /// The whole URL, as a client writes it.
    pub url: String,
    /// Who asks.
    pub caller: Caller,
    /// The client's address.
    pub client: IpAddr,
    /// When.
    pub time: SystemTime,
    /// The approvals of which the caller is taken to hold a grant that fits.
    pub granted: Vec<Name>,
}

/// Who asks.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Somebody who presents nothing.
    Nobody,
    /// Somebody who is taken to be proved.
    Proved(Arc<Principal>),
    /// Somebody who presents this, as the value of `Authorization`.
    Presents(HeaderValue),
}

impl Caller {
    /// A principal that is taken to be proved.
    pub fn proved(
        (authenticator, id): (Name, String),
        kind: PrincipalKind,
        roles: &[String],
        scopes: &[String],
    ) -> Self {
        let all = |texts: &[String]| texts.iter().map(|text| Arc::from(text.as_str())).collect();
        let bare = Principal::new(authenticator, kind, id);
        Self::Proved(Arc::new(Principal { roles: all(roles), scopes: all(scopes), ..bare }))
    }

    /// Somebody with a token or an API key, or a whole value of `Authorization`; none for what no header can hold.
    pub fn presents(text: &str) -> Option<Self> {
        let text = text.trim();
        let value = if text.contains(' ') { text.to_owned() } else { format!("Bearer {text}") };
        let mut value = HeaderValue::try_from(value).ok()?;
        value.set_sensitive(true);
        Some(Self::Presents(value))
    }

    pub(super) fn headers(&self) -> HeaderMap {
        match self {
            Self::Presents(value) => [(header::AUTHORIZATION, value.clone())].into_iter().collect(),
            Self::Nobody | Self::Proved(_) => HeaderMap::new(),
        }
    }
}
