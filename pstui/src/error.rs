// SPDX-License-Identifier: GPL-2.0-only
//! What can go wrong, in words that say what to do, and the exit status of each.

use std::path::PathBuf;

/// Everything that `pstui` can fail with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `/proc/net/packetscript` is not there.
    #[error("the kernel module xt_LUA is not loaded")]
    NotLoaded,
    /// It is not loaded and cannot be; why and what to do is in the text.
    #[error("{0}")]
    NoModule(String),
    /// The kernel refuses this user.
    #[error("no permission to {0}")]
    Permission(String),
    /// Module and program speak different versions of the border.
    #[error("{0}")]
    Abi(String),
    /// A script does not compile or run: already `FILE:LINE: message`.
    #[error("{0}")]
    Script(String),
    /// The kernel said no, in its own words.
    #[error("{0}")]
    Refused(String),
    /// A file cannot be read or written.
    #[error("{}: {why}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// The system's reason.
        why: String,
    },
    /// Data that is not in the documented form: file and line are in the text.
    #[error("{0}")]
    Data(String),
    /// A verb in a place that only watches.
    #[error("{0}")]
    ReadOnly(String),
    /// The command's own output told it already; only the status is left to be set.
    #[error("see above")]
    Told,
}

impl Error {
    /// A file error with the system's reason.
    pub fn file(path: impl Into<PathBuf>, why: &std::io::Error) -> Self {
        let path = path.into();
        if why.kind() == std::io::ErrorKind::PermissionDenied {
            return Self::Permission(format!("open {}", path.display()));
        }
        // "(os error 2)" helps nobody.
        let text = why.to_string();
        let text = text.split(" (os error").next().unwrap_or(&text).to_owned();
        Self::File { path, why: text }
    }

    /// What the reader can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotLoaded => Some(
                "load it with `modprobe xt_LUA` as root (the first iptables rule with -j LUA does so by itself); \
                 `pstui doctor` finds out why it is missing",
            ),
            Self::Permission(_) => Some(
                "run it as root: loading code into the kernel needs CAP_NET_ADMIN in the initial user namespace",
            ),
            Self::Abi(_) => Some(
                "install module, plugin and pstui of the same release, then `rmmod xt_LUA` and `modprobe xt_LUA`",
            ),
            Self::Script(text)
                if text
                    .lines()
                    .any(|line| line.ends_with(": not enough memory")) =>
            {
                Some(
                    "--memory gives it more, here (by default 1M) and in a rule: iptables … -j LUA --memory 8M",
                )
            }
            Self::NoModule(_)
            | Self::ReadOnly(_)
            | Self::Script(_)
            | Self::Refused(_)
            | Self::File { .. }
            | Self::Data(_)
            | Self::Told => None,
        }
    }

    /// The exit status: 1 for "no", 3 for "not there", 4 for "not allowed". (2 is a wrong command
    /// line.)
    pub fn exit(&self) -> u8 {
        match self {
            Self::NotLoaded | Self::NoModule(_) | Self::Abi(_) => 3,
            Self::Permission(_) => 4,
            _ => 1,
        }
    }

    /// The stable word for it in `--json` output.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotLoaded => "not-loaded",
            Self::NoModule(_) => "no-module",
            Self::Permission(_) => "permission",
            Self::Abi(_) => "abi",
            Self::Script(_) => "script",
            Self::Refused(_) => "refused",
            Self::File { .. } => "file",
            Self::Data(_) => "data",
            Self::ReadOnly(_) => "read-only",
            Self::Told => "told",
        }
    }
}

impl From<packetscript_capture::Error> for Error {
    fn from(error: packetscript_capture::Error) -> Self {
        match error {
            packetscript_capture::Error::Io { name, why } => Self::File {
                path: name.into(),
                why,
            },
            packetscript_capture::Error::Data(text) => Self::Data(text),
        }
    }
}

/// A result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
