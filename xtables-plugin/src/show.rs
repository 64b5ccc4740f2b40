// SPDX-License-Identifier: GPL-2.0-only
//! A rule as text: for -L, and for -S and iptables-save in a form that restores it.

use std::fmt::Write as _;
use std::path::Path;

use packetscript_abi::border::{ABI, DEFAULT_FUNCTION, TgInfo, on_error, scope};
use packetscript_abi::names;

/// Where a rule's script came from, as the registry of the kernel has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub path: Option<String>,
    /// `KEY=VALUE`.
    pub args: Vec<String>,
}

/// The options that differ from their defaults, as pairs of an option and its value.
fn options(info: &TgInfo, origin: Option<&Origin>) -> Vec<(&'static str, String)> {
    let name = info.name();
    let path = origin.and_then(|origin| origin.path.as_deref());
    let mut list = Vec::new();
    if let Some(path) = path {
        list.push(("script", path.to_owned()));
    }
    if path
        .and_then(|path| names::default_script(Path::new(path)))
        .as_ref()
        != Some(&name)
    {
        list.push(("name", name));
    }
    if info.function() != DEFAULT_FUNCTION {
        list.push(("function", info.function()));
    }
    // Arguments are part of a version that comes from a file; a name alone finds them again.
    if path.is_some() {
        let args = origin.map_or(&[][..], |origin| &origin.args);
        list.extend(args.iter().map(|argument| ("arg", argument.clone())));
    }
    if info.state != 0 {
        list.push(("state", info.state.to_string()));
    }
    let word = |words: &[&str], number: u8| {
        words
            .get(usize::from(number))
            .map_or_else(|| number.to_string(), |&word| word.to_owned())
    };
    if info.scope != scope::SHARED {
        list.push(("scope", word(&scope::WORDS, info.scope)));
    }
    if info.on_error != on_error::DROP {
        list.push(("on-error", word(&on_error::WORDS, info.on_error)));
    }
    if info.fuel != 0 {
        list.push(("fuel", info.fuel.to_string()));
    }
    if info.memory != 0 {
        list.push(("memory", names::format_amount(info.memory)));
    }
    list
}

/// For -L.
pub fn listed(info: &TgInfo, origin: Option<&Origin>) -> String {
    if info.abi != ABI {
        return format!(
            " (a rule of ABI {}, and this plugin speaks ABI {ABI})",
            info.abi
        );
    }
    let mut text = String::new();
    for (option, value) in options(info, origin) {
        let _ = write!(text, " {option} {}", quoted(&value));
    }
    text
}

/// For -S and iptables-save; with the rule's number if `ids`.
pub fn saved(info: &TgInfo, origin: Option<&Origin>, ids: bool) -> String {
    let mut text = String::new();
    for (option, value) in options(info, origin) {
        let _ = write!(text, " --{option} {}", quoted(&value));
    }
    if ids && info.rule_id != 0 {
        let _ = write!(text, " --rule-id {}", info.rule_id);
    }
    text
}

/// A word as iptables-restore reads it back: in quotes unless it is plain.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut text = String::from("\"");
    for c in word.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str) -> TgInfo {
        let mut info = TgInfo::new();
        info.set_name(name);
        info
    }

    fn origin(path: &str, args: &[&str]) -> Origin {
        Origin {
            path: Some(path.into()),
            args: args.iter().map(|&argument| argument.into()).collect(),
        }
    }

    #[test]
    fn defaults_are_not_written() {
        let from = origin("/etc/packetscript/block.lua", &[]);
        assert_eq!(
            saved(&rule("block"), Some(&from), false),
            " --script /etc/packetscript/block.lua"
        );
        assert_eq!(
            listed(&rule("block"), Some(&from)),
            " script /etc/packetscript/block.lua"
        );
        assert_eq!(saved(&rule("block"), None, false), " --name block");
    }

    #[test]
    fn everything_else_is() {
        let mut info = TgInfo {
            state: 3,
            scope: scope::CPU,
            on_error: on_error::ACCEPT,
            fuel: 70_000,
            memory: 2 << 20,
            rule_id: 9,
            ..rule("other")
        };
        info.set_function("on_input");
        let from = origin("/srv/a b/x\"y.lua", &["limit=10", "say=hello you"]);
        assert_eq!(
            saved(&info, Some(&from), true),
            " --script \"/srv/a b/x\\\"y.lua\" --name other --function on_input --arg limit=10 \
             --arg \"say=hello you\" --state 3 --scope cpu --on-error accept --fuel 70000 --memory 2M --rule-id 9"
        );
        assert!(!saved(&info, Some(&from), false).contains("rule-id"));
    }

    #[test]
    fn a_rule_of_another_release_says_so() {
        let info = TgInfo {
            abi: 99,
            ..rule("x")
        };
        assert!(listed(&info, None).contains("ABI 99"));
    }
}
