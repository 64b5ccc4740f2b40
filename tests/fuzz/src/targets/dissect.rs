// SPDX-License-Identifier: GPL-2.0-only
//! Dissectors: any bytes where a protocol's message is expected. What a script reads does not depend
//! on which part of the packet lies in one piece, and reading changes nothing.

use std::cell::RefCell;
use std::fmt::Write;
use std::net::IpAddr;

use packetscript_engine::host::Status;
use packetscript_engine::host::frame::{self, Tcp};
use packetscript_engine::host::user::UserPacket;
use packetscript_engine::packet::dissect::{
    dns as dns_message, http as http_message, tls as tls_message,
};
use packetscript_engine::packet::fields::{FIELDS, Kind};

use crate::input::Input;
use crate::machine::{AMPLE, Machine};

/// A script that prints every field of a view, lists and all.
fn reader(kind: Kind) -> String {
    let mut script = String::from(
        r#"
        local function show(v)
          if type(v) ~= "table" then return type(v) .. "=" .. tostring(v) end
          local out = {}
          for i, item in ipairs(v) do
            if type(item) == "table" then
              local parts = {}
              for _, key in ipairs { "name", "type", "class", "ttl", "data" } do parts[#parts + 1] = show(item[key]) end
              item = table.concat(parts, ",")
            end
            out[i] = show(item)
          end
          return #v .. "{" .. table.concat(out, ";") .. "}"
        end
        function process_packet(p)
        "#,
    );
    let _ = writeln!(
        script,
        "local view = p.{0}\nprint(view ~= nil)\nif view then",
        kind.name()
    );
    for field in FIELDS.iter().filter(|field| field.kind == kind) {
        let _ = writeln!(script, "print('{0}', show(view.{0}))", field.name);
    }
    script.push_str("end end");
    script
}

/// The first byte says how the message is carried, the second how much of the packet is linear.
fn dissect(kind: Kind, port: u16, over: Over, input: &[u8], check: fn(&[u8])) {
    thread_local! {
        static READERS: RefCell<Vec<(Kind, Machine)>> = const { RefCell::new(Vec::new()) };
    }
    let mut input = Input::new(input);
    let how = input.u8();
    let linear = usize::from(input.u8());
    let message = input.rest();
    check(message);
    let tcp = match over {
        Over::Tcp => true,
        Over::Udp => false,
        Over::Both => how & 1 == 1,
    };
    let addresses = if how & 2 == 0 {
        ["10.0.0.1", "10.0.0.2"]
    } else {
        ["2001:db8::1", "2001:db8::2"]
    };
    let [a, b] = addresses.map(|text| text.parse::<IpAddr>().expect("an address"));
    let packet = if tcp {
        frame::tcp(a, b, (4000, port), &Tcp::default(), message)
    } else {
        frame::udp(a, b, port, 4000, message)
    };
    READERS.with_borrow_mut(|readers| {
        let mut read = |linear: usize| {
            // The beginning of a hello outlives its packet, but not the last environment.
            if kind == Kind::Tls {
                readers.clear();
            }
            if readers.iter().all(|(of, _)| *of != kind) {
                let machine = Machine::load(reader(kind).as_bytes(), true, AMPLE);
                readers.push((kind, machine));
            }
            let reader = readers.iter_mut().find(|(of, _)| *of == kind);
            let (_, machine) = reader.expect("it is there now");
            let mut given = UserPacket::new(&packet).with_linear(linear);
            let outcome = machine
                .packet("process_packet", &mut given)
                .expect("a function");
            assert_eq!(outcome.status, Status::Ok, "{:?}", outcome.verdict);
            assert_eq!(given.bytes(), packet, "reading changes nothing");
            String::from_utf8_lossy(&machine.printed()).into_owned()
        };
        let whole = read(packet.len());
        assert_eq!(
            read(linear.min(packet.len())),
            whole,
            "{linear} bytes linear"
        );
    });
}

/// What carries a protocol.
#[derive(Clone, Copy)]
enum Over {
    Tcp,
    Udp,
    Both,
}

/// Asserts that a part lies in a message.
fn inside(message: &[u8], part: Option<(usize, usize)>) {
    if let Some((start, end)) = part {
        assert!(
            start <= end && end <= message.len(),
            "{start}..{end} of {}",
            message.len()
        );
    }
}

/// DNS.
pub fn dns(input: &[u8]) {
    dissect(Kind::Dns, 53, Over::Both, input, |message| {
        for at in 0..message.len().min(300) {
            let mut name = dns_message::Name::new();
            if let Some(end) = dns_message::name(message, at, &mut name) {
                assert!(end > at && end <= message.len());
                assert!(name.as_bytes().len() <= dns_message::NAME);
            }
            // The two ways in which a name is read agree.
            let mut text = [0; 256];
            if let Some(len) = dns_message::write_name(&message[at..], &mut text) {
                assert_eq!(&text[..len], name.as_bytes());
            }
            if let Some(record) = dns_message::record(message, at) {
                assert!(record.data <= record.end && record.end <= message.len());
            }
        }
    });
}

/// TLS.
pub fn tls(input: &[u8]) {
    dissect(Kind::Tls, 443, Over::Tcp, input, |message| {
        inside(message, tls_message::server_name(message));
        if let Some(hello) = tls_message::hello(message) {
            inside(message, hello.protocols);
        }
    });
}

/// HTTP.
pub fn http(input: &[u8]) {
    dissect(Kind::Http, 80, Over::Tcp, input, |message| {
        inside(message, http_message::method(message));
        inside(message, http_message::path(message));
        inside(message, http_message::host(message));
        if let Some(status) = http_message::status(message) {
            assert!((100..=999).contains(&status), "{status}");
        }
    });
}

/// TFTP.
pub fn tftp(input: &[u8]) {
    dissect(Kind::Tftp, 69, Over::Udp, input, |message| {
        for n in 0..3 {
            inside(message, http_message::tftp_string(message, n));
        }
    });
}
