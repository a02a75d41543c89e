//! SHA-256 (FIPS 180-4) of two messages at once.
//!
//! The instructions of a processor for SHA-256 wait for their own results. Where two messages are
//! compressed alternately, one works while the other waits, so that both digests take about as long
//! as one. The digest of a layer and that of the current span read the same bytes, at different
//! distances from the start of their 64-byte blocks.

mod pair;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use pair::compress_pair;
use sha2::block_api::compress256;

/// Bytes of a block.
const BLOCK_SIZE: usize = 64;

/// Bytes of the last block that hold the length of the message.
const LENGTH_SIZE: usize = 8;

/// A block of a message.
type Block = [u8; BLOCK_SIZE];

/// The words `a` to `h` of FIPS 180-4.
type State = [u32; 8];

/// The first state: FIPS 180-4, section 5.3.3.
const INITIAL_STATE: State = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The SHA-256 of a message that arrives in parts.
#[derive(Clone, Debug)]
pub(crate) struct Sha256 {
    state: State,
    /// The bytes after the last whole block, and after them bytes of no meaning.
    partial: Block,
    /// Bytes of the message so far. Only `length % BLOCK_SIZE` of them are in `partial`.
    length: u64,
}

impl Default for Sha256 {
    fn default() -> Self {
        Self {
            state: INITIAL_STATE,
            partial: [0; BLOCK_SIZE],
            length: 0,
        }
    }
}

impl Sha256 {
    /// Adds bytes to the message.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let (blocks, rest) = self.complete_block(bytes).as_chunks();
        compress256(&mut self.state, blocks);
        self.keep(rest);
    }

    /// Adds the same bytes to two messages, in less time than one after the other.
    pub(crate) fn update_both(first: &mut Self, second: &mut Self, bytes: &[u8]) {
        let (first_blocks, first_rest) = first.complete_block(bytes).as_chunks();
        let (second_blocks, second_rest) = second.complete_block(bytes).as_chunks();
        // The numbers of blocks differ by one at most.
        let common = first_blocks.len().min(second_blocks.len());
        let (first_common, first_last) = first_blocks.split_at(common);
        let (second_common, second_last) = second_blocks.split_at(common);
        compress_pair(
            [&mut first.state, &mut second.state],
            [first_common, second_common],
        );
        compress256(&mut first.state, first_last);
        compress256(&mut second.state, second_last);
        first.keep(first_rest);
        second.keep(second_rest);
    }

    /// Returns the digest of the message.
    pub(crate) fn finish(mut self) -> [u8; 32] {
        let bits = self.length.wrapping_mul(8).to_be_bytes();
        let used = self.partial_length();
        // The padding of FIPS 180-4, section 5.1.1: a bit 1, zeros, and the number of bits.
        let zeros = (2 * BLOCK_SIZE - LENGTH_SIZE - 1).wrapping_sub(used) % BLOCK_SIZE;
        self.update(&[0x80]);
        self.update([0; BLOCK_SIZE].split_at(zeros).0);
        self.update(&bits);
        debug_assert_eq!(self.partial_length(), 0, "the padding ends a block");
        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_be_bytes();
        }
        digest
    }

    /// Returns how many bytes of `partial` belong to the message.
    fn partial_length(&self) -> usize {
        usize::from(self.length.to_le_bytes()[0]) % BLOCK_SIZE
    }

    /// Adds the first of `bytes` to the block that has begun, and compresses this block once it is
    /// whole. Counts all of `bytes`, and returns those that are left: none unless a block begins
    /// with them.
    fn complete_block<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let used = self.partial_length();
        self.length = self.length.wrapping_add(bytes.len() as u64);
        if used == 0 {
            return bytes;
        }
        let (_, free) = self.partial.split_at_mut(used);
        let (added, rest) = bytes.split_at(free.len().min(bytes.len()));
        let is_whole = added.len() == free.len();
        free.split_at_mut(added.len()).0.copy_from_slice(added);
        if is_whole {
            compress256(&mut self.state, &[self.partial]);
        }
        rest
    }

    /// Keeps the bytes after the last whole block, which are fewer than a block.
    fn keep(&mut self, rest: &[u8]) {
        if !rest.is_empty() {
            self.partial
                .split_at_mut(rest.len())
                .0
                .copy_from_slice(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, proptest};
    use sha2::Digest as _;

    use super::*;

    fn hash(parts: &[&[u8]]) -> [u8; 32] {
        let mut hash = Sha256::default();
        for part in parts {
            hash.update(part);
        }
        hash.finish()
    }

    fn hash_with_sha2(message: &[u8]) -> [u8; 32] {
        sha2::Sha256::digest(message).into()
    }

    /// The examples that NIST published for FIPS 180-2, and their digests.
    #[test]
    fn the_examples_of_nist_have_their_digests() {
        let million = vec![b'a'; 1_000_000];
        let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        let vectors: [(&[u8], [u128; 2]); 4] = [
            (
                b"",
                [
                    0xe3b0_c442_98fc_1c14_9afb_f4c8_996f_b924,
                    0x27ae_41e4_649b_934c_a495_991b_7852_b855,
                ],
            ),
            (
                b"abc",
                [
                    0xba78_16bf_8f01_cfea_4141_40de_5dae_2223,
                    0xb003_61a3_9617_7a9c_b410_ff61_f200_15ad,
                ],
            ),
            (
                two_blocks,
                [
                    0x248d_6a61_d206_38b8_e5c0_2693_0c3e_6039,
                    0xa33c_e459_64ff_2167_f6ec_edd4_19db_06c1,
                ],
            ),
            (
                &million,
                [
                    0xcdc7_6e5c_9914_fb92_81a1_c7e2_84d7_3e67,
                    0xf180_9a48_a497_200e_046d_39cc_c711_2cd0,
                ],
            ),
        ];
        for (message, digest) in vectors {
            let expected = digest.map(u128::to_be_bytes).concat();
            let (mut first, mut second) = (Sha256::default(), Sha256::default());
            Sha256::update_both(&mut first, &mut second, message);
            for digest in [hash(&[message]), first.finish(), second.finish()] {
                assert_eq!(digest[..], expected[..], "{} bytes", message.len());
            }
        }
    }

    #[test]
    fn each_length_has_its_padding() {
        let message: Vec<u8> = (0..=255).collect();
        for length in 0..=message.len() {
            let (message, _) = message.split_at(length);
            assert_eq!(hash(&[message]), hash_with_sha2(message), "{length}");
        }
    }

    #[test]
    fn messages_of_all_distances_are_hashed_together() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for begin in 0..=64 {
            for end in [begin, begin + 1, begin + 63, begin + 64, begin + 130, 1000] {
                let mut first = Sha256::default();
                let (whole, _) = bytes.split_at(end);
                let (start, rest) = whole.split_at(begin);
                first.update(start);
                let mut second = Sha256::default();
                Sha256::update_both(&mut first, &mut second, rest);
                assert_eq!(first.finish(), hash_with_sha2(whole));
                assert_eq!(second.finish(), hash_with_sha2(rest));
            }
        }
    }

    proptest! {
        /// Each part is added to the first message, to the second, or to both.
        #[test]
        fn any_parts_of_two_messages_give_their_digests(
            parts in vec((vec(any::<u8>(), 0..300), 0_u8..4), 0..20)
        ) {
            let mut hashes = (Sha256::default(), Sha256::default());
            let mut messages = (Vec::new(), Vec::new());
            for (part, to) in &parts {
                match to {
                    0 => hashes.0.update(part),
                    1 => hashes.1.update(part),
                    2 => Sha256::update_both(&mut hashes.0, &mut hashes.1, part),
                    _ => Sha256::update_both(&mut hashes.1, &mut hashes.0, part),
                }
                if *to != 1 {
                    messages.0.extend_from_slice(part);
                }
                if *to != 0 {
                    messages.1.extend_from_slice(part);
                }
            }
            assert_eq!(hashes.0.finish(), hash_with_sha2(&messages.0));
            assert_eq!(hashes.1.finish(), hash_with_sha2(&messages.1));
        }
    }
}
