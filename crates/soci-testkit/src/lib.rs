//! What the tests share: goldens, fixtures, registries and a process runner.

pub mod golden;
