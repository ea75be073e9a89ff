//! What is wrong with a project, as a person sees it: each folder of `tests/fixtures/invalid` is
//! a small project with one kind of mistake, and its `expected.txt` is what the program answers.
//!
//! `UPDATE_EXPECTED=1 cargo test --test integration invalid` writes them anew; read the
//! difference before you commit it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;

use goodwill::diagnostic::{ALL_CODES, Code, Kind};

use crate::examples::{Example, examples};

/// How many examples go on at once.
const AT_ONCE: usize = 4;

/// What each example is answered now. They mostly wait for their program to start, so some go on at once.
fn transcripts(examples: &[Example]) -> Vec<String> {
    let answer = |some: &[Example]| some.iter().map(Example::transcript).collect::<Vec<_>>();
    thread::scope(|scope| {
        let chunks = examples.chunks(examples.len().div_ceil(AT_ONCE));
        let threads: Vec<_> = chunks.map(|some| scope.spawn(move || answer(some))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn every_example_is_answered_as_expected() {
    let examples = examples();
    let mut differences = Vec::new();
    for (example, found) in examples.iter().zip(transcripts(&examples)) {
        let expected = example.expected();
        if found == expected {
            continue;
        }
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            example.expect(&found);
        }
        differences.push(format!("=== {}, expected:\n{expected}=== found:\n{found}", example.name()));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn an_example_shows_the_code_it_is_named_after() {
    for example in examples() {
        let (name, code, answer) = (example.name(), example.code(), example.expected_answer());
        let code = ALL_CODES.iter().find(|known| known.to_string() == code).expect(name);
        assert!(answer.contains(&format!("error[{code}]: ")), "{name} shows another finding:\n{answer}");
        let exit = format!("exit code {}\n", exit_code(*code));
        assert!(answer.ends_with(&exit), "{name} must end with {exit}:\n{answer}");
    }
}

/// Codes that no example can show, and why; each must be shown by a test of its own.
const WITHOUT_EXAMPLE: [(u16, &str); 3] = [
    (306, "every file system here honours create-if-absent; the tests of object stores show it"),
    (701, "a folder of this machine always answers; the tests of object stores show it"),
    (
        708,
        "a clean-up takes no run for dead before 48 hours; the tests of clean-ups, with a clock of their own, show it",
    ),
];

#[test]
fn every_code_has_its_example() {
    let shown: BTreeSet<String> = examples().iter().map(Example::code).collect();
    for code in ALL_CODES {
        let is_excused = WITHOUT_EXAMPLE.iter().any(|(number, _)| *number == code.number);
        assert_ne!(
            shown.contains(&code.to_string()),
            is_excused,
            "{code} has an example, or a reason not to"
        );
    }
}

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md")).unwrap()
}

/// The sections `## GW0203 …` of the page: the code's text, and the section's.
fn sections() -> Vec<(String, String)> {
    let page = page();
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
    let examples = examples();
    for (name, body) in sections() {
        let shown =
            body.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
        let named = examples.iter().filter(|example| example.code() == name);
        let answers: Vec<String> = named.map(Example::expected_answer).collect();
        let is_real = answers.is_empty() || answers.iter().any(|answer| answer.contains(shown));
        assert!(is_real, "no example of {name} answers as the page shows:\n{shown}");
    }
}

#[test]
fn a_section_has_its_title_from_the_catalogue() {
    let page = page();
    for code in ALL_CODES {
        let heading = format!("\n## {code}: {}\n", code.title);
        assert!(page.contains(&heading), "docs/errors.md has no heading `{}`", heading.trim());
    }
}

#[test]
fn only_codes_that_exist_are_named_in_the_page() {
    let page = page();
    let known: BTreeSet<String> = ALL_CODES.iter().map(ToString::to_string).collect();
    for (at, _) in page.match_indices("GW0") {
        let named = page.get(at..at + 6).unwrap_or_default();
        assert!(known.contains(named), "`{named}` is no code");
    }
}
