//! AWS's own signing test suite: the canonical request, the string to sign, the signature and the signed request of every case. It is read
//! from `CLAVIGER_TEST_DATA`, by default `../shared`.

#![allow(clippy::print_stdout, reason = "totals are told to whoever asks for them")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::*;

/// The folder of vectors; none, said aloud, where there is none.
fn folder() -> Option<PathBuf> {
    let given = std::env::var_os("CLAVIGER_TEST_DATA").map(PathBuf::from);
    let root = given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let folder = root.join("vectors");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: vectors absent");
    None
}

#[derive(Default)]
struct Tally {
    alike: usize,
    skipped: usize,
    wrong: Vec<String>,
}

impl Tally {
    fn count(&mut self, what: &str, got: &str, want: &str) {
        if got == want {
            self.alike += 1;
        } else {
            self.wrong.push(format!("{what}: got\n{got}\nwant\n{want}"));
        }
    }

    fn skip(&mut self, what: &str, reason: &str) {
        self.skipped += 1;
        println!("{what}: skipped: {reason}");
    }

    fn end(self, name: &str) {
        let Self { alike, skipped, wrong } = self;
        let total = alike + skipped + wrong.len();
        println!("vectors: {name}: {total}: {alike} signed alike, {skipped} skipped, {} wrong", wrong.len());
        assert!(wrong.is_empty() && alike > 0, "{}", wrong.join("\n\n"));
    }
}

/// A request as the suite writes it, without the version.
struct Request {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: String,
}

impl Request {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        // Folded lines (RFC 9112 §5.2) are no longer taken; whoever reads them puts a blank there.
        let mut lines = head.split('\n').filter(|line| !line.is_empty());
        let (method, target) = lines.next().and_then(|line| line.split_once(' ')).expect("a request line");
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in lines {
            match (line.starts_with(' '), fields.last_mut(), line.split_once(':')) {
                (true, Some((_, value)), _) => *value = format!("{value} {}", line.trim()),
                (_, _, Some((name, value))) => fields.push((name.to_owned(), value.trim().to_owned())),
                (_, _, None) => panic!("{line}"),
            }
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        Self {
            method: method.parse().expect("a method"),
            target: target.strip_suffix(" HTTP/1.1").unwrap_or(target).to_owned(),
            headers: headers(&fields),
            body: body.trim_end().to_owned(),
        }
    }

    /// In an order that does not hang on how it was written.
    fn text(&self) -> String {
        let target = percent_decode_str(&self.target).decode_utf8().expect("UTF-8");
        let mut lines: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}:{}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        lines.sort();
        format!("{} {target}\n{}\n\n{}", self.method, lines.join("\n"), self.body)
    }
}

/// Two cases of an older suite have none: what their files were made with, the two of the first at different times.
fn context(case: &Path, name: &str, file: &str) -> (Value, bool) {
    let plain = |id: &str, secret: &str, region: &str, service: &str, timestamp: &str| {
        json!({ "credentials": { "access_key_id": id, "secret_access_key": secret }, "normalize": true, "region": region,
            "service": service, "sign_body": false, "timestamp": timestamp })
    };
    let (early, late) = ("2015-08-30T12:36:00Z", "2021-05-11T15:40:45Z");
    match name {
        "double-encode-path" => {
            let at = if file == "signed-request" { early } else { late };
            (plain("ANOTREAL", "notrealrnrELgWzOk3IfjzDKtFBhDby", "us-east-1", "service", at), true)
        }
        "double-url-encode" => {
            (plain("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-2", "lambda", late), true)
        }
        _ => (serde_json::from_str(&read(case, "context.json").expect("a context")).expect("JSON"), false),
    }
}

fn read(case: &Path, file: &str) -> Option<String> {
    Some(fs::read_to_string(case.join(file)).ok()?.trim_end_matches('\n').to_owned())
}

/// Canonical request, string to sign, signature and signed request.
fn sign(context: &Value, double_encode_path: bool, mut request: Request) -> [String; 4] {
    let text = |name: &str| context[name].as_str().expect("a text");
    let at: jiff::Timestamp = text("timestamp").parse().expect("a time");
    let at = SigningTime::new(SystemTime::try_from(at).expect("a time")).expect("a time");
    let credentials = &context["credentials"];
    let token = credentials["token"].as_str();
    // Where the token is to be put on afterwards, it has no part in the signature.
    let signed_token = token.filter(|_| context["omit_session_token"] != true);
    let id = credentials["access_key_id"].as_str().expect("an id");
    let access = AccessKey::new(id, signed_token.map(str::as_bytes)).expect("an access key");
    let secret = credentials["secret_access_key"].as_str().expect("a secret");
    let key = DayKey::derive(secret.as_bytes(), &at, text("region"), text("service")).expect("derived");
    take_off(&mut request.headers);
    let settings = Settings {
        double_encode_path,
        normalize_path: context["normalize"] == true,
        add_content_sha256: context["sign_body"] == true,
        also_signed: request.headers.keys().cloned().collect(),
    };
    let (path, query) =
        request.target.split_once('?').map_or((&*request.target, None), |(path, query)| (path, Some(query)));
    let head = Head { method: &request.method, path, query, headers: &request.headers };
    let payload =
        if request.body.is_empty() { Payload::Empty } else { Payload::Signed(sha256(request.body.as_bytes())) };
    let mut told = Vec::new();
    let signer = Signer { access: &access, key: &key, settings: &settings };
    let signature = signer.sign_telling(&head, payload, &at, |text| told.push(text.to_owned())).expect("signed");
    let authorization = signature.authorization.to_str().expect("text");
    let hex = authorization.split_once("Signature=").expect("a signature").1.to_owned();
    let [canonical, string] = <[String; 2]>::try_from(told).expect("two texts");
    request.headers.extend(signature.into_headers());
    if let Some(token) = token {
        request.headers.insert(AMZ_SECURITY_TOKEN.clone(), token.parse().expect("a token"));
    }
    [canonical, string, hex, request.text()]
}

fn run(case: &Path, tally: &mut Tally) {
    let name = case.file_name().expect("a name").to_string_lossy().into_owned();
    for (nth, file) in ["canonical-request", "string-to-sign", "signature", "signed-request"].into_iter().enumerate() {
        let what = format!("{name} {file}");
        if read(case, &format!("query-{file}.txt")).is_some() {
            tally.skip(&format!("{what} in the query"), "signatures go into a field, never into the query");
        }
        let Some(want) = read(case, &format!("header-{file}.txt")) else { continue };
        let (context, double_encode_path) = context(case, &name, file);
        let request = Request::parse(&read(case, "request.txt").expect("a request"));
        let got = &sign(&context, double_encode_path, request)[nth];
        tally.count(&what, got, &if file == "signed-request" { Request::parse(&want).text() } else { want });
    }
}

#[test]
fn vectors_of_aws_signatures() {
    let Some(folder) = folder() else { return };
    let suite = folder.join("aws-sigv4").join("aws-signing-test-suite").join("v4");
    let mut cases: Vec<PathBuf> =
        fs::read_dir(suite).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    cases.sort();
    let mut tally = Tally::default();
    for case in &cases {
        run(case, &mut tally);
    }
    tally.end("AWS Signature Version 4");
}
