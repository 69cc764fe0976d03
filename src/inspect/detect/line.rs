//! Evidence of class `crlf`.

use super::{Detector, Found, Input};
use crate::inspect::Class;
use crate::inspect::gate::Bytes;

pub(super) const DETECTOR: Detector = Detector { classes: &[Class::Crlf], literals: &[], wakes, run };

fn wakes(_: &Bytes) -> bool {
    false
}

fn run(_: &Input<'_>, _: &mut Found) {}
