//! Black-box tests: the real program against real sockets on loopback. One crate, so that it is linked once; one module
//! a subject, all over `support`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says where and stops")]
#![allow(clippy::print_stdout, reason = "a test says what it skips")]
#![allow(clippy::wildcard_enum_match_arm, reason = "whatever a test did not expect, it fails")]
#![allow(clippy::type_complexity, clippy::result_large_err, reason = "a table's rows are typed where they stand")]

mod access;
mod agreement;
mod asked;
mod attacks;
mod audit;
mod aws;
mod balance;
mod between;
mod botocore;
mod canary;
mod check;
mod client_certificate;
mod clock;
mod cluster;
mod contract;
mod credential_body;
mod credential_path;
mod data_loss;
mod demo;
mod displaced;
mod documents;
mod exchange;
mod expiry;
mod faults;
mod framing;
mod harness;
mod headers;
mod hmac;
mod holds;
mod identity;
mod inspection;
mod issuers;
mod key_list;
mod leaks;
mod live;
mod memory;
mod monitor;
mod mtls;
mod oauth2;
mod partition;
mod paths;
mod policy;
mod prometheus;
mod protocols;
mod provider;
mod pseudonyms;
mod reload;
mod resources;
mod revocation;
mod roles;
mod rotation;
mod rotation_http;
mod rusty_vault;
mod samples;
mod scrub;
mod secrets_manager;
mod sessions;
mod shutdown;
mod signatures;
mod sinks;
mod sqlmap;
mod support;
mod swap;
mod tls;
mod tokens;
mod traces;
mod upgrade;
mod vaults;
mod volumes;
mod withdrawn;
