//! Exit statuses: the part of the contract between the tools that a scheduler reads.

/// Why a tool ended, by class, so that a scheduler can tell a typo from a throttle.
///
/// The numbers are those of BSD's `sysexits` where one fits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or done already.
    Done = 0,
    /// The command line or a reference is malformed.
    Usage = 2,
    /// Corrupt, hostile or malformed input: a wrong digest, a limit exceeded.
    BadData = 65,
    /// No document on stdin: the stage before failed.
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
