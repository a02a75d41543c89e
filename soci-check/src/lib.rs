//! Checks the SOCI indexes of images: whether readers accept them, whether they describe the image,
//! and whether a task on AWS Fargate starts lazily.
//!
//! The check has two parts. The first follows the chain of manifests from the tag to the ztocs, and
//! holds each of them against the rules of the readers; it reads no layer. The second, which
//! `--fast` leaves out, proves each ztoc against its layer.

mod answer;
mod args;
mod check;
mod checker;
mod document;
mod examination;
mod findings;
mod image;
mod inspect;
mod layer_access;
mod layers;
mod links;
mod original;
mod place;
mod report;
mod rule;
mod rules;
mod soci_index;
mod surroundings;
mod tag;
mod ztocs;

#[cfg(test)]
mod chain_rule_tests;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod flip_tests;
#[cfg(test)]
mod rule_coverage_tests;
#[cfg(test)]
mod unused_index_tests;
#[cfg(test)]
mod wrong_index_tests;
#[cfg(test)]
mod ztoc_rule_tests;

pub use args::Args;
