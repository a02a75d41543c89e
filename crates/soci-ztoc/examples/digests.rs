//! Prints the SHA-256 digest and the name of each regular file of a layer, read through its ztoc.
//!
//! `cargo run -p soci-ztoc --example digests -- ZTOC LAYER`

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
};

use sha2::{Digest as _, Sha256};
use soci_ztoc::{EntryType, Ztoc, extract::LayerReader};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let [ztoc, layer] = &arguments[..] else {
        return Err("usage: digests ZTOC LAYER".into());
    };
    let ztoc = Ztoc::decode(&fs::read(ztoc)?)?;
    let layer = fs::read(layer)?;
    let mut reader = LayerReader::new(&ztoc, &layer[..])?;
    let mut output = io::stdout().lock();
    for (index, entry) in ztoc.toc.iter().enumerate() {
        if entry.entry_type != EntryType::Regular {
            continue;
        }
        let mut line = String::new();
        for byte in Sha256::digest(reader.read_entry(index)?) {
            write!(line, "{byte:02x}")?;
        }
        output.write_all(line.as_bytes())?;
        output.write_all(b"  ")?;
        output.write_all(&entry.name)?;
        output.write_all(b"\n")?;
    }
    Ok(())
}
