//! Rows B and K
