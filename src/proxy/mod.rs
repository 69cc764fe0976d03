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
mod hold;
mod identify;
pub mod ingress;
mod line;
mod lockout;
mod own;
mod pipeline;
mod record;
mod respond;
mod scrub;
mod serve;
mod supervised;
mod tokens;
mod upstream;

pub use gateway::Gateway;
