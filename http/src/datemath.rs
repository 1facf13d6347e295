//! `now-7d/d`: when what it says changes next. The same arithmetic for Elasticsearch and Solr, which spell it differently.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A step of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Add(i64, Unit),
    Round(Unit),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// In which time zone is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    /// Seconds east of Greenwich.
    Fixed(i64),
    /// One with rules. They are not known here, but every zone's clock is a whole number of quarters of an hour away from UTC, so
    /// that no hour, day or month of any zone begins at another time than a quarter of an hour of UTC.
    Named,
}

pub(crate) const UTC: Zone = Zone::Fixed(0);

/// The quarter of an hour in which no zone's day can begin, in seconds.
const QUARTER: i64 = 15 * 60;
const DAY: i64 = 86_400;

/// What a request has to do with the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Nothing.
    Still,
    /// What it asks for changes at this instant.
    Until(SystemTime),
    /// What it asks for changes all the time, or it cannot be known when.
    Running,
}

impl Clock {
    /// Of both, whatever comes first.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Still, other) | (other, Self::Still) => other,
            (Self::Until(left), Self::Until(right)) => Self::Until(left.min(right)),
            _ => Self::Running,
        }
    }
}

/// When the steps from now on lead elsewhere for the first time.
pub(crate) fn next_change(steps: &[Step], now: SystemTime, zone: Zone) -> Clock {
    next(steps, now, zone).map_or(Clock::Running, Clock::Until)
}

fn next(steps: &[Step], now: SystemTime, zone: Zone) -> Option<SystemTime> {
    let now = i64::try_from(now.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()?;
    let mut offset: i64 = 0;
    let mut by_calendar = false;
    for step in steps {
        match *step {
            Step::Add(_, Unit::Month | Unit::Year) => by_calendar = true,
            Step::Add(count, unit) => offset = offset.checked_add(count.checked_mul(seconds(unit)?)?)?,
            Step::Round(unit) => {
                // A month earlier is another number of days each time, but always at the same time of day.
                let unit =
                    if by_calendar && seconds(unit).is_none_or(|len| len > DAY) { Unit::Day } else { unit };
                let change = boundary(now.checked_add(offset)?, unit, zone)?.checked_sub(offset)?;
                return UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(change).ok()?));
            }
        }
    }
    None
}

/// How long a unit is, in seconds, where that is always the same.
fn seconds(unit: Unit) -> Option<i64> {
    match unit {
        Unit::Second => Some(1),
        Unit::Minute => Some(60),
        Unit::Hour => Some(3600),
        Unit::Day => Some(DAY),
        Unit::Week => Some(7 * DAY),
        Unit::Millisecond | Unit::Month | Unit::Year => None,
    }
}

/// The first beginning of a unit after `at`, both in seconds since 1970.
fn boundary(at: i64, unit: Unit, zone: Zone) -> Option<i64> {
    let east = match zone {
        Zone::Fixed(east) => east,
        Zone::Named if matches!(unit, Unit::Second | Unit::Minute) => 0,
        Zone::Named => return Some((at.div_euclid(QUARTER) + 1) * QUARTER),
    };
    let local = at.checked_add(east)?;
    let day = local.div_euclid(DAY);
    let next = match unit {
        // A shorter TTL is not distinguished from none.
        Unit::Millisecond => return None,
        Unit::Second | Unit::Minute | Unit::Hour | Unit::Day => {
            let len = seconds(unit)?;
            (local.div_euclid(len) + 1).checked_mul(len)?
        }
        // Day 0 was a Thursday, and weeks begin on Mondays.
        Unit::Week => ((day + 3).div_euclid(7) + 1).checked_mul(7)?.checked_sub(3)?.checked_mul(DAY)?,
        Unit::Month => {
            let (year, month) = year_and_month(day);
            first_of(year + i64::from(month == 12), month % 12 + 1).checked_mul(DAY)?
        }
        Unit::Year => first_of(year_and_month(day).0 + 1, 1).checked_mul(DAY)?,
    };
    next.checked_sub(east)
}

/// The year and the month (from 1) of a day since 1970. Within 400 years everything repeats, and in years that begin in March
/// the day that may be missing is the last.
fn year_and_month(day: i64) -> (i64, i64) {
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month)
}

/// The day since 1970 on which a month begins.
fn first_of(year: i64, month: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Reads the zone of a `time_zone`: `Z`, `UTC`, `+01:00`, `-0530`, `+1`, `UTC+2`; anything else is a name.
pub(crate) fn zone(text: &str) -> Zone {
    let text = text.trim();
    let offset = ["UTC", "GMT", "UT", "Z"].iter().find_map(|name| text.strip_prefix(name)).unwrap_or(text);
    if offset.is_empty() {
        return if text.is_empty() { Zone::Named } else { UTC };
    }
    fixed(offset).map_or(Zone::Named, Zone::Fixed)
}

fn fixed(text: &str) -> Option<i64> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(pair) => pair,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let number = |text: &str| (text.len() <= 2).then(|| text.parse::<u8>().ok()).flatten();
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 18 && minutes < 60).then(|| sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60))
}

/// The steps that follow an Elasticsearch `now`, and what follows them: `-7d/d`. Nothing if what looks like steps is none.
pub(crate) fn elastic_steps(mut text: &str) -> Option<(Vec<Step>, &str)> {
    let mut steps = Vec::new();
    while let Some(rest) = text.strip_prefix(['+', '-', '/']) {
        if steps.len() == 16 {
            return None;
        }
        let (count, rest) = count(rest)?;
        let mut characters = rest.chars();
        let unit = match characters.next()? {
            's' => Unit::Second,
            'm' => Unit::Minute,
            'h' | 'H' => Unit::Hour,
            'd' => Unit::Day,
            'w' => Unit::Week,
            'M' => Unit::Month,
            'y' => Unit::Year,
            _ => return None,
        };
        steps.push(step(text, count, unit));
        text = characters.as_str();
    }
    Some((steps, text))
}

/// The steps that follow a Solr `NOW`, and what follows them: `-7DAYS/DAY`. Nothing if what looks like steps is none.
pub(crate) fn solr_steps(mut text: &str) -> Option<(Vec<Step>, &str)> {
    let mut steps = Vec::new();
    while let Some(rest) = text.strip_prefix(['+', '-', '/']) {
        if steps.len() == 16 {
            return None;
        }
        let (count, rest) = count(rest)?;
        let end = rest.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (word, rest) = rest.split_at_checked(end)?;
        let unit = match word.strip_suffix('S').unwrap_or(word) {
            "YEAR" => Unit::Year,
            "MONTH" => Unit::Month,
            "DAY" | "DATE" => Unit::Day,
            "HOUR" => Unit::Hour,
            "MINUTE" => Unit::Minute,
            "SECOND" => Unit::Second,
            "MILLI" | "MILLISECOND" => Unit::Millisecond,
            _ => return None,
        };
        steps.push(step(text, count, unit));
        text = rest;
    }
    Some((steps, text))
}

fn step(text: &str, count: i64, unit: Unit) -> Step {
    match text.as_bytes()[0] {
        b'/' => Step::Round(unit),
        b'-' => Step::Add(-count, unit),
        _ => Step::Add(count, unit),
    }
}

/// A number of up to nine digits; one, where there is none.
fn count(text: &str) -> Option<(i64, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    match digits.len() {
        0 => Some((1, rest)),
        1..=9 => Some((digits.parse().ok()?, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds since 1970, by `date -ud … +%s`.
    fn change(steps: &str, now: u64, zone_name: &str) -> Option<u64> {
        let (steps, rest) = elastic_steps(steps).unwrap();
        assert_eq!(rest, "");
        match next_change(&steps, UNIX_EPOCH + Duration::from_secs(now), zone(zone_name)) {
            Clock::Until(at) => Some(at.duration_since(UNIX_EPOCH).unwrap().as_secs()),
            Clock::Running => None,
            Clock::Still => unreachable!(),
        }
    }

    #[test]
    fn changes_at_the_next_boundary() {
        // 2024-02-29 22:30:15, a Thursday.
        let now = 1_709_245_815;
        for (steps, zone, expected) in [
            ("/s", "Z", Some(1_709_245_816)),
            ("/m", "Z", Some(1_709_245_860)),
            ("/h", "Z", Some(1_709_247_600)),
            ("/d", "Z", Some(1_709_251_200)),
            ("/w", "Z", Some(1_709_510_400)),
            ("/M", "Z", Some(1_709_251_200)),
            ("/y", "Z", Some(1_735_689_600)),
            // In which it is already March.
            ("/M", "+02:00", Some(1_711_922_400)),
            ("/d", "+02:00", Some(1_709_330_400)),
            ("/d", "-0530", Some(1_709_271_000)),
            ("/h", "+05:45", Some(1_709_248_500)),
            ("-7d/d", "Z", Some(1_709_251_200)),
            ("-5h/d", "Z", Some(1_709_269_200)),
            ("-5h/w", "Z", Some(1_709_528_400)),
            // By the calendar: no later than the next day.
            ("-1M/M", "Z", Some(1_709_251_200)),
            ("-1M/h", "Z", Some(1_709_247_600)),
            ("/d+1h/h", "Z", Some(1_709_251_200)),
            // A quarter of an hour, since nothing is known of the zone.
            ("/d", "Europe/Paris", Some(1_709_246_700)),
            ("/m", "Europe/Paris", Some(1_709_245_860)),
            ("", "Z", None),
            ("-7d", "Z", None),
            ("-1y+3M", "Z", None),
        ] {
            assert_eq!(change(steps, now, zone), expected, "now{steps} in {zone}");
        }
        // At a boundary, the next one.
        assert_eq!(change("/d", 1_709_251_200, "Z"), Some(1_709_337_600));
    }

    #[test]
    fn reads_zones() {
        for (text, expected) in [
            ("UTC", UTC),
            ("Z", UTC),
            ("GMT", UTC),
            ("+01:00", Zone::Fixed(3600)),
            ("+1", Zone::Fixed(3600)),
            ("UTC-03:30", Zone::Fixed(-12_600)),
            ("+0545", Zone::Fixed(20_700)),
            ("CET", Zone::Named),
            ("Zulu", Zone::Named),
            ("", Zone::Named),
            ("+99:00", Zone::Named),
            ("+1:2:3", Zone::Named),
            ("é", Zone::Named),
        ] {
            assert_eq!(zone(text), expected, "{text}");
        }
    }

    #[test]
    fn calendar_agrees_with_itself() {
        let mut first = first_of(1970, 1);
        assert_eq!(first, 0);
        for year in 1970..2400 {
            for month in 1..=12 {
                let next = first_of(year + i64::from(month == 12), month % 12 + 1);
                let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
                let days = [31, 28 + i64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
                assert_eq!(next - first, days[usize::try_from(month).unwrap() - 1], "{year}-{month}");
                for day in [first, next - 1] {
                    assert_eq!(year_and_month(day), (year, month));
                }
                first = next;
            }
        }
    }

    #[test]
    fn refuses_what_is_no_step() {
        for text in ["/day", "/x", "+", "/", "-1", "+9999999999d", "+1é"] {
            assert!(elastic_steps(text).is_none_or(|(_, rest)| !rest.is_empty()), "{text}");
        }
        assert_eq!(
            solr_steps("-7DAYS/DAY]"),
            Some((vec![Step::Add(-7, Unit::Day), Step::Round(Unit::Day)], "]"))
        );
        assert_eq!(solr_steps("/WEEK"), None);
    }
}
