//! Policy: a principal and a request become a [`Permit`], or a denial. Nothing else in the product can make a permit.

mod hours;
mod policy;
mod roles;
mod trace;

pub use hours::Hours;
pub use policy::{Enforcement, Grantee, Permit, Policy, Rule, RuleApproval, Unauthorized};
pub use roles::{Circumstances, RoleConditions, RoleFault, RoleTimes, Roles};
pub use trace::{Considered, RuleFault};
