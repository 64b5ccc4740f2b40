// SPDX-License-Identifier: GPL-2.0-only
//! The way into the engine, and out of a panic.
//!
//! Rust code for the kernel cannot unwind. So each way in saves where it is in an [`Entry`] (the stack
//! pointer, at the address to return to, and the registers that the caller wants back), and the panic
//! handler goes back there: what ran in between is abandoned as it stands. Its environment is never
//! entered again, and nothing in the engine owns anything outside of its region, so nothing else is
//! harmed.

use core::ffi::c_void;

use packetscript_engine::host::{Answer, Status};

/// `PS_ENTRY_SIZE`: what the shim has room for, at the beginning of a region and elsewhere.
pub const ENTRY_SIZE: usize = 192;

/// State of one way in; its beginning is known to the assembly below.
#[repr(C, align(16))]
pub struct Entry {
    stack: u64,
    poisoned: u32,
    text_len: u32,
    registers: [u64; 6],
    text: [u8; ENTRY_SIZE - 64],
}

const _: () = assert!(
    size_of::<Entry>() == ENTRY_SIZE
        && core::mem::offset_of!(Entry, poisoned) == 8
        && core::mem::offset_of!(Entry, registers) == 16
);

impl Entry {
    /// Whether a panic went through here: the memory behind it may be half-changed.
    pub fn poisoned(&self) -> bool {
        self.poisoned != 0
    }

    /// What the panic said.
    pub fn text(&self) -> &[u8] {
        self.text.get(..self.text_len as usize).unwrap_or(&[])
    }

    /// Remembers a panic.
    pub fn poison(&mut self, text: &[u8]) {
        let len = text.len().min(self.text.len());
        if let (Some(to), Some(from)) = (self.text.get_mut(..len), text.get(..len)) {
            to.copy_from_slice(from);
        }
        self.text_len = len as u32;
        self.poisoned = 1;
    }
}

unsafe extern "C" {
    /// Calls `f(data)` and returns what that does; if it panics, [`Answer::failure`] of
    /// [`Status::Poisoned`].
    fn ps_contain(
        data: *mut c_void,
        f: extern "C" fn(*mut c_void) -> u64,
        entry: *mut Entry,
    ) -> u64;
    /// Returns from the way in whose entry this is, as after a panic.
    ///
    /// # Safety
    ///
    /// The way in has not returned yet, and the running code was called from it.
    pub fn ps_escape(entry: *mut Entry) -> !;
}

/// What every way in begins with: `$entry` is the register with the entry's address.
macro_rules! save {
    ($entry:literal) => {
        concat!(
            "mov [",
            $entry,
            "], rsp\n",
            "mov [",
            $entry,
            " + 16], rbx\n",
            "mov [",
            $entry,
            " + 24], rbp\n",
            "mov [",
            $entry,
            " + 32], r12\n",
            "mov [",
            $entry,
            " + 40], r13\n",
            "mov [",
            $entry,
            " + 48], r14\n",
            "mov [",
            $entry,
            " + 56], r15\n",
        )
    };
}

// A way in leaves by a jump, so what it calls returns to its caller by itself. An answer is two
// registers (host::Answer), and so is the escape's.
//
// The note to objtool: the way out changes the stack pointer by other means than calls.
core::arch::global_asm!(
    r#"
    .section .text.ps_contain, "ax", @progbits
    .globl ps_run
    .type ps_run, @function
    .p2align 4
ps_run:
    endbr64
    cmp dword ptr [rdi + 8], 0
    jne 2f
"#,
    save!("rdi"),
    r#"
    jmp ps_run_inside
2:  mov eax, {poisoned}
    xor edx, edx
    jmp __x86_return_thunk
    .size ps_run, . - ps_run

    .globl ps_contain
    .type ps_contain, @function
    .p2align 4
ps_contain:
    endbr64
"#,
    save!("rdx"),
    r#"
    mov r11, rsi
    jmp __x86_indirect_thunk_r11
    .size ps_contain, . - ps_contain

    .globl ps_escape
    .type ps_escape, @function
    .p2align 4
ps_escape:
    endbr64
    mov rsp, [rdi]
    mov rbx, [rdi + 16]
    mov rbp, [rdi + 24]
    mov r12, [rdi + 32]
    mov r13, [rdi + 40]
    mov r14, [rdi + 48]
    mov r15, [rdi + 56]
    mov eax, {poisoned}
    xor edx, edx
    jmp __x86_return_thunk
    .size ps_escape, . - ps_escape

    .section .discard.func_stack_frame_non_standard, "aw", @progbits
    .p2align 3
    .quad ps_escape
    .previous
"#,
    poisoned = const Answer::failure(Status::Poisoned),
);

/// Runs `f`; `None` if it panicked. Values that `f` was the owner of are then never dropped.
pub fn contained<R>(entry: &mut Entry, f: impl FnOnce() -> R) -> Option<R> {
    struct Call<F, R> {
        f: Option<F>,
        result: Option<R>,
    }
    extern "C" fn run<F: FnOnce() -> R, R>(data: *mut c_void) -> u64 {
        // SAFETY: contained() passes its own Call, which nobody else looks at meanwhile.
        let call = unsafe { &mut *data.cast::<Call<F, R>>() };
        if let Some(f) = call.f.take() {
            call.result = Some(f());
        }
        0
    }
    fn runner<F: FnOnce() -> R, R>(_: &Call<F, R>) -> extern "C" fn(*mut c_void) -> u64 {
        run::<F, R>
    }

    let mut call = Call {
        f: Some(f),
        result: None,
    };
    let f = runner(&call);
    // SAFETY: the call outlives it; the entry is used by this way in alone until it returns, as the
    // shim promises for each slot.
    let what = unsafe { ps_contain((&raw mut call).cast(), f, entry) };
    if what == 0 { call.result } else { None }
}
