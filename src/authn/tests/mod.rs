//! How tokens, key sets and chains behave as a whole.

mod asked;
mod asking;
mod attacks;
mod chain;
mod discovery;
mod keys;
mod mtls;
mod review;
mod sessions;
mod tokens;
mod vectors;
