//! Expressions: attacks of each engine, and honest placeholders.
