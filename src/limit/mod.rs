//! Rate and concurrency limits.
