//! Black-box tests: the real program against real sockets on loopback. One crate, so that it is linked once; one module
//! a subject, all over `support`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says where and stops")]

mod check;
mod framing;
mod harness;
mod headers;
mod leaks;
mod paths;
mod protocols;
mod resources;
mod support;
mod swap;
