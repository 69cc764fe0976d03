//! The data plane: one request from its first byte to its record. `pipeline` has it on one page.

mod access;
mod admission;
mod body;
mod caller;
mod client_certificates;
mod descriptors;
mod exchange;
mod failure;
mod forwarded;
mod gateway;
mod hold;
mod identify;
pub mod ingress;
mod line;
mod lockout;
mod own;
mod pipeline;
mod record;
mod respond;
mod serve;
mod supervised;
mod tokens;
mod upstream;

pub use gateway::Gateway;
