//! The closed set of secret providers, and the slots through which the data plane reads secrets.
