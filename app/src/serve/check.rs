//! The check-config subcommand.
//!
//! Owns the report: settings were valid to get here, so what is left is the secret set.

use crate::cli::{Exit, list_faults};
use crate::config::{Settings, Sources};
use crate::secrets::Source;

/// Checks the secret set and says what is in force, without a value.
#[must_use]
#[expect(clippy::print_stdout, reason = "the report is the output")]
pub fn check(settings: Settings, sources: Sources) -> Exit {
    let source = Source::choose(&settings.secrets.dir);
    match source.read() {
        Ok(set) => {
            println!("settings: valid (file {})", sources.file.display());
            println!("secret set: valid, generation {}", set.generation);
            for (key, slot, version) in set.keys.versions() {
                println!("  {key}.{slot}: {}", version.kid);
            }
            Exit::Ok
        }
        Err(error) => {
            list_faults("the secret set is not valid", &error.faults());
            Exit::Config
        }
    }
}
