//! Requests that are signed for AWS, as the upstream sees them, against AWS's own signer.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::botocore::ask;
use crate::support::{
    raw::request,
    scene::{Extra, Scene, code},
    upstream::Upstream,
};

const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWL==";

const TABLES: &str = r#"
[credential.table.aws_sigv4]
target = "api"
region = "eu-central-1"
service = "dynamodb"
access_key = "dir:aws-id"
secret = "dir:aws-secret"
[credential.bucket.aws_sigv4]
target = "api"
region = "us-east-1"
service = "s3"
access_key = "dir:aws-id"
secret = "dir:aws-secret"
session_token = "dir:aws-token"
[route.table]
path = "/table/**"
target = "api"
credential = "table"
authn = ["corp"]
allow = [{ role = "reader" }]
[route.bucket]
path = "/bucket/**"
target = "api"
credential = "bucket"
authn = ["corp"]
allow = [{ role = "reader" }]
"#;

fn scene() -> Scene {
    let scene = Scene::with(Upstream::echo(), &Extra::default());
    let site = scene.gateway.site();
    for (name, text) in [("aws-id", ID), ("aws-secret", SECRET), ("aws-token", TOKEN)] {
        site.write(&format!("secrets/{name}"), text);
    }
    let config = std::fs::read_to_string(site.config_path()).expect("the configuration");
    scene.gateway.reload(&format!("{config}{TABLES}"));
    scene
}

/// When a request says that it was signed, in seconds since 1970.
fn signed_at(date: &str) -> u64 {
    let part = |from: usize, to: usize| date.get(from..to).expect("a date");
    let text =
        format!("{}-{}-{}T{}:{}:{}Z", part(0, 4), part(4, 6), part(6, 8), part(9, 11), part(11, 13), part(13, 15));
    let at = humantime::parse_rfc3339(&text).expect("a time");
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[test]
fn what_the_upstream_receives_is_signed_as_aws_would_have_it() {
    let scene = scene();
    let bearer = scene.bearer();
    let own = "AWS4-HMAC-SHA256 Credential=AKIDOTHER/20200101/x/y/aws4_request, SignedHeaders=host, Signature=00";
    for (method, path, body, headers) in [
        ("GET", "/table/", &b""[..], &[][..]),
        (
            "POST",
            "/table/",
            br#"{"TableName":"x"}"#,
            &[("X-Amz-Target", "DynamoDB_20120810.Query"), ("Content-Type", "application/x-amz-json-1.0")],
        ),
        (
            "GET",
            "/table/a%20b/c?b=2&a=1&a=0&X-Amz-Signature=evil&x-amz-credential=evil",
            b"",
            &[("X-Amz-Date", "20200101T000000Z"), ("X-Amz-Content-Sha256", "00")],
        ),
        (
            "PUT",
            "/bucket/photos/a-b%20c.jpg",
            b"not looked at",
            &[
                ("X-Amz-Security-Token", "evil"),
                ("X-Amz-Storage-Class", "STANDARD_IA"),
                ("X-Amz-Checksum-Crc32", "AAAAAA=="),
            ],
        ),
        ("GET", "/bucket/?list-type=2&prefix=a%2Fb", b"", &[]),
    ] {
        let mut all = vec![("Host", "api.test"), ("Authorization", &*bearer)];
        all.extend_from_slice(headers);
        let answer = scene.gateway.send(&request(method, path, &all, body));
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
        let seen = scene.upstream.requests().pop().expect("a request");
        let date = seen.header("x-amz-date").expect("a date").to_owned();
        let target = seen.path().to_owned();
        assert!(!String::from_utf8_lossy(&seen.head).contains("evil"), "{target}");
        let service = if path.starts_with("/table") { "dynamodb" } else { "s3" };
        let signed = ["host", "content-type", "x-amz-target", "x-amz-storage-class", "x-amz-checksum-crc32"];
        let fields: Vec<(&str, String)> =
            signed.iter().filter_map(|name| Some((*name, seen.header(name)?.to_owned()))).collect();
        let body: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
        let is_s3 = service == "s3";
        let asked = json!({
            "service": service, "region": if is_s3 { "us-east-1" } else { "eu-central-1" }, "method": method,
            "url": format!("https://{}{target}", seen.header("host").expect("a host")), "headers": fields, "body": body,
            "payload": if is_s3 && !body.is_empty() { "unsigned" } else { "signed" },
            "id": ID, "secret": SECRET, "token": is_s3.then_some(TOKEN), "at": signed_at(&date),
        });
        let Some(wanted) = ask(&[&asked]) else { return };
        for (name, want) in wanted[0].as_object().expect("fields") {
            assert_eq!(seen.header(name), want.as_str(), "{path}: {name}");
        }
        let age = UNIX_EPOCH.elapsed().unwrap_or_default().saturating_sub(Duration::from_secs(signed_at(&date)));
        assert!(age < Duration::from_secs(60), "signed when it was sent");
    }
    for received in scene.upstream.received() {
        let text = String::from_utf8_lossy(&received).into_owned();
        assert!(!text.contains(SECRET) && !text.contains(&bearer) && !text.contains(own), "{text}");
    }
}

#[test]
fn what_cannot_be_signed_again_is_refused_before_anything_is_sent() {
    let scene = scene();
    let bearer = scene.bearer();
    let chunks = ("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    let headers = [("Host", "api.test"), ("Authorization", &*bearer), chunks];
    let refused = scene.gateway.send(&request("PUT", "/bucket/x", &headers, b"a"));
    assert_eq!((refused.status(), code(&refused)), (400, "malformed_request".to_owned()));
    assert_eq!(scene.record_of(&refused)["detail"], "upload");
    let large = vec![b'x'; 70_000];
    let headers = [("Host", "api.test"), ("Authorization", &*bearer)];
    let refused = scene.gateway.send(&request("POST", "/table/x", &headers, &large));
    assert_eq!((refused.status(), code(&refused)), (413, "body_too_large".to_owned()));
    assert_eq!(scene.upstream.connection_count(), 0);
    let sent = scene.gateway.send(&request("PUT", "/bucket/x", &headers, &large));
    assert_eq!(sent.status(), 200, "a body that is not signed may be of any size");
    let record = scene.record_of(&sent);
    assert_eq!(
        (&record["credential"], &record["reflected"]),
        (&json!("bucket"), &Value::from(1)),
        "the token was echoed"
    );
}
