//! Secrets and tokens of principals' own: each is had when its principal first comes, and kept while they go on coming.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ahash::RandomState;
use dashmap::DashMap;

use super::behalf::OnBehalf;
use super::{Credential, Method, Piece, UNAVAILABLE};
use crate::authz::Permit;
use crate::domain::{Denial, Principal, SecretRef};
use crate::vault::{Slot, Vault};

/// Where a principal's own secret is in a vault: a path in which `{principal.id}` and `{principal.authenticator}` stand for theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretTemplate(Vec<Part>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Id,
    Authenticator,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field(Field),
}

/// The secrets of principals' own, of one credential.
#[derive(Debug)]
pub(super) struct Own {
    source: Source,
    held: DashMap<String, Held, RandomState>,
    swept: Mutex<Instant>,
}

/// Where they come from.
#[derive(Debug)]
pub(super) enum Source {
    /// A place in a vault.
    Vault(Arc<Vault>, SecretTemplate),
    /// An authorization server, which is shown a token about the principal.
    Behalf(Arc<OnBehalf>),
}

#[derive(Debug)]
struct Held {
    credential: Arc<Credential>,
    used: Instant,
}

/// So many principals have their secret held at once; more are refused.
const MOST: usize = 10_000;
/// So many tokens of one principal are held, who may come with other roles and scopes each time: nobody takes the room of all.
const MOST_OF_ONE: usize = 16;
/// A secret that nobody came for this long is not read any more.
const KEPT: Duration = Duration::from_secs(600);
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// How long the first request of a principal waits for their secret.
const PATIENCE: Duration = Duration::from_secs(5);

impl SecretTemplate {
    /// The fields that a path may name.
    pub const FIELDS: [&str; 2] = ["{principal.id}", "{principal.authenticator}"];

    /// Whether this path is meant as one.
    pub fn is_one(path: &str) -> bool {
        path.contains(['{', '}'])
    }

    /// Reads a path with fields; none where it names others, or has no id in it, so that it would be everybody's.
    pub fn parse(path: &str) -> Option<Self> {
        let (mut parts, mut rest) = (Vec::new(), path);
        while let Some((literal, behind)) = rest.split_once('{') {
            let (field, behind) = behind.split_once('}')?;
            let field = match field {
                "principal.id" => Field::Id,
                "principal.authenticator" => Field::Authenticator,
                _ => return None,
            };
            // With what may stand in fields between them, `a-b` and `c` would be what `a` and `b-c` are.
            let is_apart = literal.contains('/') || !parts.iter().any(|part| matches!(part, Part::Field(_)));
            parts.extend(Some(literal).filter(|text| !text.is_empty()).map(|text| Part::Literal(text.to_owned())));
            parts.push(Part::Field(field));
            rest = behind;
            if !is_apart {
                return None;
            }
        }
        parts.extend(Some(rest).filter(|text| !text.is_empty()).map(|text| Part::Literal(text.to_owned())));
        let is_sound = |part: &Part| match part {
            Part::Literal(text) => !text.contains('}'),
            Part::Field(_) => true,
        };
        let is_own = parts.contains(&Part::Field(Field::Id));
        (is_own && parts.iter().all(is_sound)).then_some(Self(parts))
    }

    /// Whether the same id of two authenticators leads to two secrets.
    pub fn tells_authenticators_apart(&self) -> bool {
        self.0.contains(&Part::Field(Field::Authenticator))
    }

    /// The path of this principal's secret; none where it could be read as another one.
    fn fill(&self, principal: &Principal) -> Option<String> {
        let mut path = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(text) => path.push_str(text),
                Part::Field(Field::Id) => path.push_str(clean(&principal.id)?),
                Part::Field(Field::Authenticator) => path.push_str(clean(principal.authenticator.as_str())?),
            }
        }
        SecretRef::parse(&format!("own:{path}")).ok().map(|reference| reference.path)
    }
}

/// A text that is itself in any path, and no more than a part of a segment: nothing that ends a segment, names a field, climbs, is an option
/// of a program, or is spelled in two ways.
fn clean(text: &str) -> Option<&str> {
    let is_clean = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@' | b'+');
    let is_begun = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    (is_begun && text.len() <= 128 && text.bytes().all(is_clean)).then_some(text)
}

impl Own {
    pub(super) fn new(source: Source) -> Self {
        Self { source, held: DashMap::default(), swept: Mutex::new(Instant::now()) }
    }

    /// Whether the same principal would come to the same secret.
    pub(super) fn is_place_of(&self, other: &Self) -> bool {
        match (&self.source, &other.source) {
            (Source::Vault(vault, template), Source::Vault(other, another)) => {
                Arc::ptr_eq(vault, other) && template == another
            }
            (Source::Vault(..) | Source::Behalf(_), Source::Vault(..) | Source::Behalf(_)) => false,
        }
    }

    /// Where each one's secret is, where that is in a vault.
    pub(super) fn template(&self) -> Option<&SecretTemplate> {
        match &self.source {
            Source::Vault(_, template) => Some(template),
            Source::Behalf(_) => None,
        }
    }

    /// The credential with this principal's secret, which is read where that was not done before.
    ///
    /// # Errors
    /// [`crate::domain::Unavailable::Credential`] where they can have none; never another's.
    pub(super) async fn find(&self, of: &Credential, permit: &Permit) -> Result<Arc<Credential>, Denial> {
        let credential = self.held(of, permit.principal()).await?;
        if let Some(behalf) = &credential.behalf {
            behalf.see_to(permit).await;
        }
        Ok(credential)
    }

    async fn held(&self, of: &Credential, principal: &Principal) -> Result<Arc<Credential>, Denial> {
        let key = match &self.source {
            Source::Vault(_, template) => template.fill(principal),
            Source::Behalf(behalf) => Some(behalf.key(principal)),
        };
        let Some(key) = key else {
            if of.may_warn(Instant::now()) {
                log::warn!(credential = of.name.as_str(); "a principal's id cannot stand in the path of a secret");
            }
            return Err(UNAVAILABLE);
        };
        let now = Instant::now();
        self.sweep(now);
        if let Some(mut held) = self.held.get_mut(&key) {
            held.used = now;
            return Ok(Arc::clone(&held.credential));
        }
        if self.held.len() >= MOST {
            if of.may_warn(now) {
                log::error!(credential = of.name.as_str(); "more principals come at once than their secrets can be held");
            }
            return Err(UNAVAILABLE);
        }
        if matches!(self.source, Source::Behalf(_)) {
            self.make_room(&principal.name());
        }
        let (slot, behalf) = match &self.source {
            Source::Vault(vault, _) => (read(vault, &key).await?, None),
            Source::Behalf(behalf) => {
                let behalf = behalf.of(&of.name, principal);
                (Arc::clone(behalf.token.slot()), Some(behalf))
            }
        };
        let Some(Piece { method, .. }) = of.pieces.first() else { return Err(Denial::Internal) };
        let pieces = vec![Piece { method: Method::clone(method), secrets: vec![slot] }];
        let credential = Credential { behalf, ..Credential::new(of.name.clone(), of.target.clone(), pieces) };
        let credential = Arc::new(credential);
        // Whoever was first with it meanwhile has the same slot, or the one that counts.
        let held = self.held.entry(key).or_insert(Held { credential, used: now });
        Ok(Arc::clone(&held.credential))
    }

    /// Lets go of the token of this principal that was not used for the longest, where they have as many as anybody may.
    fn make_room(&self, name: &str) {
        let is_theirs = |key: &str| key.rsplit_once('#').is_some_and(|(of, _)| of == name);
        let theirs = self.held.iter().filter(|held| is_theirs(held.key()));
        let theirs: Vec<_> = theirs.map(|held| (held.used, held.key().clone())).collect();
        let oldest = theirs.iter().min().filter(|_| theirs.len() >= MOST_OF_ONE);
        oldest.iter().for_each(|(_, key)| drop(self.held.remove(key)));
    }

    pub(super) fn forget_stale(&self, now: Instant) {
        self.sweep(now);
        self.held.iter().for_each(|held| held.credential.forget_stale(now));
    }

    fn sweep(&self, now: Instant) {
        // Whoever finds somebody at it has nothing to do.
        let Ok(mut swept) = self.swept.try_lock() else { return };
        if now.saturating_duration_since(*swept) >= SWEEP_EVERY {
            *swept = now;
            self.held.retain(|_, held| now.saturating_duration_since(held.used) < KEPT);
        }
    }
}

async fn read(vault: &Arc<Vault>, place: &str) -> Result<Arc<Slot>, Denial> {
    let (vault, place) = (Arc::clone(vault), place.to_owned());
    let read = tokio::task::spawn_blocking(move || vault.own_slot(&place)).await;
    let slot = read.map_err(|_| Denial::Internal)?;
    slot.read_within(PATIENCE).await;
    Ok(slot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Name, PrincipalKind};
    use crate::vault::{Kind, Settings, Vaults};

    #[test]
    fn whoever_comes_with_ever_other_scopes_takes_nobody_elses_room() {
        let name = |text| Name::parse(text).expect("a name");
        let kind = Kind::Environment { prefix: "X_".to_owned() };
        let vault = Vaults::default().open(&Settings { name: name("env"), kind, max_stale: Settings::DEFAULT_STALE });
        let own = Own::new(Source::Vault(vault, SecretTemplate::parse("{principal.id}").expect("one")));
        let began = Instant::now();
        let come = |of: &str, nth: u32| {
            own.make_room(of);
            let credential = Arc::new(Credential::new(name("c"), name("t"), Vec::new()));
            own.held.insert(format!("{of}#{nth}"), Held { credential, used: began + Duration::from_secs(nth.into()) });
        };
        come("corp:bob", 0);
        come("corp:ada#1", 0);
        (0..100).for_each(|nth| come("corp:ada", nth));
        let mut left: Vec<_> = own.held.iter().map(|held| held.key().clone()).collect();
        left.sort();
        let mut want: Vec<_> = (84..100).map(|nth| format!("corp:ada#{nth}")).collect();
        want.extend(["corp:ada#1#0".to_owned(), "corp:bob#0".to_owned()]);
        want.sort();
        assert_eq!(left, want);
    }

    #[test]
    fn a_template_leads_to_one_secret_of_each_principal_or_to_none() {
        let principal = |id: &str| {
            let corp = Name::parse("corp").expect("a name");
            Principal::new(corp, PrincipalKind::Human, id.to_owned())
        };
        let template = SecretTemplate::parse("kv/users/{principal.id}/{principal.authenticator}#token").expect("one");
        assert!(template.tells_authenticators_apart());
        for (id, want) in [
            ("ada", Some("kv/users/ada/corp#token")),
            ("ada@example.com", Some("kv/users/ada@example.com/corp#token")),
            ("A.d-a_1+x", Some("kv/users/A.d-a_1+x/corp#token")),
            ("", None),
            (".", None),
            ("..", None),
            (".hidden", None),
            ("-rf", None),
            ("a/b", None),
            ("a/../b", None),
            ("a%2fb", None),
            ("a#b", None),
            ("a b", None),
            ("a\\b", None),
            ("a:b", None),
            ("a?b", None),
            ("a\u{e9}", None),
            ("a\0", None),
            (&"a".repeat(129), None),
        ] {
            assert_eq!(template.fill(&principal(id)).as_deref(), want, "{id}");
        }
    }

    #[test]
    fn a_template_that_is_everybodys_or_means_two_things_is_none() {
        for path in [
            "kv/users",
            "kv/{principal.authenticator}",
            "kv/{principal.name}",
            "kv/{principal.id",
            "kv/principal.id}/{principal.id}",
            "kv/{principal.authenticator}{principal.id}",
            "kv/{principal.authenticator}-{principal.id}",
        ] {
            assert_eq!(SecretTemplate::parse(path), None, "{path}");
        }
        assert!(!SecretTemplate::parse("{principal.id}").expect("one").tells_authenticators_apart());
    }
}
