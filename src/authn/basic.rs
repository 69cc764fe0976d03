//! User names and passwords (RFC 7617).

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::crypto::{Fingerprints, PasswordDigest};
use crate::domain::{AuthnFault, Denial, Name, NetworkSet, Principal, PrincipalKind, Secret};

use super::Passwords;
use super::facts::{Fact, Facts};
use super::flights::Flights;

/// What an `[authn.NAME.basic]` knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicSettings {
    /// The NAME.
    pub name: Name,
    /// How long a password that was right is not compared again; at most [`BasicSettings::MAX_CACHE`].
    pub cache: Duration,
    /// The users.
    pub users: Vec<BasicUser>,
}

/// One user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicUser {
    /// The name that is presented; no two have the same.
    pub user: String,
    /// The password, by its digest.
    pub digest: PasswordDigest,
    /// The id of the principal that it proves.
    pub owner: String,
    /// The principal's roles.
    pub roles: Vec<Arc<str>>,
    /// The principal's scopes.
    pub scopes: Vec<Arc<str>>,
    /// What sort of caller it is.
    pub kind: PrincipalKind,
    /// The moment from which on it proves nothing.
    pub expires: Option<SystemTime>,
    /// The client networks that it may be used from; none means any.
    pub networks: Option<NetworkSet>,
}

impl BasicSettings {
    /// The longest that a right password may be remembered.
    pub const MAX_CACHE: Duration = Duration::from_hours(1);
}

impl Hash for BasicSettings {
    /// By what tells settings apart in practice; equality looks at everything.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// Why settings make no authenticator; with the user, where it is one's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BasicFault {
    /// A name that cannot be presented, or another's.
    User(String),
    /// The owner is no valid id.
    Owner(String),
    /// Right passwords would be remembered for longer than [`BasicSettings::MAX_CACHE`].
    Cache,
}

/// An `[authn.NAME.basic]`.
pub struct Basic {
    name: Name,
    users: HashMap<Box<str>, Known, ahash::RandomState>,
    /// What the password of a user that is not known is compared with: as costly as the costliest.
    decoy: Option<Arc<PasswordDigest>>,
    passwords: Arc<Passwords>,
    /// What was right a short while ago, by a keyed digest of user and password.
    seen: Facts<32>,
    /// The comparisons under way.
    flights: Flights,
    fingerprints: Fingerprints,
    cache: Duration,
}

struct Known {
    digest: Arc<PasswordDigest>,
    principal: Arc<Principal>,
    networks: Option<NetworkSet>,
}

/// The longest user name and password, in bytes.
const MAX_USER: usize = 128;
const MAX_PASSWORD: usize = 256;
/// How many right passwords are remembered.
const MAX_SEEN: usize = 16_384;

impl Basic {
    /// An authenticator that knows these users.
    ///
    /// # Errors
    /// One [`BasicFault`] per way to be wrong.
    pub fn new(settings: BasicSettings, passwords: Arc<Passwords>) -> Result<Self, BasicFault> {
        let BasicSettings { name, cache, users: entries } = settings;
        if cache > BasicSettings::MAX_CACHE {
            return Err(BasicFault::Cache);
        }
        let costliest = entries.iter().max_by_key(|entry| entry.digest.work());
        let decoy = costliest.map(|entry| Arc::new(entry.digest.decoy()));
        let mut users = HashMap::with_capacity_and_hasher(entries.len(), ahash::RandomState::new());
        for entry in entries {
            if !Principal::is_valid_id(&entry.owner) {
                return Err(BasicFault::Owner(entry.user));
            }
            let user = entry.user.clone();
            if !is_user(&user) || users.insert(user.as_str().into(), Known::new(entry, &name)).is_some() {
                return Err(BasicFault::User(user));
            }
        }
        let (seen, fingerprints) = (Facts::new(MAX_SEEN), Fingerprints::default());
        Ok(Self { name, users, decoy, passwords, seen, flights: Flights::default(), fingerprints, cache })
    }

    /// The NAME of its `[authn.NAME]`.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The principal that it proves. A user that is not known costs what a wrong password costs, and what else keeps a user out is told only
    /// to who knows the password.
    pub(super) async fn verify(
        &self,
        credentials: &str,
        client: IpAddr,
        now: SystemTime,
    ) -> Result<Arc<Principal>, Denial> {
        let text = decode(credentials).ok_or(Denial::Unauthenticated(AuthnFault::Malformed))?;
        let (user, password) = split(&text).ok_or(Denial::Unauthenticated(AuthnFault::Malformed))?;
        let known = self.users.get(user);
        let fingerprint = self.fingerprints.of(&[user.as_bytes(), password.as_bytes()]);
        if self.seen.find(&fingerprint, now, |_| true).is_none() {
            // When what was remembered ends, a busy caller's requests all come here at once.
            let flight = self.flights.join(fingerprint);
            flight.answer.get_or_init(|| self.compare(fingerprint, known, password, now)).await.clone()?;
        }
        known.ok_or(AuthnFault::UnknownKey).and_then(|known| known.admit(client, now)).map_err(Denial::Unauthenticated)
    }

    /// Compares a password with what is known of its user.
    async fn compare(
        &self,
        fingerprint: [u8; 32],
        known: Option<&Known>,
        password: &str,
        now: SystemTime,
    ) -> Result<Arc<Principal>, Denial> {
        let is_right = match known.map(|known| &known.digest).or(self.decoy.as_ref()) {
            Some(digest) => {
                let password = Secret::new(password.as_bytes().to_vec());
                self.passwords.compare(Arc::clone(digest), password).await?
            }
            None => false,
        };
        let known = known.ok_or(Denial::Unauthenticated(AuthnFault::UnknownKey))?;
        if !is_right {
            return Err(Denial::Unauthenticated(AuthnFault::Signature));
        }
        self.remember(fingerprint, &known.principal, now);
        Ok(Arc::clone(&known.principal))
    }

    fn remember(&self, fingerprint: [u8; 32], principal: &Arc<Principal>, now: SystemTime) {
        let Some(until) = now.checked_add(self.cache) else { return };
        // What is found in the instance was proved by its own digests, which never change: there is no key to name.
        self.seen.keep(fingerprint, Fact { principal: Arc::clone(principal), from: now, until, key: [0; 32] });
    }
}

/// The user name that these credentials claim, proved or not.
pub(super) fn claimed_user(credentials: &str) -> Option<String> {
    let text = decode(credentials)?;
    split(&text).map(|(user, _)| user.to_owned())
}

/// What stands in the base64, in its one canonical spelling.
fn decode(credentials: &str) -> Option<Zeroizing<String>> {
    const MAX_TEXT: usize = (MAX_USER + 1 + MAX_PASSWORD).div_ceil(3) * 4;
    if credentials.len() > MAX_TEXT {
        return None;
    }
    let bytes = STANDARD.decode(credentials).ok()?;
    String::from_utf8(bytes).ok().map(Zeroizing::new)
}

/// User and password: a password may hold colons, a user name cannot (RFC 7617 §2).
fn split(text: &str) -> Option<(&str, &str)> {
    let (user, password) = text.split_once(':')?;
    let is_password = (1..=MAX_PASSWORD).contains(&password.len()) && !password.chars().any(char::is_control);
    (is_user(user) && is_password).then_some((user, password))
}

fn is_user(text: &str) -> bool {
    (1..=MAX_USER).contains(&text.len()) && !text.chars().any(|c| c.is_control() || c == ':')
}

impl Known {
    fn new(entry: BasicUser, authenticator: &Name) -> Self {
        let BasicUser { user, digest, owner, roles, scopes, kind, expires, networks } = entry;
        let key = Some(user.into());
        let principal = Principal {
            roles,
            scopes,
            expires,
            key,
            networks: networks.clone(),
            ..Principal::new(authenticator.clone(), kind, owner)
        };
        Self { digest: Arc::new(digest), principal: Arc::new(principal), networks }
    }

    fn admit(&self, client: IpAddr, now: SystemTime) -> Result<Arc<Principal>, AuthnFault> {
        if self.principal.expires.is_some_and(|end| now >= end) {
            Err(AuthnFault::Expired)
        } else if self.networks.as_ref().is_some_and(|networks| !networks.contains(client)) {
            Err(AuthnFault::Network)
        } else {
            Ok(Arc::clone(&self.principal))
        }
    }
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Basic");
        shown
            .field("name", &self.name)
            .field("users", &self.users.len())
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for BasicFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(
                f,
                "user {user:?} cannot be presented: a name is 1 to {MAX_USER} bytes without colons and control characters"
            ),
            Self::Owner(user) => write!(f, "the owner of user `{user}` is no valid id"),
            Self::Cache => f.write_str("`cache` is longer than an hour"),
        }
    }
}

impl std::error::Error for BasicFault {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::testing::{NOW, at, name};

    fn user(user: &str, password: &str) -> BasicUser {
        BasicUser {
            user: user.to_owned(),
            digest: PasswordDigest::generate(password.as_bytes()).expect("a digest"),
            owner: user.to_owned(),
            roles: Vec::new(),
            scopes: Vec::new(),
            kind: PrincipalKind::Service,
            expires: None,
            networks: None,
        }
    }

    fn basic(users: Vec<BasicUser>, cache: u64) -> Result<Basic, BasicFault> {
        let settings = BasicSettings { name: name("passwords"), cache: Duration::from_secs(cache), users };
        Basic::new(settings, Arc::default())
    }

    async fn prove(basic: &Basic, credentials: &str, client: &str, now: u64) -> Result<String, Denial> {
        let client = client.parse().expect("address");
        basic.verify(credentials, client, at(now)).await.map(|principal| principal.id.clone())
    }

    #[tokio::test]
    async fn a_password_proves_its_user_and_anything_else_names_its_fault() {
        use AuthnFault::{Expired, Malformed, Network, Signature, UnknownKey};
        let mut bound = user("bound", "b");
        bound.networks = Some(NetworkSet::new(vec!["10.0.0.0/8".parse().expect("network")]));
        let mut expired = user("expired", "e");
        expired.expires = Some(at(NOW));
        let basic = basic(vec![user("åda", "pass:wörd"), bound, expired], 60).expect("an authenticator");
        let far = "192.0.2.1";
        for (text, client, want) in [
            ("åda:pass:wörd", far, Ok("åda")),
            ("åda:pass:word", far, Err(Signature)),
            ("åda:pass", far, Err(Signature)),
            ("åda:pass:wörd", far, Ok("åda")),
            ("Åda:pass:wörd", far, Err(UnknownKey)),
            ("root:pass:wörd", far, Err(UnknownKey)),
            ("bound:b", "::ffff:10.0.0.1", Ok("bound")),
            ("bound:b", far, Err(Network)),
            ("bound:x", far, Err(Signature)),
            ("expired:e", far, Err(Expired)),
            ("expired:x", far, Err(Signature)),
            ("", far, Err(Malformed)),
            ("åda", far, Err(Malformed)),
            (":pass:wörd", far, Err(Malformed)),
            ("åda:", far, Err(Malformed)),
            ("åda:pass:wörd\n", far, Err(Malformed)),
            ("åda\0:pass:wörd", far, Err(Malformed)),
        ] {
            let got = prove(&basic, &STANDARD.encode(text), client, NOW).await;
            assert_eq!(got, want.map(str::to_owned).map_err(Denial::Unauthenticated), "{text:?} from {client}");
        }
        let long = STANDARD.encode(format!("{}:x", "u".repeat(MAX_USER + 1)));
        let longer = STANDARD.encode(format!("åda:{}", "p".repeat(MAX_PASSWORD + 1)));
        for text in
            ["YWRhOnB3=", "YWRhOnB3Cg", "YWRhOnB4eR==", "YWRh_nB3", "/////w==", "YWRh OnB3", "\u{e5}", &long, &longer]
        {
            let got = prove(&basic, text, far, NOW).await;
            assert_eq!(got, Err(Denial::Unauthenticated(Malformed)), "{text}");
        }
    }

    #[tokio::test]
    async fn a_right_password_is_remembered_for_a_short_while_and_a_wrong_one_never() {
        let basic = basic(vec![user("ada", "right")], 60).expect("an authenticator");
        let right = STANDARD.encode("ada:right");
        let wrong = STANDARD.encode("ada:wrong");
        let is_seen =
            |text: &[u8], now| basic.seen.find(&basic.fingerprints.of(&[b"ada", text]), at(now), |_| true).is_some();
        assert!(prove(&basic, &wrong, "192.0.2.1", NOW).await.is_err());
        assert!(!is_seen(b"wrong", NOW) && !is_seen(b"right", NOW));
        assert!(prove(&basic, &right, "192.0.2.1", NOW).await.is_ok());
        assert!(is_seen(b"right", NOW) && is_seen(b"right", NOW + 59) && !is_seen(b"right", NOW + 60));
        assert!(prove(&basic, &wrong, "192.0.2.1", NOW).await.is_err(), "after the right one too");
        assert!(!is_seen(b"wrong", NOW));
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let with = |change: fn(&mut BasicUser)| {
            let mut one = user("ada", "x");
            change(&mut one);
            one
        };
        let long = "u".repeat(MAX_USER + 1);
        for (users, cache, want) in [
            (vec![with(|u| u.owner = "a@b@c".to_owned())], 60, BasicFault::Owner("ada".to_owned())),
            (vec![with(|u| u.user = "a:b".to_owned())], 60, BasicFault::User("a:b".to_owned())),
            (vec![with(|u| u.user = String::new())], 60, BasicFault::User(String::new())),
            (vec![with(|u| u.user = "u".repeat(129))], 60, BasicFault::User(long)),
            (vec![user("ada", "x"), user("ada", "y")], 60, BasicFault::User("ada".to_owned())),
            (vec![user("ada", "x")], 3601, BasicFault::Cache),
        ] {
            assert_eq!(basic(users, cache).err(), Some(want));
        }
        let shown = format!("{:?}", user("ada", "x"));
        assert!(!shown.contains("argon2"), "{shown}");
    }
}
