// SPDX-License-Identifier: GPL-2.0-only
//! Numbers for people: three significant digits and a unit in a column of its own, so that a
//! column of them lines up.

/// `980 `, `9.80k`, `98.0k`, `980k`, `1.25M`: at most five characters and always a unit's place.
pub fn scaled(value: f64) -> String {
    const UNITS: [char; 7] = [' ', 'k', 'M', 'G', 'T', 'P', 'E'];
    let mut value = value.max(0.0);
    let mut unit = 0;
    // 999.5 would round up to four digits.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if unit == 0 {
        if value == 0.0 || value >= 9.95 || (value - value.round()).abs() < 0.05 {
            format!("{value:.0}")
        } else {
            format!("{value:.1}")
        }
    } else if value < 9.995 {
        format!("{value:.2}")
    } else if value < 99.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    };
    format!("{digits}{}", UNITS[unit])
}

/// Bytes in powers of 1024: `512 B`, `4.0 KiB`, `1.0 MiB`.
pub fn bytes(value: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut scaled = value as f64;
    let mut unit = 0;
    while scaled >= 1023.95 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{value} B")
    } else {
        format!("{scaled:.1} {}", UNITS[unit])
    }
}

/// The digits in groups of three: `12 345 678`.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(c);
    }
    text
}

/// A time that passed: `8s`, `4m 10s`, `3h 05m`, `12d 4h`.
pub fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86400, seconds % 86400 / 3600),
    }
}

/// A part of a whole in percent; nothing where there is no whole.
pub fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

/// The first eight digits of a hash: what people compare.
pub fn short_hash(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        for (value, text) in [
            (0.0, "0 "),
            (0.5, "0.5 "),
            (7.0, "7 "),
            (42.4, "42 "),
            (999.4, "999 "),
            (999.6, "1.00k"),
            (1000.0, "1.00k"),
            (9_994.0, "9.99k"),
            (9_996.0, "10.0k"),
            (12_345.0, "12.3k"),
            (999_499.0, "999k"),
            (999_600.0, "1.00M"),
            (1.8e19, "18.0E"),
        ] {
            assert_eq!(scaled(value), text, "{value}");
            assert!(scaled(value).len() <= 5);
        }
    }

    #[test]
    fn bytes_ages_groups() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.0 KiB");
        assert_eq!(bytes(1 << 20), "1.0 MiB");
        assert_eq!(bytes((1 << 20) - 1), "1.0 MiB");
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1 000");
        assert_eq!(grouped(u64::MAX), "18 446 744 073 709 551 615");
        assert_eq!(age(59), "59s");
        assert_eq!(age(61), "1m 01s");
        assert_eq!(age(3 * 3600 + 300), "3h 05m");
        assert_eq!(age(12 * 86400 + 4 * 3600), "12d 4h");
        assert_eq!(percent(1, 0), None);
    }
}
