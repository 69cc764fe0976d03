//! One record per exchange, written off the request path.
