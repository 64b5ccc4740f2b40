// SPDX-License-Identifier: GPL-2.0-only
//! Making a machine inside a region, and programs that `load` compiles.

use super::error::Raise;
use super::{Event, Frame, FrameKind, HANDLER_FRAMES, HANDLER_VALUES, LIBRARIES, MARGIN, Vm};
use crate::bytecode::image::{Constant, FLAG_SHARED, Image, Section};
use crate::compiler::{self, Chunk, Options};
use crate::memory::cell::{CELL, ImageCell, Kind, ProtoCell};
use crate::memory::{Heap, OutOfMemory, Sizes};
use crate::stdlib;
use crate::value::{Ref, Tag, Value};
use core::ffi::c_void;
use core::mem::offset_of;

/// What an environment is to be like.
#[derive(Clone, Copy)]
pub struct Config<'a> {
    /// Bytes of live memory that are guaranteed.
    pub memory: u64,
    /// Fuel of the top level.
    pub load_fuel: u64,
    /// Fuel of a packet.
    pub packet_fuel: u64,
    /// Milliseconds after a packet's error in which others that nothing catches have no text.
    pub error_pause: u64,
    /// Random: keys of the hashes.
    pub seed: [u8; 16],
    /// `--arg KEY=VALUE`, one after another: a function, so that nobody has to gather them on a stack.
    pub args: &'a dyn Fn(usize) -> Option<(&'a [u8], &'a [u8])>,
    /// What the host's print is given.
    pub cookie: *mut c_void,
}

/// Where the parts of a region lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    constants: u32,
    stack: u32,
    stack_limit: u32,
    frames: u32,
    frame_limit: u32,
    tbc: u32,
    heap: u32,
    sizes: Sizes,
    total: u64,
}

/// Cells and bytes that the libraries' own tables need.
const LIBRARY_CELLS: u64 = 1024;
const LIBRARY_BYTES: u64 = 48 * 1024;
/// The most frames, and the most values on the stack.
const MOST_FRAMES: u64 = 200_000;
const MOST_VALUES: u64 = 1_000_000;

impl Layout {
    /// The layout for an image and so much live memory; `None` when it does not fit below 4 GiB.
    pub fn of(image: &Image, memory: u64) -> Option<Self> {
        let count = |section| image.section(section).1 as u64;
        let values = (memory / 64).clamp(4096, MOST_VALUES);
        let frame_limit = (values / 4).clamp(1024, MOST_FRAMES);
        let mut sizes = Sizes::of(memory)?;
        let cells = count(Section::Names) + count(Section::Protos) + LIBRARY_CELLS;
        let bytes = count(Section::Bytes) + 32 * count(Section::Names) + LIBRARY_BYTES;
        sizes.cells = sizes
            .cells
            .checked_add(u32::try_from(cells * u64::from(CELL)).ok()?)?;
        sizes.bodies = sizes
            .bodies
            .checked_add(u32::try_from(bytes.next_multiple_of(64)).ok()?)?;
        let mut at = (size_of::<Vm>() as u64).next_multiple_of(64);
        let mut take = |bytes: u64| {
            let here = at;
            at = (at + bytes).next_multiple_of(64);
            u32::try_from(here).ok()
        };
        let constants = take(count(Section::Constants) * 16)?;
        let stack = take((values + u64::from(HANDLER_VALUES + MARGIN) + 1) * 16)?;
        let frames =
            take((frame_limit + u64::from(HANDLER_FRAMES) + 1) * size_of::<Frame>() as u64)?;
        let tbc = take((frame_limit + 1) * 4)?;
        let heap = take(Heap::size(sizes))?;
        let total = u64::from(heap) + Heap::size(sizes);
        if total > u64::from(u32::MAX) - 4096 {
            return None;
        }
        Some(Self {
            constants,
            stack,
            stack_limit: values as u32,
            frames,
            frame_limit: frame_limit as u32,
            tbc,
            heap,
            sizes,
            total,
        })
    }

    /// Bytes of the region.
    pub fn total(&self) -> u64 {
        self.total
    }
}

impl Vm {
    /// Makes a machine in a region. Its top level has not run.
    ///
    /// # Safety
    ///
    /// `region` is 64-byte aligned, zeroed, as long as the layout says and nobody else's for as long as
    /// the machine is used; the image was verified and outlives it; the cookie is what the host's
    /// print expects.
    #[inline(never)]
    pub unsafe fn create<'r>(
        region: *mut u8,
        layout: &Layout,
        image: &Image,
        config: &Config,
    ) -> Result<&'r mut Self, OutOfMemory> {
        let (left, right) = config.seed.split_at(8);
        let word = |half: &[u8]| half.iter().fold(0u64, |n, &b| n << 8 | u64::from(b));
        let seed = [word(left), word(right)];
        // SAFETY: the caller's promise; zeroes are values of all fields that are not written here.
        let vm = unsafe {
            let vm = region.cast::<Self>();
            let heap = Heap::new(region, layout.heap, layout.sizes, seed, config.memory);
            (&raw mut (*vm).heap).write(heap);
            (&raw mut (*vm).packet).write(crate::packet::Current::new());
            // A constant, to be copied: made on the stack it would take half of a kernel's.
            (&raw mut (*vm).library).write(const { stdlib::State::new() });
            (&raw mut (*vm).stack).write(region.add(layout.stack as usize).cast());
            (&raw mut (*vm).frames).write(region.add(layout.frames as usize).cast());
            (&raw mut (*vm).tbc).write(region.add(layout.tbc as usize).cast());
            (&raw mut (*vm).constants).write(region.add(layout.constants as usize).cast());
            (&raw mut (*vm).image).write(image.bytes().as_ptr());
            &mut *vm
        };
        vm.image_len = image.bytes().len();
        vm.stack_limit = layout.stack_limit;
        vm.stack_soft = super::USUAL;
        vm.stack_usual = super::entry::FURTHER;
        vm.frame_limit = layout.frame_limit;
        vm.packet_fuel = config.packet_fuel;
        vm.error_pause = config.error_pause;
        vm.cookie = config.cookie;
        vm.shares_variables = image.flags() & FLAG_SHARED != 0;
        let fuel = i64::try_from(config.load_fuel).unwrap_or(i64::MAX);
        vm.fuel = fuel.min(super::error::SLICE);
        vm.reserve = fuel - vm.fuel;
        (vm.finalizer_fuel, vm.finalizer_reserve) = (vm.fuel, vm.reserve);
        vm.random = [
            seed[0] ^ 0x9e37_79b9,
            seed[1],
            seed[0].rotate_left(17),
            !seed[1],
        ];
        vm.this_mut().kind = FrameKind::Host;
        vm.memory_message = vm.heap.permanent_string(b"not enough memory")?;
        vm.fuel_message = vm.heap.permanent_string(b"out of fuel")?;
        vm.interrupted_message = vm.heap.permanent_string(b"interrupted")?;
        vm.handling_message = vm.heap.permanent_string(b"error in error handling")?;
        vm.make_protos(image)?;
        for (slot, name) in Event::NAMES.iter().enumerate() {
            let name = vm.shared_string(name.as_bytes())?;
            if let Some(event) = vm.heap.events.get_mut(slot) {
                *event = name;
            }
        }
        vm.globals = vm.heap.new_table(0, 64)?;
        vm.loaded = vm.heap.new_table(0, 16)?;
        vm.open_libraries()?;
        vm.make_args(config.args)?;
        Ok(vm)
    }

    /// Constants and prototypes of the program: they live as long as the machine.
    fn make_protos(&mut self, image: &Image) -> Result<(), OutOfMemory> {
        for i in 0..image.constant_count() {
            let v = match image.constant(i) {
                Some(Constant::Str(bytes, field)) => {
                    let mut v = self.heap.permanent_string(bytes)?;
                    v.aux = field.map_or(0, |id| u32::from(id) + 1);
                    v
                }
                Some(constant) => plain_constant(constant),
                None => Value::NIL,
            };
            // SAFETY: the layout has room for all constants.
            unsafe { *self.constants.wrapping_add(i as usize) = v };
        }
        for i in 0..image.proto_count() {
            let r = self.heap.new_cell(Kind::Proto, 0)?;
            if i == 0 {
                self.protos = r;
            }
            self.heap.make_permanent(r);
            // SAFETY: the cell is a prototype now; the image outlives the machine.
            unsafe { self.fill_proto(r, image, i, image.bytes().as_ptr(), self.constants, 0) };
        }
        Ok(())
    }

    /// # Safety
    ///
    /// `r` is a prototype's cell; `bytes` are those of the image where they will stay or be followed.
    unsafe fn fill_proto(
        &mut self,
        r: Ref,
        image: &Image,
        index: u32,
        bytes: *const u8,
        constants: *const Value,
        image_cell: Ref,
    ) {
        let Some(proto) = image.proto(index) else {
            return;
        };
        let code = image.section(Section::Code).0 + proto.code as usize * 8;
        let descriptors = image.section(Section::Upvalues).0 + proto.upvalues as usize * 8;
        // SAFETY: the caller's promise.
        unsafe {
            let cell = self.heap.at::<ProtoCell>(r);
            let header = (*cell).header;
            cell.write(ProtoCell {
                header,
                code: bytes.add(code).cast(),
                constants,
                code_len: proto.code_len,
                image: image_cell,
                index,
                fuel: proto.fuel,
                sibling: 0,
                descriptors: descriptors as i32 - code as i32,
                registers: proto.registers.min(255) as u8,
                parameters: proto.params,
                vararg: u8::from(proto.vararg),
                upvalues: proto.upvalue_count as u8,
                need: if proto.vararg {
                    u32::MAX / 2
                } else {
                    u32::from(proto.registers) + 1
                },
            });
        }
    }

    /// A string that lives as long as the machine: the program's own constant if it has it, so that
    /// what the program looks up under that name is found without comparing texts.
    pub(crate) fn shared_string(&mut self, bytes: &[u8]) -> Result<Value, OutOfMemory> {
        let count = self.program().map_or(0, |image| image.constant_count());
        for i in 0..count {
            // SAFETY: the program's constants were made.
            let v = unsafe { *self.constants.wrapping_add(i as usize) };
            if v.tag == Tag::Str && self.heap.string_bytes(v.as_ref()) == bytes {
                return Ok(Value { aux: 0, ..v });
            }
        }
        self.heap.permanent_string(bytes)
    }

    fn open_libraries(&mut self) -> Result<(), OutOfMemory> {
        for (number, library) in LIBRARIES.iter().enumerate() {
            let table = match library.name {
                "" | "*" => self.globals,
                name => {
                    let t = self.heap.new_table(0, library.natives.len() as u32)?;
                    let key = self.shared_string(name.as_bytes())?;
                    let value = Value::object(Tag::Table, t);
                    self.heap.set(self.globals, key, value)?;
                    let key = self.shared_string(name.as_bytes())?;
                    self.heap.set(self.loaded, key, value)?;
                    t
                }
            };
            for (index, def) in library.natives.iter().enumerate() {
                if def.public && library.name != "*" {
                    let key = self.shared_string(def.name.as_bytes())?;
                    let function = super::native::native(number as u32, index as u32);
                    self.heap.set(table, key, function)?;
                }
            }
            if let Some(open) = library.open {
                open(self, table)?;
            }
        }
        let key = self.shared_string(b"_G")?;
        let globals = Value::object(Tag::Table, self.globals);
        self.heap.set(self.globals, key, globals)?;
        let key = self.shared_string(b"_G")?;
        self.heap.set(self.loaded, key, globals)
    }

    fn make_args<'a>(
        &mut self,
        args: &dyn Fn(usize) -> Option<(&'a [u8], &'a [u8])>,
    ) -> Result<(), OutOfMemory> {
        let t = self.heap.new_table(0, 0)?;
        for (key, value) in (0..).map_while(args) {
            let key = self.heap.new_string(key)?;
            let value = self.heap.new_string(value)?;
            self.heap.set(t, key, value)?;
        }
        let key = self.shared_string(b"args")?;
        self.heap
            .set(self.globals, key, Value::object(Tag::Table, t))
    }

    /// The main function of the program, or of one of its modules, with the globals as its `_ENV`.
    pub(crate) fn main_function(&mut self, proto: u32) -> Result<Value, Raise> {
        let globals = Value::object(Tag::Table, self.globals);
        self.main_closure(self.protos + proto * CELL, globals)
    }

    /// The main function of a module that was bundled with the program.
    pub fn find_module(&mut self, name: Value) -> Result<Option<Value>, Raise> {
        let proto = self
            .program()
            .and_then(|image| image.find_module(self.bytes(name)));
        match proto {
            Some(proto) => self.main_function(proto).map(Some),
            None => Ok(None),
        }
    }

    fn main_closure(&mut self, proto: Ref, env: Value) -> Result<Value, Raise> {
        let count = usize::from(self.proto(proto).upvalues);
        let closure = self.allocate(|heap| heap.new_closure(proto, count))?;
        if count > 0 {
            let env = self.stored(env)?;
            let boxed = self
                .record(proto)
                .and_then(|(image, record)| image.upvalue(&record, 0))
                .is_some_and(|upvalue| upvalue.boxed);
            let env = if boxed {
                let b = self.allocate(|heap| heap.new_box(env))?;
                Value::object(Tag::Box, b)
            } else {
                env
            };
            self.heap.shade_new(env);
            // SAFETY: the new closure has at least one upvalue.
            unsafe { *self.heap.upvalues(closure) = env };
        }
        Ok(Value::object(Tag::Closure, closure))
    }

    // --- load ----------------------------------------------------------------------------------------

    /// Compiles a text at run time: the function, or the message why it is none.
    #[inline(never)]
    pub fn load_text(
        &mut self,
        text: Value,
        name: Value,
        env: Value,
    ) -> Result<Result<Value, Value>, Raise> {
        let text = self.owned_string(text)?;
        let name = self.owned_string(name)?;
        let len = self.bytes(text).len();
        for workspace in [
            compiler::usual_workspace(len),
            compiler::workspace_size(len),
        ] {
            if let Some(loaded) = self.load_within(workspace, text, name, env)? {
                return Ok(loaded);
            }
        }
        Err(self.out_of_memory())
    }

    /// Compiles in so many bytes of workspace; `None` when they are too few.
    fn load_within(
        &mut self,
        workspace: usize,
        text: Value,
        name: Value,
        env: Value,
    ) -> Result<Option<Result<Value, Value>>, Raise> {
        let buffer = self.new_buffer(workspace)?;
        self.push_fill(buffer, 0, workspace)?;
        let options = Options {
            packet: false,
            file: false,
            shared: self.shares_variables,
            seed: self.random[0],
        };
        let compiled = {
            // SAFETY: the texts and the buffer are different bodies or cells, and nothing allocates or
            // moves before the compiler has come back.
            let workspace = unsafe {
                let bytes = self.heap.buffer_bytes_mut(buffer);
                core::slice::from_raw_parts_mut(bytes.as_mut_ptr(), bytes.len())
            };
            let mut shown = [0; 60];
            let shown_len = compiler::chunk_id(self.bytes(name), &mut shown);
            let chunk = Chunk {
                name: shown.get(..shown_len).unwrap_or(&[]),
                text: self.bytes(text),
            };
            compiler::compile_within(&[chunk], options, workspace)
        };
        let loaded = match compiled {
            Ok(len) => Some(Ok(self.adopt_image(buffer, len, env)?)),
            Err(fault) if fault.is_out_of_memory() => None,
            Err(fault) => {
                let len = fault.message(self.heap.buffer_bytes(buffer)).len();
                let message = self.new_buffer(len)?;
                // SAFETY: the message is in the workspace or part of the program; the buffer for it has
                // room, so nothing moves while it is copied.
                let words = unsafe {
                    let words = fault.message(self.heap.buffer_bytes(buffer));
                    core::slice::from_raw_parts(words.as_ptr(), words.len())
                };
                self.push_bytes(message, words)?;
                Some(Err(self.heap.finish_buffer(message)))
            }
        };
        self.drop_buffer(buffer);
        Ok(loaded)
    }

    /// Gives a buffer's memory back without waiting for a collection.
    fn drop_buffer(&mut self, buffer: Ref) {
        self.heap.truncate_buffer(buffer, 0);
        self.heap.finish_buffer(buffer);
    }

    /// The main function of an image that was compiled and verified just now, with `env` as its `_ENV`.
    /// `image` is a buffer of the heap that begins with the image and becomes the function's program.
    pub fn adopt_image(&mut self, buffer: Ref, len: usize, env: Value) -> Result<Value, Raise> {
        let (constants, protos) = {
            let Some(image) = self
                .heap
                .buffer_bytes(buffer)
                .get(..len)
                .and_then(|b| Image::open(b).ok())
            else {
                return Err(self.fault(format_args!("a malformed program")));
            };
            (image.constant_count(), image.proto_count())
        };
        let start = (len as u32).next_multiple_of(16);
        let total = u64::from(start) + u64::from(constants) * 16 + u64::from(protos) * 4;
        let cell_ref = self.allocate(|heap| heap.new_cell(Kind::Image, 0))?;
        // SAFETY: the cell is an image now, with nothing in it until its body is there.
        unsafe {
            let cell = self.heap.at::<ImageCell>(cell_ref);
            let header = (*cell).header;
            cell.write(ImageCell {
                header,
                body: 0,
                constants: start,
                constant_count: 0,
                len: 0,
                protos: 0,
            });
        }
        let field = offset_of!(ImageCell, body) as u32;
        let body = self.allocate(|heap| heap.new_body(cell_ref, field, total))?;
        // SAFETY: the new body holds the image; the old one is another.
        unsafe {
            let from = self.heap.buffer_bytes(buffer).as_ptr();
            self.heap.at::<u8>(body).copy_from_nonoverlapping(from, len);
            (*self.heap.at::<ImageCell>(cell_ref)).len = len as u32;
        }
        self.charge(len as u64 / 32 + u64::from(constants) + u64::from(protos))?;
        for i in 0..constants {
            let v = self.load_constant(cell_ref, i)?;
            // SAFETY: the body has room for all constants behind the image.
            unsafe {
                let cell = self.heap.at::<ImageCell>(cell_ref);
                *self.heap.at::<Value>((*cell).body + start).add(i as usize) = v;
                (*cell).constant_count = i + 1;
            }
        }
        let mut first = 0;
        let mut last = 0;
        for i in 0..protos {
            let r = self.allocate(|heap| heap.new_cell(Kind::Proto, 0))?;
            // SAFETY: the cell is a prototype now; it follows the image when that moves.
            unsafe {
                let body = (*self.heap.at::<ImageCell>(cell_ref)).body;
                let bytes = self.heap.at::<u8>(body);
                let image = core::slice::from_raw_parts(bytes, len);
                let Ok(image) = Image::open(image) else {
                    continue;
                };
                let pool = self.heap.at::<Value>(body + start);
                self.fill_proto(r, &image, i, bytes, pool, cell_ref);
                *self.heap.at::<Ref>(body + start + constants * 16 + i * 4) = r;
                if last == 0 {
                    first = r;
                    (*self.heap.at::<ImageCell>(cell_ref)).protos = r;
                } else {
                    (*self.heap.at::<ProtoCell>(last)).sibling = r;
                }
                last = r;
            }
        }
        self.main_closure(first, env)
    }

    fn load_constant(&mut self, image: Ref, index: u32) -> Result<Value, Raise> {
        /// The parts of a constant that outlive the image's place in memory.
        enum Found {
            Plain(Value),
            Short([u8; 48], usize, u32),
            Long(usize, usize, u32),
        }
        let found = {
            // SAFETY: an image's cell and its body.
            let bytes = unsafe {
                let cell = self.heap.at::<ImageCell>(image);
                core::slice::from_raw_parts(self.heap.at::<u8>((*cell).body), (*cell).len as usize)
            };
            let Ok(view) = Image::open(bytes) else {
                return Ok(Value::NIL);
            };
            match view.constant(index) {
                Some(Constant::Str(text, field)) => {
                    let aux = field.map_or(0, |id| u32::from(id) + 1);
                    let mut copy = [0; 48];
                    if text.len() <= copy.len() {
                        for (to, from) in copy.iter_mut().zip(text) {
                            *to = *from;
                        }
                        Found::Short(copy, text.len(), aux)
                    } else {
                        Found::Long(
                            text.as_ptr() as usize - bytes.as_ptr() as usize,
                            text.len(),
                            aux,
                        )
                    }
                }
                Some(constant) => Found::Plain(plain_constant(constant)),
                None => Found::Plain(Value::NIL),
            }
        };
        let (mut v, aux) = match found {
            Found::Plain(v) => return Ok(v),
            Found::Short(copy, len, aux) => (self.new_string(copy.get(..len).unwrap_or(&[]))?, aux),
            Found::Long(offset, len, aux) => {
                let buffer = self.new_buffer(len)?;
                // SAFETY: the image is still in its body, and the buffer has room and is another.
                unsafe {
                    let body = (*self.heap.at::<ImageCell>(image)).body;
                    let text =
                        core::slice::from_raw_parts(self.heap.at::<u8>(body).add(offset), len);
                    self.push_bytes(buffer, text)?;
                }
                (self.heap.finish_buffer(buffer), aux)
            }
        };
        v = self.heap.with_hash(v);
        v.aux = aux;
        Ok(v)
    }
}

/// A constant that is no string.
fn plain_constant(constant: Constant) -> Value {
    match constant {
        Constant::Boolean(b) => Value::boolean(b),
        Constant::Int(i) => Value::int(i),
        Constant::Float(f) => Value::float(f),
        Constant::Verdict(payload) => Value {
            tag: Tag::Verdict,
            aux: 0,
            payload,
        },
        Constant::Nil | Constant::Str(..) => Value::NIL,
    }
}
