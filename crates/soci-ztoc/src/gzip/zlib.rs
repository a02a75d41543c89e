//! A safe wrapper of zlib-rs, which reads gzip headers, and reads layers back through their ztocs.
//!
//! zlib-rs offers `Z_BLOCK` and `inflatePrime` only through its C-shaped interface, so this module
//! needs `unsafe`. Callers pass slices and get counts; no pointer is kept after a call.
#![expect(
    unsafe_code,
    reason = "stopping at block boundaries exists only in the C-shaped interface of zlib-rs"
)]

use std::ffi::{CStr, c_int};
use std::fmt;

use libz_rs_sys as zlib;

/// `windowBits` of zlib: a gzip or a zlib header, as detected; 32 KiB window.
const GZIP_OR_ZLIB: c_int = 47;
/// `windowBits` of zlib: no header; 32 KiB window.
const RAW_DEFLATE: c_int = -15;
/// `windowBits` of zlib: a gzip header; 32 KiB window.
const GZIP: c_int = 31;

/// A stream that zlib-rs decompresses.
pub(crate) struct ZlibInflater {
    /// Boxed, so that its address does not change while zlib knows it.
    stream: Box<zlib::z_stream>,
}

// SAFETY: the stream and all that it points to are owned by this value alone: the state was
// allocated by `inflateInit2_` with zlib-rs's default allocator, which is Rust's global one and
// not bound to a thread. The pointers to input and output are not used between calls.
unsafe impl Send for ZlibInflater {}

/// What one call of [`ZlibInflater::run`] did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ZlibStep {
    /// Input bytes used.
    pub(crate) consumed: usize,
    /// Output bytes written.
    pub(crate) produced: usize,
    /// Why the call returned.
    pub(crate) stop: ZlibStop,
}

/// Why [`ZlibInflater::run`] returned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ZlibStop {
    /// A header, or a block other than the last one, has just ended. The highest `unused_bits` (0
    /// to 7) of the last consumed byte belong to what follows.
    BlockEnd { unused_bits: u8 },
    /// The input is used up, the output is full, or the last block has ended.
    NeedsBuffer,
    /// The stream is complete, including its trailer.
    StreamEnd,
}

/// When [`ZlibInflater::run`] returns, besides at the end of the stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StopAt {
    /// At each block boundary, and when input or output is used up (`Z_BLOCK`).
    BlockEnd,
    /// When input or output is used up (`Z_SYNC_FLUSH`).
    BufferEnd,
}

/// Why a stream cannot be decompressed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ZlibError {
    /// The input is malformed. Holds zlib's message.
    Data(String),
    /// zlib could not allocate its state.
    OutOfMemory,
}

impl fmt::Debug for ZlibInflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZlibInflater").finish_non_exhaustive()
    }
}

impl ZlibInflater {
    /// Creates a stream that starts with a gzip or zlib header, as the reference does.
    pub(crate) fn with_header() -> Result<Self, ZlibError> {
        Self::with_window_bits(GZIP_OR_ZLIB)
    }

    /// Creates a stream that resumes between two blocks. The highest `unused_bits` of `byte`, the
    /// byte before the input, belong to the next block; `window` is the output so far.
    pub(crate) fn resume(unused_bits: u8, byte: u8, window: &[u8]) -> Result<Self, ZlibError> {
        let mut inflater = Self::with_window_bits(RAW_DEFLATE)?;
        if unused_bits > 0 {
            let used = 8_u32.saturating_sub(unused_bits.into());
            let value = c_int::from(byte.checked_shr(used).unwrap_or(0));
            // SAFETY: the stream was initialised in `with_window_bits` and is exclusively borrowed.
            let code = unsafe { zlib::inflatePrime(inflater.stream(), unused_bits.into(), value) };
            inflater.check_code(code)?;
        }
        let length = u32::try_from(window.len()).ok();
        let length = length.ok_or(ZlibError::OutOfMemory)?;
        // SAFETY: the stream was initialised in `with_window_bits` and is exclusively borrowed;
        // pointer and length describe `window`, which is only read.
        let code =
            unsafe { zlib::inflateSetDictionary(inflater.stream(), window.as_ptr(), length) };
        inflater.check_code(code)?;
        Ok(inflater)
    }

    fn with_window_bits(window_bits: c_int) -> Result<Self, ZlibError> {
        let mut inflater = Self {
            stream: Box::new(zlib::z_stream::default()),
        };
        let size = c_int::try_from(size_of::<zlib::z_stream>()).unwrap_or(0);
        // SAFETY: the stream is a valid, default-initialised `z_stream` (null allocators mean
        // zlib-rs's own), the version is the library's, the size that of the struct.
        let code = unsafe {
            zlib::inflateInit2_(inflater.stream(), window_bits, zlib::zlibVersion(), size)
        };
        inflater.check_code(code)?;
        Ok(inflater)
    }

    /// Starts over at the header of another gzip or zlib stream.
    pub(crate) fn reset_with_header(&mut self) -> Result<(), ZlibError> {
        self.reset_window_bits(GZIP_OR_ZLIB)
    }

    /// Starts over at the header of another gzip stream.
    pub(crate) fn reset_with_gzip_header(&mut self) -> Result<(), ZlibError> {
        self.reset_window_bits(GZIP)
    }

    fn reset_window_bits(&mut self, window_bits: c_int) -> Result<(), ZlibError> {
        // SAFETY: the stream was initialised in `with_window_bits` and is exclusively borrowed.
        let code = unsafe { zlib::inflateReset2(self.stream(), window_bits) };
        self.check_code(code)
    }

    /// Decompresses from `input` to `output` until one of the reasons in [`ZlibStop`] applies.
    pub(crate) fn run(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        stop_at: StopAt,
    ) -> Result<ZlibStep, ZlibError> {
        let offered = u32::try_from(input.len()).unwrap_or(u32::MAX);
        let room = u32::try_from(output.len()).unwrap_or(u32::MAX);
        self.stream.next_in = input.as_ptr();
        self.stream.avail_in = offered;
        self.stream.next_out = output.as_mut_ptr();
        self.stream.avail_out = room;
        let flush = match stop_at {
            StopAt::BlockEnd => zlib::Z_BLOCK,
            StopAt::BufferEnd => zlib::Z_SYNC_FLUSH,
        };
        // SAFETY: the stream was initialised in `with_window_bits` and is exclusively borrowed;
        // `next_in` and `avail_in` describe (a front part of) `input`, which is only read;
        // `next_out` and `avail_out` describe (a front part of) `output`, which is initialised
        // memory borrowed exclusively for the call.
        let code = unsafe { zlib::inflate(self.stream(), flush) };
        let consumed = offered.saturating_sub(self.stream.avail_in) as usize;
        let produced = room.saturating_sub(self.stream.avail_out) as usize;
        self.stream.next_in = std::ptr::null();
        self.stream.next_out = std::ptr::null_mut();
        let stop = match code {
            zlib::Z_STREAM_END => ZlibStop::StreamEnd,
            zlib::Z_BUF_ERROR if offered > 0 && room > 0 => {
                return Err(ZlibError::Data("no progress".to_owned()));
            }
            zlib::Z_BUF_ERROR => ZlibStop::NeedsBuffer,
            code => {
                self.check_code(code)?;
                self.stop_from_data_type()
            }
        };
        Ok(ZlibStep {
            consumed,
            produced,
            stop,
        })
    }

    /// Interprets `data_type` of zlib's stream: bit 128 is set at a boundary, bit 64 in the last
    /// block, and the lowest bits are the number of unused bits.
    fn stop_from_data_type(&self) -> ZlibStop {
        let state = self.stream.data_type;
        if state & 128 == 0 || state & 64 != 0 {
            return ZlibStop::NeedsBuffer;
        }
        debug_assert!(state & 63 < 8, "zlib returns whole bytes before it stops");
        let unused_bits = u8::try_from(state & 7).unwrap_or(0);
        ZlibStop::BlockEnd { unused_bits }
    }

    fn stream(&mut self) -> *mut zlib::z_stream {
        &raw mut *self.stream
    }

    /// Turns a return code of zlib that reports a failure into an error.
    fn check_code(&self, code: c_int) -> Result<(), ZlibError> {
        match code {
            zlib::Z_OK => Ok(()),
            zlib::Z_NEED_DICT => Err(ZlibError::Data("preset dictionary needed".to_owned())),
            zlib::Z_MEM_ERROR => Err(ZlibError::OutOfMemory),
            _ => Err(ZlibError::Data(self.error_message())),
        }
    }

    fn error_message(&self) -> String {
        if self.stream.msg.is_null() {
            return "unreadable data".to_owned();
        }
        // SAFETY: zlib sets `msg` to null or to one of its static, NUL-terminated texts.
        let message = unsafe { CStr::from_ptr(self.stream.msg) };
        message.to_string_lossy().into_owned()
    }
}

impl Drop for ZlibInflater {
    fn drop(&mut self) {
        // SAFETY: the stream is a valid `z_stream`, whose state is either null (initialisation
        // failed; the call then does nothing) or owned by this value, which ends here.
        unsafe { zlib::inflateEnd(self.stream()) };
    }
}
