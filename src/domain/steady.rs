//! Clocks that nobody can put back, or put forward.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

/// The system's clock, or what it would say had nobody put it back since the process began: no end of a session or a grant comes later by
/// that. One that is put forward ends them early.
pub fn steady(now: SystemTime) -> SystemTime {
    uninterrupted().map_or(now, |undisturbed| undisturbed.max(now))
}

/// The system's clock, or what it would say had nobody put it forward since the process began: no end of a revocation comes earlier by that,
/// also not while the clock is wrong for a moment.
pub fn unhurried(now: SystemTime) -> SystemTime {
    uninterrupted().map_or(now, |undisturbed| undisturbed.min(now))
}

/// By how many seconds the system's clock is ahead of where it would be had nobody set it since this was first asked; less than none where it
/// is behind.
pub fn clock_step(now: SystemTime) -> i64 {
    let Some(undisturbed) = uninterrupted() else { return 0 };
    let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    now.duration_since(undisturbed).map_or_else(|behind| -seconds(behind.duration()), seconds)
}

/// When the process began, or when this was first asked.
static BEGAN: LazyLock<(SystemTime, Instant)> = LazyLock::new(|| (SystemTime::now(), Instant::now()));

/// Takes the time of now for right. To be called when the process begins, so that no change of the clock after that goes unseen.
pub fn trust_clock() {
    LazyLock::force(&BEGAN);
}

/// What the system's clock would say had nobody touched it since [`BEGAN`].
fn uninterrupted() -> Option<SystemTime> {
    let (wall, instant) = &*BEGAN;
    wall.checked_add(instant.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_put_back_gives_nobody_more_time() {
        let now = SystemTime::now();
        let day = Duration::from_secs(86_400);
        assert!(steady(now) >= now && steady(SystemTime::UNIX_EPOCH) + day > now);
        assert_eq!(steady(now + day), now + day, "one that is put forward ends sessions early");
    }

    #[test]
    fn a_clock_that_is_put_forward_ends_no_revocation() {
        let (now, day) = (SystemTime::now(), Duration::from_secs(86_400));
        assert!(unhurried(now + day) < now + Duration::from_secs(60));
        assert_eq!(unhurried(now - day), now - day, "one that is put back lets them go on");
    }

    #[test]
    fn a_clock_that_was_set_is_told_by_how_much() {
        let now = SystemTime::now();
        let hour = Duration::from_secs(3600);
        let steps = [now, now + hour, now - hour].map(clock_step);
        assert!(steps.iter().zip([0, 3600, -3600]).all(|(step, set)| (step - set).abs() <= 1), "{steps:?}");
    }
}
