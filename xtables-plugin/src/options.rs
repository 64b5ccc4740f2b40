// SPDX-License-Identifier: GPL-2.0-only
//! The options of a rule: how they are written, and what they make of the rule's data.

use std::ffi::CStr;
use std::path::PathBuf;

use packetscript_abi::border::{ARGS_MAX, MEMORY_MIN, TgInfo, on_error, scope};
use packetscript_abi::names;

/// An option; its number is what getopt gives back for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opt {
    /// `--script FILE`.
    Script = 1,
    /// `--name NAME`.
    Name,
    /// `--function NAME`.
    Function,
    /// `--arg KEY=VALUE`.
    Arg,
    /// `--state N`.
    State,
    /// `--scope shared|cpu`.
    Scope,
    /// `--on-error drop|accept|continue`.
    OnError,
    /// `--fuel N`.
    Fuel,
    /// `--memory N`.
    Memory,
    /// `--rule-id N`: what save prints for programs that ask for it; a new rule gets a new one.
    RuleId,
}

/// All of them, by the names that getopt looks for. Each takes an argument.
pub const ALL: [(Opt, &CStr); 10] = [
    (Opt::Script, c"script"),
    (Opt::Name, c"name"),
    (Opt::Function, c"function"),
    (Opt::Arg, c"arg"),
    (Opt::State, c"state"),
    (Opt::Scope, c"scope"),
    (Opt::OnError, c"on-error"),
    (Opt::Fuel, c"fuel"),
    (Opt::Memory, c"memory"),
    (Opt::RuleId, c"rule-id"),
];

impl Opt {
    /// By getopt's number.
    pub fn from_number(number: i32) -> Option<Self> {
        ALL.iter()
            .map(|(option, _)| *option)
            .find(|option| *option as i32 == number)
    }

    /// As it is written.
    pub fn text(self) -> String {
        let name = ALL
            .iter()
            .find(|(option, _)| *option == self)
            .map(|(_, name)| name.to_string_lossy());
        format!("--{}", name.unwrap_or_default())
    }
}

/// The options of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    seen: Vec<Opt>,
    /// As the user wrote it.
    pub script: Option<PathBuf>,
    /// The name, if one was given.
    pub name: Option<String>,
    /// `KEY=VALUE`, in order.
    pub args: Vec<String>,
    /// What goes into the rule; its name is set by [`Options::finish`].
    pub info: TgInfo,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            seen: Vec::new(),
            script: None,
            name: None,
            args: Vec::new(),
            info: TgInfo::new(),
        }
    }
}

impl Options {
    /// Takes one option in.
    pub fn set(&mut self, option: Opt, value: &str, inverted: bool) -> Result<(), String> {
        let name = option.text();
        if inverted {
            return Err(format!("\"!\" cannot stand before {name}"));
        }
        if option != Opt::Arg && self.seen.contains(&option) {
            return Err(format!("{name} is given twice"));
        }
        self.seen.push(option);
        let within = |message: String| format!("{name}: {message}");
        match option {
            Opt::Script => {
                if value.is_empty() || value.contains(char::is_control) {
                    return Err(format!("{name} {value:?} cannot be a file of scripts"));
                }
                self.script = Some(PathBuf::from(value));
            }
            Opt::Name => {
                names::check_script(value).map_err(within)?;
                self.name = Some(value.to_owned());
            }
            Opt::Function => {
                names::check_function(value).map_err(within)?;
                self.info.set_function(value);
            }
            Opt::Arg => {
                names::check_argument(value)?;
                let key = |argument: &str| argument.split('=').next().map(str::to_owned);
                if self.args.iter().any(|other| key(other) == key(value)) {
                    return Err(format!("{name} {value:?}: this key is given twice"));
                }
                if self.args.len() == ARGS_MAX {
                    return Err(format!("{name} is given more than {ARGS_MAX} times"));
                }
                self.args.push(value.to_owned());
            }
            Opt::State => {
                let number = value
                    .parse::<u32>()
                    .ok()
                    .filter(|_| !value.starts_with('+'));
                self.info.state = number.ok_or_else(|| {
                    format!(
                        "{name} wants a number from 0 to {}, not {value:?}",
                        u32::MAX
                    )
                })?;
            }
            Opt::Scope => self.info.scope = word(&name, value, &scope::WORDS)?,
            Opt::OnError => self.info.on_error = word(&name, value, &on_error::WORDS)?,
            Opt::Fuel => {
                self.info.fuel = names::parse_amount(value).map_err(within)?;
                if self.info.fuel == 0 {
                    return Err(format!("{name} is at least 1"));
                }
            }
            Opt::Memory => {
                self.info.memory = names::parse_amount(value).map_err(within)?;
                if self.info.memory < MEMORY_MIN {
                    return Err(format!(
                        "{name} is at least {}",
                        names::format_amount(MEMORY_MIN)
                    ));
                }
            }
            Opt::RuleId => {
                value
                    .parse::<u64>()
                    .map_err(|_| format!("{name} wants a number, not {value:?}"))?;
            }
        }
        Ok(())
    }

    /// What has to be right about all of them together; gives the rule its name.
    pub fn finish(&mut self) -> Result<(), String> {
        let name = match (&self.name, &self.script) {
            (Some(name), _) => name.clone(),
            (None, Some(path)) => {
                let name = names::default_script(path).ok_or_else(|| {
                    format!(
                        "{} is not the name of a script: give it one with --name",
                        path.display()
                    )
                })?;
                names::check_script(&name)?;
                name
            }
            (None, None) => {
                return Err(
                    "--script FILE is needed, or --name NAME of a script that is loaded".into(),
                );
            }
        };
        if self.script.is_none() && !self.args.is_empty() {
            return Err(
                "--arg goes with --script: a script that is loaded has its arguments already"
                    .into(),
            );
        }
        self.info.set_name(&name);
        Ok(())
    }
}

fn word(name: &str, value: &str, words: &[&str]) -> Result<u8, String> {
    let at = words.iter().position(|word| *word == value);
    at.and_then(|at| u8::try_from(at).ok())
        .ok_or_else(|| format!("{name} wants {}, not {value:?}", words.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[(Opt, &str)]) -> Result<Options, String> {
        let mut parsed = Options::default();
        for (option, value) in options {
            parsed.set(*option, value, false)?;
        }
        parsed.finish()?;
        Ok(parsed)
    }

    #[test]
    fn everything_lands_in_the_rule() {
        let parsed = parse(&[
            (Opt::Script, "dir/block.lua"),
            (Opt::Function, "on_input"),
            (Opt::State, "7"),
            (Opt::Scope, "cpu"),
            (Opt::OnError, "continue"),
            (Opt::Fuel, "5000"),
            (Opt::Memory, "2M"),
            (Opt::Arg, "limit=10"),
            (Opt::Arg, "who=a=b"),
        ])
        .unwrap();
        assert_eq!(parsed.info.name(), "block");
        assert_eq!(parsed.info.function(), "on_input");
        let expected = TgInfo {
            name: parsed.info.name,
            function: parsed.info.function,
            state: 7,
            scope: scope::CPU,
            on_error: on_error::CONTINUE,
            fuel: 5000,
            memory: 2 << 20,
            ..TgInfo::new()
        };
        assert_eq!(parsed.info, expected);
        assert_eq!(parsed.args, ["limit=10", "who=a=b"]);
    }

    #[test]
    fn defaults_are_the_module_s_own() {
        let parsed = parse(&[(Opt::Name, "loaded")]).unwrap();
        let expected = TgInfo {
            name: parsed.info.name,
            ..TgInfo::new()
        };
        assert_eq!(parsed.info, expected);
        assert_eq!(parsed.info.function(), "process_packet");
    }

    #[test]
    fn mistakes_are_named() {
        let error = |options: &[(Opt, &str)]| parse(options).unwrap_err();
        assert!(error(&[]).contains("--script FILE is needed"));
        assert_eq!(
            error(&[(Opt::Name, "a"), (Opt::Name, "b")]),
            "--name is given twice"
        );
        assert_eq!(
            error(&[(Opt::OnError, "pass")]),
            "--on-error wants drop or accept or continue, not \"pass\""
        );
        assert_eq!(error(&[(Opt::Memory, "1k")]), "--memory is at least 64k");
        assert_eq!(error(&[(Opt::Fuel, "0")]), "--fuel is at least 1");
        assert!(error(&[(Opt::State, "-1")]).starts_with("--state wants a number"));
        assert!(error(&[(Opt::Script, "a b.lua")]).contains("choose one with --name"));
        assert!(
            error(&[(Opt::Name, "a"), (Opt::Arg, "k=v")]).starts_with("--arg goes with --script")
        );
        assert!(
            error(&[(Opt::Script, "a.lua"), (Opt::Arg, "k=1"), (Opt::Arg, "k=2")])
                .contains("twice")
        );
        assert!(
            Options::default()
                .set(Opt::Name, "a", true)
                .unwrap_err()
                .contains('!')
        );
    }

    #[test]
    fn numbers_and_names_belong_together() {
        for (option, name) in ALL {
            assert_eq!(Opt::from_number(option as i32), Some(option));
            assert_eq!(option.text(), format!("--{}", name.to_str().unwrap()));
        }
        assert_eq!(Opt::from_number(0), None);
        assert_eq!(Opt::from_number(99), None);
    }
}
