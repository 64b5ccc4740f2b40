// SPDX-License-Identifier: GPL-2.0-only
//! The manifest: scripts and rules as YAML. The only place that knows serde_yaml.
//!
//! ```yaml
//! packetscript: 1
//! scripts:
//!   - path: /etc/packetscript/block.lua
//!     args: { ports: "53,123" }
//! rules:
//!   - family: ipv4          # or ipv6
//!     table: filter         # the default
//!     chain: INPUT
//!     match: -p udp         # as iptables has it; none by default
//!     script: block
//! ```

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The version of the form.
pub const VERSION: u32 = 1;

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`VERSION`].
    pub packetscript: u32,
    /// What is loaded.
    #[serde(default)]
    pub scripts: Vec<Script>,
    /// What calls it.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// A script that is to be loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// By default the file's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its file; relative to the manifest's folder.
    pub path: PathBuf,
    /// Its parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, String>,
}

impl Script {
    /// The name, given or the file's.
    pub fn name(&self) -> Result<String> {
        crate::script::name(&self.path, self.name.as_deref())
    }

    /// The arguments as the kernel keeps them.
    pub fn arguments(&self) -> Vec<String> {
        self.args
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect()
    }
}

/// The family of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// iptables
    Ipv4,
    /// ip6tables
    Ipv6,
}

impl Family {
    /// The program that handles its rules.
    pub fn program(self) -> &'static str {
        match self {
            Self::Ipv4 => "iptables",
            Self::Ipv6 => "ip6tables",
        }
    }
}

fn filter() -> String {
    "filter".to_owned()
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// For which packets.
    pub family: Family,
    /// The table.
    #[serde(default = "filter")]
    pub table: String,
    /// The chain.
    pub chain: String,
    /// What else must match, in the words of iptables.
    #[serde(default, rename = "match", skip_serializing_if = "String::is_empty")]
    pub matches: String,
    /// The script's name.
    pub script: String,
    /// The function to call; process_packet by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Which environment of the script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<u32>,
    /// cpu or shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// drop, accept or continue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<String>,
    /// Fuel for a packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Live memory of the environment: bytes, or with k, M, G.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
}

impl Rule {
    /// The words behind `-A CHAIN`.
    pub fn words(&self) -> Result<Vec<String>> {
        let mut words = split(&self.matches)?;
        let mut option = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                words.extend([name.to_owned(), value]);
            }
        };
        option("-j", Some("LUA".to_owned()));
        option("--name", Some(self.script.clone()));
        option("--function", self.function.clone());
        option("--state", self.state.map(|state| state.to_string()));
        option("--scope", self.scope.clone());
        option("--on-error", self.on_error.clone());
        option("--fuel", self.fuel.map(|fuel| fuel.to_string()));
        option("--memory", self.memory.clone());
        Ok(words)
    }
}

/// Reads a manifest.
pub fn read(path: &Path) -> Result<Manifest> {
    let text = std::fs::read_to_string(path).map_err(|why| Error::file(path, &why))?;
    let fail = |line: Option<usize>, why: &str| {
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        Error::Data(format!("{}{line}: {why}", path.display()))
    };
    let mut manifest: Manifest = serde_yaml::from_str(&text).map_err(|error| {
        let text = error.to_string();
        let line = error.location().map(|location| location.line());
        // The place stands in front already.
        fail(line, text.split(" at line").next().unwrap_or(&text))
    })?;
    if manifest.packetscript != VERSION {
        return Err(fail(
            None,
            &format!(
                "packetscript: {} is not a version that pstui knows: {VERSION}",
                manifest.packetscript
            ),
        ));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    for script in &mut manifest.scripts {
        script.path = folder.join(&script.path);
    }
    let names = manifest
        .scripts
        .iter()
        .map(Script::name)
        .collect::<Result<Vec<_>>>()?;
    for (number, name) in names.iter().enumerate() {
        if names[..number].contains(name) {
            return Err(fail(None, &format!("there are two scripts named {name}")));
        }
    }
    Ok(manifest)
}

/// Writes one.
pub fn print(manifest: &Manifest) -> Result<String> {
    serde_yaml::to_string(manifest).map_err(|why| Error::Data(why.to_string()))
}

/// Words as iptables and its save format have them: blanks part, quotes keep together, a
/// backslash keeps the next character.
pub fn split(text: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', _) => {
                let next = chars
                    .next()
                    .ok_or_else(|| Error::Data(format!("a backslash at the end of {text:?}")))?;
                word.get_or_insert_default().push(next);
            }
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(Error::Data(format!("a quote without its end in {text:?}")));
    }
    words.extend(word);
    Ok(words)
}

/// The reverse of [`split`].
pub fn join(words: &[String]) -> String {
    let quoted = |word: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,+@%!".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            return word.clone();
        }
        format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// A rule of `iptables-save`; none if it does not call a script.
pub fn saved_rule(
    family: Family,
    table: &str,
    line: &str,
    name_of: impl Fn(&str) -> Option<String>,
) -> Result<Option<Rule>> {
    let words = split(line)?;
    let Some(jump) = words
        .windows(2)
        .position(|pair| pair[0] == "-j" && pair[1] == "LUA")
    else {
        return Ok(None);
    };
    let [append, chain, ..] = words.as_slice() else {
        return Ok(None);
    };
    if append != "-A" {
        return Ok(None);
    }
    let mut rule = Rule {
        family,
        table: table.to_owned(),
        chain: chain.clone(),
        matches: join(&words[2..jump]),
        script: String::new(),
        function: None,
        state: None,
        scope: None,
        on_error: None,
        fuel: None,
        memory: None,
    };
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|_| Error::Data(format!("{text:?} is not a number in: {line}")))
    };
    for pair in words[jump + 2..].chunks(2) {
        let [option, value] = pair else {
            return Err(Error::Data(format!("{} has no value in: {line}", pair[0])));
        };
        let value = value.clone();
        match option.as_str() {
            "--script" if rule.script.is_empty() => {
                rule.script = name_of(&value).unwrap_or(value);
            }
            "--name" => rule.script = value,
            "--function" => rule.function = Some(value),
            "--state" => rule.state = Some(number(&value)? as u32),
            "--scope" => rule.scope = Some(value),
            "--on-error" => rule.on_error = Some(value),
            "--fuel" => rule.fuel = Some(number(&value)?),
            "--memory" => rule.memory = Some(value),
            // Parts of the script's version.
            "--script" | "--arg" | "--rule-id" => {}
            other => return Err(Error::Data(format!("unknown option {other} in: {line}"))),
        }
    }
    Ok(Some(rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_both_ways() {
        for words in [vec!["-p", "udp"], vec!["a b", "c\"d", "e\\f", ""], vec![]] {
            let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
            assert_eq!(split(&join(&words)).unwrap(), words);
        }
        assert_eq!(
            split("  -m comment --comment 'two words' ").unwrap().len(),
            4
        );
        assert!(split("\"open").is_err());
        assert!(split("end\\").is_err());
    }

    #[test]
    fn a_saved_rule_becomes_the_same_rule() {
        let line = "-A FORWARD -s 10.0.0.0/8 -p udp -m comment --comment \"a b\" -j LUA --script /etc/x/block.lua --function f --arg ports=53 --on-error accept --memory 2M --fuel 7";
        let rule = saved_rule(Family::Ipv4, "mangle", line, |path| {
            path.contains("block").then(|| "block".to_owned())
        })
        .unwrap()
        .unwrap();
        assert_eq!(
            rule.matches,
            "-s 10.0.0.0/8 -p udp -m comment --comment \"a b\""
        );
        assert_eq!(
            (rule.script.as_str(), rule.fuel, rule.memory.as_deref()),
            ("block", Some(7), Some("2M"))
        );
        assert_eq!(
            rule.words().unwrap().join(" "),
            "-s 10.0.0.0/8 -p udp -m comment --comment a b -j LUA --name block --function f --on-error accept --fuel 7 --memory 2M"
        );
        assert_eq!(
            saved_rule(Family::Ipv4, "filter", "-A INPUT -j DROP", |_| None).unwrap(),
            None
        );
        assert_eq!(
            saved_rule(Family::Ipv4, "filter", ":INPUT ACCEPT [0:0]", |_| None).unwrap(),
            None
        );
    }

    #[test]
    fn what_is_printed_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.yaml");
        let text = "packetscript: 1\nscripts:\n- path: a.lua\n  args: { ports: '53' }\nrules:\n- { family: ipv6, chain: INPUT, script: a, on-error: accept }\n";
        std::fs::write(&path, text).unwrap();
        let manifest = read(&path).unwrap();
        assert_eq!(manifest.scripts[0].path, folder.path().join("a.lua"));
        assert_eq!(manifest.scripts[0].arguments(), ["ports=53"]);
        assert_eq!(manifest.rules[0].table, "filter");
        std::fs::write(&path, print(&manifest).unwrap()).unwrap();
        assert_eq!(read(&path).unwrap(), manifest);
    }

    #[test]
    fn mistakes_have_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.yaml");
        for (text, message) in [
            ("packetscript: 1\nscripts:\n- pat: a.lua\n", "m.yaml:3: "),
            ("packetscript: 2\n", "m.yaml: packetscript: 2 is not"),
            (
                "packetscript: 1\nscripts: [{path: a.lua}, {path: b/a.lua}]\n",
                "two scripts named a",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
