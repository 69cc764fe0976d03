//! `[rotation.NAME]`.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{Compiled, Compiler};
use crate::config::file::{ProbeTable, ProviderTable, RotationTable};
use crate::config::values::{Period, Spanned};
use crate::domain::Name;
use crate::inject::Credential;
use crate::state::{Probe, Rotating};
use crate::target::Target;
use crate::vault::{CommandSettings, NewSecret, RotationSettings, Vault};

impl Compiler<'_, '_> {
    pub(super) fn rotation(
        &mut self,
        name: &Name,
        (_, table): (Range<usize>, RotationTable),
        vaults: &Compiled<Arc<Vault>>,
        targets: &Compiled<Arc<Target>>,
        credentials: &Compiled<Arc<Credential>>,
    ) -> Option<Rotating> {
        let timeout = self.up_to(table.timeout.as_ref(), 30, 300, "a program or a call takes 5m at most");
        let source = self.source(&table, timeout, vaults);
        let (retire, probe) = (self.words(table.retire.as_ref()), self.probe(&table.probe));
        let max_refused = match &table.max_refused {
            None => Some(5),
            Some(written) => {
                let percent = Some(*written.get_ref()).filter(|percent| *percent <= 100).ok_or("more than all");
                self.report.take(written.span(), percent, "write how many of a hundred")
            }
        };
        let every = self.every(table.every.as_ref());
        let patience = self.up_to(table.patience.as_ref(), 60, 3600, "a target takes a new secret within 1h");
        let watch = self.up_to(table.watch.as_ref(), 300, 24 * 3600, "what it answers is watched for 1s to 24h");
        let grace = self.up_to(table.grace.as_ref(), 3600, 30 * 24 * 3600, "an old secret is kept for 30 days at most");
        let credential = Arc::clone(self.find(credentials, &table.credential)?);
        let settings = RotationSettings {
            name: name.clone(),
            credential: credential.name().clone(),
            every: every?,
            patience: patience?,
            watch: watch?,
            grace: grace?,
            timeout: timeout?,
            source: source?,
            retire: retire?,
            max_refused: max_refused?,
        };
        let target = targets.by_name.get(credential.target().as_str())?.clone()?;
        let secret = credential.only_secret().map(|slot| slot.name().clone());
        let vault = secret.as_ref().and_then(|secret| vaults.by_name.get(secret.vault.as_str())?.as_ref());
        let path = secret.as_ref().map(|secret| secret.path.as_str()).unwrap_or_default();
        let rotation = vault.and_then(|vault| vault.rotation(path, &settings));
        let cure = "name one of the kinds `bearer`, `basic`, `header`, `query` and `cookie` whose secret lies in a `sealed_file`";
        let place = table.credential.span();
        let rotation = self.report.take(
            place.clone(),
            rotation.ok_or("this credential's secret cannot be replaced here"),
            cure,
        )?;
        let secret = rotation.status().secret.clone();
        let is_first = !self.rotated.contains(&secret);
        self.rotated.push(secret);
        if !is_first || !credential.rotate(Arc::clone(&rotation)) {
            self.report.add(place, "this secret is replaced by another rotation", "write one rotation of each");
            return None;
        }
        Some(Rotating { rotation, credential, target, probe: probe? })
    }

    #[expect(clippy::option_option, reason = "wrong and left out are two things")]
    fn every(&mut self, written: Option<&Spanned<Period>>) -> Option<Option<Duration>> {
        let Some(written) = written else { return Some(None) };
        let (least, most) = (Duration::from_secs(60), Duration::from_hours(24 * 366));
        self.within(Some(written), least, least, most, "secrets are replaced every 1m or less often").map(Some)
    }

    fn up_to(
        &mut self,
        written: Option<&Spanned<Period>>,
        default: u64,
        most: u64,
        rule: &'static str,
    ) -> Option<Duration> {
        let seconds = Duration::from_secs;
        self.within(written, seconds(default), seconds(1), seconds(most), rule)
    }

    fn source(
        &mut self,
        table: &RotationTable,
        timeout: Option<Duration>,
        vaults: &Compiled<Arc<Vault>>,
    ) -> Option<NewSecret> {
        let bytes = match &table.random {
            None => Some(32),
            Some(written) => {
                let is_within = (16..=512).contains(written.get_ref());
                let bytes =
                    is_within.then_some(*written.get_ref() as usize).ok_or("a secret has 16 to 512 random bytes");
                self.report.take(written.span(), bytes, "leave it out for 32")
            }
        };
        let made_here = [table.random.as_ref().map(|one| one.span()), table.install.as_ref().map(|one| one.span())];
        let made_here = made_here.into_iter().flatten().next();
        match (&table.create, &table.http, made_here) {
            (None, None, _) => Some(NewSecret::Random(bytes?, self.words(table.install.as_ref())?)),
            (Some(create), None, None) => Some(NewSecret::Program(self.words(Some(create))?)),
            (None, Some(http), None) => self.provider_of(http, table.retire.as_ref(), timeout?, vaults),
            (Some(_), None, Some(place)) => self.too_many_sources(place, "leave out `create`, or this"),
            (None, Some(_), Some(place)) => self.too_many_sources(place, "leave out `http`, or this"),
            (Some(create), Some(_), _) => self.too_many_sources(create.span(), "leave out `http`, or this"),
        }
    }

    fn too_many_sources(&mut self, place: Range<usize>, cure: &str) -> Option<NewSecret> {
        self.report.add(place, "a new secret comes from one place", cure);
        None
    }

    fn provider_of(
        &mut self,
        table: &ProviderTable,
        retire: Option<&Spanned<Vec<String>>>,
        timeout: Duration,
        vaults: &Compiled<Arc<Vault>>,
    ) -> Option<NewSecret> {
        let provider = self.provider(table, timeout, vaults)?;
        if let (Some(_), Some(program)) = (&provider.retire, retire) {
            self.report.add(program.span(), "a key is retired in one way", "leave out `http.retire`, or this");
            return None;
        }
        Some(NewSecret::Http(Box::new(provider)))
    }

    fn words(&mut self, words: Option<&Spanned<Vec<String>>>) -> Option<Vec<String>> {
        let Some(words) = words else { return Some(Vec::new()) };
        let all = words.get_ref();
        let is_one = all.first().is_some_and(|program| !program.is_empty() && !program.contains(CommandSettings::PATH));
        let checked = is_one.then(|| all.clone()).ok_or("this names no program");
        self.report.take(
            words.span(),
            checked,
            "write the program and its arguments, such as `[\"/usr/local/bin/new-key\"]`",
        )
    }

    fn probe(&mut self, table: &ProbeTable) -> Option<Probe> {
        let path = table.path.get_ref();
        let parsed = path.parse().ok().filter(|_| path.starts_with('/')).ok_or("not a path");
        let path = self.report.take(table.path.span(), parsed, "write a path such as `/v1/me`");
        let expect = self.status_range(table.expect.as_ref(), 200..=299);
        let timeout = self.up_to(table.timeout.as_ref(), 10, 60, "a probe takes 1m at most");
        Some(Probe { path: path?, expect: expect?, timeout: timeout? })
    }
}
