//! The `erpgo` binary: parses arguments and hands over to the library.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    erpgo::cli::run(&erpgo::cli::Cli::parse())
}
