// SPDX-License-Identifier: GPL-2.0-only
//! What may be called what, and how options are written: one set of rules for every program.

use std::path::Path;

use crate::border::NAME_LEN;

/// Checks the name of a script: it stands in tables, in `/proc` and on command lines.
pub fn check_script(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() {
        return Err("a script's name cannot be empty".into());
    }
    if let Some(odd) = name.chars().find(|&c| !plain(c)) {
        return Err(format!(
            "{odd:?} cannot stand in the name of a script ({name:?}): letters, digits, '_', '-' and '.' can; \
             choose one with --name"
        ));
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        return Err(format!(
            "the name of a script begins with a letter, a digit or '_', not as {name:?} does"
        ));
    }
    fits("script", name)
}

/// Checks the name of a function: a global of the script.
pub fn check_function(name: &str) -> Result<(), String> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let good =
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(inner);
    if !good {
        return Err(format!("{name:?} is not the name of a global Lua function"));
    }
    fits("function", name)
}

fn fits(what: &str, name: &str) -> Result<(), String> {
    if name.len() < NAME_LEN {
        Ok(())
    } else {
        Err(format!(
            "the name of a {what} has at most {} characters, and {name:?} has {}",
            NAME_LEN - 1,
            name.len()
        ))
    }
}

/// The name that a script has when it is given none: its file's name without `.lua`.
pub fn default_script(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    let stem = file.strip_suffix(".lua").unwrap_or(file);
    (!stem.is_empty()).then(|| stem.to_owned())
}

/// Checks `KEY=VALUE`.
pub fn check_argument(argument: &str) -> Result<(), String> {
    let Some((key, _)) = argument.split_once('=') else {
        return Err(format!(
            "--arg wants KEY=VALUE, and {argument:?} has no '='"
        ));
    };
    if key.is_empty() {
        return Err(format!(
            "--arg wants KEY=VALUE, and {argument:?} has no key"
        ));
    }
    if argument.contains(char::is_control) {
        return Err(format!(
            "--arg {argument:?}: control characters cannot be saved with a rule"
        ));
    }
    Ok(())
}

/// Reads an amount such as `250000`, `64k` or `2M` (k, M and G are powers of 1024).
pub fn parse_amount(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        other => return Err(format!("{text:?}: {other:?} is not k, M or G")),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = if plain {
        digits.parse::<u64>().ok()
    } else {
        None
    };
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| {
            format!("{text:?} is not a whole number with k, M or G behind it, or is too large")
        })
}

/// Writes an amount so that [`parse_amount`] reads it back, as briefly as it goes.
pub fn format_amount(amount: u64) -> String {
    for (shift, suffix) in [(30, "G"), (20, "M"), (10, "k")] {
        if amount != 0 && amount.trailing_zeros() >= shift {
            return format!("{}{suffix}", amount >> shift);
        }
    }
    amount.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_names() {
        for good in ["block", "a", "_x", "dns-block.v2", &"n".repeat(31)] {
            assert_eq!(check_script(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "-x",
            ".hidden",
            "two words",
            "a/b",
            "naïve",
            "a\"b",
            &"n".repeat(32),
        ] {
            assert!(check_script(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn function_names() {
        assert_eq!(check_function("process_packet"), Ok(()));
        for bad in ["", "1st", "a.b", "a-b", &"f".repeat(32)] {
            assert!(check_function(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_name_of_a_file() {
        assert_eq!(
            default_script(Path::new("/etc/x/block.lua")).as_deref(),
            Some("block")
        );
        assert_eq!(
            default_script(Path::new("rules.v2")).as_deref(),
            Some("rules.v2")
        );
        assert_eq!(default_script(Path::new(".lua")), None);
        assert_eq!(default_script(Path::new("/")), None);
    }

    #[test]
    fn arguments() {
        assert_eq!(check_argument("limit=10"), Ok(()));
        assert_eq!(check_argument("text=a=b c"), Ok(()));
        for bad in ["limit", "=10", "a=b\nc"] {
            assert!(check_argument(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn amounts_go_both_ways() {
        for (text, amount) in [
            ("0", 0),
            ("100000", 100_000),
            ("64k", 65_536),
            ("2M", 2 << 20),
            ("1G", 1 << 30),
        ] {
            assert_eq!(parse_amount(text), Ok(amount));
            assert_eq!(format_amount(amount), text);
        }
        for bad in [
            "",
            "k",
            "-1",
            "+1",
            "1.5M",
            "1MB",
            "99999999999999999999",
            "18014398509481984M",
        ] {
            assert!(parse_amount(bad).is_err(), "{bad}");
        }
    }
}
