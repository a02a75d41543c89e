//! Checks that the registry follows the distribution specification as long as it has no fault, and
//! that its deviations are those of real registries.

mod deviations;
mod requests;
mod specification;
