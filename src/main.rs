//! The `goodwill` program: everything is in the library, the command line in `goodwill::cli`.

use std::process::ExitCode;

/// Runs allocate much and free it at once; this allocator gives memory back sooner.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    goodwill::cli::main()
}
