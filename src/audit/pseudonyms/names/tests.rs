//! Tests of pseudonyms as lines have them.

use std::path::Path;
use std::time::Duration;

use super::super::{Every, tend::erase_old};
use super::*;

const OCTOBER: u64 = 1_792_800_000;
const MONTH: u64 = 31 * 24 * 3600;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn names(directory: &Path, fields: &[Field]) -> Names {
    let (every, directory, fields) = (Every::Month, directory.join("keys"), fields.to_vec());
    Names::open(Pseudonyms { directory, every, fields, keep: None }, at(OCTOBER)).expect("opened")
}

fn of(names: &mut Names, value: &str) -> String {
    names.of(Field::Principal, value).expect("a pseudonym").as_str().to_owned()
}

#[test]
fn within_a_period_one_has_one_and_in_the_next_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = names(folder.path(), &Field::ALL);
    assert_eq!(all.period(), "2026-10");
    let ada = of(&mut all, "ada");
    all.ready(at(OCTOBER + 1)).expect("ready");
    assert_eq!(of(&mut all, "ada"), ada);
    assert_eq!(of(&mut names(folder.path(), &Field::ALL), "ada"), ada, "after a restart too");
    assert_ne!(of(&mut all, "bob"), ada);
    all.ready(at(OCTOBER + MONTH)).expect("ready");
    assert_eq!(all.period(), "2026-11");
    assert_ne!(of(&mut all, "ada"), ada);
    all.ready(at(OCTOBER)).expect("ready");
    assert_eq!(of(&mut all, "ada"), ada, "a clock that is put back");
}

#[test]
fn a_key_that_was_destroyed_is_not_used_any_more_not_even_from_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = names(folder.path(), &Field::ALL);
    let ada = of(&mut all, "ada");
    let period = Every::Month.at(at(OCTOBER));
    assert!(all.keys.erase(period, "uid:0", at(OCTOBER)).expect("erased"));
    all.ready(at(OCTOBER)).expect("ready");
    assert_ne!(of(&mut all, "ada"), ada);
}

#[test]
fn keys_are_destroyed_when_they_are_kept_no_longer() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = names(folder.path(), &Field::ALL);
    all.ready(at(OCTOBER + MONTH)).expect("ready");
    let end = Every::Month.at(at(OCTOBER)).end();
    let keep = Some(Duration::from_hours(24));
    let left = || all.keys.periods().expect("listed").iter().map(ToString::to_string).collect::<Vec<_>>();
    erase_old(&all.keys, None, at(u64::from(u32::MAX))).expect("for ever");
    erase_old(&all.keys, keep, end + Duration::from_hours(23)).expect("not yet");
    assert_eq!(left(), ["2026-10", "2026-11"]);
    erase_old(&all.keys, keep, end + Duration::from_hours(24)).expect("erased");
    assert_eq!(left(), ["2026-11"]);
    let notes = all.keys.notes().expect("listed");
    assert_eq!(notes.iter().map(|note| &*note.by).collect::<Vec<_>>(), ["claviger"]);
}

#[test]
fn only_what_is_wanted_is_a_pseudonym() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut some = names(folder.path(), &[Field::Client]);
    assert!(some.of(Field::Principal, "ada").is_none() && some.of(Field::Client, "192.0.2.7").is_some());
    let phrase = Phrase::plain("session:").with(Field::Session, "0f").then(" ").and(Phrase::who("corp:ada"));
    assert_eq!(some.phrase(&phrase), "session:0f corp:ada");
}

#[test]
fn a_flood_of_names_is_not_remembered_and_each_is_right_nevertheless() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = names(folder.path(), &Field::ALL);
    let first = of(&mut all, "0");
    for nth in 0..3 * MOST_KNOWN {
        of(&mut all, &nth.to_string());
        assert!(all.current.as_ref().is_some_and(|current| current.known[0].len() <= MOST_KNOWN));
    }
    assert_eq!(of(&mut all, "0"), first);
}

#[test]
fn who_is_named_in_what_somebody_wrote_has_a_pseudonym_there_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = names(folder.path(), &Field::USUAL);
    let (who, by) = (Phrase::who("corp:ada"), Phrase::who("corp:ada.b"));
    let (ada, other) = (of(&mut all, "ada"), of(&mut all, "ada.b"));
    for (text, want) in [
        ("ada's laptop", format!("{ada}'s laptop")),
        ("of ada", format!("of {ada}")),
        ("adamant, Canada", "adamant, Canada".to_owned()),
        ("ada.b, (ada)", format!("{other}, ({ada})")),
        ("corp:ada\u{2192}ada", format!("corp:{ada}\u{2192}{ada}")),
        ("\u{e9}ada ada\u{e9} ada", format!("\u{e9}ada ada\u{e9} {ada}")),
        ("", String::new()),
    ] {
        assert_eq!(all.written(text, &[&who, &by]), want);
    }
    let mut strict = names(folder.path(), &Field::ALL);
    let told = strict.written("she left", &[&who]);
    assert!(told.starts_with('~') && told.len() == 23, "{told}");
}
