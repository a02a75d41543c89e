//! A limit on the memory of the chunks that threads hand to each other, and a pool that reuses
//! their buffers.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// The size of a pooled buffer, in bytes. A layer is scanned equally fast with 64 KiB to 1 MiB;
/// larger buffers only need more memory.
const BUFFER_SIZE: usize = 256 * 1024;

/// A limit on the bytes of all chunks that are alive at a time. Clones share the limit.
///
/// A reader waits here until other threads drop enough chunks. A thread that holds a chunk must
/// therefore never wait for another one.
#[derive(Clone, Debug)]
pub struct MemoryBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The most bytes that may be in use. A chunk larger than this is admitted when no other is in
    /// use.
    limit: usize,
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes of the chunks that are alive.
    used: usize,
    /// Buffers of [`BUFFER_SIZE`] bytes that are not in use.
    free_buffers: Vec<Vec<u8>>,
}

/// Bytes that count against the budget until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Reservation {
    size: usize,
    shared: Arc<Shared>,
}

/// A buffer of 256 KiB. Its memory goes back to the pool when the last clone of the frozen chunk is
/// dropped.
#[derive(Debug)]
pub struct PooledBuffer {
    memory: Vec<u8>,
    /// The number of bytes at the start that were filled.
    length: usize,
    // Dropped after `drop` has put the memory into the pool, so that a waiting thread finds it
    // there.
    reservation: Reservation,
}

/// A chunk whose memory was allocated elsewhere.
struct AccountedChunk {
    chunk: Bytes,
    _reservation: Reservation,
}

impl MemoryBudget {
    /// Returns a budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Shared {
            limit,
            state: Mutex::default(),
            released: Condvar::new(),
        }))
    }

    /// Returns a budget that no thread ever waits for.
    pub fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// Takes a buffer from the pool, after waiting until the budget admits it.
    pub fn acquire(&self) -> PooledBuffer {
        let reservation = self.reserve(BUFFER_SIZE);
        let pooled = self.0.lock().free_buffers.pop();
        PooledBuffer {
            memory: pooled.unwrap_or_else(|| vec![0; BUFFER_SIZE]),
            length: 0,
            reservation,
        }
    }

    /// Counts a chunk whose memory was allocated elsewhere against the budget, after waiting until
    /// the budget admits it.
    pub fn account(&self, chunk: Bytes) -> Bytes {
        let reservation = self.reserve(chunk.len());
        Bytes::from_owner(AccountedChunk {
            chunk,
            _reservation: reservation,
        })
    }

    /// Counts `size` bytes against the budget, after waiting until the budget admits them. More
    /// than its limit are admitted when nothing else is in use.
    pub fn reserve(&self, size: usize) -> Reservation {
        let shared = &self.0;
        let is_full =
            |state: &mut State| state.used > 0 && state.used.saturating_add(size) > shared.limit;
        let waited = shared.released.wait_while(shared.lock(), is_full);
        waited.unwrap_or_else(PoisonError::into_inner).used += size;
        Reservation {
            size,
            shared: Arc::clone(shared),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shared.lock().used -= self.size;
        self.shared.released.notify_all();
    }
}

impl PooledBuffer {
    /// Returns the whole buffer, to write to.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.memory
    }

    /// Turns the first `length` bytes into a chunk. A `length` above the buffer's size counts as
    /// that size.
    pub fn freeze(mut self, length: usize) -> Bytes {
        self.length = length.min(BUFFER_SIZE);
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.length]
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        self.reservation.shared.lock().free_buffers.push(memory);
    }
}

impl AsRef<[u8]> for AccountedChunk {
    fn as_ref(&self) -> &[u8] {
        &self.chunk
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn waits_until_a_chunk_is_dropped_and_reuses_its_memory() {
        let budget = MemoryBudget::new(2 * BUFFER_SIZE);
        let first = budget.acquire().freeze(3);
        let address = first.as_ptr();
        let _second = budget.acquire().freeze(BUFFER_SIZE);
        let (sender, receiver) = mpsc::channel();
        let waiting = budget.clone();
        let third = thread::spawn(move || {
            sender.send(()).expect("the test receives");
            waiting.acquire().freeze(1)
        });
        receiver.recv().expect("the thread runs");
        assert_eq!(budget.0.lock().used, 2 * BUFFER_SIZE);
        drop(first);
        let third = third.join().expect("the thread ends");
        assert_eq!(third.as_ptr(), address);
        assert_eq!(budget.0.lock().used, 2 * BUFFER_SIZE);
    }

    #[test]
    fn admits_a_chunk_above_the_limit_when_no_other_is_in_use() {
        let budget = MemoryBudget::new(10);
        let chunk = budget.account(Bytes::from_static(&[7; 100]));
        assert_eq!(chunk[..], [7; 100]);
        drop(chunk);
        assert_eq!(budget.0.lock().used, 0);
    }
}
