//! Docker's configuration, the replies of its credential helpers, and the names of registries.
#![no_main]

use libfuzzer_sys::fuzz_target;
use soci_fuzz::Input;
use soci_registry::fuzzing::read_credentials;

// The input is the name of a registry, a configuration, and the reply of a helper, separated by
// NUL.
fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let registry = String::from_utf8_lossy(input.until(0));
    let config = input.until(0);
    read_credentials(&registry, config, input.rest());
});
