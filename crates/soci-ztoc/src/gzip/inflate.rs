//! A safe face for zlib-rs, which reads the headers of layers, and reads layers back through their ztocs.
//!
//! zlib-rs offers `Z_BLOCK` and priming through its C-shaped interface alone, so this module has `unsafe`. Callers hand in
//! slices and get counts back; no pointer outlives a call.
#![expect(
    unsafe_code,
    reason = "stopping at block boundaries exists only in the C-shaped interface of zlib-rs"
)]

use std::ffi::{CStr, c_int};
use std::fmt;

use libz_rs_sys as zlib;

/// Detects zlib and gzip headers; 32 KiB window.
const DETECT: c_int = 47;
/// Deflate without any header; 32 KiB window.
const RAW: c_int = -15;
/// Gzip headers only; 32 KiB window.
const GZIP: c_int = 31;

/// Size of the history that deflate may refer to, in bytes.
pub(crate) const WINDOW: usize = 32 * 1024;

/// An inflate stream.
pub(crate) struct Inflater {
    /// Boxed so that its address stays the same for as long as zlib knows it.
    stream: Box<zlib::z_stream>,
}

// SAFETY: the stream and all that it points to are owned by this value alone: the state was
// allocated by `inflateInit2_` with zlib-rs's default allocator, which is Rust's global one and
// not bound to a thread. The pointers to input and output are not used between calls.
unsafe impl Send for Inflater {}

/// What one call did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Input bytes used up.
    pub(crate) consumed: usize,
    /// Output bytes written.
    pub(crate) produced: usize,
    /// Why the call returned.
    pub(crate) stop: Stop,
}

/// Why a call returned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stop {
    /// A header or a block other than the last one has just ended. `unused_bits` (0 to 7) high
    /// bits of the last consumed byte belong to what follows.
    Boundary { unused_bits: u8 },
    /// The input is used up, or the output is full, or the last block ended.
    Starved,
    /// The stream is complete, trailer included.
    StreamEnd,
}

/// Whether to return at block boundaries.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Returns at each boundary.
    Blocks,
    /// Goes on until input or output run out.
    Through,
}

/// Why a stream cannot be inflated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum InflateError {
    /// The input is not what it should be.
    Data(String),
    /// The state could not be allocated.
    Memory,
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}

impl Inflater {
    /// Expects a gzip header, or a zlib header, as the reference does.
    pub(crate) fn detect() -> Result<Self, InflateError> {
        Self::new(DETECT)
    }

    /// Resumes in the middle of a stream: with the unused high bits of the byte before the input,
    /// and the output before the next byte.
    pub(crate) fn resume(bits: u8, byte: u8, window: &[u8]) -> Result<Self, InflateError> {
        let mut inflater = Self::new(RAW)?;
        if bits > 0 {
            let used = 8_u32.saturating_sub(bits.into());
            let value = c_int::from(byte.checked_shr(used).unwrap_or(0));
            // SAFETY: the stream was initialised in `new` and is exclusively borrowed.
            let code = unsafe { zlib::inflatePrime(inflater.stream(), bits.into(), value) };
            inflater.check(code)?;
        }
        let length = u32::try_from(window.len())
            .ok()
            .ok_or(InflateError::Memory)?;
        // SAFETY: the stream was initialised in `new` and is exclusively borrowed; pointer and
        // length describe `window`, which is only read.
        let code =
            unsafe { zlib::inflateSetDictionary(inflater.stream(), window.as_ptr(), length) };
        inflater.check(code)?;
        Ok(inflater)
    }

    fn new(window_bits: c_int) -> Result<Self, InflateError> {
        let mut inflater = Self {
            stream: Box::new(zlib::z_stream::default()),
        };
        let size = c_int::try_from(size_of::<zlib::z_stream>()).unwrap_or(0);
        // SAFETY: the stream is a valid, default-initialised `z_stream` (null allocators mean
        // zlib-rs's own), the version is the library's, the size that of the struct.
        let code = unsafe {
            zlib::inflateInit2_(inflater.stream(), window_bits, zlib::zlibVersion(), size)
        };
        inflater.check(code)?;
        Ok(inflater)
    }

    /// Starts over at the header of another gzip or zlib stream.
    pub(crate) fn reset_detect(&mut self) -> Result<(), InflateError> {
        self.reset(DETECT)
    }

    /// Starts over at the header of another gzip stream.
    pub(crate) fn reset_gzip(&mut self) -> Result<(), InflateError> {
        self.reset(GZIP)
    }

    fn reset(&mut self, window_bits: c_int) -> Result<(), InflateError> {
        // SAFETY: the stream was initialised in `new` and is exclusively borrowed.
        let code = unsafe { zlib::inflateReset2(self.stream(), window_bits) };
        self.check(code)
    }

    /// Inflates from `input` to `output` until something stops it.
    pub(crate) fn run(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        pace: Pace,
    ) -> Result<Step, InflateError> {
        let offered = u32::try_from(input.len()).unwrap_or(u32::MAX);
        let room = u32::try_from(output.len()).unwrap_or(u32::MAX);
        self.stream.next_in = input.as_ptr();
        self.stream.avail_in = offered;
        self.stream.next_out = output.as_mut_ptr();
        self.stream.avail_out = room;
        let flush = match pace {
            Pace::Blocks => zlib::Z_BLOCK,
            Pace::Through => zlib::Z_SYNC_FLUSH,
        };
        // SAFETY: the stream was initialised in `new` and is exclusively borrowed; `next_in` and
        // `avail_in` describe (a front part of) `input`, which is only read; `next_out` and
        // `avail_out` describe (a front part of) `output`, which is initialised memory borrowed
        // exclusively for the call.
        let code = unsafe { zlib::inflate(self.stream(), flush) };
        let consumed = offered.saturating_sub(self.stream.avail_in) as usize;
        let produced = room.saturating_sub(self.stream.avail_out) as usize;
        self.stream.next_in = std::ptr::null();
        self.stream.next_out = std::ptr::null_mut();
        let stop = match code {
            zlib::Z_STREAM_END => Stop::StreamEnd,
            zlib::Z_BUF_ERROR if offered > 0 && room > 0 => {
                return Err(InflateError::Data("no progress".to_owned()));
            }
            zlib::Z_BUF_ERROR => Stop::Starved,
            code => {
                self.check(code)?;
                self.stop()
            }
        };
        Ok(Step {
            consumed,
            produced,
            stop,
        })
    }

    /// Reads `data_type`: bit 128 at a boundary, bit 64 in the last block, the low bits unused.
    fn stop(&self) -> Stop {
        let state = self.stream.data_type;
        if state & 128 == 0 || state & 64 != 0 {
            return Stop::Starved;
        }
        debug_assert!(state & 63 < 8, "whole bytes are given back before a stop");
        let unused_bits = u8::try_from(state & 7).unwrap_or(0);
        Stop::Boundary { unused_bits }
    }

    fn stream(&mut self) -> *mut zlib::z_stream {
        &raw mut *self.stream
    }

    /// Turns a return code other than those of progress into an error.
    fn check(&self, code: c_int) -> Result<(), InflateError> {
        match code {
            zlib::Z_OK => Ok(()),
            zlib::Z_NEED_DICT => Err(InflateError::Data("preset dictionary needed".to_owned())),
            zlib::Z_MEM_ERROR => Err(InflateError::Memory),
            _ => Err(InflateError::Data(self.message())),
        }
    }

    fn message(&self) -> String {
        if self.stream.msg.is_null() {
            return "unreadable data".to_owned();
        }
        // SAFETY: zlib sets `msg` to null or to one of its static, NUL-terminated texts.
        let message = unsafe { CStr::from_ptr(self.stream.msg) };
        message.to_string_lossy().into_owned()
    }
}

impl Drop for Inflater {
    fn drop(&mut self) {
        // SAFETY: the stream is a valid `z_stream`, whose state is either null (initialisation
        // failed; the call then does nothing) or owned by it; nobody uses it afterwards.
        unsafe { zlib::inflateEnd(self.stream()) };
    }
}
