//! A clock that is not put back.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

/// The system's clock, or what it would say had nobody put it back since the process began: no end of a session or a grant comes later by
/// that. One that is put forward ends them early.
pub fn steady(now: SystemTime) -> SystemTime {
    static BEGAN: LazyLock<(SystemTime, Instant)> = LazyLock::new(|| (SystemTime::now(), Instant::now()));
    let (wall, instant) = &*BEGAN;
    later(now, *wall, instant.elapsed())
}

fn later(now: SystemTime, began: SystemTime, since: Duration) -> SystemTime {
    began.checked_add(since).map_or(now, |least| least.max(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_put_back_gives_nobody_more_time() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        for (now, since, want) in [(1_010, 10, 1_010), (1_050, 10, 1_050), (10, 10, 1_010), (10, 60, 1_060)] {
            assert_eq!(later(at(now), at(1_000), Duration::from_secs(since)), at(want), "{now} {since}");
        }
        let now = SystemTime::now();
        assert!(steady(now) >= now && steady(SystemTime::UNIX_EPOCH) >= now);
    }
}
