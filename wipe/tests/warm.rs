//! Memory that was made warm is there at once. A program of its own, without a harness: there may be one thread only.

use std::alloc::{GlobalAlloc, Layout};

use claviger_wipe::Mimalloc;

const BYTES: usize = 8 << 20;
const SMALL_PAGE: usize = 4096;

/// How often this process had to wait for a page of memory so far.
fn faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("the system tells");
    let behind_name = stat.rsplit_once(')').expect("a name").1;
    behind_name.split_whitespace().nth(7).expect("minor faults").parse().expect("a number")
}

/// How many pages have to be waited for until so much is in use, in blocks.
fn waits() -> u64 {
    let layout = Layout::from_size_align(BYTES / 64, 8).expect("a layout");
    let before = faults();
    // SAFETY: each block is written to within its size, and freed once.
    unsafe {
        let blocks: [_; 64] = std::array::from_fn(|_| Mimalloc.alloc(layout));
        blocks.iter().for_each(|block| block.write_bytes(1, layout.size()));
        blocks.iter().for_each(|&block| Mimalloc.dealloc(block, layout));
    }
    faults() - before
}

fn main() {
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    Mimalloc::warm(2 * BYTES);
    // As a proxy does: what comes later comes in small pages, one by one.
    rustix::thread::disable_transparent_huge_pages(true).expect("small pages");
    let waited = waits();
    let pages = BYTES / SMALL_PAGE;
    assert!(waited < pages as u64 / 10, "{waited} of {pages} pages");
    println!("warm memory: {waited} of {pages} pages were waited for");
}
