//! How tokens, key sets and chains behave as a whole.

mod attacks;
mod chain;
mod keys;
mod tokens;
