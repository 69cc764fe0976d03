//! Policy: a principal and a request become a [`Permit`], or a denial. Nothing else in the product can make a permit.

mod policy;
mod roles;

pub use policy::{Grantee, Permit, Policy, Rule, Unauthorized};
pub use roles::{RoleTimes, Roles};
