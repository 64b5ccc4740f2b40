// SPDX-License-Identifier: GPL-2.0-only
//! Puts an [image](super::image) together inside a workspace.
//!
//! Instructions go straight to their final place at the front; everything else waits in vectors
//! until [`Builder::finish`] lays it behind them.

use super::arena::{Arena, Full, Vec};
use super::image::{
    HEADER, Local, MAGIC, NONE, Proto, SECTIONS, Section, Source, Upvalue, VERSION,
};
use super::op::Inst;
use super::word::Word;
use crate::value::Tag;

/// An open-addressing set of numbers, each standing for something that the caller can hash and
/// compare.
#[derive(Default)]
struct Index<'w> {
    slots: Vec<'w, u32>,
    used: usize,
}

impl<'w> Index<'w> {
    /// The slot where probing for `hash` begins, and the mask.
    fn start(&self, hash: u64) -> (usize, usize) {
        let mask = self.slots.len().wrapping_sub(1);
        (hash as usize & mask, mask)
    }

    /// The number that `same` accepts.
    fn find(&self, hash: u64, same: impl Fn(u32) -> bool) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let (mut at, mask) = self.start(hash);
        while let Some(number) = self.slots.at(at).and_then(|slot| slot.checked_sub(1)) {
            if same(number) {
                return Some(number);
            }
            at = at.wrapping_add(1) & mask;
        }
        None
    }

    /// Adds a number that is not there; `hash_of` hashes those that are.
    fn add(
        &mut self,
        arena: &mut Arena<'w>,
        hash: u64,
        number: u32,
        hash_of: impl Fn(u32) -> u64,
    ) -> Result<(), Full> {
        if self.used.wrapping_mul(2) >= self.slots.len() {
            let mut wider = Index::default();
            for _ in 0..self.slots.len().saturating_mul(4).max(64) {
                wider.slots.push(arena, 0)?;
            }
            for number in self
                .slots
                .as_slice()
                .iter()
                .filter_map(|slot| slot.checked_sub(1))
            {
                wider.put(hash_of(number), number);
            }
            wider.used = self.used;
            *self = wider;
        }
        self.put(hash, number);
        self.used = self.used.wrapping_add(1);
        Ok(())
    }

    fn put(&mut self, hash: u64, number: u32) {
        let (mut at, mask) = self.start(hash);
        while let Some(slot) = self.slots.as_mut_slice().get_mut(at) {
            if *slot == 0 {
                *slot = number.wrapping_add(1);
                return;
            }
            at = at.wrapping_add(1) & mask;
        }
    }
}

/// Mixes one word into a hash.
const fn mix(hash: u64, word: u64) -> u64 {
    let product = ((hash ^ word) as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (product ^ product >> 64) as u64 ^ hash.rotate_left(23)
}

fn hash_bytes(seed: u64, bytes: &[u8]) -> u64 {
    bytes
        .chunks(8)
        .fold(mix(seed, bytes.len() as u64), |hash, chunk| {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            mix(hash, u64::from_le_bytes(word))
        })
}

/// A constant as it is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Raw {
    tag: u32,
    aux: u32,
    payload: u64,
}

impl Raw {
    fn hash(self, seed: u64) -> u64 {
        mix(mix(seed, self.tag as u64), self.payload)
    }
}

/// Tag under which the index of constants knows pairs of strings.
const PAIR: u32 = u32::MAX;

/// An image in the making.
pub struct Builder<'w> {
    /// The workspace; whoever builds an image keeps his own vectors there too.
    pub arena: Arena<'w>,
    seed: u64,
    field_id: fn(&[u8]) -> Option<u16>,
    bytes: Vec<'w, u8>,
    names: Vec<'w, (u32, u32)>,
    name_index: Index<'w>,
    constants: Vec<'w, Raw>,
    constant_index: Index<'w>,
    pairs: Vec<'w, (Raw, u32)>,
    pair_index: Index<'w>,
    code_len: u32,
    leaders: Vec<'w, u64>,
    protos: Vec<'w, Proto>,
    upvalues: Vec<'w, Upvalue>,
    lines: Vec<'w, (u32, u32)>,
    locals: Vec<'w, Local>,
    modules: Vec<'w, (u32, u32)>,
    chunks: Vec<'w, u32>,
}

fn number(len: usize) -> Result<u32, Full> {
    u32::try_from(len).map_err(|_| Full)
}

impl<'w> Builder<'w> {
    /// Begins an image in a fresh workspace. `seed` keys the hashes; `field_id` says which strings name
    /// packet fields.
    pub fn new(
        arena: Arena<'w>,
        seed: u64,
        field_id: fn(&[u8]) -> Option<u16>,
    ) -> Result<Self, Full> {
        let mut arena = arena;
        arena.append(&[0; HEADER])?;
        Ok(Self {
            arena,
            seed,
            field_id,
            bytes: Vec::default(),
            names: Vec::default(),
            name_index: Index::default(),
            constants: Vec::default(),
            constant_index: Index::default(),
            pairs: Vec::default(),
            pair_index: Index::default(),
            code_len: 0,
            leaders: Vec::default(),
            protos: Vec::default(),
            upvalues: Vec::default(),
            lines: Vec::default(),
            locals: Vec::default(),
            modules: Vec::default(),
            chunks: Vec::default(),
        })
    }

    /// Appends a byte to a string in the making: [`Builder::intern`] makes it a name.
    pub fn string_byte(&mut self, byte: u8) -> Result<(), Full> {
        self.bytes.push(&mut self.arena, byte)
    }

    /// How long the bytes are; what [`Builder::intern`] wants to know from before the first
    /// [`Builder::string_byte`].
    pub fn string_start(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of the string in the making.
    pub fn string_since(&self, start: usize) -> &[u8] {
        self.bytes.as_slice().get(start..).unwrap_or(&[])
    }

    /// Makes the bytes from `start` on a name, or finds the one that is the same.
    pub fn intern(&mut self, start: usize) -> Result<u32, Full> {
        let bytes = self.bytes.as_slice();
        let text = bytes.get(start..).unwrap_or(&[]);
        let hash = hash_bytes(self.seed, text);
        if let Some(found) = self.find_name(hash, text) {
            self.bytes.truncate(start);
            return Ok(found);
        }
        let place = (number(start)?, number(text.len())?);
        self.add_name(hash, place)
    }

    /// The name of these bytes.
    pub fn name(&mut self, text: &[u8]) -> Result<u32, Full> {
        let hash = hash_bytes(self.seed, text);
        if let Some(found) = self.find_name(hash, text) {
            return Ok(found);
        }
        let place = (number(self.bytes.len())?, number(text.len())?);
        self.bytes.extend(&mut self.arena, text)?;
        self.add_name(hash, place)
    }

    fn find_name(&self, hash: u64, text: &[u8]) -> Option<u32> {
        self.name_index.find(hash, |i| self.text(i) == text)
    }

    fn add_name(&mut self, hash: u64, place: (u32, u32)) -> Result<u32, Full> {
        let index = number(self.names.len())?;
        self.names.push(&mut self.arena, place)?;
        let (names, bytes, seed) = (&self.names, &self.bytes, self.seed);
        self.name_index.add(&mut self.arena, hash, index, |i| {
            hash_bytes(seed, text_of(names, bytes, i))
        })?;
        Ok(index)
    }

    /// The bytes of a name.
    pub fn text(&self, name: u32) -> &[u8] {
        text_of(&self.names, &self.bytes, name)
    }

    fn constant(&mut self, raw: Raw) -> Result<u32, Full> {
        let hash = raw.hash(self.seed);
        let constants = &self.constants;
        if let Some(i) = self
            .constant_index
            .find(hash, |i| constants.at(i as usize) == Some(raw))
        {
            return Ok(i);
        }
        let index = self.push_constant(raw)?;
        let (constants, seed) = (&self.constants, self.seed);
        self.constant_index.add(&mut self.arena, hash, index, |i| {
            constants.at(i as usize).map_or(0, |raw| raw.hash(seed))
        })?;
        Ok(index)
    }

    fn push_constant(&mut self, raw: Raw) -> Result<u32, Full> {
        let index = number(self.constants.len())?;
        if index > i32::MAX as u32 / 2 {
            return Err(Full);
        }
        self.constants.push(&mut self.arena, raw)?;
        Ok(index)
    }

    /// The constant nil, false or true.
    pub fn constant_tag(&mut self, tag: Tag) -> Result<u32, Full> {
        self.constant(Raw {
            tag: tag as u32,
            aux: 0,
            payload: 0,
        })
    }

    /// An integer constant.
    pub fn constant_int(&mut self, value: i64) -> Result<u32, Full> {
        self.constant(Raw {
            tag: Tag::Int as u32,
            aux: 0,
            payload: value as u64,
        })
    }

    /// A float constant; floats are the same when their bits are.
    pub fn constant_float(&mut self, value: f64) -> Result<u32, Full> {
        self.constant(Raw {
            tag: Tag::Float as u32,
            aux: 0,
            payload: value.to_bits(),
        })
    }

    /// A verdict constant.
    pub fn constant_verdict(&mut self, payload: u64) -> Result<u32, Full> {
        self.constant(Raw {
            tag: Tag::Verdict as u32,
            aux: 0,
            payload,
        })
    }

    fn raw_string(&self, name: u32) -> Raw {
        let aux = (self.field_id)(self.text(name)).map_or(0, |id| u32::from(id).wrapping_add(1));
        Raw {
            tag: Tag::Str as u32,
            aux,
            payload: u64::from(name),
        }
    }

    /// A string constant.
    pub fn constant_string(&mut self, name: u32) -> Result<u32, Full> {
        let raw = self.raw_string(name);
        self.constant(raw)
    }

    /// The packet field id of a constant that is a string and names one.
    pub fn field_of(&self, constant: u32) -> Option<u16> {
        let raw = self.constants.at(constant as usize)?;
        let id = if raw.tag == Tag::Str as u32 {
            raw.aux.checked_sub(1)?
        } else {
            return None;
        };
        u16::try_from(id).ok()
    }

    /// Two string constants side by side; the first one's number.
    pub fn constant_pair(&mut self, first: u32, second: u32) -> Result<u32, Full> {
        let pair = Raw {
            tag: PAIR,
            aux: 0,
            payload: u64::from(first) | u64::from(second) << 32,
        };
        let hash = pair.hash(self.seed);
        let pairs = &self.pairs;
        let same = |i| pairs.at(i as usize).is_some_and(|(known, _)| known == pair);
        if let Some((_, index)) = self
            .pair_index
            .find(hash, same)
            .and_then(|i| pairs.at(i as usize))
        {
            return Ok(index);
        }
        let (first, second) = (self.raw_string(first), self.raw_string(second));
        let index = self.push_constant(first)?;
        self.push_constant(second)?;
        let entry = number(self.pairs.len())?;
        self.pairs.push(&mut self.arena, (pair, index))?;
        let (pairs, seed) = (&self.pairs, self.seed);
        self.pair_index.add(&mut self.arena, hash, entry, |i| {
            pairs.at(i as usize).map_or(0, |(pair, _)| pair.hash(seed))
        })?;
        Ok(index)
    }

    /// Reserves the next prototype's number; [`Builder::set_proto`] fills it in.
    pub fn add_proto(&mut self) -> Result<u32, Full> {
        let index = number(self.protos.len())?;
        let empty = Proto {
            parent: NONE,
            name: NONE,
            ..Proto::default()
        };
        self.protos.push(&mut self.arena, empty)?;
        Ok(index)
    }

    /// Fills a prototype in. Its code, lines, locals and upvalues must be the ones that were added
    /// last.
    pub fn set_proto(&mut self, index: u32, proto: Proto) {
        if let Some(slot) = self.protos.as_mut_slice().get_mut(index as usize) {
            *slot = proto;
        }
    }

    /// Appends an instruction to the code section; answers its number.
    pub fn code(&mut self, inst: Inst, leader: bool) -> Result<u32, Full> {
        let index = self.code_len;
        let word = Word::pack(inst).ok_or(Full)?;
        self.arena.append(&word.to_bytes())?;
        self.code_len = index.wrapping_add(1);
        if index.is_multiple_of(64) {
            self.leaders.push(&mut self.arena, 0)?;
        }
        if let Some(word) = self.leaders.last_mut() {
            *word |= u64::from(leader) << (index & 63);
        }
        Ok(index)
    }

    /// Numbers of the next instruction, upvalue, line run and local name.
    pub fn marks(&self) -> Result<(u32, u32, u32, u32), Full> {
        Ok((
            self.code_len,
            number(self.upvalues.len())?,
            number(self.lines.len())?,
            number(self.locals.len())?,
        ))
    }

    /// Appends an upvalue descriptor.
    pub fn upvalue(&mut self, upvalue: Upvalue) -> Result<(), Full> {
        self.upvalues.push(&mut self.arena, upvalue)
    }

    /// Appends a line run.
    pub fn line(&mut self, pc: u32, line: u32) -> Result<(), Full> {
        self.lines.push(&mut self.arena, (pc, line))
    }

    /// Appends a local name.
    pub fn local(&mut self, local: Local) -> Result<(), Full> {
        self.locals.push(&mut self.arena, local)
    }

    /// Appends a module: its name for `require` and its main prototype.
    pub fn module(&mut self, name: u32, proto: u32) -> Result<(), Full> {
        self.modules.push(&mut self.arena, (name, proto))
    }

    /// Appends a text, by the name that messages use; answers its number.
    pub fn chunk(&mut self, name: u32) -> Result<u32, Full> {
        let index = number(self.chunks.len())?;
        self.chunks.push(&mut self.arena, name)?;
        Ok(index)
    }

    /// What messages call a text.
    pub fn chunk_name(&self, chunk: u32) -> &[u8] {
        self.chunks
            .at(chunk as usize)
            .map_or(&b"?"[..], |name| self.text(name))
    }

    /// Lays everything behind the code. The header belongs at the workspace's first bytes; the image is as long as the header says.
    pub fn finish(&mut self, flags: u16, header: &mut [u8; HEADER]) -> Result<(), Full> {
        let mut table = [(HEADER, self.code_len as usize); SECTIONS.len()];
        let arena = &mut self.arena;
        let mut place = |arena: &mut Arena<'w>, section: Section, count: usize| {
            while !arena.front().is_multiple_of(8) {
                arena.append(&[0])?;
            }
            if let Some(entry) = table.get_mut(section as usize) {
                *entry = (arena.front(), count);
            }
            Ok::<(), Full>(())
        };
        place(arena, Section::Protos, self.protos.len())?;
        for proto in self.protos.as_slice() {
            let words = [
                proto.code,
                proto.code_len,
                u32::from(proto.params)
                    | u32::from(proto.vararg) << 8
                    | u32::from(proto.registers) << 16,
                proto.fuel,
                proto.upvalues,
                proto.upvalue_count,
                proto.lines,
                proto.line_count,
                proto.locals,
                proto.local_count,
                proto.first_line,
                proto.last_line,
                proto.chunk,
                proto.parent,
                proto.name,
                0,
            ];
            append_words(arena, &words)?;
        }
        place(arena, Section::Leaders, self.leaders.len())?;
        for word in self.leaders.as_slice() {
            arena.append(&word.to_le_bytes())?;
        }
        place(arena, Section::Upvalues, self.upvalues.len())?;
        for up in self.upvalues.as_slice() {
            let source = match up.source {
                Source::Register => 0,
                Source::Upvalue => 1,
                Source::Itself => 2,
            };
            arena.append(&[source, up.index, u8::from(up.boxed), 0])?;
            append_words(arena, &[up.name])?;
        }
        place(arena, Section::Lines, self.lines.len())?;
        for &(pc, line) in self.lines.as_slice() {
            append_words(arena, &[pc, line])?;
        }
        place(arena, Section::Locals, self.locals.len())?;
        for local in self.locals.as_slice() {
            append_words(arena, &[local.name, local.start, local.end, local.register])?;
        }
        place(arena, Section::Constants, self.constants.len())?;
        for raw in self.constants.as_slice() {
            append_words(arena, &[raw.tag, raw.aux])?;
            arena.append(&raw.payload.to_le_bytes())?;
        }
        place(arena, Section::Names, self.names.len())?;
        for &(start, len) in self.names.as_slice() {
            append_words(arena, &[start, len])?;
        }
        place(arena, Section::Modules, self.modules.len())?;
        for &(name, proto) in self.modules.as_slice() {
            append_words(arena, &[name, proto])?;
        }
        place(arena, Section::Chunks, self.chunks.len())?;
        for &name in self.chunks.as_slice() {
            append_words(arena, &[name, 0])?;
        }
        place(arena, Section::Bytes, self.bytes.len())?;
        arena.append(self.bytes.as_slice())?;
        place(arena, Section::Bytes, 0)?;
        let end = arena.front();
        if let Some(entry) = table.get_mut(Section::Bytes as usize) {
            *entry = (
                end.saturating_sub(self.bytes.len().next_multiple_of(8)),
                self.bytes.len(),
            );
        }
        write_header(&table, number(end)?, flags, header)
    }
}

/// The header of an image with these sections.
fn write_header(
    table: &[(usize, usize)],
    len: u32,
    flags: u16,
    header: &mut [u8; HEADER],
) -> Result<(), Full> {
    let version = u32::from(VERSION) | u32::from(flags) << 16;
    let mut words = [u32::from_le_bytes(MAGIC), version, len, 0]
        .into_iter()
        .map(Ok)
        .chain(
            table
                .iter()
                .flat_map(|&(offset, count)| [number(offset), number(count)]),
        );
    for place in header.chunks_exact_mut(4) {
        place.copy_from_slice(&words.next().unwrap_or(Ok(0))?.to_le_bytes());
    }
    Ok(())
}

fn append_words(arena: &mut Arena<'_>, words: &[u32]) -> Result<(), Full> {
    words
        .iter()
        .try_for_each(|word| arena.append(&word.to_le_bytes()))
}

fn text_of<'b>(names: &Vec<'_, (u32, u32)>, bytes: &'b Vec<'_, u8>, name: u32) -> &'b [u8] {
    let (start, len) = names.at(name as usize).unwrap_or((0, 0));
    let start = start as usize;
    bytes
        .as_slice()
        .get(start..start.saturating_add(len as usize))
        .unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::super::image::{Constant, FLAG_PACKET, Image};
    use super::super::op::Op;
    use super::*;

    #[test]
    fn an_image_by_hand_reads_back() {
        let mut bytes = [0u8; 16384];
        let mut b =
            Builder::new(Arena::new(&mut bytes), 1, |s| (s == b"udp").then_some(7)).unwrap();
        let proto = b.add_proto().unwrap();
        let (code, upvalues, lines, locals) = b.marks().unwrap();
        let env = b.name(b"_ENV").unwrap();
        let udp = b.name(b"udp").unwrap();
        let port = b.name(b"dport").unwrap();
        assert_eq!(b.name(b"udp"), Ok(udp));
        let pair = b.constant_pair(udp, port).unwrap();
        assert_eq!(b.constant_pair(udp, port), Ok(pair));
        let nan = b.constant_float(f64::NAN).unwrap();
        assert_eq!(b.constant_float(f64::NAN), Ok(nan));
        for i in 0..100 {
            assert_eq!(b.constant_int(i), b.constant_int(i));
        }
        b.upvalue(Upvalue {
            source: Source::Register,
            index: 0,
            boxed: false,
            name: env,
        })
        .unwrap();
        b.line(0, 1).unwrap();
        b.line(1, 3).unwrap();
        b.local(Local {
            name: port,
            start: 1,
            end: 2,
            register: 0,
        })
        .unwrap();
        b.code(
            Inst::abc(Op::GetField2, 0, 1, pair as u16).with_off(9),
            false,
        )
        .unwrap();
        b.code(Inst::abc(Op::Return1, 0, 0, 0), true).unwrap();
        let name = b.name(b"block.lua").unwrap();
        b.chunk(name).unwrap();
        b.module(udp, 0).unwrap();
        b.set_proto(
            proto,
            Proto {
                code,
                code_len: 2,
                params: 2,
                vararg: true,
                registers: 3,
                fuel: 1,
                upvalues,
                upvalue_count: 1,
                lines,
                line_count: 2,
                locals,
                local_count: 1,
                first_line: 1,
                last_line: 3,
                chunk: 0,
                parent: NONE,
                name: NONE,
            },
        );
        let mut header = [0; HEADER];
        b.finish(FLAG_PACKET, &mut header).unwrap();
        bytes[..HEADER].copy_from_slice(&header);
        let len = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
        let image = Image::open(&bytes[..len]).unwrap();
        assert_eq!(image.flags(), FLAG_PACKET);
        let p = image.proto(0).unwrap();
        assert_eq!((p.params, p.vararg, p.registers), (2, true, 3));
        assert_eq!(image.constant(pair), Some(Constant::Str(b"udp", Some(7))));
        assert_eq!(
            image.constant(pair + 1),
            Some(Constant::Str(b"dport", None))
        );
        assert_eq!(image.inst(1).map(Inst::op_byte), Some(Op::Return1 as u8));
        assert!(!image.is_leader(0) && image.is_leader(1) && !image.is_leader(2));
        assert_eq!((image.line(&p, 0), image.line(&p, 1)), (1, 3));
        assert_eq!(image.local_name(&p, 0, 1), Some(&b"dport"[..]));
        assert_eq!(image.local_name(&p, 0, 0), None);
        assert_eq!(
            image.upvalue(&p, 0).and_then(|u| image.name(u.name)),
            Some(&b"_ENV"[..])
        );
        assert_eq!(image.chunk_name(0), b"block.lua");
        assert_eq!(image.find_module(b"udp"), Some(0));
        for cut in 0..len {
            assert!(Image::open(&bytes[..cut]).is_err());
        }
    }
}
