// SPDX-License-Identifier: GPL-2.0-only
//! A packet in a few words: from where to where, and what it is.

use serde::Serialize;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Extension headers that are looked behind.
const EXTENSIONS_MAX: usize = 8;

/// What there is to say of an IP packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Brief {
    /// From where.
    pub src: IpAddr,
    /// To where.
    pub dst: IpAddr,
    /// The protocol's name, or its number.
    pub proto: String,
    /// The port that it comes from, if its protocol has ports.
    pub sport: Option<u16>,
    /// The port that it goes to.
    pub dport: Option<u16>,
    /// Whether it is a fragment behind the first, which has no ports.
    pub fragment: bool,
    /// Bytes of it, from the network header on.
    pub length: usize,
}

/// Looks at a packet with a whole IP header.
pub fn of(packet: &[u8]) -> Option<Brief> {
    let (src, dst, number, at, fragment) = if packet.first()? >> 4 == 4 {
        let at = usize::from(packet[0] & 15) * 4;
        let offset = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x1fff;
        let src: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
        let dst: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
        (
            IpAddr::from(src),
            IpAddr::from(dst),
            packet[9],
            at,
            offset != 0,
        )
    } else {
        let src: [u8; 16] = packet.get(8..24)?.try_into().ok()?;
        let dst: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
        let (number, at, fragment) = behind_extensions(packet);
        (IpAddr::from(src), IpAddr::from(dst), number, at, fragment)
    };
    let ports = match (number, fragment) {
        // TCP, UDP, DCCP, SCTP, UDP-Lite.
        (6 | 17 | 33 | 132 | 136, false) => packet.get(at..at + 4),
        _ => None,
    };
    let port = |from: usize| ports.map(|ports| u16::from_be_bytes([ports[from], ports[from + 1]]));
    Some(Brief {
        src,
        dst,
        proto: name(number),
        sport: port(0),
        dport: port(2),
        fragment,
        length: packet.len(),
    })
}

/// The protocol behind IPv6's extension headers, where it begins, and whether this is a later fragment of it.
fn behind_extensions(packet: &[u8]) -> (u8, usize, bool) {
    let (mut next, mut at) = (packet[6], 40);
    for _ in 0..EXTENSIONS_MAX {
        let Some([kind, length, high, low]) = packet.get(at..at + 4) else {
            break;
        };
        at += match next {
            0 | 43 | 60 | 135 => usize::from(*length) * 8 + 8,
            51 => usize::from(*length) * 4 + 8,
            44 if u16::from_be_bytes([*high, *low]) & 0xfff8 != 0 => return (*kind, at, true),
            44 => 8,
            _ => break,
        };
        next = *kind;
    }
    (next, at, false)
}

fn name(number: u8) -> String {
    let name = match number {
        1 => "icmp",
        2 => "igmp",
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        41 => "ipv6",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "icmp6",
        89 => "ospf",
        132 => "sctp",
        136 => "udplite",
        other => return other.to_string(),
    };
    name.to_owned()
}

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.sport, self.dport) {
            (Some(sport), Some(dport)) => {
                let from = SocketAddr::new(self.src, sport);
                let to = SocketAddr::new(self.dst, dport);
                write!(f, "{from} > {to} {}", self.proto)?;
            }
            _ => write!(f, "{} > {} {}", self.src, self.dst, self.proto)?,
        }
        if self.fragment {
            f.write_str(" fragment")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use packetscript_engine::host::frame;

    #[test]
    fn packets_in_a_few_words() {
        let four = |last| IpAddr::from([192, 0, 2, last]);
        let six = |last| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]);
        let shown = |packet: &[u8]| of(packet).unwrap().to_string();
        let udp = frame::udp(four(1), four(2), 4000, 53, b"twenty-four bytes of text");
        assert_eq!(shown(&udp), "192.0.2.1:4000 > 192.0.2.2:53 udp");
        let pieces = frame::fragments(&udp, 24);
        assert_eq!(shown(&pieces[0]), "192.0.2.1:4000 > 192.0.2.2:53 udp");
        assert_eq!(shown(&pieces[1]), "192.0.2.1 > 192.0.2.2 udp fragment");
        assert_eq!(shown(&udp[..22]), "192.0.2.1 > 192.0.2.2 udp");
        let echo = frame::echo(four(1), four(2), false, 1, 1, b"");
        assert_eq!(shown(&echo), "192.0.2.1 > 192.0.2.2 icmp");
        let other = frame::ip(four(1), four(2), 253, vec![0; 8]);
        assert_eq!(shown(&other), "192.0.2.1 > 192.0.2.2 253");
        let udp = frame::udp(six(1), six(2), 4000, 53, b"twenty-four bytes of text");
        let behind = "[2001:db8::1]:4000 > [2001:db8::2]:53 udp";
        assert_eq!(shown(&udp), behind);
        let extended = frame::with_extension(&udp, 60, &[0; 6]);
        assert_eq!(shown(&extended), behind);
        assert_eq!(shown(&frame::fragments(&extended, 24)[0]), behind);
        let last = frame::fragments(&udp, 24).pop().unwrap();
        assert_eq!(shown(&last), "2001:db8::1 > 2001:db8::2 udp fragment");
        // Cut anywhere it is something or nothing.
        for packet in [&udp, &extended, &last] {
            for end in 0..packet.len() {
                assert_eq!(of(&packet[..end]).is_some(), end >= 40);
            }
        }
    }
}
