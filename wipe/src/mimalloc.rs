//! mimalloc, asked for alignment only where it matters.

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::{c_int, c_long};

use libmimalloc_sys as mi;

/// `mi_option_purge_delay`: after how many milliseconds free memory is given back; never, below zero.
const PURGE_DELAY: c_int = 15;
/// `mi_option_minimal_purge_size`: how much has to be free together for that, in KiB.
const MINIMAL_PURGE_SIZE: c_int = 44;
/// How much a huge page holds, in KiB.
const HUGE_PAGE: c_long = 2048;
/// No smaller page is there.
const SMALL_PAGE: usize = 4096;

/// What every block of mimalloc is aligned to that is at least as large, in bytes (`MI_MAX_ALIGN_SIZE`).
const ALIGNMENT: usize = 16;

/// mimalloc (Leijen, Zorn, de Moura: Mimalloc: Free List Sharding in Action, 2019). Asked for an alignment, as the `mimalloc` crate always
/// does, its third version makes nearly all blocks above 1 KiB larger than they have to be, to find an aligned place in them; one request of
/// a proxy has twenty of those.
#[derive(Debug)]
pub struct Mimalloc;

impl Mimalloc {
    /// Takes so much memory from the system, in bytes, and keeps it for the blocks to come: in huge pages, where the system has them, and cleared
    /// now, not in the middle of whatever is the first to need it. For the beginning of a program: it does nothing once there are more threads than one, or where that is not known.
    pub fn warm(bytes: usize) {
        if std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count) != 1 {
            return;
        }
        // SAFETY: no other thread reads or sets an option, as there is none.
        let delay = unsafe { mi::mi_option_get(PURGE_DELAY) };
        // SAFETY: as above. The block is written to within its size, and freed once.
        unsafe {
            mi::mi_option_set(MINIMAL_PURGE_SIZE, HUGE_PAGE);
            // What is freed while this says so is kept.
            mi::mi_option_set(PURGE_DELAY, -1);
            let block = mi::mi_malloc(bytes).cast::<u8>();
            if !block.is_null() {
                (0..bytes).step_by(SMALL_PAGE).for_each(|place| block.add(place).write_volatile(0));
                mi::mi_free(block.cast());
            }
            mi::mi_option_set(PURGE_DELAY, delay);
        }
    }
}

/// Whether any block of this size is aligned enough.
fn is_plain(layout: Layout) -> bool {
    layout.align() <= ALIGNMENT && layout.align() <= layout.size()
}

// SAFETY: mimalloc's functions are those of an allocator. A plain block is aligned to the largest power of two up to 16 that its size holds.
unsafe impl GlobalAlloc for Mimalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: any size and any power of two will do.
        let block = unsafe { if is_plain(layout) { mi::mi_malloc(size) } else { mi::mi_malloc_aligned(size, align) } };
        block.cast()
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: as above.
        let block = unsafe { if is_plain(layout) { mi::mi_zalloc(size) } else { mi::mi_zalloc_aligned(size, align) } };
        block.cast()
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the block is one of mimalloc's, and its owner gives it up.
        unsafe { mi::mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above. It takes up to a word's alignment for plain by itself.
        unsafe { mi::mi_realloc_aligned(block.cast(), size, layout.align()).cast() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_as_was_asked_and_zeroed_ones_are_zero() {
        for size in (1..=256).chain((256..20_000).step_by(61)).chain([65_536, 1 << 20, 8 << 20]) {
            for align in [1, 2, 4, 8, 16, 32, 64, 128, 4096] {
                let layout = Layout::from_size_align(size, align).expect("a layout");
                // SAFETY: each block is read within its size, written to and freed once.
                unsafe {
                    let (block, zeroed) = (Mimalloc.alloc(layout), Mimalloc.alloc_zeroed(layout));
                    assert!(!block.is_null() && block.addr() % align == 0, "{size} {align}");
                    assert!(!zeroed.is_null() && zeroed.addr() % align == 0, "{size} {align}");
                    assert!(std::slice::from_raw_parts(zeroed, size).iter().all(|&byte| byte == 0), "{size} {align}");
                    block.write_bytes(0xAA, size);
                    zeroed.write_bytes(0xAA, size);
                    Mimalloc.dealloc(zeroed, layout);
                    let grown = Mimalloc.realloc(block, layout, size * 2);
                    assert!(grown.addr() % align == 0, "{size} {align}");
                    assert!(std::slice::from_raw_parts(grown, size).iter().all(|&byte| byte == 0xAA), "{size} {align}");
                    grown.write_bytes(0xAA, size * 2);
                    Mimalloc.dealloc(grown, Layout::from_size_align(size * 2, align).expect("a layout"));
                }
            }
        }
    }
}
