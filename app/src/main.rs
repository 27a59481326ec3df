//! The `erpgo` binary: parses arguments and hands over to the library.

use std::process::ExitCode;

use clap::Parser as _;

// Gives back what a rush took, where the C library's keeps it in as many arenas as there were threads
// (docs/adr/0020).
#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    erpgo::cli::run(&erpgo::cli::Cli::parse())
}
