// SPDX-License-Identifier: GPL-2.0-only
//! Tracebacks, and the text of the last error that nothing caught.

use super::error::{Bytes, Raise, type_name};
use super::{FrameKind, Vm};
use crate::number::format::Text;
use crate::value::{Ref, Tag, Value};

/// Lines of a traceback before and after those that are left out.
const HEAD: u32 = 10;
const TAIL_LINES: u32 = 11;

/// Bytes of the last error's text.
pub const ERROR_TEXT: usize = 2048;

/// Frames of natives above a Lua function that are looked through for it.
const NEAR: u32 = 64;

/// Appends to a text as much as there is room for.
fn append(to: &mut [u8; ERROR_TEXT], len: &mut u32, text: &[u8]) {
    let room = to.get_mut(*len as usize..).unwrap_or_default();
    let n = text.len().min(room.len());
    for (to, from) in room.iter_mut().zip(text) {
        *to = *from;
    }
    *len += n as u32;
}

impl Vm {
    /// Writes `stack traceback:` and a line for every frame from a level on into a buffer.
    pub fn write_traceback(&mut self, buffer: Ref, level: u32) -> Result<(), Raise> {
        self.write_calls(buffer, self.first_depth(), self.depth, level)
    }

    /// The same for the frames from `first` to `last`.
    fn write_calls(&mut self, buffer: Ref, first: u32, last: u32, level: u32) -> Result<(), Raise> {
        self.write(buffer, format_args!("stack traceback:"))?;
        let Some(mut depth) = self.level_within(first, last, level) else {
            return Ok(());
        };
        let total = (first..=depth)
            .filter(|&d| self.frame(d).kind != FrameKind::Host)
            .count() as u32;
        // What is left out is one more than is said: as PUC has it.
        let long = total > HEAD + TAIL_LINES + 1;
        let mut shown = 0;
        while depth >= first {
            if self.frame(depth).kind != FrameKind::Host {
                if long && shown == HEAD {
                    let skip = total - HEAD - TAIL_LINES - 1;
                    self.write(buffer, format_args!("\n\t...\t(skipping {skip} levels)"))?;
                }
                if !long || shown < HEAD || shown >= total - TAIL_LINES {
                    self.write_frame(buffer, depth)?;
                }
                shown += 1;
            }
            depth -= 1;
        }
        Ok(())
    }

    /// The same for any coroutine; 0 is the main program.
    pub fn write_thread_traceback(
        &mut self,
        buffer: Ref,
        thread: Ref,
        level: u32,
    ) -> Result<(), Raise> {
        if let Some((first, last)) = self.frames_within(thread) {
            return self.write_calls(buffer, first, last, level);
        }
        let (depth, top, running) = (self.depth, self.top, self.thread);
        if self.show_thread(thread).is_some() {
            let written = self.write_traceback(buffer, level);
            self.depth = depth;
            self.top = top;
            self.thread = running;
            return written;
        }
        self.write(buffer, format_args!("stack traceback:"))
    }

    #[inline(never)]
    fn write_frame(&mut self, buffer: Ref, depth: u32) -> Result<(), Raise> {
        let f = *self.frame(depth);
        match self.place_of(depth) {
            Some((chunk, line)) => {
                self.write(
                    buffer,
                    format_args!("\n\t{}:{line}: in ", Bytes(chunk.text())),
                )?;
            }
            None => self.write(buffer, format_args!("\n\t[C]: in "))?,
        }
        self.write_function(buffer, depth)?;
        if f.is_tail_call() {
            self.write(buffer, format_args!("\n\t(...tail calls...)"))?;
        }
        Ok(())
    }

    #[inline(never)]
    fn write_function(&mut self, buffer: Ref, depth: u32) -> Result<(), Raise> {
        let f = *self.frame(depth);
        let function = self.get(f.func);
        if let Some(name) = Self::library_name(function).or_else(|| self.global_name(function)) {
            self.write(buffer, format_args!("function '{}'", Bytes(name.text())))?;
        } else if let Some((kind, name)) = self.called_name(depth) {
            self.write(buffer, format_args!("{kind} '{}'", Bytes(name.text())))?;
        } else if f.kind == FrameKind::Lua {
            self.write_definition(buffer, f.proto)?;
        } else {
            self.write(buffer, format_args!("?"))?;
        }
        Ok(())
    }

    /// A function without a name, by where its prototype is defined.
    #[inline(never)]
    fn write_definition(&mut self, buffer: Ref, proto: Ref) -> Result<(), Raise> {
        match self.definition(proto) {
            Some((_, 0)) => self.write(buffer, format_args!("main chunk")),
            Some((chunk, line)) => self.write(
                buffer,
                format_args!("function <{}:{line}>", Bytes(chunk.text())),
            ),
            None => self.write(buffer, format_args!("?")),
        }
    }

    /// Keeps the text of what was raised, with a traceback, for the host.
    pub(crate) fn keep_last_error(&mut self) {
        if core::mem::take(&mut self.hushed) {
            return;
        }
        let error = self.error;
        // Memory's and fuel's messages name no place of their own.
        let bare = [self.memory_message, self.fuel_message]
            .iter()
            .any(|message| message.tag == error.tag && message.as_ref() == error.as_ref());
        if self.error_pause > 0 {
            let now = crate::host::now_ms();
            if bare && now < self.error_due {
                return;
            }
            self.error_due = now.saturating_add(self.error_pause);
        }
        if !bare && self.is_last_error(error) {
            return;
        }
        self.last_error_len = 0;
        if bare {
            self.keep_place();
        }
        let Ok(buffer) = self.new_buffer(256) else {
            self.error = error;
            return self.keep_more(b"not enough memory");
        };
        let written = match error.tag {
            Tag::Str | Tag::Bytes => {
                let len = self.bytes(error).len();
                self.push_part(buffer, error, 0, len)
            }
            Tag::Int => self.write(buffer, format_args!("{}", error.as_int())),
            _ => self.write(
                buffer,
                format_args!("(error object is a {} value)", type_name(error)),
            ),
        };
        let written = written.and_then(|()| self.write(buffer, format_args!("\n")));
        let _ = written.and_then(|()| self.write_traceback(buffer, 0));
        self.error = error;
        let Self {
            heap,
            last_error,
            last_error_len,
            ..
        } = self;
        append(last_error, last_error_len, heap.buffer_bytes(buffer));
        self.heap.truncate_buffer(buffer, 0);
        self.heap.finish_buffer(buffer);
    }

    /// Whether the text that is kept is that of the same message: an error per packet costs no traceback
    /// each. A message names its place, so its traceback differs at most further down.
    fn is_last_error(&self, error: Value) -> bool {
        if error.tag != Tag::Str {
            return false;
        }
        let message = self.bytes(error);
        let kept = self
            .last_error
            .get(..self.last_error_len as usize)
            .unwrap_or(&[]);
        kept.strip_prefix(message)
            .is_some_and(|rest| rest.first() == Some(&b'\n'))
    }

    /// Appends to the last error's text.
    fn keep_more(&mut self, text: &[u8]) {
        append(&mut self.last_error, &mut self.last_error_len, text);
    }

    /// Begins the last error's text with `chunk:line: ` of the Lua function that ran, or called what ran.
    fn keep_place(&mut self) {
        let first = self.first_depth().max(self.depth.saturating_sub(NEAR));
        let place = (first..=self.depth)
            .rev()
            .find_map(|depth| self.place_of(depth));
        if let Some((chunk, line)) = place {
            let mut text = Text::new(&mut self.last_error);
            text.put(chunk.text());
            text.byte(b':');
            text.int(i64::from(line));
            text.put(b": ");
            self.last_error_len = text.bytes().len() as u32;
        }
    }

    /// The last error's text.
    pub fn last_error_text(&self) -> &[u8] {
        self.last_error
            .get(..self.last_error_len as usize)
            .unwrap_or(&[])
    }
}
