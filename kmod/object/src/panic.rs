// SPDX-License-Identifier: GPL-2.0-only
//! What a panic does here: it is told, remembered where it happened, and left behind.

use core::ffi::c_void;
use core::panic::PanicInfo;

use crate::contain::{Entry, ps_escape};

unsafe extern "C" {
    safe fn ps_host_panicked(text: *const u8, len: usize);
    safe fn ps_host_entry() -> *mut c_void;
}

/// A text with room for one line; the formatting of core would bring panics of its own.
struct Line {
    bytes: [u8; 112],
    len: usize,
}

impl Line {
    fn put(&mut self, text: &[u8]) {
        for &byte in text {
            if let Some(to) = self.bytes.get_mut(self.len) {
                *to = byte;
                self.len = self.len.wrapping_add(1);
            }
        }
    }

    fn put_number(&mut self, number: u32) {
        let mut digits = [0u8; 10];
        let mut rest = number;
        let mut used = 0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0'.wrapping_add((rest % 10) as u8);
            rest /= 10;
            used += 1;
            if rest == 0 {
                break;
            }
        }
        self.put(digits.get(10usize.wrapping_sub(used)..).unwrap_or(&[]));
    }
}

#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    let mut line = Line {
        bytes: [0; 112],
        len: 0,
    };
    if let Some(place) = info.location() {
        line.put(place.file().as_bytes());
        line.put(b":");
        line.put_number(place.line());
    }
    if let Some(message) = info.message().as_str() {
        line.put(b": ");
        line.put(message.as_bytes());
    }
    let text = line.bytes.get(..line.len).unwrap_or(&[]);
    ps_host_panicked(text.as_ptr(), text.len());
    let entry = ps_host_entry().cast::<Entry>();
    // SAFETY: the shim answers with the entry of the innermost way in, which is ours: it holds
    // PS_ENTRY_SIZE bytes and has not returned, for this code runs below it. Whoever else borrowed
    // it is abandoned by the escape.
    unsafe {
        (*entry).poison(text);
        ps_escape(entry)
    }
}
