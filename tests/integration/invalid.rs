//! What is wrong with a project, as a person sees it: each folder of `tests/fixtures/invalid` is
//! a small project with one kind of mistake, and its `expected.txt` is what the program answers.
//!
//! The first line of `expected.txt` is the command, then comes the whole stderr, and the last
//! line is the exit code. `UPDATE_EXPECTED=1 cargo test --test integration invalid` writes them
//! anew; read the difference before you commit it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use goodwill::diagnostic::{ALL_CODES, Code, Kind};

fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The folders of example projects, by name.
fn projects() -> Vec<PathBuf> {
    let entries = fs::read_dir(package("tests/fixtures/invalid")).unwrap();
    let mut found: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

/// The files below `folder` with their content, without `expected.txt`.
fn files_below(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(current) = open.pop() {
        for entry in fs::read_dir(current).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if !path.ends_with("expected.txt") {
                found.insert(path.strip_prefix(folder).unwrap().to_path_buf(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Runs `command` on a copy of `project`, which it must leave as it was.
fn answer(project: &Path, command: &str) -> String {
    let copy = tempfile::tempdir().unwrap();
    let before = files_below(project);
    for (name, content) in &before {
        let path = copy.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let transcript = transcript(copy.path(), command);
    assert_eq!(files_below(copy.path()), before, "{} was changed", project.display());
    transcript
}

/// Runs `command` in `folder` and returns the transcript that `expected.txt` keeps; the folder
/// is written `PROJECT`.
fn transcript(folder: &Path, command: &str) -> String {
    let words = command.strip_prefix("$ goodwill ").expect("the first line is `$ goodwill …`");
    let mut program = Command::new(env!("CARGO_BIN_EXE_goodwill"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GOODWILL_")) {
        program.env_remove(name);
    }
    let output = program.args(words.split(' ')).current_dir(folder).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{}: stdout is for results", folder.display());
    let here = folder.canonicalize().unwrap().display().to_string();
    let stderr = String::from_utf8(output.stderr).unwrap().replace(&here, "PROJECT");
    let code = output.status.code().map_or("none".to_owned(), |code| code.to_string());
    format!("{command}\n{stderr}exit code {code}\n")
}

#[test]
fn every_example_is_answered_as_expected() {
    let mut differences = Vec::new();
    for folder in projects() {
        let file = folder.join("expected.txt");
        let expected = fs::read_to_string(&file).unwrap();
        let found = answer(&folder, expected.lines().next().unwrap());
        if found == expected {
            continue;
        }
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&file, &found).unwrap();
        }
        let name = folder.file_name().unwrap().display();
        differences.push(format!("=== {name}, expected:\n{expected}=== found:\n{found}"));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn an_example_shows_the_code_it_is_named_after() {
    for folder in projects() {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let code = name.split('_').next().unwrap().to_uppercase();
        let expected = fs::read_to_string(folder.join("expected.txt")).unwrap();
        assert!(expected.contains(&format!("error[{code}]: ")), "{name} shows another finding:\n{expected}");
        assert!(expected.ends_with("exit code 2\n"), "{name} is a mistake in the project");
    }
}

/// Codes of mistakes in a project that no small project can show: a file over 1 MiB (below), what
/// lies in a root, and what a store or a terminal refuses.
const WITHOUT_EXAMPLE: [u16; 6] = [106, 222, 303, 305, 306, 706];

#[test]
fn every_mistake_in_a_project_has_its_example() {
    let folders = projects();
    let names: Vec<&str> =
        folders.iter().map(|folder| folder.file_name().unwrap().to_str().unwrap()).collect();
    let project_codes = ALL_CODES.iter().filter(|code| code.kind == Kind::Project);
    for code in project_codes {
        let start = format!("{code}_").to_lowercase();
        let has_example = names.iter().any(|name| name.starts_with(&start));
        assert_ne!(has_example, WITHOUT_EXAMPLE.contains(&code.number), "{code}");
    }
}

/// The sections `## GW0203 …` of the page: the code's text, and the section's.
fn sections() -> Vec<(String, String)> {
    let page = fs::read_to_string(package("docs/errors.md")).unwrap();
    let section = |text: &str| {
        let (head, body) = text.split_once('\n').unwrap();
        let code = head.split([':', ' ']).next().unwrap();
        (code.to_owned(), body.to_owned())
    };
    page.split("\n## GW").skip(1).map(|text| section(&format!("GW{text}"))).collect()
}

#[test]
fn every_code_has_its_section_and_no_section_another() {
    let written: Vec<String> = sections().into_iter().map(|(code, _)| code).collect();
    let codes: Vec<String> = ALL_CODES.iter().map(ToString::to_string).collect();
    assert_eq!(written, codes, "docs/errors.md has the codes of the catalogue, in their order, once");
}

const fn exit_code(code: Code) -> u8 {
    match code.kind {
        Kind::Model => 1,
        Kind::Project => 2,
        Kind::Audit => 3,
        Kind::Input => 4,
        Kind::Bug => 70,
        Kind::Temporary => 75,
    }
}

#[test]
fn a_section_tells_an_example_what_to_do_and_the_exit_code() {
    for ((name, body), code) in sections().iter().zip(ALL_CODES) {
        assert!(body.contains(&format!("[{name}]: ")), "{name} has no example of its message");
        assert!(body.contains("**What to do:** "), "{name} does not say what to do");
        let exit = format!("**Exit code:** {}", exit_code(*code));
        assert!(body.lines().any(|line| line.trim_end_matches('.') == exit), "{name} must say `{exit}`");
    }
}

#[test]
fn the_page_shows_what_the_examples_answer() {
    let folders = projects();
    for (name, body) in sections() {
        let shown =
            body.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
        let start = format!("{name}_").to_lowercase();
        let named = |folder: &&PathBuf| folder.file_name().unwrap().to_str().unwrap().starts_with(&start);
        let answers: Vec<String> = folders
            .iter()
            .filter(named)
            .map(|folder| fs::read_to_string(folder.join("expected.txt")).unwrap())
            .collect();
        let is_real = answers.is_empty() || answers.iter().any(|answer| answer.contains(shown));
        assert!(is_real, "no example of {name} answers as the page shows:\n{shown}");
    }
}

#[test]
fn a_section_has_its_title_from_the_catalogue() {
    let page = fs::read_to_string(package("docs/errors.md")).unwrap();
    for code in ALL_CODES {
        let heading = format!("\n## {code}: {}\n", code.title);
        assert!(page.contains(&heading), "docs/errors.md has no heading `{}`", heading.trim());
    }
}

#[test]
fn only_codes_that_exist_are_named_in_the_page() {
    let page = fs::read_to_string(package("docs/errors.md")).unwrap();
    let known: BTreeSet<String> = ALL_CODES.iter().map(ToString::to_string).collect();
    for (at, _) in page.match_indices("GW0") {
        let named = page.get(at..at + 6).unwrap_or_default();
        assert!(known.contains(named), "`{named}` is no code");
    }
}

/// Checks a project made of `files`, and that the answer starts with `expected`.
fn check_made(files: &[(&str, &[u8])], expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let found = transcript(folder.path(), "$ goodwill check --no-color");
    assert!(found.contains(expected), "{found}");
    assert!(found.ends_with("exit code 2\n"), "{found}");
}

#[test]
fn a_pipeline_file_over_the_limit_is_not_read() {
    let large = format!("version: 1\n{}", "# nothing\n".repeat(110_000));
    let expected = "error[GW0106]: `pipelines/p.yml` has 1100011 bytes; a project file has at most 1048576\n";
    check_made(&[("pipelines/p.yml", large.as_bytes())], expected);
}

#[test]
fn bytes_that_are_no_text_are_not_read() {
    let expected = "error[GW0101]: `pipelines/p.yml` is not UTF-8 text\n";
    check_made(&[("pipelines/p.yml", b"version: 1\nname: \xff\n")], expected);
}
