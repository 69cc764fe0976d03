//! Who waits for the disk is told what is true.

use super::super::queue::Queue;
use super::super::record::tests::full;
use super::super::sink::{Limits, Moment};
use super::*;
use crate::telemetry::Metrics;

fn writer(path: &std::path::Path) -> Writer {
    let metrics = Metrics::new().expect("metrics").audit;
    let settings = Settings { path: Some(path.to_owned()), durability: Durability::Fsync, ..Settings::default() };
    let limits = Limits { size: settings.max_size, age: settings.max_age };
    let sink = Sink::open(settings.path.clone(), limits, SystemTime::now()).expect("opened");
    let shared =
        Arc::new(Shared::of(Queue::new(settings.max_queue, settings.on_full, metrics.clone()), metrics, &settings));
    Writer::new(shared, (sink, Lines::new(None, None)), None, (None, None), &settings)
}

/// Whether somebody who waits for the last of these is told that all are on the disk.
fn is_told(writer: &mut Writer, mut entries: Vec<Entry>) -> bool {
    let (waiter, mut told) = oneshot::channel();
    writer.turn(&mut entries, Taken { lost: Lost::default(), waiters: vec![waiter] });
    told.try_recv().is_ok()
}

fn entry() -> Entry {
    Entry::Decision(Box::new(full(&"x".repeat(1000))))
}

#[test]
fn a_disk_that_failed_in_the_middle_of_a_turn_is_not_forgotten_at_its_end() {
    let dir = tempfile::tempdir().expect("directory");
    let mut writer = writer(&dir.path().join("audit.log"));
    assert!(is_told(&mut writer, vec![entry()]));
    writer.sink.sync_faults.set(1);
    assert!(!is_told(&mut writer, (0..400).map(|_| entry()).collect()));
    assert_eq!(writer.sink.sync_faults.get(), 0);
}

#[test]
fn what_somebody_cut_off_before_the_disk_had_it_is_not_told_to_be_there() {
    for moment in [Moment::Written, Moment::Unsynced] {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("audit.log");
        let mut writer = writer(&path);
        assert!(is_told(&mut writer, vec![entry()]));
        writer.mark();
        writer.sink.cut.set(Some(moment));
        assert!(!is_told(&mut writer, vec![entry()]), "{moment:?}");
        assert_eq!(writer.sink.cut.get(), None);
        assert_eq!(writer.shared.metrics.checkpoints.get(), 0, "nor is a checkpoint given away that is not there");
        assert!(is_told(&mut writer, vec![entry()]), "the log goes on");
        assert_eq!(writer.shared.metrics.displaced.get(), 1, "and what is missing is told");
        assert_eq!(std::fs::read_to_string(&path).expect("read").lines().count(), 1);
    }
}

#[test]
fn who_waits_is_told_also_when_the_last_record_filled_the_batch() {
    let dir = tempfile::tempdir().expect("directory");
    let mut writer = writer(&dir.path().join("audit.log"));
    let mut count = 0;
    while !writer.batch.is_full() {
        writer.add(&entry());
        count += 1;
    }
    writer.write();
    assert!(is_told(&mut writer, (0..count).map(|_| entry()).collect()));
}
