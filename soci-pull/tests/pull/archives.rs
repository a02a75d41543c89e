//! Archives of layouts: links between members, compressed archives, and files that are none.

use soci_testkit::{
    archive::{Member, gzip, layout_members, tar},
    process::{Finished, Sandbox},
    store::assert_sound,
};

use crate::{assert_fails, layout_and_registry, soci_tool};

/// Pulls the archive `image.tar` with its layers.
fn pull(sandbox: &Sandbox) -> Finished {
    let tool = soci_tool(sandbox).args(["--layers", "oci-archive:image.tar:latest"]);
    tool.run()
}

/// Pulls an archive with its layers, which must succeed.
#[track_caller]
fn assert_pulled(sandbox: &Sandbox, archive: &[u8], name: &str) {
    sandbox.write("image.tar", archive);
    let finished = pull(sandbox);
    assert_eq!(finished.code(), 0, "{name}: {}", finished.stderr);
    assert_sound(&sandbox.store());
}

/// Returns the members of an archive in which the files that `is_moved` selects are at other paths,
/// and in their places links to them.
fn linked(
    members: Vec<Member>,
    is_moved: impl Fn(&str) -> bool,
    link: impl Fn(&str, &str) -> Member,
) -> Vec<Member> {
    let replace = |member: Member| {
        if !is_moved(&member.name) {
            return vec![member];
        }
        let target = format!("cache/{}", member.name.replace('/', "-"));
        let link = link(&member.name, &target);
        let name = target;
        vec![link, Member { name, ..member }]
    };
    members.into_iter().flat_map(replace).collect()
}

#[test]
fn follows_links_between_the_members_of_an_archive() {
    let (sandbox, _registry) = layout_and_registry();
    let members = layout_members(&sandbox.path().join("image"));
    let is_blob = |name: &str| name.starts_with("blobs/");
    let hard = linked(members.clone(), is_blob, |name, moved| {
        Member::hardlink(name, moved)
    });
    assert_pulled(&sandbox, &tar(&hard), "hard links");
    let symbolic = linked(members.clone(), is_blob, |name, moved| {
        Member::symlink(name, format!("../../{moved}"))
    });
    assert_pulled(&sandbox, &tar(&symbolic), "symbolic links");
    let top = linked(
        members.clone(),
        |name| !name.starts_with("blobs/"),
        |name, moved| Member::symlink(name, moved),
    );
    assert_pulled(&sandbox, &tar(&top), "index.json and oci-layout");
    // A folder that is a link, and a link to a link.
    let mut folder: Vec<Member> = members
        .into_iter()
        .map(|member| Member {
            name: member.name.replace("blobs/sha256/", "store/all/"),
            ..member
        })
        .collect();
    folder.extend([
        Member::symlink("blobs/sha256", "../link"),
        Member::symlink("link", "./store/../store/all/"),
    ]);
    assert_pulled(&sandbox, &tar(&folder), "a folder");
}

#[test]
fn names_a_link_of_an_archive_that_cannot_be_followed() {
    let (sandbox, _registry) = layout_and_registry();
    let members = layout_members(&sandbox.path().join("image"));
    for (target, says) in [
        ("../image/index.json", "which is outside"),
        ("/etc/passwd", "which is outside"),
        ("nowhere/index.json", "does not exist"),
        ("index.json", "back to the link"),
        ("two", "back to the link"),
    ] {
        let others = members.iter().filter(|member| member.name != "index.json");
        let links = [
            Member::symlink("index.json", target),
            Member::hardlink("two", "index.json"),
        ];
        let archive: Vec<Member> = others.cloned().chain(links).collect();
        sandbox.write("image.tar", tar(&archive));
        let says = ["in `image.tar` is a link to", says];
        assert_fails(&sandbox, pull(&sandbox), 65, &says);
    }
    // A link that no image needs is not looked at.
    let unused = Member::symlink("unused", "../../outside");
    let archive = [members, vec![unused]].concat();
    assert_pulled(&sandbox, &tar(&archive), "an unused link");
}

#[test]
fn reads_a_gzipped_archive() {
    let (sandbox, _registry) = layout_and_registry();
    let archive = tar(&layout_members(&sandbox.path().join("image")));
    assert_pulled(&sandbox, &gzip(&archive), "gzip");
    // Several gzip members, as pigz and concatenation make them, and zeros at the end, as bsdtar
    // writes them to a pipe.
    let (one, two) = archive.split_at(archive.len() / 3);
    let parts = [gzip(one), gzip(b""), gzip(two), vec![0; 10_240]].concat();
    assert_pulled(&sandbox, &parts, "gzip members and padding");
    let links = linked(
        layout_members(&sandbox.path().join("image")),
        |name| name.starts_with("blobs/"),
        |name, moved| Member::hardlink(name, moved),
    );
    assert_pulled(&sandbox, &gzip(&tar(&links)), "links in gzip");
}

/// A message about a file that is no archive has no bytes of the file in it.
#[test]
fn tells_what_a_file_is_that_is_no_archive() {
    let (sandbox, _registry) = layout_and_registry();
    let archive = tar(&layout_members(&sandbox.path().join("image")));
    let zipped = gzip(&archive);
    let noise: Vec<u8> = (0..=255).cycle().skip(1).take(5000).collect();
    let cases: [(&[u8], &str); 8] = [
        (b"\x28\xb5\x2f\xfd\x04\x00", "compressed with zstd"),
        (b"BZh91AY&SY", "compressed with bzip2"),
        (b"\xfd7zXZ\x00\x00", "compressed with xz"),
        (&noise, "tar header"),
        (&zipped[..zipped.len() / 2], "gzip"),
        (&archive[..archive.len() / 2], "tar ends"),
        (b"\x1f\x8b\x08\x00\xff\xfe", "gzip"),
        (b"", "`index.json`"),
    ];
    for (bytes, says) in cases {
        sandbox.write("image.tar", bytes);
        let finished = assert_fails(&sandbox, pull(&sandbox), 65, &["image.tar", says]);
        let is_text = |byte: char| byte == '\n' || !byte.is_control() && byte != '\u{fffd}';
        assert!(
            finished.stderr.chars().all(is_text),
            "{:?}",
            finished.stderr
        );
    }
}

#[test]
fn tells_how_to_read_what_is_no_archive_of_a_layout() {
    let (sandbox, _registry) = layout_and_registry();
    let folder = layout_members(&sandbox.path().join("image"));
    let below = folder.into_iter().map(|member| Member {
        name: format!("image/{}", member.name),
        ..member
    });
    let below: Vec<Member> = below.collect();
    sandbox.write("image.tar", tar(&below));
    let says = ["`image/index.json`", "tar -C DIR"];
    assert_fails(&sandbox, pull(&sandbox), 65, &says);
    sandbox.write("image.tar", tar(&[Member::file("manifest.json", "[]")]));
    assert_fails(&sandbox, pull(&sandbox), 65, &["`docker-archive:FILE`"]);
    for (reference, says) in [
        ("oci-archive:image", "`oci:DIR`"),
        ("oci:image.tar", "`oci-archive:FILE`"),
    ] {
        let finished = soci_tool(&sandbox).arg(reference).run();
        assert_fails(&sandbox, finished, 65, &[says]);
    }
}
