//! The ztoc: one streaming pass from a layer to its bytes, and back.
