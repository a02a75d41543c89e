//! Progress bars on a terminal.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// All progress bars of a tool. Nothing is drawn if stderr is not a terminal, or with `--quiet`.
#[derive(Clone, Debug)]
pub struct Progress {
    bars: MultiProgress,
}

/// The progress bar of one transfer, such as that of a layer. Dropping it clears it.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Progress {
    /// Returns progress bars that are drawn on stderr if that is a terminal.
    pub(crate) fn on_stderr() -> Self {
        Self {
            bars: MultiProgress::new(),
        }
    }

    /// Returns progress bars that are never drawn.
    pub fn hidden() -> Self {
        Self {
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
        }
    }

    /// Adds a bar with the text `label` for a transfer of `total` bytes.
    pub fn add_bar(&self, label: &str, total: u64) -> Bar {
        const LINE: &str = "{msg} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        let style =
            ProgressStyle::with_template(LINE).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self
            .bars
            .add(ProgressBar::new(total).with_style(style.progress_chars("=> ")));
        bar.set_message(label.to_owned());
        Bar(bar)
    }

    /// Clears all bars. Later changes are not drawn.
    pub(crate) fn clear(&self) {
        // If the terminal is gone, there is nothing to clear.
        drop(self.bars.clear());
        self.bars.set_draw_target(ProgressDrawTarget::hidden());
    }

    /// Runs `write` while the bars are cleared from the terminal, and draws them again.
    pub(crate) fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        self.bars.suspend(write)
    }
}

impl Bar {
    /// Adds `bytes` to the bytes that are done.
    pub fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
