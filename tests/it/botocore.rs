//! Signatures of AWS against an independent signer: botocore, AWS's own for Python, signs the same requests.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use crate::support::python;
use claviger::crypto::sigv4::{AccessKey, DayKey, Head, Payload, Settings, Signer, SigningTime, query_to_send};

const PROGRAM: &str = include_str!("botocore/sign.py");
const CASES: usize = 240;
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWL==";

/// Numbers that are the same on every run (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).expect("31 bits") % end
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn join(&mut self, count: usize, from: &[&str]) -> String {
        (0..self.below(count + 1)).map(|_| self.pick(from)).collect()
    }
}

/// Paths of S3 are escaped as its clients escape them: botocore signs them as they are.
fn path(numbers: &mut Numbers, service: &str) -> String {
    let common = [
        "/",
        "/",
        "a",
        "Z9",
        "-._~",
        "%20",
        "%2B",
        "%40",
        "%C3%A9",
        "%E1%88%B4",
        "%252F",
        "%2F",
        "/./",
        "/../",
        "//",
        "%FF",
    ];
    let odd = ["@", ":", "+", "!$&'()*,;=", " ", "é", "ሴ", "%2f", "%41", "%7e", "%zz", "%", "\"<>|"];
    let parts = if service == "s3" { common.to_vec() } else { [&common[..], &odd].concat() };
    format!("/{}", numbers.join(12, &parts))
}

fn query(numbers: &mut Numbers) -> String {
    let parts = [
        "&", "&", "&", "=", "=", "a", "b", "a-b", "A", "+", "%20", "%2B", "/", "%2F", "é", "%C3%A9", "%7E", "%ff", "%",
        "1", "~", ":",
    ];
    query_to_send(&numbers.join(30, &parts))
}

fn fields(numbers: &mut Numbers, host: &str) -> Vec<(&'static str, String)> {
    let mut fields =
        vec![("host", host.to_owned()), ("user-agent", "x/1".to_owned()), ("x-amzn-trace-id", "Root=1".to_owned())];
    fields.push(("x-amz-checksum-crc32", "AAAAAA==".to_owned()));
    for name in [
        "content-type",
        "x-amz-target",
        "x-amz-meta-a",
        "x-amz-meta-a",
        "range",
        "content-length",
        "my-field",
        "te",
        "expect",
    ] {
        if numbers.below(2) == 0 {
            fields.push((name, numbers.join(6, &["a", "B", " ", "  ", "\t", ",", ";", "\"", "é", "="])));
        }
    }
    fields
}

/// A case for the program, and what is signed of it here.
fn case(numbers: &mut Numbers) -> (Value, Value) {
    let service = numbers.pick(&["s3", "dynamodb", "execute-api", "sts"]);
    let region = numbers.pick(&["us-east-1", "eu-central-1", "cn-north-1"]);
    let method = numbers.pick(&["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH"]);
    let token = (numbers.below(2) == 0).then_some(TOKEN);
    let host = format!("{service}.{region}.amazonaws.com");
    let (path, query, fields) = (path(numbers, service), query(numbers), fields(numbers, &host));
    let at = 1_440_938_160 + u64::try_from(numbers.below(400_000_000)).expect("a number");
    let body = numbers.join(9, &["{}", "body", "\0", "é"]);
    let (told, payload) = match numbers.below(4) {
        0 => ("unsigned", Payload::Unsigned),
        1 if service == "s3" => ("trailer", Payload::UnsignedTrailer),
        _ if body.is_empty() => ("signed", Payload::Empty),
        _ => ("signed", Payload::Signed(sha256(body.as_bytes()))),
    };
    let url = format!("https://{host}{path}{}{query}", if query.is_empty() { "" } else { "?" });
    let body: String = body.bytes().map(|byte| format!("{byte:02x}")).collect();
    let asked = json!({ "service": service, "region": region, "method": method, "url": url, "headers": fields, "body": body,
        "payload": told, "id": "AKIDEXAMPLE", "secret": SECRET, "token": token, "at": at });

    let mut headers = HeaderMap::new();
    for (name, value) in &fields {
        headers
            .append(HeaderName::from_static(name), HeaderValue::from_bytes(value.trim().as_bytes()).expect("a value"));
    }
    let at = SigningTime::new(UNIX_EPOCH + Duration::from_secs(at)).expect("a time");
    let access = AccessKey::new("AKIDEXAMPLE", token.map(str::as_bytes)).expect("an access key");
    let key = DayKey::derive(SECRET.as_bytes(), &at, region, service).expect("derived");
    let settings = Settings { also_signed: headers.keys().cloned().collect(), ..Settings::for_service(service) };
    let method: Method = method.parse().expect("a method");
    let head = Head { method: &method, path: &path, query: (!query.is_empty()).then_some(&query), headers: &headers };
    let signer = Signer { access: &access, key: &key, settings: &settings };
    let signature = signer.sign(&head, payload, &at).expect("signed");
    let set = signature.into_headers().map(|(name, value)| (name.to_string(), value.to_str().expect("text").into()));
    (asked, Value::Object(set.collect()))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().try_into().expect("32 bytes")
}

/// What the program makes of the cases; `None`, said aloud, where there is no botocore.
pub(crate) fn ask(cases: &[&Value]) -> Option<Vec<Value>> {
    let mut child = Command::new(python::with("botocore")?);
    let mut child = child.args(["-c", PROGRAM]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
    let input = serde_json::to_vec(cases).expect("JSON");
    // Dropped at the end of the statement: the program reads to the end before it writes.
    child.stdin.take().expect("piped").write_all(&input).expect("written");
    let output = child.wait_with_output().expect("ended");
    assert!(output.status.success(), "{}", output.status);
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

#[test]
fn botocore_signs_the_same_requests_alike() {
    let mut numbers = Numbers(0x5eed_0000_0000_0001);
    let cases: Vec<_> = (0..CASES).map(|_| case(&mut numbers)).collect();
    let Some(answers) = ask(&cases.iter().map(|(asked, _)| asked).collect::<Vec<_>>()) else { return };
    assert_eq!(answers.len(), cases.len());
    let wrong: Vec<_> = cases.iter().zip(&answers).filter(|((_, got), want)| got != *want).collect();
    println!("botocore: {CASES}: {} signed alike, {} wrong", CASES - wrong.len(), wrong.len());
    assert!(wrong.is_empty(), "{:#}", json!(wrong.iter().take(3).collect::<Vec<_>>()));
}
