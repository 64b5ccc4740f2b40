// SPDX-License-Identifier: GPL-2.0-only
//! The running kernel: /proc to read, netlink to steer.

use super::{Loaded, Source, tables};
use crate::error::{Error, Result};
use crate::script;
use crate::snapshot::{About, ScriptText, Snapshot};
use packetscript_abi::border::{PROC_HOOKS, PROC_RULES, PROC_SCRIPTS};
use packetscript_abi::client::{self, Client, Program, Which};
use packetscript_abi::{names, proc};
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

impl From<client::Error> for Error {
    fn from(error: client::Error) -> Self {
        match error {
            client::Error::NoModule => Self::NotLoaded,
            client::Error::ModuleLoad { .. } => Self::NoModule(error.to_string()),
            client::Error::Permission => {
                Self::Permission("change what the kernel module has loaded".to_owned())
            }
            client::Error::Abi { .. } => Self::Abi(error.to_string()),
            other => Self::Refused(other.to_string()),
        }
    }
}

/// The kernel that this process runs on, in its network namespace.
pub struct Live {
    started: Instant,
    /// Loading a script loads the module first.
    autoload: bool,
}

impl Live {
    /// Nothing is opened yet: the module may come later.
    pub fn new(autoload: bool) -> Self {
        Self {
            started: Instant::now(),
            autoload,
        }
    }

    fn client(&self, for_loading: bool) -> Result<Client> {
        Ok(if self.autoload && for_loading {
            Client::connect_or_load()?
        } else {
            Client::connect()?
        })
    }

    fn send(
        &self,
        path: &Path,
        name: Option<&str>,
        args: &[String],
        send: impl FnOnce(&mut Client, &Program) -> std::result::Result<client::Loaded, client::Error>,
    ) -> Result<Loaded> {
        let bundle = script::read(path)?;
        let name = script::name(path, name)?;
        for argument in args {
            names::check_argument(argument).map_err(Error::Data)?;
        }
        // A mistake is found before the kernel is asked.
        crate::engine::compile(&bundle)?;
        let mut client = self.client(true)?;
        let loaded =
            send(&mut client, &Program::from_bundle(&name, &bundle, args)).map_err(|error| {
                match error {
                    client::Error::Refused { text, .. } => {
                        script::located(&bundle, &text).map_or(Error::Refused(text), Error::Script)
                    }
                    other => other.into(),
                }
            })?;
        Ok(Loaded {
            name,
            hash: client::format_hash(loaded.hash),
            moved: loaded.count,
            notice: loaded.notice.unwrap_or_default().trim_end().to_owned(),
        })
    }
}

impl Source for Live {
    fn about(&mut self) -> About {
        let (host, kernel) = match nix::sys::utsname::uname() {
            Ok(name) => (
                name.nodename().to_string_lossy().into_owned(),
                name.release().to_string_lossy().into_owned(),
            ),
            Err(_) => (String::new(), String::new()),
        };
        let module = std::fs::read_to_string("/sys/module/xt_LUA/version");
        About {
            host,
            kernel,
            module: module.ok().map(|version| version.trim().to_owned()),
        }
    }

    fn snapshot(&mut self) -> Result<Snapshot> {
        let folder = proc::directory();
        let at = self.started.elapsed();
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |wall| wall.as_secs());
        let hooks = proc::read(&folder.join(PROC_HOOKS))?;
        let scripts = proc::read(&folder.join(PROC_SCRIPTS))?;
        let rules = proc::read(&folder.join(PROC_RULES))?;
        tables::parse(at, wall, &hooks, &scripts, &rules)
    }

    fn text(&mut self, name: &str, hash: &str) -> Result<ScriptText> {
        let which = match client::parse_hash(hash) {
            Some(hash) => Which::Version(name, hash),
            None if hash.is_empty() => Which::Newest(name),
            None => return Err(Error::Data(format!("{hash:?} is not a hash of 16 digits"))),
        };
        let script = self.client(false)?.get(which, true)?;
        Ok(ScriptText {
            name: script.name,
            hash: client::format_hash(script.hash),
            path: script.path.map(|path| path.to_string_lossy().into_owned()),
            args: script.args,
            chunks: script
                .chunks
                .into_iter()
                .map(|(name, text)| (name, String::from_utf8_lossy(&text).into_owned()))
                .collect(),
        })
    }

    fn load(&mut self, path: &Path, name: Option<&str>, args: &[String]) -> Result<Loaded> {
        self.send(path, name, args, Client::load)
    }

    fn unload(&mut self, name: &str) -> Result<()> {
        Ok(self.client(false)?.unload(name)?)
    }

    fn reload(&mut self, path: &Path, name: &str, args: &[String]) -> Result<Loaded> {
        self.send(path, Some(name), args, |client, program| {
            client.reload(program)
        })
    }

    fn reset(&mut self, name: Option<&str>) -> Result<()> {
        Ok(self.client(false)?.reset(name)?)
    }

    fn load_module(&mut self) -> Result<()> {
        Ok(client::load_module()?)
    }
}
