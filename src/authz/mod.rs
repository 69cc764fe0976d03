//! Policy: a principal and a request become a Permit, or a denial.
