//! What can be wrong with a deflate stream.

/// A violation of RFC 1951. The messages are those of zlib.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum DeflateFault {
    #[error("invalid block type")]
    BlockType,
    #[error("invalid stored block lengths")]
    StoredLength,
    #[error("too many length or distance symbols")]
    SymbolCounts,
    #[error("invalid code lengths set")]
    Precode,
    #[error("invalid bit length repeat")]
    Repeat,
    #[error("invalid code -- missing end-of-block")]
    NoEndOfBlock,
    #[error("invalid literal/lengths set")]
    LiteralCode,
    #[error("invalid distances set")]
    DistanceCode,
    #[error("invalid literal/length code")]
    Literal,
    #[error("invalid distance code")]
    Distance,
    #[error("invalid distance too far back")]
    DistanceTooFar,
}
