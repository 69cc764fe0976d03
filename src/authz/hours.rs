//! The hours of a week in which a role counts.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

/// Hours of some days, in a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// The days on which they begin; at least one.
    pub days: Vec<Weekday>,
    /// When they begin.
    pub from: Time,
    /// When they are over; on the next day where that is earlier than they begin, or the same time.
    pub to: Time,
    /// Where.
    pub zone: TimeZone,
}

impl Hours {
    /// The days by the names that they have in configurations, Monday first.
    pub const DAYS: [(&str, Weekday); 7] = [
        ("mon", Weekday::Monday),
        ("tue", Weekday::Tuesday),
        ("wed", Weekday::Wednesday),
        ("thu", Weekday::Thursday),
        ("fri", Weekday::Friday),
        ("sat", Weekday::Saturday),
        ("sun", Weekday::Sunday),
    ];

    /// Whether this moment is in them. A clock that is far off is in none.
    pub fn contain(&self, now: SystemTime) -> bool {
        let Ok(now) = Timestamp::try_from(now) else { return false };
        let here = self.zone.to_datetime(now);
        let (time, day) = (here.time(), here.date().weekday());
        let begins = |day| self.days.contains(&day);
        if self.from < self.to {
            return begins(day) && self.from <= time && time < self.to;
        }
        (begins(day) && self.from <= time) || (begins(day.previous()) && time < self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SystemTime {
        let since = text.parse::<Timestamp>().expect(text).as_second();
        SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(since.try_into().expect("after 1970"))
    }

    fn hours(days: &[&str], from: &str, to: &str) -> Hours {
        let named = |day: &&str| Hours::DAYS.iter().find(|(name, _)| name == day).expect("a day").1;
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let days = days.iter().map(named).collect();
        Hours { days, from: from.parse().expect("a time"), to: to.parse().expect("a time"), zone }
    }

    #[test]
    fn a_role_counts_in_its_hours_where_they_are() {
        let office = hours(&["mon", "tue"], "09:00", "17:00");
        let night = hours(&["fri"], "22:00", "06:00");
        let all_day = hours(&["sun"], "00:00", "00:00");
        // 2026-11-23 is a Monday.
        for (hours, moment, want) in [
            (&office, "2026-11-23T06:59:59Z", false),
            (&office, "2026-11-23T07:00:00Z", true),
            (&office, "2026-11-24T14:59:59Z", true),
            (&office, "2026-11-24T15:00:00Z", false),
            (&office, "2026-11-25T10:00:00Z", false),
            (&night, "2026-11-27T19:59:59Z", false),
            (&night, "2026-11-27T20:00:00Z", true),
            (&night, "2026-11-28T03:59:59Z", true),
            (&night, "2026-11-28T04:00:00Z", false),
            (&night, "2026-11-28T20:00:00Z", false),
            (&all_day, "2026-11-28T22:00:00Z", true),
            (&all_day, "2026-11-29T21:59:59Z", true),
            (&all_day, "2026-11-29T22:00:00Z", false),
        ] {
            assert_eq!(hours.contain(at(moment)), want, "{moment}");
        }
    }
}
