//! Attacks and whole requests of the public corpus, where `CLAVIGER_TEST_DATA` has it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use base64::Engine as _;
use claviger::inspect::Profile;
use serde::Deserialize;
use serde_json::Value;

use crate::request::{self, Request};
use crate::seeds::{Form, Seed};

#[derive(Deserialize)]
struct Case {
    category: String,
    tier: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    #[serde(default)]
    body_b64: Option<String>,
}

fn read(name: &str) -> Option<Vec<Case>> {
    let data = std::env::var_os("CLAVIGER_TEST_DATA").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let path = data.join("corpus").join(name);
    if !path.is_file() {
        println!("skipped: corpus absent ({})", path.display());
        return None;
    }
    let mut text = String::new();
    let file = std::fs::File::open(path).expect("corpus");
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("gzip");
    Some(text.lines().map(|line| serde_json::from_str(line).expect("a case")).collect())
}

impl Case {
    fn request(&self) -> Request {
        let encoded =
            self.body_b64.as_ref().map(|text| base64::engine::general_purpose::STANDARD.decode(text).expect("base64"));
        let body = encoded.or_else(|| self.body.as_ref().map(|body| body.clone().into_bytes())).unwrap_or_default();
        let target = self.path.split('#').next().unwrap_or_default();
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let headers = self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone().into_bytes()));
        Request { path: path.to_owned(), query: query.map(str::to_owned), headers: headers.collect(), body }
    }

    /// The texts in it that could be the attack: values of parameters, and strings in JSON.
    fn texts(&self) -> Vec<String> {
        let request = self.request();
        let mut texts: Vec<String> = form_urlencoded::parse(request.query.unwrap_or_default().as_bytes())
            .map(|(_, value)| value.into_owned())
            .collect();
        match serde_json::from_slice::<Value>(&request.body) {
            Ok(value) => strings(&value, &mut texts),
            Err(_) => texts.extend(form_urlencoded::parse(&request.body).map(|(_, value)| value.into_owned())),
        }
        texts
    }
}

fn strings(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, into)),
        Value::Object(fields) => fields.values().for_each(|item| strings(item, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// At most so many attacks of each class, each of them caught as it stands.
pub(crate) fn attacks(profile: &Profile, most: usize) -> Option<Vec<Seed>> {
    let mut by_class: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for case in read("dev_attacks.jsonl.gz")?.iter().filter(|case| case.tier == "core") {
        let known = by_class.entry(case.category.clone()).or_default();
        let caught = |text: &String| (4..400).contains(&text.len()) && request::query(text).judge(profile).is_attack;
        known.extend(case.texts().into_iter().filter(caught));
    }
    let seeds = by_class.into_iter().flat_map(|(class, mut texts)| {
        // As good as random, and each by itself: who is caught from now on changes nothing of who else is taken.
        texts.sort_unstable_by_key(|text| (checksum(text), text.clone()));
        texts.dedup();
        texts.truncate(most);
        texts.into_iter().map(move |text| Seed { class: class.clone(), text, form: Form::Value }).collect::<Vec<_>>()
    });
    Some(seeds.collect())
}

fn checksum(text: &str) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(text.as_bytes());
    sum.sum()
}

/// Whole requests, attacks and honest ones, every so many.
pub(crate) fn requests(every: usize) -> Vec<Request> {
    let files = ["dev_attacks.jsonl.gz", "dev_benign.jsonl.gz"];
    files.iter().filter_map(|name| read(name)).flatten().step_by(every).map(|case| case.request()).collect()
}
