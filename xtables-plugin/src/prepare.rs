// SPDX-License-Identifier: GPL-2.0-only
//! A rule that is about to be made: its script is read, compiled, and staged in the kernel.
//!
//! Staging holds the version for this process's socket until the rule takes it, so a command that
//! fails or only tests leaves nothing behind when the process ends.

use std::path::{Path, PathBuf};

use packetscript_abi::border::TgInfo;
use packetscript_abi::client::{self, Client, Program, Which};
use packetscript_abi::source::{self, Bundle};

use crate::compile;
use crate::options::Options;
use crate::show::Origin;

/// Why a rule cannot be made.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// The user's options or script: exit status 2.
    Mistake(String),
    /// The machine: no module, no permission. Exit status 1.
    Machine(String),
}

/// What lasts as long as the process: the socket that holds what was staged.
#[derive(Default)]
pub struct Session {
    client: Option<Client>,
}

impl Session {
    /// Reads, compiles and stages the script of a rule, and writes the stage's number into the rule.
    /// Returns what the user should know.
    pub fn prepare(&mut self, options: &mut Options) -> Result<Vec<String>, Failure> {
        let name = options.info.name();
        let Some(path) = options.script.clone() else {
            let program = Program {
                name: &name,
                path: None,
                chunks: &[],
                args: &[],
            };
            return self.stage(&program, &mut options.info, |text| text);
        };
        match Bundle::read(&path) {
            Ok(bundle) => {
                compile::check(&bundle)
                    .map_err(|text| Failure::Mistake(located(&bundle, &text)))?;
                let program = Program::from_bundle(&name, &bundle, &options.args);
                self.stage(&program, &mut options.info, |text| located(&bundle, &text))
            }
            Err(error) if error.is_absent() => self.prepare_absent(options, &name, &path, &error),
            Err(error) => Err(Failure::Mistake(error.to_string())),
        }
    }

    /// The file is gone; its script may still be loaded.
    fn prepare_absent(
        &mut self,
        options: &mut Options,
        name: &str,
        path: &Path,
        error: &source::Error,
    ) -> Result<Vec<String>, Failure> {
        let mistake = Failure::Mistake(error.to_string());
        let Ok(wanted) = source::absolute(path) else {
            return Err(mistake);
        };
        let loaded = self
            .connected()
            .and_then(|client| client.get(Which::Newest(name), false).ok());
        let Some(loaded) = loaded.filter(|loaded| loaded.path.as_ref() == Some(&wanted)) else {
            return Err(mistake);
        };
        if !options.args.is_empty() && options.args != loaded.args {
            return Err(Failure::Mistake(format!(
                "{error}, and what is loaded from it has other arguments"
            )));
        }
        let program = Program {
            name,
            path: None,
            chunks: &[],
            args: &[],
        };
        let mut notices = self.stage(&program, &mut options.info, |text| text)?;
        let hash = client::format_hash(loaded.hash);
        notices.insert(
            0,
            format!("{error}; the rule runs version {hash}, which is loaded from there"),
        );
        Ok(notices)
    }

    fn stage(
        &mut self,
        program: &Program,
        info: &mut TgInfo,
        locate: impl Fn(String) -> String,
    ) -> Result<Vec<String>, Failure> {
        let staged = self
            .client()?
            .stage(program, Some(info))
            .map_err(|error| match error {
                client::Error::Refused { text, .. } => Failure::Mistake(locate(text)),
                client::Error::TooLarge(_) => Failure::Mistake(error.to_string()),
                other => Failure::Machine(other.to_string()),
            })?;
        info.stage_id = staged.stage;
        Ok(staged.notice.into_iter().collect())
    }

    /// The connection to the module, which is loaded for the first rule.
    fn client(&mut self) -> Result<&mut Client, Failure> {
        if self.client.is_none() {
            let client =
                Client::connect_or_load().map_err(|error| Failure::Machine(error.to_string()))?;
            self.client = Some(client);
        }
        self.client
            .as_mut()
            .ok_or_else(|| Failure::Machine("the connection is gone".into()))
    }

    /// The connection, if the module is there: nothing is loaded only to look.
    fn connected(&mut self) -> Option<&mut Client> {
        if self.client.is_none() {
            self.client = Client::connect().ok();
        }
        self.client.as_mut()
    }

    /// Where the script of a rule that exists came from; `None` if the module does not say.
    pub fn origin(&mut self, info: &TgInfo) -> Option<Origin> {
        if info.rule_id == 0 {
            return None;
        }
        let script = self
            .connected()?
            .get(Which::Rule(info.rule_id), false)
            .ok()?;
        let path = script
            .path
            .and_then(|path: PathBuf| path.into_os_string().into_string().ok());
        Some(Origin {
            path,
            args: script.args,
        })
    }
}

/// Turns the chunk at the start of a message into the file that the user knows: `block.lua:3: …`
/// becomes `conf/block.lua:3: …`.
fn located(bundle: &Bundle, text: &str) -> String {
    bundle
        .chunks
        .iter()
        .find_map(|chunk| {
            let rest = text.strip_prefix(chunk.name.as_str())?;
            let number = rest.strip_prefix(':')?;
            let placed = number.starts_with(|c: char| c.is_ascii_digit());
            placed.then(|| format!("{}{rest}", chunk.file.display()))
        })
        .unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use packetscript_abi::source::Chunk;

    use super::*;

    #[test]
    fn messages_name_the_file_as_the_user_does() {
        let chunk = |name: &str, file: &str| Chunk {
            name: name.into(),
            text: Vec::new(),
            file: file.into(),
        };
        let bundle = Bundle {
            path: "/srv/conf/block.lua".into(),
            chunks: vec![
                chunk("block.lua", "conf/block.lua"),
                chunk("net.addr", "conf/net/addr.lua"),
            ],
        };
        assert_eq!(
            located(&bundle, "block.lua:3: bad"),
            "conf/block.lua:3: bad"
        );
        assert_eq!(
            located(&bundle, "net.addr:12: bad"),
            "conf/net/addr.lua:12: bad"
        );
        assert_eq!(
            located(&bundle, "block.lua is loaded"),
            "block.lua is loaded"
        );
        assert_eq!(located(&bundle, "no such function"), "no such function");
    }
}
