//! TOML -> checked -> compiled snapshot, or every error with file, line, column and cure.
