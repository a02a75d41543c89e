//! The command-line arguments of the tools that speak to registries, and the session that they
//! configure.
//!
//! They are not part of `soci-cli`, because `soci-plan` must not be linked with the registry
//! client.

mod network;
mod registry;
mod variables;

pub use network::NetworkArgs;
pub use registry::RegistryArgs;
pub use variables::VARIABLES;
