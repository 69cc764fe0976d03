//! What is told of scripted records, one detection at a time.

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use http::Method;

use super::super::alert::Change;
use super::*;
use crate::audit::{Outcome, Protocol, Timings};
use crate::domain::{Bounds, Id, Principal, PrincipalKind, RequestId, Stay};
