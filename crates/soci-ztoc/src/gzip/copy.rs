//! Writes literals and copies matches.

#![expect(
    clippy::inline_always,
    reason = "the fast loop must be one function, compiled for the instruction set of its caller"
)]

use std::ops::Range;

/// Bytes that a match is copied in at a time. The last copy may write up to this many bytes too
/// many; later output overwrites them.
const COPY_SIZE: usize = 16;

/// Writes a byte, if `position` is within `output`.
#[inline(always)]
pub(crate) fn write_byte(output: &mut [u8], position: usize, byte: u8) {
    if let Some(slot) = output.get_mut(position) {
        *slot = byte;
    }
}

/// Writes `length` bytes at `position` that repeat those `distance` bytes before it. May write up
/// to [`COPY_SIZE`] bytes too many.
#[inline(always)]
pub(crate) fn copy_match(output: &mut [u8], position: usize, distance: usize, length: usize) {
    let from = position.wrapping_sub(distance);
    let to = position..position.wrapping_add(length);
    if distance >= COPY_SIZE {
        copy_chunks::<COPY_SIZE>(output, from, to, COPY_SIZE);
    } else if distance == 1 {
        repeat_byte(output, to);
    } else {
        // Of each eight bytes copied, the first `distance` are right. The rest is overwritten by
        // the next copy, which starts `distance` bytes later.
        copy_chunks::<8>(output, from, to, distance.min(8));
    }
}

/// Fills `to` with the byte before it.
#[inline(always)]
fn repeat_byte(output: &mut [u8], to: Range<usize>) {
    let last = to.start.wrapping_sub(1);
    let byte = output.get(last).copied().unwrap_or(0);
    let mut position = to.start;
    while position < to.end {
        let end = position.wrapping_add(COPY_SIZE);
        let Some(chunk) = output.get_mut(position..end) else {
            return;
        };
        chunk.fill(byte);
        position = end;
    }
}

/// Copies `N` bytes, advances both positions by `step`, and repeats that until `to` is full.
#[inline(always)]
fn copy_chunks<const N: usize>(output: &mut [u8], from: usize, to: Range<usize>, step: usize) {
    let (mut from, mut position) = (from, to.start);
    loop {
        // Checked here, so that `copy_within` has a length known at compile time and needs no call.
        let (past, end) = (from.wrapping_add(N), position.wrapping_add(N));
        if from > past || past > output.len() || end > output.len() {
            return;
        }
        output.copy_within(from..past, position);
        from = from.wrapping_add(step);
        position = position.wrapping_add(step);
        if position >= to.end {
            return;
        }
    }
}
