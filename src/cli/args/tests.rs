use clap::{CommandFactory, Parser};

use super::*;

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(std::iter::once("goodwill").chain(line.split_whitespace()))
}

fn run(line: &str) -> RunArgs {
    match parse(line).expect("a command line").command {
        Command::Run(args) => args,
        other => panic!("{other:?}"),
    }
}

fn refused(line: &str) -> clap::Error {
    parse(line).expect_err("refused")
}

#[test]
fn the_command_line_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn every_command_and_flag_has_a_help_text() {
    fn visit(command: &clap::Command) {
        assert!(command.get_about().is_some(), "{}", command.get_name());
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
        }
        command.get_subcommands().for_each(visit);
    }
    visit(&Arguments::command());
}

#[test]
fn the_commands_are_those_of_the_documents() {
    let command = Arguments::command();
    let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    let expected = "demo init check plan freshness run apply resume backfill test show ls history receipt recover rollback diff verify gc schema functions completions";
    assert_eq!(names.join(" "), expected);
}

#[test]
fn build_is_another_word_for_run() {
    assert!(matches!(parse("build").expect("a command line").command, Command::Run(_)));
}

#[test]
fn common_flags_are_understood_together() {
    let args =
        run("run -p shop -s a -s +b --exclude c -t prod --sources in --root out --vars x=1 --vars y=a=b \
         --as-of 2025-01-01 --known-at 2025-02-01 --threads 2 --memory-limit 1GiB");
    let common = args.walk.common();
    assert_eq!(common.pipeline.as_deref(), Some("shop"));
    assert_eq!(common.select, ["a", "+b"]);
    assert_eq!(common.exclude, ["c"]);
    assert_eq!(common.target.as_deref(), Some("prod"));
    assert_eq!((common.sources.as_deref(), common.root.as_deref()), (Some("in"), Some("out")));
    assert_eq!(common.vars.get("y").map(String::as_str), Some("a=b"));
    assert_eq!(
        (common.as_of.as_deref(), common.known_at.as_deref()),
        (Some("2025-01-01"), Some("2025-02-01"))
    );
    assert_eq!((common.threads, common.memory_limit), (Some(2), Some(1 << 30)));
}

#[test]
fn display_flags_stand_before_or_after_the_command() {
    for line in ["-q --no-color --log-format json ls", "ls -q --no-color --log-format json"] {
        let display = parse(line).expect("a command line").display;
        assert!(display.quiet && display.no_color && display.log_format == LogFormat::Json, "{line}");
    }
}

#[test]
fn ls_has_forms_of_its_own() {
    let output = |line| parse(line).expect("a command line").command.output();
    assert_eq!(output("ls --output json"), Output::Json);
    assert_eq!(output("ls --output path"), Output::Text);
    assert_eq!(output("run --output json"), Output::Json);
}

#[test]
fn what_is_unknown_ends_with_code_2_and_the_nearest_word() {
    let error = refused("shwo");
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("show"), "{error}");
    let error = refused("run --as-off 2025-01-01");
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("--as-of"), "{error}");
    assert_eq!(refused("").exit_code(), 2);
}

#[test]
fn flags_of_later_versions_are_unknown() {
    for line in ["run --engine local", "serve", "erase"] {
        assert_eq!(refused(line).exit_code(), 2, "{line}");
    }
}

#[test]
fn values_that_cannot_be_are_refused_with_what_was_expected() {
    for (line, expected) in [
        ("run --vars x", "NAME=VALUE"),
        ("run --vars =1", "NAME=VALUE"),
        ("run --threads 0", "1 to 1024"),
        ("run --memory-limit many", "12GiB"),
        ("run --timeout 5y", "30m"),
        ("run --timeout 0s", "30m"),
        ("run --lock-wait long", "30m"),
        ("apply plan.json --vars a=1", "--vars"),
        ("apply plan.json -s a", "-s"),
        ("apply", "PLAN"),
        ("demo --scale -1", "above 0"),
        ("demo --scale nan", "above 0"),
        ("demo --until tomorrow", "--until"),
        ("check a -p b", "--pipeline"),
        ("test --unit --data", "--data"),
        ("verify 3 --all", "--all"),
        ("gc --keep-versions 2", "3.."),
        ("gc --keep-days 6", "7.."),
        ("-q -v ls", "--verbose"),
    ] {
        let error = refused(line);
        assert_eq!(error.exit_code(), 2, "{line}");
        assert!(error.to_string().contains(expected), "{line}: {error}");
    }
}

#[test]
fn times_have_units() {
    let seconds = |line| run(line).conduct.timeout.map(|timeout| timeout.as_secs());
    assert_eq!(seconds("run"), None);
    assert_eq!(seconds("run --timeout 90"), Some(90));
    assert_eq!(seconds("run --timeout 30m"), Some(1_800));
    assert_eq!(seconds("run --timeout 2h"), Some(7_200));
    assert_eq!(run("run --lock-wait 30m").common().lock_wait.as_secs(), 1_800);
    assert!(run("run").common().lock_wait.is_zero());
}

#[test]
fn the_next_command_repeats_what_was_typed() {
    let line = "goodwill run -p shop -t prod --sources 'my data' --root s3://b/x --vars 'a=1' -s +rfm -s tag:x \
                --exclude kpi --as-of 2025-01-01 --threads 2 --memory-limit 1073741824 --full-refresh --fail-fast --timeout 90s --lock-wait 60s";
    let words = line.replace("'my data'", "my data").replace("'a=1'", "a=1");
    let words = words.replace("my data", "my\u{1}data");
    let words = words.split_whitespace().map(|word| word.replace('\u{1}', " "));
    let Ok(Arguments { command: Command::Run(args), .. }) = Arguments::try_parse_from(words) else {
        panic!("a run");
    };
    assert_eq!(args.typed(), line);
}
