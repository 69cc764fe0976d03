//! Spans of the calendar, each with a key of its own.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::tz::Offset;
use jiff::{Span, Timestamp};

/// How long one key is used, by the calendar of UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Every {
    /// A day.
    Day,
    /// A week, from Monday on (ISO 8601).
    Week,
    /// A month.
    #[default]
    Month,
}

/// One day, week or month. Written `2026-10-05`, `2026-W41` or `2026-10`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    every: Every,
    first: Date,
}

/// A text that is no [`Period`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeriodError;

impl Every {
    const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// The word for it in configurations.
    pub fn text(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// What a word stands for.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.text() == text)
    }

    /// The one that this time is in.
    pub fn at(self, time: SystemTime) -> Period {
        let time = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
        self.around(Offset::UTC.to_datetime(time).date())
    }

    fn around(self, date: Date) -> Period {
        let first = match self {
            Self::Day => date,
            Self::Week => {
                let week = date.iso_week_date();
                ISOWeekDate::new(week.year(), week.week(), Weekday::Monday).map_or(date, Date::from)
            }
            Self::Month => date.first_of_month(),
        };
        Period { every: self, first }
    }

    fn span(self) -> Span {
        match self {
            Self::Day => Span::new().days(1),
            Self::Week => Span::new().weeks(1),
            Self::Month => Span::new().months(1),
        }
    }
}

impl Period {
    /// When it is over: the first moment of the next one.
    pub fn end(self) -> SystemTime {
        moment(self.first.saturating_add(self.every.span()))
    }

    /// When it begins.
    pub fn begin(self) -> SystemTime {
        moment(self.first)
    }
}

fn moment(date: Date) -> SystemTime {
    let time = Offset::UTC.to_timestamp(date.into()).ok().and_then(|time| SystemTime::try_from(time).ok());
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, week) = (self.first, self.first.iso_week_date());
        match self.every {
            Every::Day => write!(f, "{first}"),
            Every::Week => write!(f, "{:04}-W{:02}", week.year(), week.week()),
            Every::Month => write!(f, "{:04}-{:02}", first.year(), first.month()),
        }
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let of_week = || {
            let (year, week) = text.split_once("-W")?;
            Some(Date::from(ISOWeekDate::new(year.parse().ok()?, week.parse().ok()?, Weekday::Monday).ok()?))
        };
        let (every, first) = match text.len() {
            7 => (Every::Month, format!("{text}-01").parse().ok()),
            8 => (Every::Week, of_week()),
            10 => (Every::Day, text.parse().ok()),
            _ => return Err(PeriodError),
        };
        let period = Self { every, first: first.ok_or(PeriodError)? };
        // One spelling each, since files are called so.
        if period.to_string() == text { Ok(period) } else { Err(PeriodError) }
    }
}

impl fmt::Display for PeriodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write a month such as 2026-10, a week such as 2026-W41, or a day such as 2026-10-05")
    }
}

impl std::error::Error for PeriodError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SystemTime {
        text.parse::<Timestamp>().ok().and_then(|time| SystemTime::try_from(time).ok()).expect("a time")
    }

    #[test]
    fn a_time_is_in_one_day_week_and_month_of_utc() {
        for (time, day, week, month) in [
            ("2026-10-05T00:00:00Z", "2026-10-05", "2026-W41", "2026-10"),
            ("2026-10-31T23:59:59.999Z", "2026-10-31", "2026-W44", "2026-10"),
            ("2027-01-01T00:00:00Z", "2027-01-01", "2026-W53", "2027-01"),
            ("2024-02-29T12:00:00Z", "2024-02-29", "2024-W09", "2024-02"),
            ("1970-01-01T00:00:00Z", "1970-01-01", "1970-W01", "1970-01"),
        ] {
            for (every, want) in [(Every::Day, day), (Every::Week, week), (Every::Month, month)] {
                let period = every.at(at(time));
                assert_eq!(period.to_string(), want);
                assert_eq!(want.parse(), Ok(period));
                assert!(period.begin() <= at(time) && at(time) < period.end(), "{want}");
                assert_ne!(every.at(period.end()), period, "{want}");
            }
        }
    }

    #[test]
    fn what_is_no_period_or_is_spelled_otherwise_is_refused() {
        for text in
            ["", "2026", "2026-13", "2026-1-1", "26-10", "2026-W54", "2026-W00", "2026-w41", "2026-10-32", "../../ab"]
        {
            assert_eq!(text.parse::<Period>(), Err(PeriodError), "{text}");
        }
    }
}
