// SPDX-License-Identifier: GPL-2.0-only
//! Strings, strings under construction, IPv6 addresses, and the keyed hash of all of them.
//!
//! Strings are not interned. The payload of a string value is its cell, and in the upper half the
//! string's hash when it is known (0 when not): two different hashes tell two strings apart without
//! looking at either, and a constant finds its node in a table by one compare of 64 bits.
#![allow(
    clippy::indexing_slicing,
    reason = "slices of fixed length; the compiler drops the checks"
)]

use super::cell::{Addr6Cell, CELL, Header, Kind, LongCell, SHORT, ShortCell};
use super::{Heap, LONG_BODY, OutOfMemory};
use crate::value::{Ref, Tag, Value};
use core::cmp::Ordering;

/// Bytes of a buffer that fit into its cell.
const INLINE: usize = CELL as usize - size_of::<LongCell>();

/// Texts of fewer bytes are compared for nothing more than the instruction that does it.
const LONG: usize = 256;

/// The longest string.
pub const MAX_STRING: usize = 0x7fff_ff00;

impl Heap {
    /// A string value for a cell.
    fn string_value(&self, r: Ref) -> Value {
        Value {
            tag: Tag::Str,
            aux: 0,
            payload: u64::from(r) | u64::from(self.header(r).hash) << 32,
        }
    }

    /// A string with these bytes.
    pub fn new_string(&mut self, bytes: &[u8]) -> Result<Value, OutOfMemory> {
        let (r, to) = self.new_raw(bytes.len())?;
        // SAFETY: the new string has room for them, and is none of the caller's.
        unsafe { copy(bytes.as_ptr(), to, bytes.len()) };
        Ok(Value::object(Tag::Str, r))
    }

    /// A string of so many bytes, which are whatever was there before, and where they lie until the next
    /// allocation.
    #[inline]
    pub(crate) fn new_raw(&mut self, len: usize) -> Result<(Ref, *mut u8), OutOfMemory> {
        if len <= SHORT {
            let r = self.new_cell(Kind::Short, len as u16)?;
            // SAFETY: the cell is a short string now.
            return Ok((r, unsafe {
                (&raw mut (*self.at::<ShortCell>(r)).bytes).cast()
            }));
        }
        let r = self.new_long(len)?;
        // SAFETY: the cell is a long string, with its body.
        let body = unsafe { (*self.at::<LongCell>(r)).body };
        Ok((r, self.at(body)))
    }

    /// A string of so many bytes that `write` gives all their values.
    #[inline(always)]
    pub fn new_string_by(
        &mut self,
        len: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<Value, OutOfMemory> {
        let (r, to) = self.new_raw(len)?;
        // SAFETY: the new string has that many bytes, which are nobody else's.
        write(unsafe { core::slice::from_raw_parts_mut(to, len) });
        Ok(Value::object(Tag::Str, r))
    }

    /// A string as long as another one, made of its bytes by `change`, which gets those and the new ones.
    pub fn changed(&mut self, of: Ref, change: fn(&[u8], &mut [u8])) -> Result<Value, OutOfMemory> {
        let len = self.string_bytes(of).len();
        let (r, to) = self.new_raw(len)?;
        // SAFETY: the new string has that many bytes, and is another one than the old.
        let bytes = unsafe { core::slice::from_raw_parts_mut(to, len) };
        change(self.string_bytes(of), bytes);
        Ok(Value::object(Tag::Str, r))
    }

    /// A long string's cell with undefined contents.
    fn new_long(&mut self, len: usize) -> Result<Ref, OutOfMemory> {
        if len > MAX_STRING {
            return Err(OutOfMemory);
        }
        let r = self.new_cell(Kind::Long, 0)?;
        // SAFETY: the cell is a long string now; it is empty until its body is there.
        unsafe {
            let cell = self.at::<LongCell>(r);
            (*cell).body = 0;
            (*cell).len = 0;
            (*cell).capacity = 0;
            self.new_body(r, LONG_BODY, len as u64)?;
            let cell = self.at::<LongCell>(r);
            (*cell).len = len as u32;
            (*cell).capacity = len as u32;
        }
        Ok(r)
    }

    /// A string with the bytes of another one from `start` to before `end`, clamped to what it has.
    pub fn substring(&mut self, of: Ref, start: usize, end: usize) -> Result<Value, OutOfMemory> {
        let len = self.string_bytes(of).len();
        let end = end.min(len);
        let start = start.min(end);
        let count = end - start;
        if start == 0 && count == len {
            return Ok(self.string_value(of));
        }
        let (r, to) = self.new_raw(count)?;
        // SAFETY: the new string has room for the bytes, and the other one, whose body may have moved, has
        // them.
        unsafe { copy(self.string_bytes(of).as_ptr().add(start), to, count) };
        Ok(Value::object(Tag::Str, r))
    }

    /// The bytes of a string.
    #[inline]
    pub fn string_bytes(&self, r: Ref) -> &[u8] {
        debug_assert!(
            matches!(self.kind(r), Kind::Short | Kind::Long | Kind::Buffer),
            "what is read as a string is a {:?}",
            self.kind(r)
        );
        // SAFETY: a string's cell; a long one's body holds its bytes. Nothing moves while the slice
        // borrows the heap.
        unsafe {
            if self.header(r).kind == Kind::Short {
                let cell = self.at::<ShortCell>(r);
                let len = usize::from((*cell).header.flags).min(SHORT);
                core::slice::from_raw_parts((&raw const (*cell).bytes).cast(), len)
            } else {
                let len = (*self.at::<LongCell>(r)).len as usize;
                core::slice::from_raw_parts(self.long_bytes(r), len)
            }
        }
    }

    /// Where the bytes of a long string or a buffer lie: what has no body has them in its cell.
    #[inline(always)]
    fn long_bytes(&self, r: Ref) -> *mut u8 {
        // SAFETY: a long string's or a buffer's cell.
        match unsafe { (*self.at::<LongCell>(r)).body } {
            0 => self.at(r + size_of::<LongCell>() as Ref),
            body => self.at(body),
        }
    }

    /// The hash of a string, computed when it is first asked for; never 0.
    #[inline]
    pub fn string_hash(&mut self, r: Ref) -> u32 {
        let known = self.header(r).hash;
        if known != 0 {
            return known;
        }
        let hash = self.hash_bytes(self.string_bytes(r));
        // SAFETY: a string's cell.
        unsafe { (*self.at::<Header>(r)).hash = hash };
        hash
    }

    /// The same string value with its hash in the payload.
    pub fn with_hash(&mut self, v: Value) -> Value {
        let r = v.as_ref();
        let hash = self.string_hash(r);
        Value {
            tag: v.tag,
            aux: v.aux,
            payload: u64::from(r) | u64::from(hash) << 32,
        }
    }

    /// Whether two string values are equal.
    #[inline]
    pub fn strings_equal(&self, a: Value, b: Value) -> bool {
        let (ra, rb) = (a.as_ref(), b.as_ref());
        if ra == rb {
            return true;
        }
        let (ha, hb) = (a.payload >> 32, b.payload >> 32);
        if ha != 0 && hb != 0 && ha != hb {
            return false;
        }
        self.same_bytes(self.string_bytes(ra), self.string_bytes(rb))
    }

    /// A string that lives as long as its environment, with its hash.
    pub fn permanent_string(&mut self, bytes: &[u8]) -> Result<Value, OutOfMemory> {
        let v = self.new_string(bytes)?;
        let v = self.with_hash(v);
        self.make_permanent(v.as_ref());
        Ok(v)
    }

    /// A cell that lives as long as its environment.
    pub fn make_permanent(&mut self, r: Ref) {
        // SAFETY: references name cells.
        unsafe { (*self.at::<Header>(r)).mark = super::cell::PERMANENT };
    }

    /// Whether a cell is of a kind and lives as long as its environment.
    pub fn is_permanent(&self, r: Ref, kind: Kind) -> bool {
        let header = self.header(r);
        header.kind == kind && header.mark == super::cell::PERMANENT
    }

    /// Whether two texts are the same.
    #[inline]
    pub(crate) fn same_bytes(&self, a: &[u8], b: &[u8]) -> bool {
        if a.len() < LONG {
            return a == b;
        }
        a.len() == b.len() && self.order_long(a, b).is_eq()
    }

    /// The order of two texts.
    #[inline]
    pub(crate) fn order_bytes(&self, a: &[u8], b: &[u8]) -> Ordering {
        if a.len().min(b.len()) < LONG {
            return a.cmp(b);
        }
        self.order_long(a, b)
    }

    /// The same of long ones, as far as they are equal: that is what it costs.
    #[cold]
    #[inline(never)]
    fn order_long(&self, a: &[u8], b: &[u8]) -> Ordering {
        if core::ptr::eq(a, b) {
            return Ordering::Equal;
        }
        for (x, y) in a.chunks(LONG).zip(b.chunks(LONG)) {
            self.owe(LONG / 64);
            let order = x.cmp(y);
            if order.is_ne() {
                return order;
            }
        }
        a.len().cmp(&b.len())
    }

    /// Notes fuel for what is not of constant cost where fuel cannot be charged.
    #[cold]
    pub(crate) fn owe(&self, fuel: usize) {
        let fuel = u32::try_from(fuel).unwrap_or(u32::MAX);
        self.owed.set(self.owed.get().saturating_add(fuel));
    }

    /// The keyed hash of some bytes; never 0.
    pub fn hash_bytes(&self, bytes: &[u8]) -> u32 {
        let h = siphash(self.seed, bytes);
        ((h >> 32) as u32 ^ h as u32).max(1)
    }

    /// The keyed hash of a word.
    #[inline(always)]
    pub fn hash_word(&self, x: u64) -> u32 {
        let x = (x ^ self.seed[0]).wrapping_mul(self.seed[1]);
        let x = (x ^ x >> 32).wrapping_mul(self.seed[0]);
        (x >> 32) as u32
    }

    /// Half a hash of a word, of ten bits: for where many words with the same are no harm.
    #[inline(always)]
    pub fn mix_word(&self, x: u64) -> u32 {
        ((x ^ self.seed[0]).wrapping_mul(self.seed[1]) >> 54) as u32
    }

    // --- construction --------------------------------------------------------------------------------

    /// A string under construction.
    pub fn new_buffer(&mut self, capacity: usize) -> Result<Ref, OutOfMemory> {
        let r = self.new_cell(Kind::Buffer, 0)?;
        // SAFETY: the cell is a buffer now.
        unsafe {
            let cell = self.at::<LongCell>(r);
            (*cell).body = 0;
            (*cell).len = 0;
            (*cell).capacity = INLINE as u32;
        }
        if capacity > INLINE {
            self.reserve_buffer(r, capacity)?;
        }
        Ok(r)
    }

    /// Makes room for `more` bytes behind those that a buffer has.
    #[inline]
    pub fn reserve_buffer(&mut self, r: Ref, more: usize) -> Result<(), OutOfMemory> {
        let cell = self.at::<LongCell>(r);
        // SAFETY: a buffer's cell.
        let (len, capacity) = unsafe { ((*cell).len as usize, (*cell).capacity as usize) };
        if more <= capacity - len {
            return Ok(());
        }
        self.grow_buffer(r, more)
    }

    #[inline(never)]
    fn grow_buffer(&mut self, r: Ref, more: usize) -> Result<(), OutOfMemory> {
        // SAFETY: a buffer's cell; it, or its body when it has one, holds `capacity` bytes.
        unsafe {
            let cell = self.at::<LongCell>(r);
            let (body, len) = ((*cell).body, (*cell).len as usize);
            let wanted = len.saturating_add(more);
            if wanted > MAX_STRING {
                return Err(OutOfMemory);
            }
            let roomy = wanted.max(64).max(len + len / 2);
            if body != 0 && self.extend_body(body, roomy as u64) {
                (*cell).capacity = self.body_capacity(body);
                return Ok(());
            }
            let fresh = self.loose_body(r, LONG_BODY, roomy as u64).or_else(|e| {
                if roomy > wanted {
                    self.loose_body(r, LONG_BODY, wanted as u64)
                } else {
                    Err(e)
                }
            })?;
            // Taking it may have moved the old body.
            let old = (*cell).body;
            copy(self.long_bytes(r), self.at(fresh), len);
            if old != 0 {
                self.work += len as u64 / 8;
                self.free_body(old);
            }
            (*cell).body = fresh;
            (*cell).capacity = self.body_capacity(fresh);
        }
        Ok(())
    }

    /// Appends bytes to a buffer.
    pub fn push_bytes(&mut self, r: Ref, bytes: &[u8]) -> Result<(), OutOfMemory> {
        self.reserve_buffer(r, bytes.len())?;
        // SAFETY: there is room for them, and the body is none of the caller's.
        unsafe {
            let cell = self.at::<LongCell>(r);
            let to = self.long_bytes(r).add((*cell).len as usize);
            copy(bytes.as_ptr(), to, bytes.len());
            (*cell).len += bytes.len() as u32;
        }
        Ok(())
    }

    /// Appends the bytes of a string from `start` to before `end`, clamped to what it has.
    pub fn push_part(
        &mut self,
        r: Ref,
        of: Ref,
        start: usize,
        end: usize,
    ) -> Result<(), OutOfMemory> {
        let end = end.min(self.string_bytes(of).len());
        let start = start.min(end);
        let count = end - start;
        self.reserve_buffer(r, count)?;
        // SAFETY: there is room for them; the two bodies are different.
        unsafe {
            let from = self.string_bytes(of).as_ptr().add(start);
            let cell = self.at::<LongCell>(r);
            let to = self.long_bytes(r).add((*cell).len as usize);
            copy(from, to, count);
            (*cell).len += count as u32;
        }
        Ok(())
    }

    /// Appends a string from `copied` on up to the last of `places`, which are in order (from, to), with
    /// another string in each place. All or nothing.
    pub fn push_replaced(
        &mut self,
        r: Ref,
        of: Ref,
        by: Ref,
        copied: usize,
        places: &[(u32, u32)],
    ) -> Result<(), OutOfMemory> {
        let mut total = 0usize;
        let mut end = copied;
        for &(from, to) in places {
            debug_assert!(end <= from as usize && from <= to);
            total += (from as usize - end) + self.string_bytes(by).len();
            end = to as usize;
        }
        debug_assert!(end <= self.string_bytes(of).len());
        self.reserve_buffer(r, total)?;
        // SAFETY: there is room for all of it; places lie in the string, in order, and the bodies are
        // different.
        unsafe {
            let (of, by) = (self.string_bytes(of), self.string_bytes(by));
            let cell = self.at::<LongCell>(r);
            let mut at = self.long_bytes(r).add((*cell).len as usize);
            let mut end = copied;
            for &(from, to) in places {
                let kept = from as usize - end;
                copy(of.as_ptr().add(end), at, kept);
                copy(by.as_ptr(), at.add(kept), by.len());
                at = at.add(kept + by.len());
                end = to as usize;
            }
            (*cell).len += total as u32;
        }
        Ok(())
    }

    /// Appends `count` times the same byte.
    pub fn push_fill(&mut self, r: Ref, byte: u8, count: usize) -> Result<(), OutOfMemory> {
        self.reserve_buffer(r, count)?;
        // SAFETY: there is room for them.
        unsafe {
            let cell = self.at::<LongCell>(r);
            self.long_bytes(r)
                .add((*cell).len as usize)
                .write_bytes(byte, count);
            (*cell).len += count as u32;
        }
        Ok(())
    }

    /// What a buffer holds so far.
    pub fn buffer_bytes(&self, r: Ref) -> &[u8] {
        self.string_bytes(r)
    }

    /// The same, to be changed.
    pub fn buffer_bytes_mut(&mut self, r: Ref) -> &mut [u8] {
        // SAFETY: a buffer's cell and its body.
        unsafe {
            let len = (*self.at::<LongCell>(r)).len as usize;
            core::slice::from_raw_parts_mut(self.long_bytes(r), len)
        }
    }

    /// Cuts a buffer to its first `len` bytes.
    pub fn truncate_buffer(&mut self, r: Ref, len: usize) {
        // SAFETY: a buffer's cell.
        unsafe {
            let cell = self.at::<LongCell>(r);
            (*cell).len = (*cell).len.min(len as u32);
        }
    }

    /// Turns a buffer into the string that it holds. The buffer is no more.
    pub fn finish_buffer(&mut self, r: Ref) -> Value {
        // SAFETY: a buffer's cell and its body. What the cell said is read before the bytes of a short string
        // take its place; those that were in the cell move down by more than a word.
        unsafe {
            let cell = self.at::<LongCell>(r);
            let (body, len) = ((*cell).body, (*cell).len as usize);
            let from = self.long_bytes(r);
            (*cell).header.hash = 0;
            if len <= SHORT {
                let short = self.at::<ShortCell>(r);
                (*short).header.kind = Kind::Short;
                (*short).header.flags = len as u16;
                copy_short(from, (&raw mut (*short).bytes).cast(), len);
                self.free_body(body);
            } else {
                (*cell).header.kind = Kind::Long;
                self.shrink_body(body, len as u32);
                (*cell).capacity = len as u32;
            }
        }
        Value::object(Tag::Str, r)
    }

    // --- addresses -----------------------------------------------------------------------------------

    /// An IPv6 address, 16 bytes in network order.
    pub fn new_addr6(&mut self, bytes: [u8; 16]) -> Result<Value, OutOfMemory> {
        let hash = self.hash_bytes(&bytes);
        let r = self.new_cell(Kind::Addr6, 0)?;
        // SAFETY: the cell is an address now.
        unsafe {
            let cell = self.at::<Addr6Cell>(r);
            (*cell).header.hash = hash;
            (*cell).bytes = bytes;
        }
        Ok(Value {
            tag: Tag::Addr6,
            aux: 0,
            payload: u64::from(r) | u64::from(hash) << 32,
        })
    }

    /// The bytes of an IPv6 address.
    pub fn addr6(&self, r: Ref) -> [u8; 16] {
        debug_assert!(self.kind(r) == Kind::Addr6, "what is read is no address");
        // SAFETY: an address's cell.
        unsafe { (*self.at::<Addr6Cell>(r)).bytes }
    }
}

/// Copies bytes, of which there are usually few.
///
/// # Safety
///
/// As for [`core::ptr::copy_nonoverlapping`].
#[inline(always)]
pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if len <= SHORT {
            copy_short(from, to, len);
        } else {
            to.copy_from_nonoverlapping(from, len);
        }
    }
}

/// Copies a few bytes, a word at a time: a call of `memcpy` costs more than they do.
///
/// # Safety
///
/// As for [`core::ptr::copy_nonoverlapping`], but that `to` may also be eight bytes or more below `from`.
#[inline(always)]
unsafe fn copy_short(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: every access is below `len`; the last word may overlap the one before it.
    unsafe {
        if len >= 8 {
            let last = len - 8;
            let mut i = 0;
            while i < last {
                let word = from.add(i).cast::<u64>().read_unaligned();
                to.add(i).cast::<u64>().write_unaligned(word);
                i += 8;
            }
            let word = from.add(last).cast::<u64>().read_unaligned();
            to.add(last).cast::<u64>().write_unaligned(word);
        } else if len >= 4 {
            let first = from.cast::<u32>().read_unaligned();
            let last = from.add(len - 4).cast::<u32>().read_unaligned();
            to.cast::<u32>().write_unaligned(first);
            to.add(len - 4).cast::<u32>().write_unaligned(last);
        } else if len > 0 {
            let (first, middle, last) = (*from, *from.add(len / 2), *from.add(len - 1));
            *to = first;
            *to.add(len / 2) = middle;
            *to.add(len - 1) = last;
        }
    }
}

/// SipHash-1-3.
pub(crate) fn siphash(key: [u64; 2], bytes: &[u8]) -> u64 {
    let mut v = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let m = u64::from_le_bytes(*word);
        v[3] ^= m;
        sip_round(&mut v);
        v[0] ^= m;
    }
    let last = (bytes.len() as u64) << 56 | short_word(rest);
    v[3] ^= last;
    sip_round(&mut v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(&mut v);
    sip_round(&mut v);
    sip_round(&mut v);
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

/// Less than eight bytes as the low end of a little-endian word.
#[inline(always)]
pub(crate) fn short_word(bytes: &[u8]) -> u64 {
    let (len, shift) = (bytes.len(), |at: usize| 8 * at as u32);
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        // The two may overlap, where they agree.
        let last = u64::from(u32::from_le_bytes(*last)) << shift(len - 4);
        return u64::from(u32::from_le_bytes(*first)) | last;
    }
    match *bytes {
        [a] => u64::from(a),
        [a, b] => u64::from(a) | u64::from(b) << 8,
        [a, b, c] => u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16,
        _ => 0,
    }
}

#[inline(always)]
fn sip_round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    extern crate std;
    use super::siphash;
    use std::hash::{DefaultHasher, Hasher};
    use std::vec::Vec;

    #[test]
    fn the_hash_is_siphash_1_3() {
        // The standard library's hasher is, with a key of 0.
        let bytes: Vec<u8> = (0..40_u8).map(|i| i.wrapping_mul(201)).collect();
        for len in 0..=bytes.len() {
            let mut hasher = DefaultHasher::new();
            hasher.write(&bytes[..len]);
            assert_eq!(
                siphash([0, 0], &bytes[..len]),
                hasher.finish(),
                "{len} bytes"
            );
        }
    }
}
