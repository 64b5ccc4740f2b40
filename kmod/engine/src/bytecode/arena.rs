// SPDX-License-Identifier: GPL-2.0-only
//! Working memory of the compiler: growable vectors inside one slice of bytes.
//!
//! ```text
//!   | output, grows upwards -> |        free        | <- vectors, carved downwards |
//! ```
//!
//! Nothing is ever given back before the whole slice is: a vector that grows leaves its old place
//! behind, and doubles, so that the waste is below the size of what is live.

use core::mem::MaybeUninit;

/// The workspace is too small.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// The workspace: output at its front, vectors from its end.
pub struct Arena<'w> {
    free: &'w mut [u8],
    front: usize,
}

impl<'w> Arena<'w> {
    /// Takes the whole workspace.
    pub fn new(workspace: &'w mut [u8]) -> Self {
        Self {
            free: workspace,
            front: 0,
        }
    }

    /// Bytes of output so far.
    pub fn front(&self) -> usize {
        self.front
    }

    /// Appends to the output.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let free = core::mem::take(&mut self.free);
        let Some((target, rest)) = free.split_at_mut_checked(bytes.len()) else {
            return Err(Full);
        };
        target.copy_from_slice(bytes);
        self.free = rest;
        self.front = self.front.wrapping_add(bytes.len());
        Ok(())
    }

    /// A place for one value at the end of what is free.
    pub fn place<T>(&mut self) -> Result<&'w mut MaybeUninit<T>, Full> {
        self.slots(1)?.first_mut().ok_or(Full)
    }

    /// Bytes at the end of what is free.
    pub fn bytes(&mut self, count: usize) -> Result<&'w mut [u8], Full> {
        self.carve(count, 0)
    }

    /// Carves `count` elements, all of them `fill`, from the end of what is free.
    fn carve<T: Copy>(&mut self, count: usize, fill: T) -> Result<&'w mut [T], Full> {
        let slots = self.slots(count)?;
        for slot in slots.iter_mut() {
            slot.write(fill);
        }
        #[allow(unsafe_code)]
        // SAFETY: every slot was just written, and MaybeUninit<T> has the layout of T. T is Copy:
        // nothing needs to be dropped.
        Ok(unsafe { core::slice::from_raw_parts_mut(slots.as_mut_ptr().cast(), count) })
    }

    /// Carves room for `count` elements from the end of what is free.
    fn slots<T>(&mut self, count: usize) -> Result<&'w mut [MaybeUninit<T>], Full> {
        let size = size_of::<T>().checked_mul(count).ok_or(Full)?;
        let keep = self.free.len().checked_sub(size).ok_or(Full)?;
        let end = (self.free.as_ptr() as usize).wrapping_add(keep);
        let keep = keep
            .checked_sub(end & align_of::<T>().wrapping_sub(1))
            .ok_or(Full)?;
        let (rest, place) = core::mem::take(&mut self.free)
            .split_at_mut_checked(keep)
            .ok_or(Full)?;
        self.free = rest;
        let (place, _) = place.split_at_mut_checked(size).ok_or(Full)?;
        #[allow(unsafe_code)]
        // SAFETY: place is size bytes that nobody else refers to for 'w, it begins at a multiple of
        // T's alignment (keep was lowered to one), and MaybeUninit<T> allows any bytes.
        Ok(unsafe { core::slice::from_raw_parts_mut(place.as_mut_ptr().cast(), count) })
    }
}

/// A growable vector in an [`Arena`].
pub struct Vec<'w, T> {
    items: &'w mut [T],
    len: usize,
}

impl<T> Default for Vec<'_, T> {
    fn default() -> Self {
        Self {
            items: &mut [],
            len: 0,
        }
    }
}

impl<'w, T: Copy> Vec<'w, T> {
    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends an element.
    pub fn push(&mut self, arena: &mut Arena<'w>, item: T) -> Result<(), Full> {
        if let Some(slot) = self.items.get_mut(self.len) {
            *slot = item;
        } else {
            self.reserve(arena, 1, item)?;
            *self.items.get_mut(self.len).ok_or(Full)? = item;
        }
        self.len = self.len.wrapping_add(1);
        Ok(())
    }

    /// Appends several elements.
    pub fn extend(&mut self, arena: &mut Arena<'w>, items: &[T]) -> Result<(), Full> {
        let Some(&first) = items.first() else {
            return Ok(());
        };
        self.reserve(arena, items.len(), first)?;
        let end = self.len.checked_add(items.len()).ok_or(Full)?;
        self.items
            .get_mut(self.len..end)
            .ok_or(Full)?
            .copy_from_slice(items);
        self.len = end;
        Ok(())
    }

    /// Makes room for so many elements in all.
    pub fn make_room(&mut self, arena: &mut Arena<'w>, count: usize, fill: T) -> Result<(), Full> {
        self.reserve(arena, count.saturating_sub(self.len), fill)
    }

    /// Makes room for `extra` more elements.
    fn reserve(&mut self, arena: &mut Arena<'w>, extra: usize, fill: T) -> Result<(), Full> {
        let wanted = self.len.checked_add(extra).ok_or(Full)?;
        if wanted <= self.items.len() {
            return Ok(());
        }
        let capacity = wanted.max(self.items.len().saturating_mul(2)).max(8);
        let items = arena.carve(capacity, fill)?;
        for (to, from) in items.iter_mut().zip(self.items.iter()) {
            *to = *from;
        }
        self.items = items;
        Ok(())
    }

    /// Removes the last element.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.len.checked_sub(1)?;
        self.len = last;
        self.items.get(last).copied()
    }

    /// Keeps the first `len` elements.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The element at `index`.
    pub fn at(&self, index: usize) -> Option<T> {
        self.as_slice().get(index).copied()
    }

    /// The elements.
    pub fn as_slice(&self) -> &[T] {
        self.items.get(..self.len).unwrap_or(&[])
    }

    /// The elements.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        self.items.get_mut(..self.len).unwrap_or(&mut [])
    }

    /// The last element.
    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.as_mut_slice().last_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_grow_until_the_workspace_is_full() {
        let mut memory = [0u8; 256];
        let mut arena = Arena::new(&mut memory);
        let mut words = Vec::<u64>::default();
        let mut bytes = Vec::<u8>::default();
        bytes.push(&mut arena, 7).unwrap();
        let mut pushed = 0u64;
        while words.push(&mut arena, pushed).is_ok() {
            pushed += 1;
        }
        assert!((8..32).contains(&pushed));
        assert!(words.as_slice().iter().copied().eq(0..pushed));
        assert_eq!(bytes.as_slice(), [7]);
        assert_eq!(arena.append(&[0; 256]), Err(Full));
    }
}
