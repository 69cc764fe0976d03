//! mimalloc, asked for alignment only where it matters.

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys as mi;

/// What every block of mimalloc is aligned to that is at least as large, in bytes (`MI_MAX_ALIGN_SIZE`).
const ALIGNMENT: usize = 16;

/// mimalloc (Leijen, Zorn, de Moura: Mimalloc: Free List Sharding in Action, 2019). Asked for an alignment, as the `mimalloc` crate always
/// does, its third version makes nearly all blocks above 1 KiB larger than they have to be, to find an aligned place in them; one request of
/// a proxy has twenty of those.
#[derive(Debug)]
pub struct Mimalloc;

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
