//! How much is done: all of it where `cargo bench` measures, a little where `cargo test` looks whether it runs.

/// So many of this many.
pub(crate) fn scaled(count: u32) -> u32 {
    if std::env::args().any(|word| word == "--bench") { count } else { (count / 1000).max(10) }
}
