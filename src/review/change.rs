//! One thing that another configuration changes.

use serde::Serialize;

/// Something that changes, in words and for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What it does to access.
    pub effect: Effect,
    /// Whom or what it is about: `role billing`, `route stripe`, `target api`.
    pub about: String,
    /// What may be asked for now, or not any more, where that changes.
    #[serde(flatten)]
    pub access: Option<Access>,
    /// All of it in one sentence.
    pub text: String,
    /// Whether nobody can do more by it, though no effect can be said.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub harmless: bool,
}

/// What a change does to access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// More is possible than before.
    Gained,
    /// Less is possible than before.
    Lost,
    /// Neither can be said.
    Changed,
}

impl Effect {
    /// The word for it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Gained => "gained",
            Self::Lost => "lost",
            Self::Changed => "changed",
        }
    }
}

/// What somebody may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Access {
    /// The route that takes it.
    pub route: String,
    /// The hosts; none for all of the route's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The methods.
    pub methods: Vec<&'static str>,
    /// The paths, as clients ask for them.
    pub path: String,
    /// Paths among these for which it does not hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// What else is needed: scopes, networks, an approval.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
}

impl Change {
    /// One that is about no access in particular.
    pub(super) fn plain(effect: Effect, about: impl Into<String>, text: impl Into<String>) -> Self {
        Self { effect, about: about.into(), access: None, text: text.into(), harmless: false }
    }

    /// The same, harmless where this holds and nothing is gained.
    pub(super) fn harmless_if(self, is_known: bool) -> Self {
        Self { harmless: is_known && self.effect != Effect::Gained, ..self }
    }

    /// Whether more may be possible by it than before: it is gained, or nobody can say that it is not.
    pub fn may_be_gained(&self) -> bool {
        match self.effect {
            Effect::Gained => true,
            Effect::Lost => false,
            Effect::Changed => !self.harmless,
        }
    }
}
