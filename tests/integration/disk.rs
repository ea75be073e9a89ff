//! A disk that is full: exit 75 with the path, and nothing visible.

use std::process::Command;

use crate::program::{Project, versions};

/// The shell's limit on the size of a file, in blocks of 512 bytes: below what `sales_lines` needs.
const BLOCKS: u32 = 100;

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
        "trap '' XFSZ; ulimit -f {BLOCKS}; exec '{program}' run -q --no-color -s sales_lines --sources demo/sources --root full"
    );
    let run = Command::new("sh").args(["-c", &script]).current_dir(&project).output().unwrap();
    let told = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(75), "{told}");
    assert!(told.contains("error[GW0702]: no space left to write"), "{told}");
    assert!(told.contains("full/tables/sales_lines/data/"), "{told}");
    let commits = std::fs::read_dir(project.join("full/_goodwill/commits"));
    assert!(commits.map_or(true, |mut commits| commits.next().is_none()), "something was published");
}

#[test]
fn a_disk_full_of_spilled_rows_ends_with_75_names_the_folder_and_publishes_nothing() {
    let project = Project::unpublished_demo();
    let folder = project.folder();
    let spill = folder.join("spill");
    std::fs::create_dir(&spill).unwrap();
    let mut run = project.run_command(&["-q", "--no-color", "--memory-limit", "1MiB", "-s", "sales_lines"]);
    let arguments: Vec<_> = run.get_args().map(std::ffi::OsStr::to_owned).collect();
    let script = format!("trap '' XFSZ; ulimit -f {BLOCKS}; exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_goodwill")).args(arguments);
    run = shell;
    let told = run.current_dir(folder).env("TMPDIR", &spill).output().unwrap();
    let said = String::from_utf8_lossy(&told.stderr);
    assert_eq!(told.status.code(), Some(75), "{said}");
    let expected = format!("error[GW0702]: no space left to spill in {}", spill.display());
    assert!(said.contains(&expected), "{said}");
    assert_eq!(versions(&project.root()), Vec::<u64>::new());
    assert_eq!(std::fs::read_dir(&spill).unwrap().count(), 0, "the run's scratch is removed");
}
