//! The last file descriptors are the process's own: without any, the admin listener could not be asked why, and neither the audit log nor a
//! configuration be opened.

use std::os::fd::RawFd;

use rustix::process::{Resource, getrlimit};

/// So many are kept from clients and upstreams alike.
const OWN: u64 = 8;
/// So many more are kept from clients, so that those who are in can be served.
const FOR_UPSTREAMS: u64 = 8;

/// Whether a client's connection may have this descriptor.
pub(super) fn spares_upstreams(descriptor: RawFd) -> bool {
    leaves(descriptor, OWN + FOR_UPSTREAMS)
}

/// Whether an upstream's connection may have this descriptor.
pub(super) fn spares_process(descriptor: RawFd) -> bool {
    leaves(descriptor, OWN)
}

/// The system gives the lowest free number, so that a high one tells that few are left.
fn leaves(descriptor: RawFd, count: u64) -> bool {
    let limit = getrlimit(Resource::Nofile).current;
    limit.is_none_or(|limit| u64::try_from(descriptor).is_ok_and(|number| number + count < limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_descriptors_may_be_used_and_the_last_may_not() {
        assert!(spares_upstreams(3) && spares_process(3));
        if let Some(limit) = getrlimit(Resource::Nofile).current.and_then(|limit| RawFd::try_from(limit).ok()) {
            assert!(!spares_upstreams(limit - 16) && spares_process(limit - 16));
            assert!(!spares_process(limit - 8));
        }
        assert!(!spares_process(-1));
    }
}
