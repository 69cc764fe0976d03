//! An allocator that wipes what is freed, as far as it may hold a credential.
//!
//! The one crate with unsafe code, which `GlobalAlloc` cannot be implemented without. Libraries that wipe every block whole cost a proxy a
//! tenth of its time: an HTTP/1 body passes through a buffer of 64 KiB, one for each answer, of which nearly all was never written.

mod mimalloc;

use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;

pub use mimalloc::Mimalloc;

/// The largest text that is wiped whole whatever stands in it, in bytes. Heads, their fields, secrets, tokens and what is encrypted of them are
/// in smaller ones (a record of TLS has at most 16 KiB); in larger ones are bodies on their way, and tables.
const WHOLE: usize = 32 * 1024;

/// How much of a larger one is wiped at once, in bytes, and of what is no text and not large.
const PIECE: usize = 4 * 1024;

/// How many zeros behind a piece say that nothing was written from there on: texts are written from their beginning.
const NOTHING: usize = 512;

/// From which size on what is no text is given back to the system in place of being written to, in bytes: of a decoder's window of 8 MiB most
/// may never have been touched.
const GIVEN_BACK: usize = 1 << 20;

/// What C asks for, which does not say what it is for.
const ANYTHING: usize = 16;

/// Wipes what may hold a credential. A block of bytes, or of the halves of wide characters, is a text or a piece of one. What is aligned to more
/// is mostly numbers and pointers, and of that the states of tasks only begin with what may not be; but larger than those are the windows of
/// decoders.
///
/// # Safety
/// The block is the caller's own, and has that layout.
#[inline]
unsafe fn wipe(block: *mut u8, layout: Layout) {
    let size = layout.size();
    // SAFETY: all within the block. What nobody may see is not optimised away.
    unsafe {
        match layout.align() {
            1 | 2 if size > WHOLE => wipe_written(black_box(block), size),
            1 | 2 | ANYTHING if size <= WHOLE => black_box(block).write_bytes(0, size),
            _ if size <= WHOLE => black_box(block).write_bytes(0, size.min(PIECE)),
            _ => wipe_all(black_box(block), size),
        }
    }
    black_box(block);
}

/// Wipes a block as far as it was written to.
///
/// # Safety
/// There are so many bytes, and they are the caller's own.
unsafe fn wipe_written(block: *mut u8, size: usize) {
    let mut at = 0;
    loop {
        let piece = PIECE.min(size - at);
        // SAFETY: within the block. It came through `black_box`, so that nobody can take it for memory that was never written to.
        let next = unsafe {
            block.add(at).write_bytes(0, piece);
            at += piece;
            std::slice::from_raw_parts(block.add(at), NOTHING.min(size - at))
        };
        // Mostly the first few bytes tell.
        if next.chunks(64).all(|bytes| bytes.iter().fold(0, |all, byte| all | byte) == 0) {
            return;
        }
    }
}

/// Wipes all of a block, of a large one by taking its pages from it.
///
/// # Safety
/// There are so many bytes, and they are the caller's own, in private memory of no file, in pages of the usual size: mimalloc takes others only
/// where variables of the environment tell it to.
#[cold]
unsafe fn wipe_all(block: *mut u8, size: usize) {
    if size < GIVEN_BACK {
        // SAFETY: the caller's promise is handed on.
        return unsafe { block.write_bytes(0, size) };
    }
    let page = rustix::param::page_size();
    let (begin, inner) = (block.addr().next_multiple_of(page) - block.addr(), size / page * page - page);
    // SAFETY: whole pages within the block, of which nobody reads the bytes again; the rest is written to, and all where that fails.
    unsafe {
        if rustix::mm::madvise(block.add(begin).cast(), inner, rustix::mm::Advice::LinuxDontNeed).is_err() {
            block.write_bytes(0, size);
        }
        block.write_bytes(0, begin);
        block.add(begin + inner).write_bytes(0, size - begin - inner);
    }
}

/// Wipes blocks before the allocator behind it has them back: texts as far as they were written, what is no text up to [`WHOLE`] bytes in its
/// first [`PIECE`], and all of what is larger.
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
        // SAFETY: the caller owns the whole block, and never reads it again.
        unsafe { wipe(block, layout) };
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
    fn a_block_is_given_back_wiped_and_the_state_of_a_task_where_it_begins() {
        for (size, align, left) in [
            (1, 1, 0),
            (7, 8, 0),
            (PIECE, 8, 0),
            (PIECE + 8, 8, 8),
            (PIECE + 8, 4, 8),
            (PIECE + 8, 2, 0),
            (PIECE + 8, ANYTHING, 0),
            (PIECE + 8, 128, 8),
            (WHOLE, 8, WHOLE - PIECE),
            (WHOLE, 1, 0),
            (WHOLE + 1, 1, 0),
            (WHOLE + PIECE + 1, 1, 0),
            (3 << 20, 1, 0),
            (WHOLE + 8, 8, 0),
            (WHOLE + 8, ANYTHING, 0),
            (GIVEN_BACK - 8, 8, 0),
            (GIVEN_BACK, 8, 0),
            (GIVEN_BACK + 4096 + 8, 16, 0),
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
    fn a_large_text_is_wiped_as_far_as_it_was_written() {
        for (written, left) in [(0, 1), (100, 1), (PIECE, 1), (PIECE + 1, 1), (WHOLE, 1), (2 * WHOLE - PIECE + 1, 0)] {
            let wiping = spied();
            let layout = Layout::from_size_align(2 * WHOLE, 1).expect("a layout");
            // SAFETY: the block has this layout, and is freed once.
            unsafe {
                let block = wiping.alloc_zeroed(layout);
                block.write_bytes(0xAA, written);
                // Behind nothing, where only somebody puts it who fills a buffer from its end.
                block.add(2 * WHOLE - 1).write(0xAA);
                wiping.dealloc(block, layout);
            }
            assert_eq!(seen(&wiping), (1, left), "{written}");
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
            assert_eq!(seen(&wiping), (1, 0), "{from} to {to}");
            // SAFETY: it has this layout by now; all of it is written to.
            unsafe {
                block.write_bytes(0, to);
                wiping.dealloc(block, Layout::from_size_align(to, 1).expect("a layout"));
            }
        }
    }
}
