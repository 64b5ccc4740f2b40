// SPDX-License-Identifier: GPL-2.0-only
//! What the module tells everybody who listens.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Error;
use super::socket::Socket;
use super::wire::{self, Answer, Incoming};
use crate::border::{attr, cmd, event};

/// What the module tells everybody who listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// [`border::event`], or [`Event::LOST`].
    pub kind: u32,
    /// Of the script.
    pub name: String,
    /// Of the version.
    pub hash: u64,
    /// What happened, or what was printed.
    pub text: String,
    /// The rule behind it, if there is one.
    pub rule: Option<u64>,
    /// The program behind it.
    pub program: String,
    /// Its user.
    pub uid: Option<u32>,
}

impl Event {
    /// The kind of an event that this side makes: the kernel had to drop some.
    pub const LOST: u32 = 0;

    /// The kind in a word.
    pub fn word(&self) -> &'static str {
        match self.kind {
            Self::LOST => "lost",
            event::LOAD => "load",
            event::UNLOAD => "unload",
            event::RELOAD => "reload",
            event::ERROR => "error",
            event::PRINT => "print",
            _ => "other",
        }
    }

    pub(super) fn read(answer: &Answer) -> Result<Self, Error> {
        let mut event = Event::default();
        for attribute in &answer.attributes {
            match attribute.kind {
                attr::EVENT => event.kind = attribute.u32()?,
                attr::NAME => event.name = attribute.text(),
                attr::HASH => event.hash = attribute.u64()?,
                attr::TEXT => event.text = attribute.text(),
                attr::RULE => event.rule = Some(attribute.u64()?),
                attr::PROGRAM => event.program = attribute.text(),
                attr::UID => event.uid = Some(attribute.u32()?),
                _ => {}
            }
        }
        Ok(event)
    }
}

/// The stream of events.
pub struct Events {
    socket: Socket,
    pending: VecDeque<Event>,
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Events {
    /// On a socket that is subscribed.
    pub(super) fn on(socket: Socket) -> Self {
        Events {
            socket,
            pending: VecDeque::new(),
        }
    }

    /// The next event, or `None` when `patience` ends before one comes.
    pub fn next(&mut self, patience: Duration) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(Some(event));
            }
            let mut waiting = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
            match poll(&mut waiting, timeout) {
                Ok(0) | Err(Errno::EINTR) => return Ok(None),
                Ok(_) => {}
                Err(errno) => {
                    return Err(Error::System {
                        what: "waiting for events",
                        errno,
                    });
                }
            }
            let datagram = match self.socket.receive() {
                Ok(datagram) => datagram,
                Err(Error::System {
                    errno: Errno::ENOBUFS,
                    ..
                }) => {
                    let text = "events came faster than they were read, and some are lost".into();
                    return Ok(Some(Event {
                        kind: Event::LOST,
                        text,
                        ..Event::default()
                    }));
                }
                Err(error) => return Err(error),
            };
            for incoming in wire::incoming(&datagram, 0)? {
                if let Incoming::Answer(answer) = incoming
                    && answer.command == cmd::EVENT
                {
                    self.pending.push_back(Event::read(&answer)?);
                }
            }
        }
    }
}
