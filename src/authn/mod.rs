//! The closed set of authenticators: a presented credential becomes a Principal, or a fault.
