//! What is found in logs, whatever the form and the length of their files.

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Map, Value};

use super::*;

fn line(nth: u64, route: &str, path: &str) -> String {
    let time = text(UNIX_EPOCH + Duration::from_secs(1_800_000_000 + nth));
    let mut path_text = Vec::new();
    write_json(&mut path_text, &path).expect("written");
    let path = String::from_utf8(path_text).expect("UTF-8");
    format!(
        "{{\"kind\":\"exchange\",\"time\":\"{time}\",\"id\":\"{nth}\",\"path\":{path},\"route\":\"{route}\",\"rule\":\"r\"}}\n"
    )
}

fn found(query: &Query, path: &Path) -> Vec<u64> {
    let mut all = Vec::new();
    let mut told = Vec::new();
    let end = query.scan(path, &mut |progress| told.push(progress), &mut |line| {
        let line: Map<String, Value> = serde_json::from_slice(line).expect("JSON");
        if query.fits(&line) {
            all.push(line["id"].as_str().expect("text").parse().expect("a number"));
        }
        Ok(ControlFlow::Continue(()))
    });
    let end = end.expect("read");
    assert_eq!(end.done, end.of, "all of it was read");
    assert!(told.windows(2).all(|pair| pair[0].done <= pair[1].done));
    all
}

#[test]
fn lines_are_found_in_plain_and_compressed_files_in_their_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.log");
    let lines = |numbers: std::ops::Range<u64>| -> String {
        numbers.map(|nth| line(nth, if nth % 3 == 0 { "a" } else { "b" }, "/x")).collect()
    };
    let compressed = zstd::encode_all(lines(0..10).as_bytes(), 1).expect("compressed");
    fs::write(folder.path().join("audit.log.00000000000000000001.zst"), &compressed).expect("written");
    fs::write(folder.path().join("audit.log.00000000000000000011"), lines(10..20)).expect("written");
    fs::write(folder.path().join("audit.log.00000000000000000011.zst"), "half of it").expect("written");
    fs::write(folder.path().join("audit.log.old"), lines(90..99)).expect("written");
    // The last line is under way.
    fs::write(&path, lines(20..30).trim_end()).expect("written");
    assert_eq!(found(&Query::default(), &path), (0..30).collect::<Vec<_>>());
    assert_eq!(found(&Query::default().with("route", "a"), &path), (0..30).step_by(3).collect::<Vec<_>>());
    assert_eq!(found(&Query::default().with("route", "c"), &path), [0; 0]);
    let from = |nth: u64| UNIX_EPOCH + Duration::from_secs(1_800_000_000 + nth);
    assert_eq!(found(&Query::default().since(from(8)).until(from(13)), &path), [8, 9, 10, 11, 12]);
    assert_eq!(found(&Query::default().with("route", "a").since(from(8)).until(from(13)), &path), [9, 12]);
    assert!(
        Query::default()
            .scan(&folder.path().join("none"), &mut |_| {}, &mut |_| Ok(ControlFlow::Continue(())))
            .is_err()
    );
}

#[test]
fn what_only_looks_like_a_member_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.log");
    let tricks = ["/x\",\"route\":\"a", "\"route\":\"a\"", "/\u{2028}\n\"route\":\"a\""];
    let lines: String = tricks.iter().zip(0..).map(|(trick, nth)| line(nth, "b", trick)).collect();
    let nested = "{\"kind\":\"exchange\",\"time\":\"x\",\"id\":\"9\",\"inspection\":{\"route\":\"a\"}}\n";
    fs::write(&path, format!("{lines}{nested}{}", line(7, "a", "/y"))).expect("written");
    assert_eq!(found(&Query::default().with("route", "a"), &path), [7]);
    for (trick, nth) in tricks.iter().zip(0..) {
        assert_eq!(found(&Query::default().with("path", trick), &path), [nth], "{trick:?}");
    }
    assert_eq!(found(&Query::default().having("inspection"), &path), [9]);
}

#[test]
fn lines_longer_than_what_is_read_at_once_are_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.log");
    let long = "x".repeat(3 * CHUNK);
    let lines: String = (0..5).map(|nth| line(nth, "a", if nth == 2 { &long } else { "/x" })).collect();
    fs::write(&path, lines).expect("written");
    assert_eq!(found(&Query::default().with("route", "a"), &path), [0, 1, 2, 3, 4]);
}

#[test]
fn a_log_that_is_rotated_and_compressed_while_it_is_looked_through_is_found_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.log");
    let whole = |first: &str| folder.path().join(format!("audit.log.{first:0>20}"));
    let lines = |numbers: std::ops::Range<u64>| -> String { numbers.map(|nth| line(nth, "a", "/x")).collect() };
    fs::write(whole("1"), lines(0..10)).expect("written");
    fs::write(whole("11"), lines(10..20)).expect("written");
    fs::write(&path, lines(20..30)).expect("written");
    let mut count = 0;
    let mut each = |_: &[u8]| {
        if count == 0 {
            let packed = zstd::encode_all(lines(10..20).as_bytes(), 1).expect("compressed");
            fs::write(whole("11").with_extension("00000000000000000011.zst"), packed).expect("written");
            fs::remove_file(whole("11")).expect("removed");
            fs::rename(&path, whole("21")).expect("renamed");
            fs::write(&path, "").expect("written");
        }
        count += 1;
        Ok(ControlFlow::Continue(()))
    };
    Query::default().scan(&path, &mut |_| {}, &mut each).expect("read");
    assert_eq!(count, 30);
}

#[test]
fn one_of_several_texts_is_enough_and_no_other_is_taken_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.log");
    let routes = ["a", "ab", "b\"", "c", "a"];
    let lines: String =
        (0..).zip(routes).map(|(nth, route)| line(nth, &route.replace('"', "\\\""), "/\"route\":\"c\"")).collect();
    fs::write(&path, lines).expect("written");
    let any = |texts: &[&str]| {
        let texts: Vec<_> = texts.iter().map(|&text| text.to_owned()).collect();
        found(&Query::default().with_any(texts.into_iter().map(|text| ("route", text))), &path)
    };
    assert_eq!(any(&["a", "b\""]), [0, 2, 4]);
    assert_eq!(any(&["a"]), [0, 4]);
    assert_eq!(any(&["x", "y"]), [0; 0]);
    assert_eq!(any(&["c", "ab", "x"]), [1, 3]);
}
