//! Exit statuses, and the errors that lead to them.

/// The exit statuses of the tools, by class, so that a scheduler can tell a typo from a throttle.
///
/// The numbers are those of BSD's `sysexits.h` if one fits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or done already.
    Done = 0,
    /// `soci-check` found that a SOCI index is wrong.
    CheckFailed = 1,
    /// The command line or a reference is malformed.
    Usage = 2,
    /// Corrupt, hostile or malformed input: a wrong digest, a limit exceeded.
    BadData = 65,
    /// No document on stdin: the previous stage may have failed.
    NoInput = 66,
    /// The registry or the network is unavailable after all retries.
    Unavailable = 69,
    /// A bug.
    Internal = 70,
    /// The store cannot be created or written.
    StoreUnwritable = 73,
    /// Reading or writing failed, or the disk is full.
    Io = 74,
    /// Trying again later helps: throttled, or locked.
    TryAgain = 75,
    /// The registry broke the protocol, or refused.
    Protocol = 76,
    /// Authentication failed, or a permission is missing.
    Denied = 77,
    /// A configuration file or an environment variable is malformed.
    Configuration = 78,
    /// The repository, tag or digest does not exist.
    NotFound = 80,
    /// Nothing matches: no such platform, or no layer to index.
    NothingMatches = 81,
    /// The stage after this one closed the pipe.
    DownstreamGone = 141,
}

impl Exit {
    /// Returns the exit status.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// An error that knows with which status a tool ends because of it, and how the user can fix it.
///
/// Every library of the workspace implements this for its error type. The tools turn such an error
/// into a message and an exit status in one place, `soci_cli::Failure`.
pub trait Classify: std::error::Error {
    /// Returns the exit status of a tool that fails with this error.
    fn exit(&self) -> Exit;

    /// Returns what the user can do about the error, as an imperative sentence without its period,
    /// if that is known.
    fn hint(&self) -> Option<String> {
        None
    }

    /// Returns whether the text names the object that the operation was about, such as the digest
    /// of a blob, so that the caller need not name it.
    fn names_object(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    impl Classify for fmt::Error {
        fn exit(&self) -> Exit {
            Exit::NotFound
        }
    }

    #[test]
    fn an_error_has_no_hint_and_no_object_of_its_own() {
        assert_eq!(fmt::Error.hint(), None);
        assert!(!fmt::Error.names_object());
    }

    /// Schedulers and scripts tell the classes apart by these numbers.
    #[test]
    fn the_numbers_of_the_statuses_stay() {
        for (exit, code) in [
            (Exit::Done, 0),
            (Exit::CheckFailed, 1),
            (Exit::Usage, 2),
            (Exit::BadData, 65),
            (Exit::NoInput, 66),
            (Exit::Unavailable, 69),
            (Exit::Internal, 70),
            (Exit::StoreUnwritable, 73),
            (Exit::Io, 74),
            (Exit::TryAgain, 75),
            (Exit::Protocol, 76),
            (Exit::Denied, 77),
            (Exit::Configuration, 78),
            (Exit::NotFound, 80),
            (Exit::NothingMatches, 81),
            (Exit::DownstreamGone, 141),
        ] {
            assert_eq!(exit.code(), code, "{exit:?}");
        }
    }
}
