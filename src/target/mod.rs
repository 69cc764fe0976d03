//! Upstream APIs: backends, selection, health, and peers bound to an origin.
