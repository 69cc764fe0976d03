//! Lines: what goes on as something else, and honest texts of many lines.
