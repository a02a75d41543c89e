//! Look-ups that only save an upload. A registry that leaves one open is sent the content.

use crate::error::{Denial, Fault, Operation, RegistryError, Violation};

/// Returns `None` for a look-up that failed in a way that an upload may not fail.
///
/// # Errors
///
/// Returns the other errors, as [`leaves_open`] distinguishes them.
pub(crate) fn open_as_none<T>(
    operation: &Operation,
    found: Result<Option<T>, RegistryError>,
) -> Result<Option<T>, RegistryError> {
    match found {
        Err(error) if leaves_open(&error) => {
            tracing::debug!("{operation}: {}; it counts as missing", error.reason());
            Ok(None)
        }
        found => found,
    }
}

/// Returns whether a failed look-up says nothing about a later upload: the registry answered, but
/// not whether it has the object. An upload does not succeed without a connection or credentials
/// either, and a target that the client must not use is always an error.
pub const fn leaves_open(error: &RegistryError) -> bool {
    match error {
        RegistryError::Denied { denial, .. } => matches!(denial, Denial::Refused { .. }),
        RegistryError::Unavailable { fault, .. } => matches!(fault, Fault::Status { .. }),
        RegistryError::Protocol { violation, .. } => {
            !matches!(violation, Violation::Challenge | Violation::Target { .. })
        }
        RegistryError::BadData { .. } | RegistryError::NotFound { .. } => true,
        _ => false,
    }
}
