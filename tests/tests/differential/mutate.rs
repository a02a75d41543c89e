//! Changes of tars. Most leave the tar valid, or damage it in one place only.

use std::io::Write as _;
use std::ops::Range;

use fastrand::Rng;

/// Bytes in a tar block.
const BLOCK: usize = 512;

/// The fields of a header. Most of them are numbers.
const FIELDS: [Range<usize>; 16] = [
    0..100,
    100..108,
    108..116,
    116..124,
    124..136,
    136..148,
    156..157,
    157..257,
    257..263,
    263..265,
    265..297,
    297..329,
    329..337,
    337..345,
    345..500,
    500..512,
];

/// The type flags that tars use, and some that they do not.
const TYPES: &[u8] = b"\x000123456789xgLKSDMVNAX7";

/// The keys of PAX records that change how a tar is read, and some that do not.
const KEYS: [&str; 18] = [
    "path",
    "linkpath",
    "size",
    "uid",
    "gid",
    "uname",
    "gname",
    "mtime",
    "atime",
    "SCHILY.xattr.user.a",
    "SCHILY.xattr.security.capability",
    "LIBARCHIVE.creationtime",
    "comment",
    "GNU.sparse.major",
    "GNU.sparse.minor",
    "GNU.sparse.map",
    "GNU.sparse.size",
    "GNU.sparse.name",
];

/// The values of PAX records.
const VALUES: [&str; 18] = [
    "",
    "0",
    "1",
    "512",
    "1000",
    "-1",
    "007",
    "1.5",
    "-1.5",
    "1.123456789123",
    "99999999999999",
    "9223372036854775808",
    "a/b",
    "../a",
    "x\0y",
    "0,0",
    "0,512,1024,0",
    "\u{fc}",
];

type Block = [u8; BLOCK];

/// Returns one of the tars, with no to five changes.
pub(crate) fn mutate(archives: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let tar = &archives[rng.usize(..archives.len())];
    let mut blocks: Vec<Block> = tar.as_chunks::<BLOCK>().0.to_vec();
    let tail = tar.as_chunks::<BLOCK>().1;
    let headers: Vec<usize> = (0..blocks.len())
        .filter(|&index| has_checksum(&blocks[index]))
        .collect();
    for _ in 0..[0, 1, 1, 1, 1, 2, 2, 5][rng.usize(..8)] {
        change(&mut blocks, &headers, archives, rng);
    }
    if rng.u8(..10) > 0 {
        for block in &mut blocks {
            if block[257..262] == *b"ustar" {
                set_checksum(block);
            }
        }
    }
    let mut tar = blocks.concat();
    tar.extend_from_slice(tail);
    if rng.u8(..20) == 0 && !tar.is_empty() {
        tar.truncate(rng.usize(..tar.len()));
    }
    tar
}

/// Makes one change. `headers` are the headers before the first change.
fn change(blocks: &mut Vec<Block>, headers: &[usize], archives: &[Vec<u8>], rng: &mut Rng) {
    if blocks.is_empty() {
        return;
    }
    let any = rng.usize(..blocks.len());
    let header = rng
        .choice(headers)
        .copied()
        .filter(|&header| header < blocks.len());
    let header = header.unwrap_or(any);
    match rng.u8(..16) {
        0..=4 => {
            let field = rng.choice(FIELDS).expect("a field");
            fill(&mut blocks[header][field], rng);
        }
        5 => blocks[header][156] = *rng.choice(TYPES).expect("a type"),
        6 => blocks[header][rng.usize(..BLOCK)] = rng.u8(..),
        7 => blocks[any][rng.usize(..BLOCK)] ^= 1 << rng.u8(..8),
        8 => drop(blocks.remove(any)),
        9 => blocks.insert(any, blocks[header]),
        10 => blocks.insert(any, [0; BLOCK]),
        11 => blocks.swap(any, header),
        12 | 13 => insert(blocks, header, &pax(rng)),
        14 => {
            let typeflag = if rng.bool() { b'L' } else { b'K' };
            let name = vec![b"n/\0"[rng.usize(..3)]; rng.usize(..700)];
            insert(blocks, header, &extension(typeflag, &name));
        }
        _ => {
            let other = rng.choice(archives).expect("a tar").as_chunks::<BLOCK>().0;
            let start = rng.usize(..=other.len());
            let end = other.len().min(start + rng.usize(..6));
            let part: Vec<Block> = other[start..end].to_vec();
            insert(blocks, any, &part);
        }
    }
}

fn insert(blocks: &mut Vec<Block>, at: usize, part: &[Block]) {
    drop(blocks.splice(at..at, part.iter().copied()));
}

/// Fills a field with a number in one of its forms, or with text.
fn fill(field: &mut [u8], rng: &mut Rng) {
    let width = field.len();
    let number = rng.u64(..) >> rng.u32(..64);
    match rng.u8(..8) {
        0 => field.fill(0),
        1 => field.fill(b' '),
        2 => field.fill(b'7'),
        3 => {
            // Base 256, positive or negative, with or without an overflow.
            field.fill(if rng.bool() { 0xff } else { 0 });
            let bytes = number.to_be_bytes();
            let count = width.min(1 + rng.usize(..8));
            field[width - count..].copy_from_slice(&bytes[8 - count..]);
            field[0] |= 0x80;
        }
        4 => field[rng.usize(..width)] = rng.u8(..),
        5 => field.fill_with(|| rng.u8(..)),
        6 => {
            let text = format!("{:>width$o} ", number % 4096);
            field.copy_from_slice(&text.as_bytes()[text.len() - width..]);
        }
        _ => {
            let text = format!("{:0>width$o}", number >> 20);
            field.copy_from_slice(&text.as_bytes()[text.len() - width..]);
            field[width - 1] = 0;
        }
    }
}

/// Returns a PAX header with random records, of which few are malformed.
fn pax(rng: &mut Rng) -> Vec<Block> {
    let mut records = Vec::new();
    for _ in 0..rng.usize(..4) {
        let key = rng.choice(KEYS).expect("a key");
        let value = rng.choice(VALUES).expect("a value");
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while rest + length.to_string().len() > length {
            length += 1;
        }
        if rng.u8(..30) == 0 {
            length += rng.usize(..3);
        }
        writeln!(records, "{length} {key}={value}").expect("a vector accepts every byte");
    }
    extension(if rng.u8(..20) == 0 { b'g' } else { b'x' }, &records)
}

/// Returns a header that extends the next one, with its content.
fn extension(typeflag: u8, content: &[u8]) -> Vec<Block> {
    let mut header = [0; BLOCK];
    header[..4].copy_from_slice(b"././");
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[156] = typeflag;
    header[257..265].copy_from_slice(if matches!(typeflag, b'L' | b'K') {
        b"ustar  \0"
    } else {
        b"ustar\x0000"
    });
    set_checksum(&mut header);
    let mut blocks = vec![header];
    for part in content.chunks(BLOCK) {
        let mut block = [0; BLOCK];
        block[..part.len()].copy_from_slice(part);
        blocks.push(block);
    }
    blocks
}

fn checksum(block: &Block) -> u32 {
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    let field: u32 = block[148..156].iter().map(|&byte| u32::from(byte)).sum();
    sum - field + 8 * u32::from(b' ')
}

fn has_checksum(block: &Block) -> bool {
    let field = String::from_utf8_lossy(&block[148..156]);
    let field = field.trim_matches(['\0', ' ']);
    u32::from_str_radix(field, 8).is_ok_and(|sum| sum == checksum(block))
}

fn set_checksum(block: &mut Block) {
    let sum = checksum(block);
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}
