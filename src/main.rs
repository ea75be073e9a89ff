//! The `goodwill` command.

fn main() {}
