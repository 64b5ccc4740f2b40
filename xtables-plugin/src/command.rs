// SPDX-License-Identifier: GPL-2.0-only
//! What the host program was asked to do. libxtables does not say whether the rule that it parses
//! is to be added or deleted, so the program's own arguments are read again.

/// What becomes of the rule that is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// It is made: its script has to be there. Also whenever that cannot be told.
    Make,
    /// It is compared with those that exist (-D, -C): only its options matter.
    Compare,
    /// It is translated into other words: the kernel has no part in that.
    Translate,
}

/// Long options of iptables that take an argument, without those that are commands.
const LONG_WITH_ARGUMENT: &[&str] = &[
    "source",
    "destination",
    "src",
    "dst",
    "protocol",
    "in-interface",
    "jump",
    "table",
    "match",
    "out-interface",
    "goto",
    "modprobe",
    "set-counters",
    "script",
    "name",
    "function",
    "state",
    "scope",
    "on-error",
    "fuel",
    "memory",
    "arg",
    "comment",
];

const MAKING: &[&str] = &["append", "insert", "replace"];
const COMPARING: &[&str] = &["delete", "check"];
/// Long commands that a short form of the above could be taken for.
const OTHERS: &[&str] = &[
    "delete-chain",
    "delete-rule",
    "list",
    "list-rules",
    "flush",
    "zero",
    "new-chain",
    "rename-chain",
    "policy",
];

/// Short options that take an argument, besides commands.
const SHORT_WITH_ARGUMENT: &str = "spjditomgMc";

/// Of this process.
pub fn of_this_process() -> Command {
    // std's arguments are empty in a library whose host is not Rust; the kernel knows them.
    let line = std::fs::read("/proc/self/cmdline").unwrap_or_default();
    let arguments: Vec<String> = line
        .split(|&byte| byte == 0)
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .collect();
    of(&arguments)
}

/// Of a command line, with the program's name first.
pub fn of(arguments: &[String]) -> Command {
    let mut rest = arguments.iter().map(String::as_str);
    let base = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let mut program = rest.next().map(base).unwrap_or_default();
    if program.starts_with("xtables-") && program.ends_with("-multi") {
        program = rest.next().map(base).unwrap_or_default();
    }
    if program.contains("translate") {
        return Command::Translate;
    }
    if program.contains("restore") {
        return Command::Make;
    }
    while let Some(argument) = rest.next() {
        let (command, takes_next) = match argument.strip_prefix("--") {
            Some("") => break,
            Some(long) => long_option(long),
            None => match argument.strip_prefix('-') {
                Some(cluster) if !cluster.is_empty() => short_options(cluster),
                _ => (None, false),
            },
        };
        if let Some(command) = command {
            return command;
        }
        if takes_next {
            rest.next();
        }
    }
    Command::Make
}

/// The command in a long option, and whether the next argument belongs to it.
fn long_option(option: &str) -> (Option<Command>, bool) {
    let (name, inline) = match option.split_once('=') {
        Some((name, _)) => (name, true),
        None => (option, false),
    };
    // Abbreviations count while they fit one option alone, as getopt has it.
    let matching = |names: &[&str]| names.iter().any(|full| full.starts_with(name));
    let exact = |names: &[&str]| names.contains(&name);
    if exact(MAKING) || (matching(MAKING) && !matching(COMPARING) && !matching(OTHERS)) {
        return (Some(Command::Make), false);
    }
    if exact(COMPARING) || (matching(COMPARING) && !matching(MAKING) && !matching(OTHERS)) {
        return (Some(Command::Compare), false);
    }
    (None, !inline && exact(LONG_WITH_ARGUMENT))
}

/// The command in a cluster of short options, and whether the next argument belongs to its last.
fn short_options(cluster: &str) -> (Option<Command>, bool) {
    for (at, option) in cluster.char_indices() {
        match option {
            'A' | 'I' | 'R' => return (Some(Command::Make), false),
            'D' | 'C' => return (Some(Command::Compare), false),
            _ if SHORT_WITH_ARGUMENT.contains(option) => return (None, at + 1 == cluster.len()),
            _ => {}
        }
    }
    (None, false)
}

#[cfg(test)]
mod tests {
    use super::Command::{Compare, Make, Translate};
    use super::*;

    fn told(line: &str) -> Command {
        of(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn making_and_comparing_are_told_apart() {
        for (line, expected) in [
            ("iptables -A INPUT -j LUA --script x.lua", Make),
            ("/usr/sbin/iptables -w -t mangle -I INPUT 3 -j LUA", Make),
            ("ip6tables -R INPUT 1 -j LUA", Make),
            ("iptables -D INPUT -j LUA --script x.lua", Compare),
            ("iptables -tmangle -DINPUT -j LUA", Compare),
            ("iptables -4D INPUT -j LUA", Compare),
            ("iptables -j LUA --script x.lua -C INPUT", Compare),
            ("iptables --delete INPUT -j LUA", Compare),
            ("iptables --che INPUT -j LUA", Compare),
            ("iptables --append=INPUT -j LUA", Make),
            ("xtables-legacy-multi iptables -D INPUT -j LUA", Compare),
            (
                "/usr/sbin/xtables-nft-multi ip6tables -A INPUT -j LUA",
                Make,
            ),
            ("iptables-restore", Make),
            ("iptables-legacy-restore -n", Make),
            ("xtables-nft-multi iptables-nft-restore --test", Make),
            ("iptables-translate -A INPUT -j LUA", Translate),
            ("iptables-restore-translate -f x", Translate),
            ("python3 -m firewall", Make),
            ("", Make),
        ] {
            assert_eq!(told(line), expected, "{line}");
        }
    }

    #[test]
    fn arguments_of_options_are_no_commands() {
        for line in [
            "iptables -m comment --comment -D -A INPUT -j LUA",
            "iptables -s -D -A INPUT",
            "iptables --name -C --append INPUT",
            "iptables -jD -A INPUT",
            "iptables -A INPUT --comment x -D",
        ] {
            assert_eq!(told(line), Make, "{line}");
        }
    }
}
