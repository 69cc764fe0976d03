//! The closed set of injections: what puts a credential on an upstream request.
