//! Two messages in turn with the SHA instructions of x86-64.
//!
//! Each instruction is issued for one message, then for the other. The names are those of FIPS
//! 180-4, section 6.2.2; the order of the words in a register is that of the instructions (Intel 64
//! and IA-32 Architectures Software Developer's Manual, volume 2, `SHA256RNDS2`).

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x,
    _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8,
    _mm_shuffle_epi32,
};

use super::{Block, State};

/// The constants of the rounds, of four rounds each: FIPS 180-4, section 4.2.2.
const CONSTANTS: [[u32; 4]; 16] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
    [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
    [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
    [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
    [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
    [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
    [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
    [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
    [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
];

/// Sixteen words of the message schedule, four in each register.
type Words = [__m128i; 4];

/// Compresses as many blocks of one message as of the other; those after the shorter list are left
/// out.
#[target_feature(enable = "sha,sse4.1")]
pub(super) fn compress_pair([a, b]: [&mut State; 2], [a_blocks, b_blocks]: [&[Block]; 2]) {
    let (mut a_state, mut b_state) = (Registers::load(a), Registers::load(b));
    let (at_start, scheduled) = CONSTANTS.split_at(4);
    for (a_block, b_block) in a_blocks.iter().zip(b_blocks) {
        let (a_before, b_before) = (a_state, b_state);
        let (mut a_words, mut b_words) = (load_block(a_block), load_block(b_block));
        for (constants, (a, b)) in at_start.iter().zip(a_words.into_iter().zip(b_words)) {
            a_state.run_four_rounds(a, constants);
            b_state.run_four_rounds(b, constants);
        }
        for constants in scheduled {
            a_words = extend_schedule(a_words);
            b_words = extend_schedule(b_words);
            a_state.run_four_rounds(a_words[3], constants);
            b_state.run_four_rounds(b_words[3], constants);
        }
        a_state.add(a_before);
        b_state.add(b_before);
    }
    *a = a_state.store();
    *b = b_state.store();
}

/// The words `a` to `h`.
#[derive(Clone, Copy)]
struct Registers {
    abef: __m128i,
    cdgh: __m128i,
}

impl Registers {
    #[inline]
    #[target_feature(enable = "sse4.1")]
    #[expect(clippy::many_single_char_names, reason = "the names of FIPS 180-4")]
    fn load(state: &State) -> Self {
        let [a, b, c, d, e, f, g, h] = state.map(u32::cast_signed);
        Self {
            abef: _mm_set_epi32(a, b, e, f),
            cdgh: _mm_set_epi32(c, d, g, h),
        }
    }

    #[inline]
    #[target_feature(enable = "sse4.1")]
    #[expect(clippy::many_single_char_names, reason = "the names of FIPS 180-4")]
    fn store(self) -> State {
        let Self { abef, cdgh } = self;
        let (a, b) = (_mm_extract_epi32(abef, 3), _mm_extract_epi32(abef, 2));
        let (c, d) = (_mm_extract_epi32(cdgh, 3), _mm_extract_epi32(cdgh, 2));
        let (e, f) = (_mm_extract_epi32(abef, 1), _mm_extract_epi32(abef, 0));
        let (g, h) = (_mm_extract_epi32(cdgh, 1), _mm_extract_epi32(cdgh, 0));
        [a, b, c, d, e, f, g, h].map(i32::cast_unsigned)
    }

    #[inline]
    #[target_feature(enable = "sse4.1")]
    fn add(&mut self, other: Self) {
        self.abef = _mm_add_epi32(self.abef, other.abef);
        self.cdgh = _mm_add_epi32(self.cdgh, other.cdgh);
    }

    #[inline]
    #[target_feature(enable = "sha,sse4.1")]
    fn run_four_rounds(&mut self, words: __m128i, constants: &[u32; 4]) {
        let [k0, k1, k2, k3] = constants.map(u32::cast_signed);
        let sums = _mm_add_epi32(words, _mm_set_epi32(k3, k2, k1, k0));
        // Two rounds make `a`, `b`, `e`, `f` to `c`, `d`, `g`, `h`, so the registers swap their roles
        // twice. The second two rounds use the upper two sums.
        self.cdgh = _mm_sha256rnds2_epu32(self.cdgh, self.abef, sums);
        let upper = _mm_shuffle_epi32(sums, 0b1110);
        self.abef = _mm_sha256rnds2_epu32(self.abef, self.cdgh, upper);
    }
}

/// Returns the words of a block, which are big-endian.
#[inline]
#[target_feature(enable = "sse4.1")]
fn load_block(block: &Block) -> Words {
    let reverse_each_word = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let mut words = [reverse_each_word; 4];
    for (words, bytes) in words.iter_mut().zip(block.as_chunks().0) {
        let bytes = u128::from_le_bytes(*bytes);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the two halves make the whole"
        )]
        let (upper, lower) = ((bytes >> 64) as u64, bytes as u64);
        let bytes = _mm_set_epi64x(upper.cast_signed(), lower.cast_signed());
        *words = _mm_shuffle_epi8(bytes, reverse_each_word);
    }
    words
}

/// Appends the next four words to the schedule, and drops its first four.
#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn extend_schedule([w0, w1, w2, w3]: Words) -> Words {
    let sums = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
    [w1, w2, w3, _mm_sha256msg2_epu32(sums, w3)]
}
