//! Three small ztocs of the reference, in full or by digest.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use soci_ztoc::{Compression, build};

use crate::support::{TOOL, hex, sha256};

const SPAN: u64 = 4_194_304;

const EMPTY_TAR: &str = concat!(
    "18000000000000001000280024002000100008001c0004001000000030000000000400000000000000040000",
    "0000000000000000b8000000c0000000d40000000c001000070000000c0008000c000000000000025c000000",
    "040000000100000004000000470000007368613235363a356637306266313861303836303037303136653934",
    "3862303461656433623832313033613336626561343137353562366364646661663130616365336336656600",
    "30000000140000000000000000000a001c0018000c0004000a00000000040000000000000000400000000000",
    "000000000200000000000600080004000600000004000000000000001100000041575320534f434920434c49",
    "2076302e3200000003000000302e3900",
);

const ONE_FILE: &str = concat!(
    "GAAAAAAAAAAQACgAJAAgABAACAAcAAQAEAAAADAAAAAACAAAAAAAAAAIAAAAAAAAAAAAALgAAAB4AQAAjAEAAAwA",
    "EAAHAAAADAAIAAwAAAAAAAACXAAAAAQAAAABAAAABAAAAEcAAABzaGEyNTY6OTAxMDY1MTc3ODJkYWNlMTZkMjIy",
    "ZDJiOGRhNDE0OGVkNWYzYzFkNzMwZGNkZWM3ZjJkMWE0MWM0YmUzNDEyNQAwAAAAFAAAAAAAAAAAAAoAHAAYAAwA",
    "BAAKAAAAAAgAAAAAAAAAAEAAAAAAAAAAAAACAAAAAAAGAAgABAAGAAAABAAAAAEAAAAkAAAAIABEAEAAPAA0ACwA",
    "KAAcABgAFAAQAAwACAAAAAAABAAgAAAAQAAAAEAAAABYAAAAXAAAAOgDAADoAwAApAEAAAAAAAAAAAAATAAAAAUA",
    "AAAAAAAAAAIAAAAAAABAAAAARAAAAAAAAAAUAAAAMjAyMy0xMS0xNFQyMjoxMzoyMFoAAAAAAQAAAGcAAAABAAAA",
    "dQAAAAAAAAAAAAAAAwAAAHJlZwALAAAAYS9oZWxsby50eHQAEQAAAEFXUyBTT0NJIENMSSB2MC4yAAAAAwAAADAu",
    "OQA=",
);

/// The empty layer that Docker adds for instructions that change no file.
const DOCKER_EMPTY_LAYER: [u8; 32] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x09, 0x6e, 0x88, 0x00, 0xff, 0x62, 0x18, 0x05, 0xa3, 0x60, 0x14,
    0x8c, 0x58, 0x00, 0x08, 0x00, 0x00, 0xff, 0xff, 0x2e, 0xaf, 0xb5, 0xef, 0x00, 0x04, 0x00, 0x00,
];

fn build_and_encode(layer: &[u8], compression: Compression) -> Vec<u8> {
    let ztoc = build(layer, compression, SPAN, TOOL).expect("a valid layer");
    ztoc.encode().expect("less than 1 GiB")
}

#[test]
fn ztoc_of_an_empty_tar() {
    let ztoc = build_and_encode(&[0; 1024], Compression::Uncompressed);
    assert_eq!(hex(&ztoc), EMPTY_TAR);
    assert_eq!(
        sha256(&ztoc),
        "b9801d474a9e314e3ea0a153179a0aa36cdc2459861624b9b97d3ff5bf80031d"
    );
}

#[test]
fn ztoc_of_a_tar_of_one_file() {
    let layer = one_file_tar();
    assert_eq!(
        sha256(&layer),
        "90106517782dace16d222d2b8da4148ed5f3c1d730dcdec7f2d1a41c4be34125"
    );
    let ztoc = build_and_encode(&layer, Compression::Uncompressed);
    assert_eq!(STANDARD.encode(&ztoc), ONE_FILE);
    assert_eq!(
        sha256(&ztoc),
        "b6575c6c3445bf6aeb99db7a5f89a6829b3ee1a519ecc1a91c2608f764fee4a8"
    );
}

#[test]
fn ztoc_of_the_empty_layer_of_docker() {
    let ztoc = build_and_encode(&DOCKER_EMPTY_LAYER, Compression::Gzip);
    assert_eq!(ztoc.len(), 33024);
    assert_eq!(
        sha256(&ztoc),
        "2fa07ddf9c428cdde1f8be966d338f74cd4ef1be4d2b5649804ff53b70b582a6"
    );
}

/// Returns a ustar archive with the file `a/hello.txt`.
pub(crate) fn one_file_tar() -> Vec<u8> {
    let mut tar = vec![0; 2048];
    let mut put = |at: usize, bytes: &[u8]| tar[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"a/hello.txt");
    put(100, b"0000644\0");
    put(108, b"0001750\0");
    put(116, b"0001750\0");
    put(124, b"00000000005\0");
    put(136, b"14524770400\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(265, b"u");
    put(297, b"g");
    put(512, b"hello");
    let sum: u32 = tar[..512].iter().map(|&byte| u32::from(byte)).sum();
    let checksum = format!("{sum:06o}\0 ");
    tar[148..156].copy_from_slice(checksum.as_bytes());
    tar
}
