// SPDX-License-Identifier: GPL-2.0-only
//! A generic-netlink socket over nix. Of the netlink crates none was smaller than what is needed
//! here: messages of many MiB, capped acknowledgements, texts that come before the acknowledgement.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    self, AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType,
};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use super::Error;
use super::wire::{self, Incoming, Request};

/// What no answer exceeds: the largest source, with room.
const RECEIVE_BUFFER: usize = 16 << 20;
/// The kernel answers before send returns; this only turns a bug into a message.
const PATIENCE_SECONDS: i64 = 30;

/// Sets an option of netlink sockets, which nix has no names for.
fn netlink_option(fd: &OwnedFd, option: libc::c_int, value: u32) -> nix::Result<()> {
    let length = size_of_val(&value) as libc::socklen_t;
    let pointer = (&raw const value).cast();
    // SAFETY: the descriptor is open, and pointer and length describe `value`, which outlives the call.
    let result =
        unsafe { libc::setsockopt(fd.as_raw_fd(), libc::SOL_NETLINK, option, pointer, length) };
    Errno::result(result).map(drop)
}

/// A socket, and the number of the last request on it.
pub(super) struct Socket {
    fd: OwnedFd,
    sequence: u32,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Socket {
    pub(super) fn open() -> Result<Self, Error> {
        let system = |errno| Error::System {
            what: "opening a generic-netlink socket",
            errno,
        };
        let fd = socket::socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkGeneric,
        )
        .map_err(system)?;
        socket::bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0)).map_err(system)?;
        netlink_option(&fd, libc::NETLINK_CAP_ACK, 1).map_err(system)?;
        netlink_option(&fd, libc::NETLINK_EXT_ACK, 1).map_err(system)?;
        setsockopt(
            &fd,
            sockopt::ReceiveTimeout,
            &TimeVal::seconds(PATIENCE_SECONDS),
        )
        .map_err(system)?;
        // Only root may exceed the system's limit; anybody else has small questions.
        if setsockopt(&fd, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            setsockopt(&fd, sockopt::RcvBuf, &RECEIVE_BUFFER).map_err(system)?;
        }
        Ok(Socket { fd, sequence: 0 })
    }

    pub(super) fn subscribe(&self, group: u32) -> Result<(), Error> {
        netlink_option(&self.fd, libc::NETLINK_ADD_MEMBERSHIP, group).map_err(|errno| {
            Error::System {
                what: "subscribing to the module's events",
                errno,
            }
        })
    }

    /// Sends a request, and gives every answer to `each` until the kernel acknowledges. The last
    /// element is the acknowledgement: 0 or an error, with the text of its extension.
    pub(super) fn exchange(
        &mut self,
        request: Request,
        mut each: impl FnMut(wire::Answer<'_>) -> Result<(), Error>,
    ) -> Result<(i32, Option<String>), Error> {
        self.sequence = self.sequence.wrapping_add(1).max(1);
        let message = request.finish(self.sequence)?;
        self.send(&message)?;
        loop {
            let datagram = self.receive()?;
            for incoming in wire::incoming(&datagram, self.sequence)? {
                match incoming {
                    Incoming::Answer(answer) => each(answer)?,
                    Incoming::End(code, text) => return Ok((code, text)),
                }
            }
        }
    }

    fn send(&self, message: &[u8]) -> Result<(), Error> {
        // The kernel takes a message whole, so its size has to fit into the buffer; twice what is
        // asked for is set, and the default is enough for the rest.
        if message.len() > 64 << 10 {
            let _ = setsockopt(&self.fd, sockopt::SndBufForce, &message.len());
        }
        let kernel = NetlinkAddr::new(0, 0);
        loop {
            match socket::sendto(self.fd.as_raw_fd(), message, &kernel, MsgFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(Errno::EMSGSIZE) => {
                    return Err(Error::TooLarge(format!(
                        "{} bytes in one message, without the right to enlarge the buffer (run as root)",
                        message.len()
                    )));
                }
                Err(errno) => {
                    return Err(Error::System {
                        what: "sending to the kernel module",
                        errno,
                    });
                }
            }
        }
    }

    /// One datagram, whole.
    pub(super) fn receive(&self) -> Result<Vec<u8>, Error> {
        let fd = self.fd.as_raw_fd();
        let length = retry(|| socket::recv(fd, &mut [], MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC))?;
        let mut datagram = vec![0; length];
        let length = retry(|| socket::recv(fd, &mut datagram, MsgFlags::empty()))?;
        datagram.truncate(length);
        Ok(datagram)
    }
}

fn retry(mut receive: impl FnMut() -> nix::Result<usize>) -> Result<usize, Error> {
    loop {
        match receive() {
            Ok(length) => return Ok(length),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                return Err(Error::Protocol("the kernel module does not answer".into()));
            }
            Err(errno) => {
                return Err(Error::System {
                    what: "receiving from the kernel module",
                    errno,
                });
            }
        }
    }
}
