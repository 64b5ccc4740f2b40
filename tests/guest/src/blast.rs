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
const TCP: u8 = 6;
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
    let protocol = match words.optional("proto") {
        None | Some("udp") => UDP,
        Some("tcp") => TCP,
        Some(other) => bail!("'{other}' is neither udp nor tcp"),
    };
    let payload = match words.optional("payload") {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| path.to_owned())?;
            from_hex(&text).with_context(|| path.to_owned())?
        }
        None => vec![b'x'; length.saturating_sub(HEADERS)],
    };

    let frames: Vec<_> = (0..sources)
        .map(|n| frame(mac, [10, 1, 0, 2 + n], protocol, port, &payload))
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

/// Bytes of the headers of Ethernet, IPv4 and UDP.
const HEADERS: usize = 14 + 20 + 8;

/// Bytes in hexadecimal, with comments behind `#`.
fn from_hex(text: &str) -> Result<Vec<u8>> {
    let digits: String = text
        .lines()
        .flat_map(|line| line.split('#').take(1))
        .flat_map(str::split_whitespace)
        .collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| {
            let pair = digits.get(at..at + 2);
            pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())
                .with_context(|| format!("digit {at} begins no byte"))
        })
        .collect()
}

/// An Ethernet frame with a packet to 10.2.0.2, whose transport checksum is 0.
fn frame(mac: [u8; 6], source: [u8; 4], protocol: u8, port: u16, payload: &[u8]) -> Vec<u8> {
    let mut segment: Vec<u8> = [5000_u16.to_be_bytes(), port.to_be_bytes()].concat();
    if protocol == TCP {
        // Numbers, five words of header, ACK and PSH, a window.
        segment.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0]);
    } else {
        segment.extend(((8 + payload.len()) as u16).to_be_bytes());
        // No checksum, which IPv4 allows.
        segment.extend([0, 0]);
    }
    let mut ip = vec![0x45, 0];
    ip.extend(((20 + segment.len() + payload.len()) as u16).to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    ip.extend(source);
    ip.extend([10, 2, 0, 2]);
    let sum = crate::checksum::internet(&ip).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    let ethernet = [&mac[..], &[2, 0, 0, 0, 0, 1], &ETHERTYPE_IPV4].concat();
    [&ethernet, &ip, &segment, payload].concat()
}

#[cfg(test)]
mod tests {
    use super::{TCP, UDP, frame, from_hex};

    #[test]
    fn frames_carry_their_payload() {
        for (protocol, headers) in [(UDP, 42), (TCP, 54)] {
            let frame = frame([2; 6], [10, 1, 0, 2], protocol, 53, b"payload");
            assert_eq!(frame.len(), headers + 7);
            assert_eq!(frame[headers..], *b"payload");
            assert_eq!(crate::checksum::internet(&frame[14..34]), 0);
            assert_eq!(frame[23], protocol);
            assert_eq!(frame[36..38], [0, 53]);
        }
    }

    #[test]
    fn payloads_are_read_from_hexadecimal() {
        assert_eq!(
            from_hex("# a comment\n00ff 10 # another\n7f\n").unwrap(),
            [0, 0xff, 0x10, 0x7f]
        );
        for odd in ["0", "0g", "é"] {
            assert!(from_hex(odd).unwrap_err().to_string().contains("digit 0"));
        }
    }
}
