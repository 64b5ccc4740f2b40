// SPDX-License-Identifier: GPL-2.0-only
//! `guest probe`: sends real packets from one network namespace to another and counts what
//! arrived, in one process, so that nothing has to be timed.
//!
//! Delivery over a veth pair happens inside the sender's system call: what was not received when
//! sending is over was dropped, or waits in a queue.

use std::fs::File;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, recv, sendto,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use crate::words::Words;

/// How long a lost answer is waited for.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long a handshake may take: less than the first retransmission.
const HANDSHAKE: Duration = Duration::from_millis(700);

/// What is sent, from where and to where.
struct Plan {
    from: String,
    to: String,
    source: Option<IpAddr>,
    target: SocketAddr,
    count: u32,
    payload: Vec<u8>,
}

/// Prints how many of the packets arrived.
pub fn main(words: &Words) -> Result<()> {
    let port = words.number("port", 0)?;
    let plan = Plan {
        from: words.text("from")?.to_owned(),
        to: words.text("to")?.to_owned(),
        source: words
            .optional("source")
            .map(str::parse)
            .transpose()
            .context("source")?,
        target: SocketAddr::new(
            words.text("address")?.parse().context("address")?,
            u16::try_from(port).context("port")?,
        ),
        count: u32::try_from(words.number("count", 1)?).context("count")?,
        payload: words
            .optional("payload")
            .unwrap_or("packetscript")
            .as_bytes()
            .to_vec(),
    };
    let arrived = match words.text("proto")? {
        "udp" => udp(&plan)?,
        "tcp" => tcp(&plan)?,
        "icmp" => echo(&plan)?,
        other => bail!("no probe for {other}"),
    };
    println!("{arrived}");
    Ok(())
}

/// Goes to a namespace that `ip netns add` made.
fn enter(name: &str) -> Result<()> {
    let path = format!("/run/netns/{name}");
    let file = File::open(&path).with_context(|| format!("opening {path}"))?;
    setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("entering {name}"))
}

fn any_port(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, 0)
}

fn unspecified(like: IpAddr) -> IpAddr {
    if like.is_ipv4() {
        IpAddr::from([0; 4])
    } else {
        IpAddr::from([0; 16])
    }
}

fn udp(plan: &Plan) -> Result<u32> {
    enter(&plan.to)?;
    let receiver = UdpSocket::bind(plan.target).context("listening")?;
    receiver.set_read_timeout(Some(PATIENCE))?;
    enter(&plan.from)?;
    let source = plan.source.unwrap_or_else(|| unspecified(plan.target.ip()));
    let sender = UdpSocket::bind(any_port(source)).context("binding the sender")?;
    let own_port = sender.local_addr()?.port();
    for _ in 0..plan.count {
        // A rule in OUTPUT refuses with EPERM; that is an answer, not a failure.
        let _ = sender.send_to(&plan.payload, plan.target);
    }
    let mut arrived = 0;
    let mut buffer = vec![0; 65536];
    while arrived < plan.count {
        match receiver.recv_from(&mut buffer) {
            Ok((_, from)) if from.port() == own_port => arrived += 1,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    Ok(arrived)
}

/// Counts connections that were established and brought the payload over.
fn tcp(plan: &Plan) -> Result<u32> {
    enter(&plan.to)?;
    let listener = TcpListener::bind(plan.target).context("listening")?;
    listener.set_nonblocking(true)?;
    enter(&plan.from)?;
    let mut arrived = 0;
    for _ in 0..plan.count {
        let Ok(mut client) = TcpStream::connect_timeout(&plan.target, HANDSHAKE) else {
            continue;
        };
        let Ok((mut server, _)) = listener.accept() else {
            continue;
        };
        server.set_nonblocking(false)?;
        server.set_read_timeout(Some(PATIENCE))?;
        client.write_all(&plan.payload)?;
        let mut received = vec![0; plan.payload.len()];
        if std::io::Read::read_exact(&mut server, &mut received).is_ok() {
            arrived += u32::from(received == plan.payload);
        }
    }
    Ok(arrived)
}

/// Counts echo requests that were answered.
fn echo(plan: &Plan) -> Result<u32> {
    enter(&plan.from)?;
    let is_v4 = plan.target.is_ipv4();
    let (family, protocol, request, reply, header) = if is_v4 {
        (AddressFamily::Inet, SockProtocol::Icmp, 8, 0, 20)
    } else {
        (AddressFamily::Inet6, SockProtocol::IcmpV6, 128, 129, 0)
    };
    let raw: OwnedFd = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
    if let Some(source) = plan.source {
        bind(raw.as_raw_fd(), &SockaddrStorage::from(any_port(source)))?;
    }
    let step = TimeVal::new(0, 50_000);
    setsockopt(&raw, sockopt::ReceiveTimeout, &step)?;
    let id = (std::process::id() as u16).to_be_bytes();
    let target = SockaddrStorage::from(SocketAddr::new(plan.target.ip(), 0));
    for number in 0..plan.count as u16 {
        let mut packet = vec![request, 0, 0, 0, id[0], id[1]];
        packet.extend(number.to_be_bytes());
        packet.extend(&plan.payload);
        if is_v4 {
            let sum = crate::checksum::internet(&packet).to_be_bytes();
            packet[2..4].copy_from_slice(&sum);
        }
        let _ = sendto(raw.as_raw_fd(), &packet, &target, MsgFlags::empty());
    }
    let mut arrived = 0;
    let mut buffer = [0; 4096];
    let end = Instant::now() + PATIENCE;
    while arrived < plan.count && Instant::now() < end {
        let Ok(length) = recv(raw.as_raw_fd(), &mut buffer, MsgFlags::empty()) else {
            continue;
        };
        let message = buffer.get(header..length).unwrap_or_default();
        if message.first() == Some(&reply) && message.get(4..6) == Some(&id[..]) {
            arrived += 1;
        }
    }
    Ok(arrived)
}
