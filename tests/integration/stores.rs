//! The same promises where sources and root lie in a bucket, and what is told when a store
//! refuses.

use crate::program::{Project, assert_at_rest, commit, demo, hashes};

#[test]
fn a_bucket_gets_the_same_bytes_as_a_folder() {
    let project = Project::demo_in_a_bucket();
    let root = project.root();
    assert_eq!(assert_at_rest(&root), 1);
    assert_eq!(hashes(&commit(&root, 1)), hashes(&commit(&demo().root(), 1)));
    let again = project.run(&[]).ended_with(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    project.goodwill(&["show", "value_tiers"]).ended_with(0);
}

#[test]
fn a_bucket_and_a_folder_work_in_one_run() {
    let project = Project::demo_in_a_bucket();
    project.run(&["--root", "out-here", "-s", "dates"]).ended_with(0);
    assert_eq!(assert_at_rest(&project.folder().join("out-here")), 1);
    let sources = demo().folder().join("demo/sources");
    project.run(&["--sources", sources.to_str().unwrap(), "-f", "-s", "products"]).ended_with(0);
    assert_eq!(assert_at_rest(&project.root()), 2);
}

/// What a run says, in a project whose environment has `name` set to `value`, or not set.
fn refused(name: &str, value: Option<&str>, code: i32) -> String {
    let project = Project::unpublished_demo_in_a_bucket();
    let mut command = project.run_command(&[]);
    match value {
        Some(value) => command.env(name, value),
        None => command.env_remove(name),
    };
    command.env("GOODWILL_STORE_PATIENCE", "3s");
    let answer: crate::program::Answer = command.output().unwrap().into();
    assert!(!project.root().exists(), "nothing is written");
    answer.ended_with(code).stderr
}

#[test]
fn a_wrong_secret_is_told_as_one_and_never_shown() {
    let said = refused("AWS_SECRET_ACCESS_KEY", Some("canary-wrong"), 2);
    assert!(said.contains("GW0706") && said.contains("the secret does not fit the key"), "{said}");
    assert!(!said.contains("canary"), "{said}");
}

#[test]
fn an_unknown_key_is_told_as_one() {
    let said = refused("AWS_ACCESS_KEY_ID", Some("nobody"), 2);
    assert!(said.contains("GW0706"), "{said}");
}

#[test]
fn a_store_that_is_not_there_is_a_temporary_failure() {
    let said = refused("AWS_ENDPOINT_URL", Some("http://127.0.0.1:1"), 75);
    assert!(said.contains("GW0701") && said.contains("refused"), "{said}");
}

#[test]
fn a_bucket_that_is_not_there_is_told_as_one() {
    let project = Project::unpublished_demo_in_a_bucket();
    let said = project.run(&["--root", "s3://no-such-bucket/x"]).ended_with(2).stderr;
    assert!(said.contains("bucket") && said.contains("s3://no-such-bucket/x"), "{said}");
}

#[test]
fn a_connection_that_works_is_told_step_by_step() {
    let project = Project::unpublished_demo_in_a_bucket();
    let told = project.goodwill(&["check", "--connect", "--output", "json"]).ended_with(0).json();
    let root = &told["connections"][1];
    assert_eq!(root["works"], serde_json::json!(["list", "write", "read", "delete", "create if absent"]));
    assert!(!project.root().join("_goodwill/commits").exists(), "nothing is left");
    let text = project.goodwill(&["check", "--connect"]).ended_with(0).stdout;
    assert!(text.contains("35 files") && text.contains("create if absent"), "{text}");
}

#[test]
fn a_connection_that_is_refused_says_what_and_why() {
    let project = Project::unpublished_demo_in_a_bucket();
    let mut command = project.command(&["check", "--connect", "--root", "s3://no-such-bucket/x"]);
    let answer: crate::program::Answer = command.output().unwrap().into();
    let answer = answer.ended_with(2);
    assert!(answer.stdout.contains("35 files"), "the sources are fine: {}", answer.stdout);
    assert!(answer.stderr.contains("s3://no-such-bucket/x"), "{}", answer.stderr);
}

#[test]
fn without_credentials_the_run_says_so_soon() {
    let project = Project::unpublished_demo_in_a_bucket();
    let mut command = project.run_command(&[]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let started = std::time::Instant::now();
    let answer: crate::program::Answer = command.output().unwrap().into();
    let said = answer.ended_with(2).stderr;
    assert!(said.contains("there are no credentials"), "{said}");
    assert!(started.elapsed() < std::time::Duration::from_secs(30), "took {:?}", started.elapsed());
}
