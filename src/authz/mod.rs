//! Policy: a principal and a request become a [`Permit`], or a denial. Nothing else in the product can make a permit.

mod hours;
mod policy;
mod roles;

pub use hours::Hours;
pub use policy::{Grantee, Permit, Policy, Rule, RuleApproval, Unauthorized};
pub use roles::{Circumstances, RoleConditions, RoleTimes, Roles};
