// SPDX-License-Identifier: GPL-2.0-only
//! Packets as scripts see them.
//!
//! A packet value ([`Tag::Packet`]) holds no pointer: a [`Kind`], an offset and the serial of the
//! packet it shows, all checked at each use against the packet at hand ([`Current`]). Reading goes
//! three ways, each falling back on the next:
//!
//! 1. [`Current::fast_path`]: the header has a window, so the field is a load, a shift and a mask;
//! 2. [`access::quick`]: anything else that is usual and cannot fail;
//! 3. [`access::get`]: everything, with errors and whatever memory it takes.
//!
//! [`read`] is the part of the last two that needs no memory of the environment.
//!
//! * [`fields`] — every field, once; [`locate`] — where the headers are; [`conntrack`] — `p.ct`;
//!   [`dissect`] — what payloads say
//! * [`assign`] — what may be assigned; [`write`] — bytes and checksums
//! * [`library`] — globals and methods; [`objects`] — `ipset`, `map`, timers and the like; [`address`];
//!   [`verdict`]; [`suggest`] — "did you mean"

pub mod access;
pub mod address;
mod assign;
mod conntrack;
pub mod dissect;
pub mod fields;
pub mod library;
pub mod locate;
pub mod objects;
pub mod read;
pub mod suggest;
#[cfg(all(test, feature = "user"))]
mod tests;
pub mod verdict;
mod write;
#[cfg(all(test, feature = "user"))]
mod write_tests;

pub use fields::{field_id, path_id};

use crate::host::Packet;
use crate::host::at_hand::{AtHand, Known};
use crate::value::{Tag, Value};
use fields::{Field, HOT, Hot, Kind};
use locate::Places;

/// The packet at hand and where its headers are.
#[derive(Debug)]
#[repr(C)]
pub struct Current {
    hand: AtHand,
    hot: &'static [Hot; 256],
    /// The packet of which a string that shows its bytes was given out.
    shown: u32,
    /// The store of ClientHellos that wait for their other segments.
    pub hellos: Option<u32>,
    /// The top level has not ended: what has a name may be declared.
    pub loading: bool,
    /// Where the headers are: see [`Current::locate`].
    places: Places,
    /// A text that is not in the packet as it is to be read: its name in DNS in lower case, while
    /// [`AtHand::has_text`]. Strings show it as they show bytes of the packet.
    text: [u8; TEXT],
    text_len: u32,
}

/// Room for a text.
const TEXT: usize = 256;

/// In place of an offset in a string value, at least this: the text is shown. No packet is so long.
const IN_TEXT: u32 = 0xffff_0000;

impl Current {
    /// No packet.
    pub const fn new() -> Self {
        Self {
            hand: AtHand::new(),
            hot: &HOT[0],
            shown: 0,
            hellos: None,
            loading: true,
            places: Places::NONE,
            text: [0; TEXT],
            text_len: 0,
        }
    }

    /// A run begins: values that show earlier packets become stale.
    ///
    /// # Safety
    ///
    /// As [`AtHand::begin`]: `packet` is null, or a packet of this host that nobody else uses until
    /// [`Current::finish`].
    #[inline(always)]
    pub unsafe fn begin(&mut self, packet: *mut Packet) {
        // SAFETY: the caller's promise.
        unsafe { self.hand.begin(packet) }
    }

    /// The run ends, however it did.
    #[inline(always)]
    pub fn finish(&mut self) {
        self.hand.finish();
    }

    /// Whether a string that shows bytes of the packet at hand was given out.
    pub fn is_shown(&self) -> bool {
        self.shown == self.hand.serial()
    }

    /// Remembers that one was, or that none is left.
    pub fn set_shown(&mut self, shown: bool) {
        let serial = self.hand.serial();
        self.shown = if shown {
            serial
        } else {
            serial.wrapping_sub(1)
        };
    }

    /// The value that `process_packet` is called with.
    #[inline]
    pub fn root(&self) -> Value {
        self.view(Kind::Root, 0)
    }

    /// The serial that values showing this packet carry.
    #[inline(always)]
    pub fn serial(&self) -> u32 {
        self.hand.serial()
    }

    /// The packet, if there is one.
    #[inline]
    pub fn packet(&self) -> Option<&Packet> {
        self.hand.packet()
    }

    /// A view of a part of the packet.
    pub fn view(&self, kind: Kind, offset: u32) -> Value {
        let payload = u64::from(kind as u8) | u64::from(offset) << 32;
        Value {
            tag: Tag::Packet,
            aux: self.hand.serial(),
            payload,
        }
    }

    /// Bytes of the packet as a string value that shows them, for the engine's own use.
    pub(crate) fn bytes_value(&self, offset: u32, len: u32) -> Value {
        Value {
            tag: Tag::Bytes,
            aux: self.hand.serial(),
            payload: u64::from(offset) | u64::from(len) << 32,
        }
    }

    /// The same for a script, which may keep it: from now on a write copies it first.
    pub(crate) fn show(&mut self, offset: u32, len: u32) -> Value {
        self.set_shown(true);
        self.bytes_value(offset, len)
    }

    /// Whether `v` is the packet at hand itself.
    #[inline(always)]
    fn is_root(&self, v: Value) -> bool {
        v.tag == Tag::Packet && v.aux == self.hand.serial() && v.payload == 0
    }

    /// Reads path `path` of the packet value `v`, if that is one load. `None` says nothing: ask
    /// the slow way.
    #[inline(always)]
    pub fn fast_path(&mut self, v: Value, path: u16) -> Option<Value> {
        if !self.is_root(v) {
            return None;
        }
        self.look();
        self.load(path)
    }

    /// The path of the field with id `field_id` of a packet value or view of the packet at hand.
    #[inline(always)]
    pub fn path_in(&self, v: Value, field_id: u16) -> Option<u16> {
        (v.tag == Tag::Packet && v.aux == self.hand.serial())
            .then(|| fields::path_of(v.payload as u8, field_id))
    }

    /// Reads a path of the packet at hand, if that is one load and its window is open.
    #[inline(always)]
    pub fn open_field(&self, path: u16) -> Option<Value> {
        self.load(path)
    }

    /// Whether a path is read from a window, where the packet has the header.
    #[inline(always)]
    pub fn has_window(&self, path: u16) -> bool {
        self.hot
            .get(usize::from(path as u8))
            .is_some_and(|hot| hot.tag != Tag::Nil)
    }

    /// The same, after windows were tried.
    #[inline(always)]
    pub fn fast_field(&mut self, path: u16) -> Option<Value> {
        if self.hot.get(usize::from(path as u8))?.tag == Tag::Nil {
            // No window shows it, or none did of the packet before.
            return None;
        }
        self.look();
        match self.load(path) {
            None => self.lacks(path).then_some(Value::NIL),
            loaded => loaded,
        }
    }

    /// Whether the packet value `v` has the part or the field with id `field_id`, if windows tell.
    /// `None` says nothing: ask the slow way.
    #[inline(always)]
    pub fn fast_has(&mut self, v: Value, field_id: u16) -> Option<bool> {
        if !self.is_root(v) {
            return None;
        }
        self.look();
        self.has(fields::path_of(0, field_id))
    }

    /// Reads path `path` of the packet value `v`, if that is one load and an integer.
    #[inline(always)]
    pub fn fast_int(&mut self, v: Value, path: u16) -> Option<u32> {
        if !self.is_root(v) {
            return None;
        }
        self.look();
        self.int(path)
    }

    #[inline(always)]
    fn load(&self, path: u16) -> Option<Value> {
        // Path ids are below 256: the mask changes none.
        let hot = self.hot.get(usize::from(path as u8))?;
        let word = self.hand.word(hot.place)?;
        let bits = word.wrapping_shr(u32::from(hot.shift)) & hot.mask;
        if hot.tag == Tag::Int || hot.tag == Tag::Addr4 {
            return Some(Value {
                tag: hot.tag,
                aux: 0,
                payload: u64::from(bits),
            });
        }
        Some(if hot.tag == Tag::Packet {
            Value {
                tag: Tag::Packet,
                aux: self.hand.serial(),
                payload: u64::from(hot.mask),
            }
        } else {
            Value::boolean(bits != 0)
        })
    }

    #[inline(always)]
    fn has(&self, path: u16) -> Option<bool> {
        let hot = self.hot.get(usize::from(path as u8))?;
        if self.hand.shows(hot.place) {
            // A boolean is there and may be false.
            return (hot.tag != Tag::False).then_some(true);
        }
        (self.hand.complete && hot.tag == Tag::Packet).then_some(false)
    }

    /// The same of the packet at hand, when a field of it was read before.
    #[inline(always)]
    pub(crate) fn int(&self, path: u16) -> Option<u32> {
        let hot = self.hot.get(usize::from(path as u8))?;
        let word = self.hand.word(hot.place)?;
        let bits = word.wrapping_shr(u32::from(hot.shift)) & hot.mask;
        (hot.tag == Tag::Int).then_some(bits)
    }

    /// Windows are tried when the first field of a packet is asked for.
    #[inline(always)]
    pub fn look(&mut self) {
        if self.hand.known == Known::Nothing {
            self.try_windows();
        }
    }

    /// Whether a path that no window shows is a part that is not there.
    #[inline(always)]
    pub fn lacks(&self, path: u16) -> bool {
        let hot = self.hot.get(usize::from(path as u8));
        self.hand.complete && hot.is_some_and(|hot| hot.tag == Tag::Packet)
    }

    /// Two bytes of the packet, as a big-endian number.
    pub(crate) fn u16_at(&self, offset: u32) -> Option<u16> {
        let mut bytes = [0; 2];
        self.fetch(offset, &mut bytes)
            .then(|| u16::from_be_bytes(bytes))
    }

    /// Four bytes of the packet, as a big-endian number.
    pub(crate) fn u32_at(&self, offset: u32) -> Option<u32> {
        let mut bytes = [0; 4];
        self.fetch(offset, &mut bytes)
            .then(|| u32::from_be_bytes(bytes))
    }

    /// Copies bytes of the packet; false when they do not all exist.
    #[inline]
    pub(crate) fn fetch(&self, offset: u32, to: &mut [u8]) -> bool {
        self.hand
            .packet()
            .is_some_and(|packet| packet.read(offset, to))
    }

    /// Bytes of the packet where they are, if they are linear.
    pub fn bytes(&self, offset: u32, len: u32) -> Option<&[u8]> {
        let start = offset as usize;
        self.hand
            .packet()?
            .linear()
            .get(start..start.checked_add(len as usize)?)
    }

    /// The bytes of a [`Tag::Bytes`] value, if it shows the packet at hand.
    #[inline]
    pub fn bytes_of(&self, v: Value) -> Option<&[u8]> {
        if v.tag != Tag::Bytes || v.aux != self.hand.serial() {
            return None;
        }
        let (offset, len) = (v.payload as u32, (v.payload >> 32) as u32);
        if offset >= IN_TEXT {
            return self.part_of_text(offset, len);
        }
        self.bytes(offset, len)
    }

    #[inline(never)]
    fn part_of_text(&self, offset: u32, len: u32) -> Option<&[u8]> {
        let start = offset.wrapping_sub(IN_TEXT) as usize;
        self.text.get(start..start.checked_add(len as usize)?)
    }

    /// Whether a string is of a name that is in lower case.
    #[inline]
    pub(crate) fn is_lower(v: Value) -> bool {
        v.tag == Tag::Bytes && v.payload as u32 >= IN_TEXT
    }

    /// The bytes of a string of such a name.
    #[inline(always)]
    pub(crate) fn text_of(&self, v: Value) -> Option<&[u8]> {
        let start = (v.payload as u32).wrapping_sub(IN_TEXT) as usize;
        if v.tag != Tag::Bytes || v.aux != self.hand.serial() {
            return None;
        }
        self.text
            .get(start..start.checked_add((v.payload >> 32) as usize)?)
    }

    /// As with bytes of the packet, a write copies a string that shows the text first.
    fn show_text(&mut self) -> Value {
        self.show(IN_TEXT, self.text_len)
    }
}

impl Default for Current {
    fn default() -> Self {
        Self::new()
    }
}

/// The known name that was perhaps meant by an unknown field of `kind`.
pub fn suggestion(kind: Kind, unknown: &[u8]) -> Option<&'static str> {
    let names = fields::FIELDS
        .iter()
        .filter(|f| f.kind == kind)
        .map(|f: &Field| f.name);
    suggest::nearest(unknown, names)
}
