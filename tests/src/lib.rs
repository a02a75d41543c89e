//! End-to-end tests of the four tools; the tests themselves are in `tests/`.
