//! The data plane: one request from its first byte to its record. `pipeline` has it on one page.

mod access;
mod admission;
mod body;
mod caller;
mod canary;
mod client_certificates;
mod coding;
mod decide;
mod descriptors;
mod exchange;
mod failure;
mod forwarded;
mod frames;
mod gateway;
mod grpc;
mod held;
mod hold;
mod identify;
pub mod ingress;
mod inspect;
mod line;
mod lockout;
mod own;
mod pipeline;
mod record;
mod replay;
mod respond;
mod scrub;
mod serve;
mod sieve;
mod supervised;
mod tokens;
mod upstream;
mod windows;
mod withhold;

pub use gateway::Gateway;
