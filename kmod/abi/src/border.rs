// SPDX-License-Identifier: GPL-2.0-only
//! The Rust twin of `packetscript.h`: numbers, limits, and the layout of a rule's data.

/// Declares constants, and a table of them under their C names for the test that compares both.
macro_rules! twins {
    ($(#[$outer:meta])* $table:ident: $($(#[$inner:meta])* $prefix:literal $name:ident: $type:ty = $value:expr;)*) => {
        $($(#[$inner])* pub const $name: $type = $value;)*
        $(#[$outer])*
        pub const $table: &[(&str, u64)] = &[$((concat!($prefix, stringify!($name)), $value as u64)),*];
    };
}

twins! {
    /// Everything in this module under its C name.
    TABLE:
    /// Goes up whenever anything of the border changes its meaning or layout.
    "PS_" ABI: u32 = 1;
    /// Of a script's or function's name, with the final NUL.
    "PS_" NAME_LEN: usize = 32;
    /// Of the path that a script came from, with the final NUL.
    "PS_" PATH_MAX: usize = 4096;
    /// Bytes of source over all chunks, by default.
    "PS_" SOURCE_MAX: usize = 1 << 20;
    /// Bytes of source in one attribute.
    "PS_" SOURCE_PIECE: usize = 32768;
    /// The script and its modules.
    "PS_" CHUNKS_MAX: usize = 64;
    /// Arguments of one version.
    "PS_" ARGS_MAX: usize = 64;
    /// Fuel a packet, by default.
    "PS_" FUEL_DEFAULT: u64 = 100_000;
    /// Fuel of the top level, by default.
    "PS_" LOAD_FUEL_DEFAULT: u64 = 100_000_000;
    /// Bytes of live memory, by default.
    "PS_" MEMORY_DEFAULT: u64 = 1 << 20;
    /// The least memory that can be asked for.
    "PS_" MEMORY_MIN: u64 = 64 << 10;
    /// Bytes of an error text, traceback included.
    "PS_" ERROR_MAX: usize = 4096;
    /// Version of the generic-netlink family.
    "PS_" GENL_VERSION: u8 = 1;
}

/// Name of the generic-netlink family.
pub const GENL_NAME: &str = "packetscript";
/// Name of its multicast group.
pub const GENL_GROUP_EVENTS: &str = "events";
/// Folder below `/proc/net`.
pub const PROC_DIR: &str = "packetscript";
/// File of the versions.
pub const PROC_SCRIPTS: &str = "scripts";
/// File of the rules.
pub const PROC_RULES: &str = "rules";
/// File of the hooks.
pub const PROC_HOOKS: &str = "hooks";
/// The text constants under their C names.
pub const TEXT_TABLE: &[(&str, &str)] = &[
    ("PS_GENL_NAME", GENL_NAME),
    ("PS_GENL_GROUP_EVENTS", GENL_GROUP_EVENTS),
    ("PS_PROC_DIR", PROC_DIR),
    ("PS_PROC_SCRIPTS", PROC_SCRIPTS),
    ("PS_PROC_RULES", PROC_RULES),
    ("PS_PROC_HOOKS", PROC_HOOKS),
];

/// What a rule does when its script fails: `enum ps_on_error`.
pub mod on_error {
    twins! {
        /// Everything in this module under its C name.
        TABLE:
        /// The packet is dropped: the default.
        "PS_ON_ERROR_" DROP: u8 = 0;
        /// The packet is accepted.
        "PS_ON_ERROR_" ACCEPT: u8 = 1;
        /// The next rule decides.
        "PS_ON_ERROR_" CONTINUE: u8 = 2;
    }

    /// The words of `--on-error`, by number.
    pub const WORDS: [&str; 3] = ["drop", "accept", "continue"];
}

/// Who shares an environment: `enum ps_scope`.
pub mod scope {
    twins! {
        /// Everything in this module under its C name.
        TABLE:
        /// All CPUs share one: the default.
        "PS_SCOPE_" SHARED: u8 = 0;
        /// Each CPU has its own.
        "PS_SCOPE_" CPU: u8 = 1;
    }

    /// The words of `--scope`, by number.
    pub const WORDS: [&str; 2] = ["shared", "cpu"];
}

/// Commands of the generic-netlink family: `enum ps_cmd`.
pub mod cmd {
    twins! {
        /// Everything in this module under its C name.
        TABLE:
        /// None.
        "PS_CMD_" UNSPEC: u8 = 0;
        /// Who is there.
        "PS_CMD_" HELLO: u8 = 1;
        /// Compile, and hold for this socket.
        "PS_CMD_" STAGE: u8 = 2;
        /// Compile, and keep.
        "PS_CMD_" LOAD: u8 = 3;
        /// Forget what LOAD keeps.
        "PS_CMD_" UNLOAD: u8 = 4;
        /// Load, and move every rule of that name.
        "PS_CMD_" RELOAD: u8 = 5;
        /// A version with its source.
        "PS_CMD_" GET: u8 = 6;
        /// From the kernel: the text of an error.
        "PS_CMD_" ERROR: u8 = 7;
        /// From the kernel, to the group: an event.
        "PS_CMD_" EVENT: u8 = 8;
        /// Counters to zero.
        "PS_CMD_" RESET: u8 = 9;
    }
}

/// Attributes of the generic-netlink family: `enum ps_attr`.
pub mod attr {
    twins! {
        /// Everything in this module under its C name.
        TABLE:
        /// None.
        "PS_A_" UNSPEC: u16 = 0;
        /// Fills up to 8 bytes.
        "PS_A_" PAD: u16 = 1;
        /// u32.
        "PS_A_" ABI: u16 = 2;
        /// Text.
        "PS_A_" VERSION: u16 = 3;
        /// Text, below [`super::NAME_LEN`] bytes.
        "PS_A_" NAME: u16 = 4;
        /// Text, absolute.
        "PS_A_" PATH: u16 = 5;
        /// Nested: CHUNK_NAME, CHUNK_TEXT.
        "PS_A_" SOURCE: u16 = 6;
        /// Text.
        "PS_A_" CHUNK_NAME: u16 = 7;
        /// Bytes, at most [`super::SOURCE_PIECE`].
        "PS_A_" CHUNK_TEXT: u16 = 8;
        /// Text `KEY=VALUE`.
        "PS_A_" ARG: u16 = 9;
        /// u64.
        "PS_A_" STAGE: u16 = 10;
        /// u64.
        "PS_A_" HASH: u16 = 11;
        /// u32.
        "PS_A_" COUNT: u16 = 12;
        /// u32.
        "PS_A_" FLAGS: u16 = 13;
        /// Text.
        "PS_A_" TEXT: u16 = 14;
        /// u32, [`super::event`].
        "PS_A_" EVENT: u16 = 15;
        /// u64.
        "PS_A_" RULE: u16 = 16;
        /// Text.
        "PS_A_" PROGRAM: u16 = 17;
        /// u32.
        "PS_A_" UID: u16 = 18;
        /// [`super::TgInfo`].
        "PS_A_" TGINFO: u16 = 19;
    }
}

/// Flags of a version, and of GET.
pub mod flags {
    twins! {
        /// Everything in this module under its C name.
        TABLE:
        /// LOAD keeps it.
        "PS_" SCRIPT_KEPT: u32 = 1;
        /// What a rule by name alone gets.
        "PS_" SCRIPT_NEWEST: u32 = 2;
        /// GET without the source.
        "PS_" GET_BRIEF: u32 = 1;
    }
}

/// Kinds of events: `enum ps_event`.
pub mod event {
    twins! {
        /// Everything in this module under its C name.
        TABLE:
        /// A version was loaded.
        "PS_EVENT_" LOAD: u32 = 1;
        /// A version went.
        "PS_EVENT_" UNLOAD: u32 = 2;
        /// Rules moved to a new version.
        "PS_EVENT_" RELOAD: u32 = 3;
        /// A script failed on a packet.
        "PS_EVENT_" ERROR: u32 = 4;
        /// A script printed.
        "PS_EVENT_" PRINT: u32 = 5;
    }
}

/// `struct xt_lua_tginfo`: the data of a rule `-j LUA`.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TgInfo {
    /// [`ABI`].
    pub abi: u32,
    /// Zero.
    pub flags: u32,
    /// Of the script, NUL-padded.
    pub name: [u8; NAME_LEN],
    /// Of the function, NUL-padded.
    pub function: [u8; NAME_LEN],
    /// Which environment of the version.
    pub state: u32,
    /// [`on_error`].
    pub on_error: u8,
    /// [`scope`].
    pub scope: u8,
    /// Zero.
    pub pad: [u8; 2],
    /// A packet; 0 is the module's default.
    pub fuel: u64,
    /// Live bytes; 0 is the module's default.
    pub memory: u64,
    /// What user space compares ends before this: 0 in a new rule, then given by the kernel.
    pub rule_id: u64,
    /// What STAGE answered; 0: the newest version of the name.
    pub stage_id: u64,
    /// What the kernel shows ends before this.
    pub kernel: u64,
}

/// The function that a rule calls when it names none.
pub const DEFAULT_FUNCTION: &str = "process_packet";

impl TgInfo {
    /// Bytes that user space compares (`userspacesize`).
    pub const USER_SIZE: usize = core::mem::offset_of!(TgInfo, rule_id);
    /// Bytes that the kernel shows (`usersize`).
    pub const KERNEL_SIZE: usize = core::mem::offset_of!(TgInfo, kernel);
    /// All of it.
    pub const SIZE: usize = size_of::<TgInfo>();

    /// A rule with every option at its default and no script yet.
    pub fn new() -> Self {
        let mut info = TgInfo {
            abi: ABI,
            flags: 0,
            name: [0; NAME_LEN],
            function: [0; NAME_LEN],
            state: 0,
            on_error: on_error::DROP,
            scope: scope::SHARED,
            pad: [0; 2],
            fuel: 0,
            memory: 0,
            rule_id: 0,
            stage_id: 0,
            kernel: 0,
        };
        info.function = padded(DEFAULT_FUNCTION);
        info
    }

    /// The script's name, as far as it is text.
    pub fn name(&self) -> String {
        text(&self.name)
    }

    /// The function's name, as far as it is text.
    pub fn function(&self) -> String {
        text(&self.function)
    }

    /// Sets the script's name, which [`crate::names::check_script`] has passed.
    pub fn set_name(&mut self, name: &str) {
        self.name = padded(name);
    }

    /// Sets the function's name, which [`crate::names::check_function`] has passed.
    pub fn set_function(&mut self, name: &str) {
        self.function = padded(name);
    }

    /// The structure as the kernel reads it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::SIZE);
        out.extend(self.abi.to_ne_bytes());
        out.extend(self.flags.to_ne_bytes());
        out.extend(self.name);
        out.extend(self.function);
        out.extend(self.state.to_ne_bytes());
        out.extend([self.on_error, self.scope]);
        out.extend(self.pad);
        for word in [
            self.fuel,
            self.memory,
            self.rule_id,
            self.stage_id,
            self.kernel,
        ] {
            out.extend(word.to_ne_bytes());
        }
        out
    }
}

impl Default for TgInfo {
    fn default() -> Self {
        Self::new()
    }
}

/// Cuts at the last byte that leaves room for the NUL.
fn padded(name: &str) -> [u8; NAME_LEN] {
    let mut field = [0; NAME_LEN];
    for (to, from) in field.iter_mut().zip(name.bytes()).take(NAME_LEN - 1) {
        *to = from;
    }
    field
}

fn text(field: &[u8]) -> String {
    let end = field
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_before_the_nul_and_read_back() {
        let mut info = TgInfo::new();
        assert_eq!(info.function(), "process_packet");
        info.set_name(&"x".repeat(40));
        assert_eq!(info.name(), "x".repeat(31));
        info.set_name("short");
        assert_eq!(info.name(), "short");
    }

    #[test]
    fn bytes_hold_the_fields_at_their_offsets() {
        let info = TgInfo {
            state: 7,
            on_error: 2,
            scope: 1,
            fuel: 9,
            kernel: 5,
            ..TgInfo::new()
        };
        let bytes = info.to_bytes();
        assert_eq!(bytes.len(), TgInfo::SIZE);
        let at = core::mem::offset_of!(TgInfo, state);
        assert_eq!(bytes[at..at + 4], 7u32.to_ne_bytes());
        assert_eq!(bytes[core::mem::offset_of!(TgInfo, scope)], 1);
        let at = core::mem::offset_of!(TgInfo, kernel);
        assert_eq!(bytes[at..at + 8], 5u64.to_ne_bytes());
    }
}
