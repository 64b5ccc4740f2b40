// SPDX-License-Identifier: GPL-2.0-only
//! The terminal that we run on: its size, its changes of size, and its raw mode.

use std::io::IsTerminal;
use std::os::fd::{AsFd, AsRawFd};

use anyhow::Result;
use guest::wire::Size;
use nix::sys::termios::{self, SetArg, Termios};

nix::ioctl_read_bad!(read_size, nix::libc::TIOCGWINSZ, nix::pty::Winsize);

/// Whether a command can be given a terminal: ours.
pub fn is_present() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// The terminal's size; the usual one if it does not say.
pub fn size() -> Size {
    let mut size = nix::pty::Winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the request writes one winsize, which outlives the call.
    let answered = unsafe { read_size(std::io::stdout().as_raw_fd(), &raw mut size) }.is_ok();
    if answered && size.ws_row > 0 && size.ws_col > 0 {
        Size {
            rows: size.ws_row,
            columns: size.ws_col,
        }
    } else {
        Size {
            rows: 24,
            columns: 80,
        }
    }
}

/// Raw mode, until dropped.
pub struct Raw(Termios);

impl Raw {
    /// Every key goes to the machine as it is, Ctrl-C too.
    pub fn enter() -> Result<Self> {
        let before = termios::tcgetattr(std::io::stdin().as_fd())?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(std::io::stdin().as_fd(), SetArg::TCSANOW, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(std::io::stdin().as_fd(), SetArg::TCSAFLUSH, &self.0);
    }
}
