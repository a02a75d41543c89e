//! Progress bars: on a terminal only, one per piece of work, gone when it is done.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// All bars of a tool. Where stderr is no terminal, or the user wants quiet, nothing is ever drawn.
#[derive(Clone, Debug)]
pub struct Progress {
    bars: MultiProgress,
}

/// The bar of one piece of work. It clears itself when it is dropped.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Progress {
    /// Returns bars that are drawn on stderr where that is a terminal.
    pub(crate) fn on_stderr() -> Self {
        Self {
            bars: MultiProgress::new(),
        }
    }

    /// Returns bars that are never drawn.
    pub fn hidden() -> Self {
        Self {
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
        }
    }

    /// Starts a bar for `label`, a piece of work on `total` bytes.
    pub fn bar(&self, label: &str, total: u64) -> Bar {
        const LINE: &str = "{msg} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        let style =
            ProgressStyle::with_template(LINE).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self
            .bars
            .add(ProgressBar::new(total).with_style(style.progress_chars("=> ")));
        bar.set_message(label.to_owned());
        Bar(bar)
    }

    /// Takes all bars off the terminal, for good.
    pub(crate) fn clear(&self) {
        // A terminal that is gone needs no clearing.
        drop(self.bars.clear());
        self.bars.set_draw_target(ProgressDrawTarget::hidden());
    }

    /// Runs `write` while no bar is on the terminal.
    pub(crate) fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        self.bars.suspend(write)
    }
}

impl Bar {
    /// Counts `bytes` more as done.
    pub fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
