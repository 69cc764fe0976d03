//! Script in markup: attacks of each kind, and honest texts that look alike.

use super::*;
use crate::inspect::Part;
