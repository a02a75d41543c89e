//! Chooses how two messages are compressed, by the instructions that this processor has.

use sha2::block_api::compress256;

use super::{Block, State};

/// Compresses as many blocks of one message as of the other; those after the shorter list are left
/// out.
pub(super) fn compress_pair(states: [&mut State; 2], blocks: [&[Block]; 2]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1") {
        #[expect(
            unsafe_code,
            reason = "the only call of code for instructions that some processors lack"
        )]
        // SAFETY: the processor has the SHA instructions and SSE 4.1 (which includes SSSE3), as just
        // detected; the function is safe code.
        return unsafe { super::x86_64::compress_pair(states, blocks) };
    }
    compress_in_turn(states, blocks);
}

/// Compresses the blocks of one message, then those of the other.
fn compress_in_turn(states: [&mut State; 2], blocks: [&[Block]; 2]) {
    let common = blocks.map(<[Block]>::len).into_iter().min().unwrap_or(0);
    for (state, blocks) in states.into_iter().zip(blocks) {
        compress256(state, blocks.split_at(common).0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::array::uniform8;
    use proptest::collection::vec;
    use proptest::prelude::{any, proptest};

    use super::*;

    proptest! {
        #[test]
        fn all_ways_to_compress_give_the_same_states(
            states in (uniform8(any::<u32>()), uniform8(any::<u32>())),
            bytes in (vec(any::<u8>(), 0..500), vec(any::<u8>(), 0..500)),
        ) {
            let blocks = [bytes.0.as_chunks().0, bytes.1.as_chunks().0];
            let (mut chosen, mut in_turn) = (states, states);
            compress_pair([&mut chosen.0, &mut chosen.1], blocks);
            compress_in_turn([&mut in_turn.0, &mut in_turn.1], blocks);
            assert_eq!(chosen, in_turn);
        }
    }
}
