//! What reading an archive needs and reading a layer does not.

use super::{State, TarReader};

impl TarReader {
    /// Leaves out the entries that a ztoc cannot hold, except for old GNU sparse files, whose
    /// contents do not follow their header.
    pub(crate) const fn ignoring_unsupported(mut self) -> Self {
        self.ignores_unsupported = true;
        self
    }

    /// Returns how many of the next bytes are contents and padding.
    pub(crate) const fn skippable_bytes(&self) -> u64 {
        match self.state {
            State::Contents { left, padding } => left.saturating_add(padding),
            _ => 0,
        }
    }

    /// Counts `bytes` bytes of contents and padding as read, at most
    /// [`TarReader::skippable_bytes`].
    pub(crate) fn skip(&mut self, bytes: u64) {
        if let State::Contents { left, padding } = &mut self.state {
            let skipped = bytes.min(left.saturating_add(*padding));
            *padding = padding.saturating_sub(skipped.saturating_sub(*left));
            *left = left.saturating_sub(skipped);
            if *left == 0 && *padding == 0 {
                self.state = State::Header;
            }
            self.advance(skipped);
        }
    }
}
