// SPDX-License-Identifier: GPL-2.0-only
//! `apply` and `export`: the kernel's state as a manifest. Applying twice changes nothing the
//! second time.

use super::{say, say_json};
use crate::cli;
use crate::error::{Error, Result};
use crate::manifest::{self, Family, Manifest, Rule, Script};
use crate::script;
use crate::snapshot::Snapshot;
use crate::source::Source;
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// One thing that is not as the manifest says.
enum Step<'a> {
    Load { name: String, script: &'a Script },
    Reload { name: String, script: &'a Script },
    Add { rule: &'a Rule, words: Vec<String> },
}

impl Step<'_> {
    fn text(&self) -> String {
        match self {
            Self::Load { name, script } => format!("load {name} from {}", script.path.display()),
            Self::Reload { name, script } => {
                format!("reload {name} from {}", script.path.display())
            }
            Self::Add { rule, words } => format!(
                "{} -t {} -A {} {}",
                rule.family.program(),
                rule.table,
                rule.chain,
                manifest::join(words)
            ),
        }
    }
}

/// `pstui apply`.
pub fn apply(source: Result<Box<dyn Source>>, args: &cli::Apply) -> Result<()> {
    let mut source = source?;
    let manifest = manifest::read(&args.file)?;
    let steps = plan(&mut *source, &manifest)?;
    if !args.dry_run {
        for step in &steps {
            perform(&mut *source, step)?;
        }
    }
    let texts: Vec<String> = steps.iter().map(Step::text).collect();
    if args.json.json {
        return say_json(&json!({ "dry_run": args.dry_run, "steps": texts }));
    }
    if texts.is_empty() {
        return say("all is as the manifest says");
    }
    for text in texts {
        say(&text)?;
    }
    Ok(())
}

fn plan<'a>(source: &mut dyn Source, manifest: &'a Manifest) -> Result<Vec<Step<'a>>> {
    let snapshot = match source.snapshot() {
        // Loading the first script loads the module.
        Err(Error::NotLoaded) => Snapshot::default(),
        other => other?,
    };
    let mut steps = Vec::new();
    for script in &manifest.scripts {
        let name = script.name()?;
        let bundle = script::read(&script.path)?;
        let newest = snapshot.scripts.iter().find(|s| s.name == name && s.newest);
        let Some(newest) = newest else {
            steps.push(Step::Load { name, script });
            continue;
        };
        let loaded = source.text(&name, &newest.hash)?;
        let same = loaded.args == script.arguments()
            && loaded.chunks.len() == bundle.chunks.len()
            && loaded
                .chunks
                .iter()
                .zip(&bundle.chunks)
                .all(|((name, text), chunk)| {
                    *name == chunk.name && *text == String::from_utf8_lossy(&chunk.text)
                });
        let moved = snapshot.scripts.iter().all(|s| s.name != name || s.newest);
        if !same || !moved {
            steps.push(Step::Reload { name, script });
        } else if !newest.kept {
            steps.push(Step::Load { name, script });
        }
    }
    for rule in &manifest.rules {
        let known = manifest
            .scripts
            .iter()
            .map(Script::name)
            .collect::<Result<Vec<_>>>()?;
        if !known.contains(&rule.script) {
            return Err(Error::Data(format!(
                "a rule calls {}, which is not among the manifest's scripts",
                rule.script
            )));
        }
        let words = rule.words()?;
        let exists = snapshot.rules.iter().any(|r| r.name == rule.script)
            && iptables(rule, "-C", &words).is_ok();
        if !exists {
            steps.push(Step::Add { rule, words });
        }
    }
    Ok(steps)
}

fn perform(source: &mut dyn Source, step: &Step) -> Result<()> {
    match step {
        Step::Load { name, script } => {
            source.load(&script.path, Some(name), &script.arguments())?;
        }
        Step::Reload { name, script } => {
            source.reload(&script.path, name, &script.arguments())?;
        }
        Step::Add { rule, words } => iptables(rule, "-A", words)?,
    }
    Ok(())
}

fn iptables(rule: &Rule, verb: &str, words: &[String]) -> Result<()> {
    let program = rule.family.program();
    let output = Command::new(program)
        .args(["-w", "-t", &rule.table, verb, &rule.chain])
        .args(words)
        .output()
        .map_err(|why| Error::file(program, &why))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::Refused(said.trim().to_owned()))
}

/// `pstui export`.
pub fn export(source: Result<Box<dyn Source>>, args: &cli::Export) -> Result<()> {
    let mut source = source?;
    let snapshot = source.snapshot()?;
    let mut manifest = Manifest {
        packetscript: manifest::VERSION,
        scripts: Vec::new(),
        rules: Vec::new(),
    };
    for row in snapshot.scripts.iter().filter(|script| script.newest) {
        let Some(path) = &row.path else {
            return Err(Error::Data(format!(
                "{} was not loaded from a file",
                row.name
            )));
        };
        let text = source.text(&row.name, &row.hash)?;
        let named = script::name(Path::new(path), None).is_ok_and(|name| name == row.name);
        manifest.scripts.push(Script {
            name: (!named).then(|| row.name.clone()),
            path: path.into(),
            args: text
                .args
                .iter()
                .filter_map(|argument| argument.split_once('='))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        });
    }
    for family in [Family::Ipv4, Family::Ipv6] {
        manifest.rules.extend(saved(family, &snapshot)?);
    }
    if args.json.json {
        say_json(&manifest)
    } else {
        say(manifest::print(&manifest)?.trim_end())
    }
}

/// The rules that call scripts, as the family's save program prints them.
fn saved(family: Family, snapshot: &Snapshot) -> Result<Vec<Rule>> {
    let program = format!("{}-save", family.program());
    let output = Command::new(&program)
        .output()
        .map_err(|why| Error::file(&program, &why))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::Refused(format!("{program}: {}", said.trim())));
    }
    let name_of = |path: &str| {
        let found = snapshot
            .scripts
            .iter()
            .find(|script| script.path.as_deref() == Some(path));
        found.map(|script| script.name.clone())
    };
    let mut table = String::new();
    let mut rules = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match line.strip_prefix('*') {
            Some(name) => name.clone_into(&mut table),
            None => rules.extend(manifest::saved_rule(family, &table, line, name_of)?),
        }
    }
    Ok(rules)
}
