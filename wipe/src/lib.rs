//! An allocator that wipes what is freed, as far as it may hold a credential.
//!
//! The one crate with unsafe code, which `GlobalAlloc` cannot be implemented without. Libraries that wipe every block whole cost a proxy a
//! tenth of its time: an HTTP/1 body passes through a buffer of 64 KiB, one for each answer, of which nearly all was never written.

mod mimalloc;

use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;

pub use mimalloc::Mimalloc;

/// The largest text that is wiped whole, in bytes. Heads, their fields, secrets, tokens and what is encrypted of them are in smaller ones (a
/// record of TLS has at most 16 KiB); in larger ones are bodies on their way, and tables.
pub const WHOLE: usize = 32 * 1024;

/// How much is wiped of a larger one: its beginning, in bytes, where all of a short body is.
pub const BEGINNING: usize = 4 * 1024;

/// How much of a block is wiped. A block of bytes, or of the halves of wide characters, is a text or a piece of one; what is aligned to more is
/// mostly numbers and pointers, and of that large ones, the states of tasks and tables, only begin with what may not be.
const fn wiped(layout: Layout) -> usize {
    let whole = if layout.align() > 2 { BEGINNING } else { WHOLE };
    match layout.size() {
        size if size <= whole => size,
        _ => BEGINNING,
    }
}

/// Wipes texts of up to [`WHOLE`] bytes and the [`BEGINNING`] of all else before the allocator behind it has them back.
#[derive(Debug)]
pub struct Wiping<A>(pub A);

// SAFETY: every call is handed on as it came, and only memory that its owner gives up is written to.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Wiping<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is handed on.
        unsafe { self.0.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is handed on.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller owns the whole block, and never reads it again. What nobody may see is not optimised away.
        unsafe { black_box(block).write_bytes(0, wiped(layout)) };
        black_box(block);
        // SAFETY: the caller's promise is handed on.
        unsafe { self.0.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises a size that is not zero and, with the alignment, no overflow; the two blocks are apart; and the caller
        // gives up the old one when it gets a new one.
        unsafe {
            let new = self.0.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                new.copy_from_nonoverlapping(block, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::System;
    use std::cell::Cell;

    use super::*;

    /// Counts what it is given back, and the bytes in that which are not zero.
    struct Spy {
        blocks: Cell<usize>,
        left: Cell<usize>,
    }

    // SAFETY: the system's allocator does it all; blocks are read before they are given back.
    unsafe impl GlobalAlloc for Spy {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller's promise is handed on.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: the tests below write to every byte of their blocks before they free them.
            let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
            self.blocks.set(self.blocks.get() + 1);
            self.left.set(self.left.get() + bytes.iter().filter(|&&byte| byte != 0).count());
            // SAFETY: the caller's promise is handed on.
            unsafe { System.dealloc(block, layout) }
        }
    }

    fn spied() -> Wiping<Spy> {
        Wiping(Spy { blocks: Cell::new(0), left: Cell::new(0) })
    }

    fn seen(wiping: &Wiping<Spy>) -> (usize, usize) {
        (wiping.0.blocks.get(), wiping.0.left.get())
    }

    #[test]
    fn a_block_is_given_back_wiped_and_a_large_one_where_it_begins() {
        for (size, align, left) in [
            (1, 1, 0),
            (7, 8, 0),
            (BEGINNING, 8, 0),
            (BEGINNING + 8, 8, 8),
            (BEGINNING + 8, 4, 8),
            (BEGINNING + 8, 2, 0),
            (WHOLE, 1, 0),
            (WHOLE + 1, 1, WHOLE + 1 - BEGINNING),
            (WHOLE + 8, 8, WHOLE + 8 - BEGINNING),
        ] {
            let wiping = spied();
            let layout = Layout::from_size_align(size, align).expect("a layout");
            // SAFETY: the block has this layout, and is freed once.
            unsafe {
                let block = wiping.alloc(layout);
                block.write_bytes(0xAA, size);
                wiping.dealloc(block, layout);
            }
            assert_eq!(seen(&wiping), (1, left), "{size} {align}");
        }
    }

    #[test]
    fn a_block_that_grows_or_shrinks_keeps_its_bytes_and_is_left_wiped() {
        for (from, to) in [(16, 64), (64, 16), (WHOLE, WHOLE + 1), (2 * WHOLE, 4 * WHOLE)] {
            let wiping = spied();
            let layout = Layout::from_size_align(from, 1).expect("a layout");
            // SAFETY: the block has this layout, and belongs to `realloc` afterwards.
            let (kept, block) = unsafe {
                let block = wiping.alloc(layout);
                block.write_bytes(0xAA, from);
                let block = wiping.realloc(block, layout, to);
                (std::slice::from_raw_parts(block, from.min(to)).iter().all(|&byte| byte == 0xAA), block)
            };
            assert!(kept, "{from} to {to}");
            let left = if from > WHOLE { from - BEGINNING } else { 0 };
            assert_eq!(seen(&wiping), (1, left), "{from} to {to}");
            // SAFETY: it has this layout by now; all of it is written to.
            unsafe {
                block.write_bytes(0, to);
                wiping.dealloc(block, Layout::from_size_align(to, 1).expect("a layout"));
            }
        }
    }
}
