// SPDX-License-Identifier: GPL-2.0-only
//! Dates in UTC, and C's `strftime` in the C locale.

use crate::number::format::Text;

/// A point in time as the fields of a calendar.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Date {
    /// The year.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    /// 0 to 23.
    pub hour: i64,
    /// 0 to 59.
    pub minute: i64,
    /// 0 to 59.
    pub second: i64,
    /// From Sunday: 0 to 6.
    pub weekday: i64,
    /// From January 1: 0 to 365.
    pub yearday: i64,
}

const DAY: i64 = 86_400;
/// Days of 400 years.
const ERA: i64 = 146_097;
/// From March 1 of the year 0 to January 1, 1970.
const EPOCH: i64 = 719_468;

/// Days from the epoch to a day; the month may be anything (13 is January of the next year).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let months = month.wrapping_sub(1);
    let year = year.wrapping_add(months.div_euclid(12));
    let month = months.rem_euclid(12);
    // Years from March on, so that the leap day is the last one.
    let (year, month) = if month < 2 {
        (year.wrapping_sub(1), month.wrapping_add(10))
    } else {
        (year, month.wrapping_sub(2))
    };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = month.wrapping_mul(153).wrapping_add(2) / 5;
    era.wrapping_mul(ERA)
        .wrapping_add(of_era.wrapping_mul(365))
        .wrapping_add(of_era / 4)
        .wrapping_sub(of_era / 100)
        .wrapping_add(of_year)
        .wrapping_add(day.wrapping_sub(1))
        .wrapping_sub(EPOCH)
}

impl Date {
    /// The date of a time in seconds since the epoch; `None` if the year is beyond what C can hold.
    pub fn of(time: i64) -> Option<Self> {
        let (mut day, within) = (time.div_euclid(DAY), time.rem_euclid(DAY));
        let weekday = day.wrapping_add(4).rem_euclid(7);
        day = day.checked_add(EPOCH)?;
        let era = day.div_euclid(ERA);
        let of_era = day.rem_euclid(ERA);
        // The last day of 4, 100 and 400 years would count as one of the next year.
        let year = of_era
            .wrapping_sub(of_era / 1460)
            .wrapping_add(of_era / 36_524)
            .wrapping_sub(of_era / 146_096)
            / 365;
        let first = year
            .wrapping_mul(365)
            .wrapping_add(year / 4)
            .wrapping_sub(year / 100);
        let of_year = of_era.wrapping_sub(first);
        let from_march = of_year.wrapping_mul(5).wrapping_add(2) / 153;
        let start = from_march.wrapping_mul(153).wrapping_add(2) / 5;
        let month = if from_march < 10 {
            from_march.wrapping_add(3)
        } else {
            from_march.wrapping_sub(9)
        };
        let year = era
            .wrapping_mul(400)
            .wrapping_add(year)
            .wrapping_add(i64::from(month <= 2));
        i32::try_from(year.wrapping_sub(1900)).ok()?;
        Some(Self {
            year,
            month,
            day: of_year.wrapping_sub(start).wrapping_add(1),
            hour: within / 3600,
            minute: within / 60 % 60,
            second: within % 60,
            weekday,
            yearday: day.wrapping_sub(EPOCH).wrapping_sub(days(year, 1, 1)),
        })
    }

    /// Seconds since the epoch; the fields may be out of their ranges.
    pub fn time(&self) -> i64 {
        days(self.year, self.month, self.day)
            .wrapping_mul(DAY)
            .wrapping_add(self.hour.wrapping_mul(3600))
            .wrapping_add(self.minute.wrapping_mul(60))
            .wrapping_add(self.second)
    }

    fn hour12(&self) -> i64 {
        match self.hour % 12 {
            0 => 12,
            hour => hour,
        }
    }

    /// The week of the year, when weeks begin so many days behind Sunday.
    fn week(&self, first: i64) -> i64 {
        let since = self.weekday.wrapping_sub(first).rem_euclid(7);
        self.yearday.wrapping_add(7).wrapping_sub(since) / 7
    }

    /// Year and week by ISO 8601: week 1 has the year's first Thursday.
    fn iso_week(&self) -> (i64, i64) {
        let monday = self.weekday.wrapping_add(6) % 7;
        // The day of this week's Thursday, which decides to what year the week belongs.
        let thursday = self.yearday.wrapping_sub(monday).wrapping_add(3);
        let length = |year: i64| days(year, 13, 1).wrapping_sub(days(year, 1, 1));
        let (year, thursday) = if thursday < 0 {
            let year = self.year.wrapping_sub(1);
            (year, thursday.wrapping_add(length(year)))
        } else if thursday >= length(self.year) {
            (
                self.year.wrapping_add(1),
                thursday.wrapping_sub(length(self.year)),
            )
        } else {
            (self.year, thursday)
        };
        (year, thursday.div_euclid(7).wrapping_add(1))
    }
}

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn name(names: &[&'static str], i: i64) -> &'static str {
    usize::try_from(i)
        .ok()
        .and_then(|i| names.get(i))
        .copied()
        .unwrap_or("?")
}

fn short(name: &'static str) -> &'static [u8] {
    name.as_bytes().get(..3).unwrap_or_default()
}

/// An integer with at least two digits.
fn two(out: &mut Text, value: i64, fill: u8) {
    if (0..10).contains(&value) {
        out.byte(fill);
    }
    out.int(value);
}

/// The length of the conversion specifier that a text begins with (behind the `%`), if it is one.
pub fn specifier(text: &[u8]) -> Option<usize> {
    const ALTERNATIVE: &[u8] = b"deHImMSuUVwWy";
    const ERA: &[u8] = b"cCxXyY";
    const PLAIN: &[u8] = b"aAbBcCdDeFgGhHIjmMnprRStTuUVwWxXyYzZ%";
    match text {
        [b'E', b, ..] if ERA.contains(b) => Some(2),
        [b'O', b, ..] if ALTERNATIVE.contains(b) => Some(2),
        [b, ..] if PLAIN.contains(b) => Some(1),
        _ => None,
    }
}

/// What a conversion becomes: at most 64 bytes. `zone` is the name of UTC.
pub fn format(out: &mut Text, date: &Date, conversion: u8, zone: &str) {
    // Conversions that are made of others: letters are conversions, the rest stands for itself.
    let parts: &[u8] = match conversion {
        b'c' => b"a b e H:M:S Y",
        b'D' | b'x' => b"m/d/y",
        b'F' => b"Y-m-d",
        b'r' => b"I:M:S p",
        b'R' => b"H:M",
        b'T' | b'X' => b"H:M:S",
        _ => return field(out, date, conversion, zone),
    };
    for part in parts {
        if part.is_ascii_alphabetic() {
            field(out, date, *part, zone);
        } else {
            out.byte(*part);
        }
    }
}

/// A conversion of one field.
fn field(out: &mut Text, date: &Date, conversion: u8, zone: &str) {
    match conversion {
        b'a' => out.put(short(name(&WEEKDAYS, date.weekday))),
        b'A' => out.put(name(&WEEKDAYS, date.weekday).as_bytes()),
        b'b' | b'h' => out.put(short(name(&MONTHS, date.month.wrapping_sub(1)))),
        b'B' => out.put(name(&MONTHS, date.month.wrapping_sub(1)).as_bytes()),
        b'C' => two(out, date.year.div_euclid(100), b'0'),
        b'd' => two(out, date.day, b'0'),
        b'e' => two(out, date.day, b' '),
        b'g' => two(out, date.iso_week().0.rem_euclid(100), b'0'),
        b'G' => out.int(date.iso_week().0),
        b'H' => two(out, date.hour, b'0'),
        b'I' => two(out, date.hour12(), b'0'),
        b'j' => {
            let day = date.yearday.wrapping_add(1);
            if day < 100 {
                out.byte(b'0');
            }
            two(out, day, b'0');
        }
        b'm' => two(out, date.month, b'0'),
        b'M' => two(out, date.minute, b'0'),
        b'n' => out.byte(b'\n'),
        b'p' => out.put(if date.hour < 12 { b"AM" } else { b"PM" }),
        b'S' => two(out, date.second, b'0'),
        b't' => out.byte(b'\t'),
        b'u' => out.int(if date.weekday == 0 { 7 } else { date.weekday }),
        b'U' => two(out, date.week(0), b'0'),
        b'V' => two(out, date.iso_week().1, b'0'),
        b'w' => out.int(date.weekday),
        b'W' => two(out, date.week(1), b'0'),
        b'y' => two(out, date.year.rem_euclid(100), b'0'),
        b'Y' => out.int(date.year),
        b'z' => out.put(b"+0000"),
        b'Z' => out.put(zone.as_bytes()),
        other => out.byte(other),
    }
}
