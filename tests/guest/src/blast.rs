// SPDX-License-Identifier: GPL-2.0-only
//! `guest blast`: how many instructions a packet costs.
//!
//! Under QEMU's instruction counting the time-stamp counter counts executed instructions. Frames
//! are sent over a veth device with a packet socket that bypasses the queueing discipline, so
//! sending, receiving, the hooks and forwarding all run inside one system call of this process.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result, bail};
use nix::libc;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike, sendto,
    socket,
};

use crate::words::Words;

const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const UDP: u8 = 17;

/// Prints one line a batch: instructions a frame, the sending itself included.
pub fn main(words: &Words) -> Result<()> {
    let device = words.text("dev")?;
    let index = nix::net::if_::if_nametoindex(device).with_context(|| device.to_owned())?;
    let mac = parse_mac(words.text("mac")?)?;
    let length = usize::try_from(words.number("length", 64)?)?;
    let port = u16::try_from(words.number("port", 4000)?)?;
    let batches = words.number("batches", 5)?;
    let count = words.number("count", 2000)?;
    let sources = u8::try_from(words.number("sources", 1)?)?.max(1);

    let frames: Vec<_> = (0..sources)
        .map(|n| frame(mac, [10, 1, 0, 2 + n], port, length))
        .collect();
    let packet = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        None::<SockProtocol>,
    )?;
    bypass_queues(&packet)?;
    let to = link_address(index)?;
    let send = |count: u64| -> Result<()> {
        for frame in frames.iter().cycle().take(usize::try_from(count)?) {
            sendto(packet.as_raw_fd(), frame, &to, MsgFlags::empty()).context("sending")?;
        }
        Ok(())
    };
    send(count.div_ceil(4))?;
    for _ in 0..batches {
        let begin = counter();
        send(count)?;
        println!("{}", (counter() - begin) / count.max(1));
    }
    Ok(())
}

/// Frames of this socket skip the queueing discipline.
fn bypass_queues(packet: &OwnedFd) -> Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option is an int, which is what is given, and it is copied.
    let status = unsafe {
        libc::setsockopt(
            packet.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_QDISC_BYPASS,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error()).context("PACKET_QDISC_BYPASS")
    }
}

/// The time-stamp counter.
fn counter() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and it touches no memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}

fn parse_mac(text: &str) -> Result<[u8; 6]> {
    let bytes: Vec<u8> = text
        .split(':')
        .map(|part| u8::from_str_radix(part, 16))
        .collect::<Result<_, _>>()
        .with_context(|| format!("'{text}' is not a hardware address"))?;
    match bytes.try_into() {
        Ok(mac) => Ok(mac),
        Err(_) => bail!("'{text}' is not a hardware address"),
    }
}

/// A packet socket's idea of where a frame goes.
fn link_address(index: u32) -> Result<LinkAddr> {
    let raw = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: u16::from_ne_bytes(ETHERTYPE_IPV4),
        sll_ifindex: i32::try_from(index)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0; 8],
    };
    let length = size_of::<libc::sockaddr_ll>() as u32;
    // SAFETY: `raw` is a whole sockaddr_ll of the length given, and is copied.
    unsafe { LinkAddr::from_raw((&raw const raw).cast(), Some(length)) }
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
        .context("making a link address")
}

/// An Ethernet frame with a UDP packet to 10.2.0.2, `length` bytes without the checksum.
fn frame(mac: [u8; 6], source: [u8; 4], port: u16, length: usize) -> Vec<u8> {
    const HEADERS: usize = 14 + 20 + 8;
    let payload = length.saturating_sub(HEADERS);
    let mut out = Vec::with_capacity(HEADERS + payload);
    out.extend(mac);
    out.extend([2, 0, 0, 0, 0, 1]);
    out.extend(ETHERTYPE_IPV4);
    let mut ip = vec![0x45, 0];
    ip.extend(((20 + 8 + payload) as u16).to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
    ip.extend(source);
    ip.extend([10, 2, 0, 2]);
    let sum = crate::checksum::internet(&ip).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    out.extend(ip);
    out.extend(5000_u16.to_be_bytes());
    out.extend(port.to_be_bytes());
    out.extend(((8 + payload) as u16).to_be_bytes());
    // No UDP checksum, which IPv4 allows.
    out.extend([0, 0]);
    out.resize(HEADERS + payload, b'x');
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn frames_have_the_length_asked_for() {
        for length in [42, 64, 1500] {
            let frame = super::frame([2; 6], [10, 1, 0, 2], 53, length);
            assert_eq!(frame.len(), length);
            assert_eq!(crate::checksum::internet(&frame[14..34]), 0);
            assert_eq!(frame[36..38], [0, 53]);
        }
    }
}
