//! A disk that is full: exit 75 with the path, and nothing visible.

use std::process::Command;

/// The shell's limit on the size of a file, in blocks of 512 bytes: below what `sales_lines` needs.
const BLOCKS: u32 = 40;

#[test]
fn a_full_disk_ends_with_75_names_the_path_and_publishes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("demo");
    let made = Command::new(env!("CARGO_BIN_EXE_goodwill"))
        .args(["demo", project.to_str().unwrap(), "--scale", "0.001", "-q"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let program = env!("CARGO_BIN_EXE_goodwill");
    // With the signal ignored, a write past the limit fails as one on a full disk does.
    let script = format!(
        "trap '' XFSZ; ulimit -f {BLOCKS}; exec '{program}' run -q --no-color --sources demo/sources --root full"
    );
    let run = Command::new("sh").args(["-c", &script]).current_dir(&project).output().unwrap();
    let told = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(75), "{told}");
    assert!(told.contains("error[GW0702]: no space left to write"), "{told}");
    assert!(told.contains("full/tables/sales_lines/data/"), "{told}");
    let commits = std::fs::read_dir(project.join("full/_goodwill/commits"));
    assert!(commits.map_or(true, |mut commits| commits.next().is_none()), "something was published");
}
