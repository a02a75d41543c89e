//! Memory for the pieces of blobs that are on their way: lent, handed on from thread to thread, and used again.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// How much is read from a file at once, in bytes. A scan takes the same time for 64 KiB to 1 MiB; more take more memory.
const PIECE: usize = 256 * 1024;

/// A bound on the memory that pieces take, shared by all blobs that are read within it.
///
/// Whoever reads waits until enough of the pieces before are dropped. That ends, since nobody who holds a piece waits here.
#[derive(Clone, Debug)]
pub struct Pieces(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Bytes that may be lent at once. A piece that alone is larger is lent when nothing else is.
    limit: usize,
    state: Mutex<State>,
    dropped: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lent: usize,
    /// Buffers of [`PIECE`] bytes that nobody uses.
    spare: Vec<Vec<u8>>,
}

/// Memory that counts as lent until it is dropped.
struct Lent<T: AsRef<[u8]> + Send + 'static> {
    content: T,
    cost: usize,
    shared: Arc<Shared>,
    /// Takes back what can be used again.
    keep: fn(&mut State, &mut T),
}

/// A buffer that a file is read to.
pub(crate) struct Buffer(Lent<Filled>);

#[derive(Default)]
struct Filled {
    bytes: Vec<u8>,
    length: usize,
}

impl Pieces {
    /// Lets pieces take `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Shared {
            limit,
            state: Mutex::default(),
            dropped: Condvar::new(),
        }))
    }

    /// Lends a buffer of [`PIECE`] bytes, once there may be one.
    pub(crate) fn buffer(&self) -> Buffer {
        let spare = self.0.lend(PIECE).spare.pop();
        Buffer(Lent {
            content: Filled {
                bytes: spare.unwrap_or_else(|| vec![0; PIECE]),
                length: 0,
            },
            cost: PIECE,
            shared: Arc::clone(&self.0),
            keep: |state, filled| state.spare.push(std::mem::take(&mut filled.bytes)),
        })
    }

    /// Counts a piece that came from elsewhere as lent, once it may be.
    pub(crate) fn admit(&self, piece: Bytes) -> Bytes {
        let cost = piece.len();
        drop(self.0.lend(cost));
        Bytes::from_owner(Lent {
            content: piece,
            cost,
            shared: Arc::clone(&self.0),
            keep: |_, _| {},
        })
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lend(&self, cost: usize) -> MutexGuard<'_, State> {
        let full =
            |state: &mut State| state.lent > 0 && state.lent.saturating_add(cost) > self.limit;
        let waited = self.dropped.wait_while(self.state(), full);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.lent += cost;
        state
    }
}

impl<T: AsRef<[u8]> + Send + 'static> AsRef<[u8]> for Lent<T> {
    fn as_ref(&self) -> &[u8] {
        self.content.as_ref()
    }
}

impl<T: AsRef<[u8]> + Send + 'static> Drop for Lent<T> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.lent -= self.cost;
        (self.keep)(&mut state, &mut self.content);
        drop(state);
        self.shared.dropped.notify_all();
    }
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Buffer {
    /// The room that can be filled.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        &mut self.0.content.bytes
    }

    /// Makes a piece of the first `length` bytes, at most [`PIECE`].
    pub(crate) fn filled(mut self, length: usize) -> Bytes {
        self.0.content.length = length.min(PIECE);
        Bytes::from_owner(self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn waits_until_a_piece_is_dropped_and_uses_its_memory_again() {
        let pieces = Pieces::new(2 * PIECE);
        let first = pieces.buffer().filled(3);
        let address = first.as_ptr();
        let _second = pieces.buffer().filled(PIECE);
        let (sender, receiver) = mpsc::channel();
        let waiting = pieces.clone();
        let third = thread::spawn(move || {
            sender.send(()).expect("the test listens");
            waiting.buffer().filled(1)
        });
        receiver.recv().expect("the thread runs");
        assert_eq!(pieces.0.state().lent, 2 * PIECE);
        drop(first);
        let third = third.join().expect("it ends");
        assert_eq!(third.as_ptr(), address);
        assert_eq!(pieces.0.state().lent, 2 * PIECE);
    }

    #[test]
    fn a_piece_larger_than_all_is_lent_alone() {
        let pieces = Pieces::new(10);
        let piece = pieces.admit(Bytes::from_static(&[7; 100]));
        assert_eq!(piece[..], [7; 100]);
        drop(piece);
        assert_eq!(pieces.0.state().lent, 0);
    }
}
