// SPDX-License-Identifier: GPL-2.0-only
//! The generic-netlink family `packetscript` from user space.
//!
//! [`Client::connect`] finds the module and compares ABI numbers before anything else is said; every
//! method is one request. What [`Client::stage`] made lives as long as the client that made it.

mod events;
mod module;
mod socket;
mod wire;

use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::border::{
    self, ABI, GENL_GROUP_EVENTS, GENL_NAME, GENL_VERSION, SOURCE_PIECE, TgInfo, attr, cmd, flags,
};
use crate::source::{Bundle, Chunk};
pub use events::{Event, Events};
pub use module::{MODULE, load as load_module};
use socket::Socket;
use wire::{Answer, Request};

/// Why a request failed. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The family is unknown to the kernel.
    #[error("the kernel module xt_LUA is not loaded (modprobe xt_LUA)")]
    NoModule,
    /// modprobe failed.
    #[error("the kernel module xt_LUA cannot be loaded: {detail}{hint}")]
    ModuleLoad {
        /// What modprobe said.
        detail: String,
        /// What to do.
        hint: &'static str,
    },
    /// Module and program are of different releases.
    #[error(
        "the kernel module xt_LUA {version} speaks ABI {module}, and this program ABI {ABI}: install both from one \
         release, then: rmmod xt_LUA; modprobe xt_LUA"
    )]
    Abi {
        /// The module's number.
        module: u32,
        /// The module's version.
        version: String,
    },
    /// No right to do that.
    #[error(
        "no permission: code is loaded into the kernel by root (CAP_NET_ADMIN) of the host alone, not of a container \
         with user namespaces"
    )]
    Permission,
    /// The module said no, with a text of its own.
    #[error("{text}")]
    Refused {
        /// The error number, positive.
        errno: i32,
        /// What the module says.
        text: String,
    },
    /// A system call failed.
    #[error("{what}: {}", .errno.desc())]
    System {
        /// What was tried.
        what: &'static str,
        /// What happened.
        errno: Errno,
    },
    /// Too large to be sent.
    #[error("the script is too large to be sent: {0}")]
    TooLarge(String),
    /// The other side does not follow the protocol.
    #[error("the kernel module answers in a way that this program does not understand: {0}")]
    Protocol(String),
}

/// What is loaded under one name: a script with its modules and arguments.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// That rules call it by.
    pub name: &'a str,
    /// Absolute; where it came from.
    pub path: Option<&'a Path>,
    /// The script first. Empty only to stage what is loaded already.
    pub chunks: &'a [Chunk],
    /// `KEY=VALUE`.
    pub args: &'a [String],
}

impl<'a> Program<'a> {
    /// A script as it was read from its file.
    pub fn from_bundle(name: &'a str, bundle: &'a Bundle, args: &'a [String]) -> Self {
        Program {
            name,
            path: Some(&bundle.path),
            chunks: &bundle.chunks,
            args,
        }
    }
}

/// What became of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Which version it is.
    pub hash: u64,
    /// Of [`Client::stage`]: what a rule's `stage_id` is set to.
    pub stage: u64,
    /// Of [`Client::reload`]: rules that moved.
    pub count: u32,
    /// What the user should know, and what the script printed.
    pub notice: Option<String>,
}

/// A version as the kernel keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Its name.
    pub name: String,
    /// Where it came from.
    pub path: Option<PathBuf>,
    /// Which version.
    pub hash: u64,
    /// LOAD keeps it.
    pub kept: bool,
    /// A rule by name alone gets it.
    pub newest: bool,
    /// The script, then its modules; empty if they were not asked for.
    pub chunks: Vec<(String, Vec<u8>)>,
    /// `KEY=VALUE`.
    pub args: Vec<String>,
}

/// Which version [`Client::get`] is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// The newest of a name.
    Newest(&'a str),
    /// One of a name.
    Version(&'a str, u64),
    /// The one that a rule runs.
    Rule(u64),
}

/// A hash as `/proc` and messages write it.
pub fn format_hash(hash: u64) -> String {
    format!("{hash:016x}")
}

/// The reverse of [`format_hash`].
pub fn parse_hash(text: &str) -> Option<u64> {
    let hexadecimal = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hexadecimal {
        u64::from_str_radix(text, 16).ok()
    } else {
        None
    }
}

/// A connection to the module.
pub struct Client {
    socket: Socket,
    family: Family,
    version: String,
}

#[derive(Clone, Copy, Default)]
struct Family {
    id: u16,
    events: Option<u32>,
}

impl Client {
    /// Finds the module, and compares ABI numbers.
    pub fn connect() -> Result<Self, Error> {
        let mut socket = Socket::open()?;
        let family = Family::find(&mut socket)?;
        let mut client = Client {
            socket,
            family,
            version: String::new(),
        };
        let mut abi = None;
        let mut version = String::new();
        let request = client.request(cmd::HELLO)?;
        client.ask(request, |answer| {
            for attribute in &answer.attributes {
                match attribute.kind {
                    attr::ABI => abi = Some(attribute.u32()?),
                    attr::VERSION => version = attribute.text(),
                    _ => {}
                }
            }
            Ok(())
        })?;
        let module = abi.ok_or_else(|| Error::Protocol("no ABI number in its greeting".into()))?;
        if module != ABI {
            return Err(Error::Abi { module, version });
        }
        client.version = version;
        Ok(client)
    }

    /// As [`Client::connect`], and loads the module if it is not there.
    pub fn connect_or_load() -> Result<Self, Error> {
        match Self::connect() {
            Err(Error::NoModule) => {
                module::load()?;
                Self::connect()
            }
            other => other,
        }
    }

    /// The version that the module says it is.
    pub fn module_version(&self) -> &str {
        &self.version
    }

    /// Compiles, and holds the version until this client goes. With `rule`, its environment is made
    /// and its function looked up too, so that a failure of these has a text.
    pub fn stage(&mut self, program: &Program, rule: Option<&TgInfo>) -> Result<Loaded, Error> {
        let mut request = self.program(cmd::STAGE, program)?;
        if let Some(rule) = rule {
            request.bytes(attr::TGINFO, &rule.to_bytes())?;
        }
        self.loaded(request)
    }

    /// Compiles, and keeps the version until [`Client::unload`].
    pub fn load(&mut self, program: &Program) -> Result<Loaded, Error> {
        let request = self.program(cmd::LOAD, program)?;
        self.loaded(request)
    }

    /// Loads, and moves every rule of that name to the new version.
    pub fn reload(&mut self, program: &Program) -> Result<Loaded, Error> {
        let request = self.program(cmd::RELOAD, program)?;
        self.loaded(request)
    }

    /// Forgets what [`Client::load`] keeps.
    pub fn unload(&mut self, name: &str) -> Result<(), Error> {
        let mut request = self.request(cmd::UNLOAD)?;
        request.text(attr::NAME, name)?;
        self.ask(request, |_| Ok(()))
    }

    /// Sets the counters of all rules to zero, or those of one script's.
    pub fn reset(&mut self, name: Option<&str>) -> Result<(), Error> {
        let mut request = self.request(cmd::RESET)?;
        if let Some(name) = name {
            request.text(attr::NAME, name)?;
        }
        self.ask(request, |_| Ok(()))
    }

    /// A version, with its source if `source`.
    pub fn get(&mut self, which: Which, source: bool) -> Result<Script, Error> {
        let mut request = self.request(cmd::GET)?;
        match which {
            Which::Newest(name) => request.text(attr::NAME, name)?,
            Which::Version(name, hash) => {
                request.text(attr::NAME, name)?;
                request.u64(attr::HASH, hash)?;
            }
            Which::Rule(id) => request.u64(attr::RULE, id)?,
        }
        if !source {
            request.u32(attr::FLAGS, flags::GET_BRIEF)?;
        }
        let mut script = Script::default();
        self.ask(request, |answer| script.take(&answer))?;
        if script.name.is_empty() {
            return Err(Error::Protocol("a script without a name".into()));
        }
        Ok(script)
    }

    /// The stream of events from here on, on a socket of its own.
    pub fn events(&self) -> Result<Events, Error> {
        let group = self
            .family
            .events
            .ok_or_else(|| Error::Protocol(format!("it has no group {GENL_GROUP_EVENTS:?}")))?;
        let socket = Socket::open()?;
        socket.subscribe(group)?;
        Ok(Events::on(socket))
    }

    fn request(&self, command: u8) -> Result<Request, Error> {
        let mut request = Request::new(self.family.id, command, GENL_VERSION);
        request.u32(attr::ABI, ABI)?;
        Ok(request)
    }

    fn program(&self, command: u8, program: &Program) -> Result<Request, Error> {
        let mut request = self.request(command)?;
        request.text(attr::NAME, program.name)?;
        if let Some(path) = program.path {
            let text = path.to_str().filter(|path| path.len() < border::PATH_MAX);
            let text = text.ok_or_else(|| {
                Error::TooLarge(format!(
                    "its path is not UTF-8, or over {} bytes",
                    border::PATH_MAX - 1
                ))
            })?;
            request.text(attr::PATH, text)?;
        }
        for chunk in program.chunks {
            // An empty text is a piece as well.
            let mut rest = chunk.text.as_slice();
            loop {
                let (piece, more) = rest.split_at(rest.len().min(SOURCE_PIECE));
                request.nested(attr::SOURCE, |inner| {
                    inner.text(attr::CHUNK_NAME, &chunk.name)?;
                    inner.bytes(attr::CHUNK_TEXT, piece)
                })?;
                rest = more;
                if rest.is_empty() {
                    break;
                }
            }
        }
        for argument in program.args {
            request.text(attr::ARG, argument)?;
        }
        Ok(request)
    }

    fn loaded(&mut self, request: Request) -> Result<Loaded, Error> {
        let mut loaded = Loaded::default();
        self.ask(request, |answer| {
            for attribute in &answer.attributes {
                match attribute.kind {
                    attr::HASH => loaded.hash = attribute.u64()?,
                    attr::STAGE => loaded.stage = attribute.u64()?,
                    attr::COUNT => loaded.count = attribute.u32()?,
                    attr::TEXT => {
                        let text = attribute.text().trim_end().to_owned();
                        loaded.notice = Some(text).filter(|text| !text.is_empty());
                    }
                    _ => {}
                }
            }
            Ok(())
        })?;
        Ok(loaded)
    }

    /// One request: the answers go to `each`, an error's text becomes the error.
    fn ask(
        &mut self,
        request: Request,
        mut each: impl FnMut(Answer<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut said = None;
        let (code, extended) = self.socket.exchange(request, |answer| {
            if answer.command == cmd::ERROR {
                let text = answer
                    .attributes
                    .iter()
                    .find(|attribute| attribute.kind == attr::TEXT);
                said = text.map(wire::Attribute::text);
                return Ok(());
            }
            each(answer)
        })?;
        outcome(code, said.or(extended))
    }
}

/// The acknowledgement as a result.
fn outcome(code: i32, said: Option<String>) -> Result<(), Error> {
    if code == 0 {
        return Ok(());
    }
    let errno = code.saturating_neg();
    match (said, Errno::from_raw(errno)) {
        (Some(text), _) => Err(Error::Refused { errno, text }),
        (None, Errno::EPERM | Errno::EACCES) => Err(Error::Permission),
        (None, other) => {
            let text = format!("the kernel module refuses: {}", other.desc());
            Err(Error::Refused { errno, text })
        }
    }
}

impl Script {
    /// Adds what one message of the answer says; a long source comes in several.
    fn take(&mut self, answer: &Answer) -> Result<(), Error> {
        for attribute in &answer.attributes {
            match attribute.kind {
                attr::NAME => self.name = attribute.text(),
                attr::PATH => self.path = Some(PathBuf::from(attribute.text())),
                attr::HASH => self.hash = attribute.u64()?,
                attr::FLAGS => {
                    let bits = attribute.u32()?;
                    self.kept = bits & flags::SCRIPT_KEPT != 0;
                    self.newest = bits & flags::SCRIPT_NEWEST != 0;
                }
                attr::ARG => self.args.push(attribute.text()),
                attr::SOURCE => {
                    let inner = attribute.nested()?;
                    let part = |kind| inner.iter().find(|attribute| attribute.kind == kind);
                    let name = part(attr::CHUNK_NAME).map(wire::Attribute::text);
                    let name =
                        name.ok_or_else(|| Error::Protocol("a chunk without a name".into()))?;
                    let text = part(attr::CHUNK_TEXT).map_or(&[][..], |text| text.value);
                    match self.chunks.last_mut().filter(|(last, _)| *last == name) {
                        Some((_, so_far)) => so_far.extend_from_slice(text),
                        None => self.chunks.push((name, text.to_vec())),
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Family {
    /// Asks the kernel's controller for the family's number; the kernel tries to load the module.
    fn find(socket: &mut Socket) -> Result<Self, Error> {
        let mut family = Family::default();
        let controller = libc::GENL_ID_CTRL as u16;
        let mut request = Request::new(controller, libc::CTRL_CMD_GETFAMILY as u8, 1);
        request.text(libc::CTRL_ATTR_FAMILY_NAME as u16, GENL_NAME)?;
        let (code, extended) = socket.exchange(request, |answer| {
            for attribute in &answer.attributes {
                match i32::from(attribute.kind) {
                    libc::CTRL_ATTR_FAMILY_ID => family.id = attribute.u16()?,
                    libc::CTRL_ATTR_MCAST_GROUPS => {
                        for group in attribute.nested()? {
                            let fields = group.nested()?;
                            let field =
                                |kind| fields.iter().find(move |f| i32::from(f.kind) == kind);
                            let name =
                                field(libc::CTRL_ATTR_MCAST_GRP_NAME).map(wire::Attribute::text);
                            if name.as_deref() == Some(GENL_GROUP_EVENTS) {
                                let id = field(libc::CTRL_ATTR_MCAST_GRP_ID)
                                    .map(wire::Attribute::u32)
                                    .transpose()?;
                                family.events = id;
                            }
                        }
                    }
                    _ => {}
                }
            }
            Ok(())
        })?;
        if Errno::from_raw(code.saturating_neg()) == Errno::ENOENT {
            return Err(Error::NoModule);
        }
        outcome(code, extended)?;
        Ok(family)
    }
}

/// Reads a datagram as an answer and as an event, and forgets what it says: for fuzzing, which must
/// reach what has no other way in but the kernel.
#[doc(hidden)]
pub fn take_apart(datagram: &[u8]) {
    for sequence in [0, 1] {
        for message in wire::incoming(datagram, sequence).unwrap_or_default() {
            match message {
                wire::Incoming::Answer(answer) => {
                    let _ = Event::read(&answer);
                    let _ = Script::default().take(&answer);
                }
                wire::Incoming::End(code, said) => drop(outcome(code, said)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::wire::Incoming;
    use super::*;

    #[test]
    fn hashes_go_both_ways() {
        assert_eq!(format_hash(0xab), "00000000000000ab");
        assert_eq!(parse_hash("00000000000000ab"), Some(0xab));
        assert_eq!(parse_hash("ab"), None);
        assert_eq!(parse_hash("+0000000000000ab"), None);
    }

    #[test]
    fn errors_prefer_the_text_of_the_module() {
        assert!(outcome(0, Some("ignored".into())).is_ok());
        let refused = outcome(-22, Some("block.lua:3: no".into())).unwrap_err();
        assert_eq!(refused.to_string(), "block.lua:3: no");
        assert!(matches!(outcome(-1, None), Err(Error::Permission)));
        assert_eq!(
            outcome(-2, None).unwrap_err().to_string(),
            "the kernel module refuses: No such file or directory"
        );
    }

    #[test]
    fn the_controller_of_this_kernel_answers() {
        let mut socket = Socket::open().unwrap();
        let mut request =
            Request::new(libc::GENL_ID_CTRL as u16, libc::CTRL_CMD_GETFAMILY as u8, 1);
        request
            .text(libc::CTRL_ATTR_FAMILY_NAME as u16, "nlctrl")
            .unwrap();
        let mut id = None;
        let (code, _) = socket
            .exchange(request, |answer| {
                for attribute in &answer.attributes {
                    if i32::from(attribute.kind) == libc::CTRL_ATTR_FAMILY_ID {
                        id = Some(attribute.u16()?);
                    }
                }
                Ok(())
            })
            .unwrap();
        assert_eq!((code, id), (0, Some(libc::GENL_ID_CTRL as u16)));

        // A family that does not exist is an error with its number, and the socket goes on.
        let mut request =
            Request::new(libc::GENL_ID_CTRL as u16, libc::CTRL_CMD_GETFAMILY as u8, 1);
        request
            .text(libc::CTRL_ATTR_FAMILY_NAME as u16, "no-such-family")
            .unwrap();
        let (code, _) = socket.exchange(request, |_| Ok(())).unwrap();
        assert_eq!(code, -libc::ENOENT);
    }

    #[test]
    fn a_long_source_is_cut_and_put_together() {
        let client = Client {
            socket: Socket::open().unwrap(),
            family: Family {
                id: 40,
                events: None,
            },
            version: String::new(),
        };
        let chunk = |name: &str, text: Vec<u8>| Chunk {
            name: name.into(),
            text,
            file: PathBuf::new(),
        };
        let long: Vec<u8> = (0..100_000u32).map(|index| index as u8).collect();
        let chunks = [
            chunk("a.lua", long.clone()),
            chunk("empty", vec![]),
            chunk("b", b"return 1".to_vec()),
        ];
        let args = ["k=v".to_owned()];
        let program = Program {
            name: "a",
            path: Some(Path::new("/a.lua")),
            chunks: &chunks,
            args: &args,
        };
        let message = client
            .program(cmd::LOAD, &program)
            .unwrap()
            .finish(5)
            .unwrap();
        let mut script = Script::default();
        for incoming in wire::incoming(&message, 5).unwrap() {
            let Incoming::Answer(answer) = incoming else {
                panic!("a message")
            };
            script.take(&answer).unwrap();
        }
        let expected = [
            ("a.lua".to_owned(), long),
            ("empty".into(), vec![]),
            ("b".into(), b"return 1".to_vec()),
        ];
        assert_eq!(script.chunks, expected);
        assert_eq!(
            (script.name.as_str(), script.args),
            ("a", vec!["k=v".to_owned()])
        );
        assert_eq!(script.path.as_deref(), Some(Path::new("/a.lua")));
    }
}
