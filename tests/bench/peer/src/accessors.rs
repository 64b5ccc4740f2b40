// SPDX-License-Identifier: GPL-2.0-only
//! A packet as a module in C would show it: userdata whose `__index` looks the field's number up in a
//! table and reads the packet by it. Views of headers are made once. No accessor raises an error.

use std::ffi::{c_int, c_void};

use mlua_sys as ffi;

/// The packet that scripts see.
struct Packet {
    bytes: Vec<u8>,
}

impl Packet {
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }
    fn word(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.byte(at), self.byte(at + 1)])
    }
    fn transport(&self) -> usize {
        usize::from(self.byte(0) & 15) * 4
    }
    fn payload(&self) -> usize {
        let at = self.transport();
        at + match self.byte(9) {
            6 => usize::from(self.byte(at + 12) >> 4) * 4,
            _ => 8,
        }
    }
}

/// Fields of all views; a script names them, an accessor knows them by number.
const FIELDS: [&std::ffi::CStr; 11] = [
    c"udp", c"ip", c"dns", c"tls", c"src", c"payload", c"dport", c"ttl", c"dscp", c"qname", c"sni",
];
const UDP: i64 = 1;
const IP: i64 = 2;
const DNS: i64 = 3;
const TLS: i64 = 4;
const SRC: i64 = 5;
const PAYLOAD: i64 = 6;
const DPORT: i64 = 7;
const TTL: i64 = 8;
const DSCP: i64 = 9;
const QNAME: i64 = 10;
const SNI: i64 = 11;

/// Pushes the packet.
///
/// # Safety
///
/// The state is alive.
pub unsafe fn push(state: *mut ffi::lua_State, bytes: Vec<u8>) {
    // SAFETY: the caller's promise; the packet lives as long as the program does.
    unsafe {
        let packet: *mut Packet = Box::leak(Box::new(Packet { bytes }));
        let place = ffi::lua_newuserdata(state, size_of::<*mut Packet>()).cast::<*mut Packet>();
        place.write(packet);
        ffi::lua_createtable(state, 0, 2);
        // __index: the numbers of fields, then the views, which are this userdata again: a field says
        // what it is about by itself.
        for event in [c"__index", c"__newindex"] {
            ffi::lua_createtable(state, 0, FIELDS.len() as c_int);
            for (number, name) in (1..).zip(FIELDS) {
                ffi::lua_pushinteger(state, number);
                ffi::lua_setfield(state, -2, name.as_ptr());
            }
            ffi::lua_pushvalue(state, -3);
            let function = if event == c"__index" {
                index
            } else {
                new_index
            };
            ffi::lua_pushcclosure(state, function, 2);
            ffi::lua_setfield(state, -2, event.as_ptr());
        }
        ffi::lua_setmetatable(state, -2);
    }
}

/// The packet and the number of the field that is asked for.
///
/// # Safety
///
/// Called by Lua for a userdata that [`push`] made.
unsafe fn asked<'a>(state: *mut ffi::lua_State) -> (&'a mut Packet, i64) {
    // SAFETY: the userdata holds a packet that lives for ever, and nobody else uses it meanwhile.
    unsafe {
        let packet = *ffi::lua_touserdata(state, 1).cast::<*mut Packet>();
        ffi::lua_pushvalue(state, 2);
        ffi::lua_rawget(state, ffi::lua_upvalueindex(1));
        let number = ffi::lua_tointeger(state, -1);
        ffi::lua_settop(state, 3);
        (&mut *packet, number as i64)
    }
}

unsafe extern "C-unwind" fn index(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: Lua calls it for its userdata, with room for 20 values on the stack.
    unsafe {
        let (packet, field) = asked(state);
        let view = |here: bool| {
            if here {
                ffi::lua_pushvalue(state, ffi::lua_upvalueindex(2));
            } else {
                ffi::lua_pushnil(state);
            }
        };
        let text = |text: &[u8]| {
            ffi::lua_pushlstring(state, text.as_ptr().cast(), text.len());
        };
        match field {
            UDP => view(packet.byte(9) == 17),
            IP => view(packet.byte(0) >> 4 == 4),
            DNS => view(packet.byte(9) == 17 && packet.word(packet.transport() + 2) == 53),
            TLS => view(packet.byte(9) == 6 && packet.byte(packet.payload()) == 22),
            SRC => {
                let source = u32::from(packet.word(12)) << 16 | u32::from(packet.word(14));
                ffi::lua_pushinteger(state, source as ffi::lua_Integer);
            }
            PAYLOAD => text(packet.bytes.get(packet.payload()..).unwrap_or_default()),
            DPORT => {
                let port = packet.word(packet.transport() + 2);
                ffi::lua_pushinteger(state, port.into());
            }
            TTL => ffi::lua_pushinteger(state, packet.byte(8).into()),
            DSCP => ffi::lua_pushinteger(state, (packet.byte(1) >> 2).into()),
            QNAME => {
                let mut name = [0; 255];
                let length = query_name(packet, &mut name);
                text(&name[..length]);
            }
            SNI => match server_name(packet) {
                Some(name) => text(name),
                None => ffi::lua_pushnil(state),
            },
            _ => ffi::lua_pushnil(state),
        }
        1
    }
}

unsafe extern "C-unwind" fn new_index(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as for index.
    unsafe {
        let value = ffi::lua_tointeger(state, 3) as u8;
        let (packet, field) = asked(state);
        if field == DSCP {
            let old = packet.word(0);
            packet.bytes[1] = packet.bytes[1] & 3 | value << 2;
            let new = packet.word(0);
            let sum = u32::from(!packet.word(10)) + u32::from(!old) + u32::from(new);
            let sum = (sum & 0xffff) + (sum >> 16);
            let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
            packet.bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        0
    }
}

/// The name of the first question, in lower case.
fn query_name(packet: &Packet, name: &mut [u8; 255]) -> usize {
    let (mut at, mut length) = (packet.payload() + 12, 0);
    loop {
        let label = usize::from(packet.byte(at));
        if label == 0 || label > 63 || length + label + 1 > name.len() {
            return length;
        }
        if length > 0 {
            name[length] = b'.';
            length += 1;
        }
        for i in 1..=label {
            name[length] = packet.byte(at + i).to_ascii_lowercase();
            length += 1;
        }
        at += label + 1;
    }
}

/// The server's name in a ClientHello.
fn server_name(packet: &Packet) -> Option<&[u8]> {
    // Behind the headers of record and handshake, the version and the random bytes.
    let mut at = packet.payload() + 5 + 4 + 2 + 32;
    at += 1 + usize::from(packet.byte(at));
    at += 2 + usize::from(packet.word(at));
    at += 1 + usize::from(packet.byte(at));
    let end = at + 2 + usize::from(packet.word(at));
    at += 2;
    while at + 4 <= end {
        let length = usize::from(packet.word(at + 2));
        if packet.word(at) == 0 {
            let name = usize::from(packet.word(at + 7));
            return packet.bytes.get(at + 9..at + 9 + name);
        }
        at += 4 + length;
    }
    None
}

/// The message with a traceback.
pub unsafe extern "C-unwind" fn traceback(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: Lua calls it with the error's message.
    unsafe {
        let message: *const c_void = ffi::lua_tostring(state, 1).cast();
        ffi::luaL_traceback(state, state, message.cast(), 1);
        1
    }
}
