//! The memory of the tables of files of layers that are read at the same time.
//!
//! The table of a usual layer has less than a megabyte, but a layer of millions of files may need
//! all the memory that `--max-ztoc-size` allows. So that `--jobs` does not multiply it, one layer
//! at a time may have a large table.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The memory in bytes of a table above which it is large: about 300,000 files.
pub(crate) const LARGE_TABLE: u64 = 8 << 20;

/// Lets one layer at a time have a large table.
#[derive(Debug, Default)]
pub(crate) struct LargeTables {
    is_taken: Mutex<bool>,
    released: Condvar,
}

/// The permission to have a large table, until this is dropped.
#[derive(Debug)]
pub(crate) struct LargeTable<'a>(&'a LargeTables);

impl LargeTables {
    /// Takes the permission, unless another layer has it.
    pub(crate) fn take(&self) -> Option<LargeTable<'_>> {
        let mut is_taken = self.lock();
        let is_free = !std::mem::replace(&mut *is_taken, true);
        is_free.then(|| LargeTable(self))
    }

    /// Takes the permission after waiting for it. The caller must hold nothing that the layer needs
    /// which has it, such as buffers.
    pub(crate) fn wait(&self) -> LargeTable<'_> {
        let waited = self.released.wait_while(self.lock(), |is_taken| *is_taken);
        *waited.unwrap_or_else(PoisonError::into_inner) = true;
        LargeTable(self)
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LargeTable<'_> {
    fn drop(&mut self) {
        *self.0.lock() = false;
        self.0.released.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_layer_at_a_time_has_a_large_table() {
        let tables = LargeTables::default();
        let first = tables.take().expect("free");
        assert!(tables.take().is_none());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| drop(tables.wait()));
            drop(first);
            waiting.join().expect("no panic");
        });
        assert!(tables.take().is_some());
    }
}
