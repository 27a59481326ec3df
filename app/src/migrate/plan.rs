//! What is to be done, from the files and the history alone.
//!
//! Owns [`pending`] (pure): drift, a newer database and files out of order are found before anything
//! runs.

use super::MigrateError;
use super::file::Migration;
use super::history::Applied;
use super::set::MigrationSet;

/// The files that are to be applied, in order.
///
/// # Errors
/// When files and history do not belong together.
pub(super) fn pending<'a>(
    set: &'a MigrationSet,
    applied: &[Applied],
) -> Result<Vec<&'a Migration>, MigrateError> {
    let foreign: Vec<String> = applied
        .iter()
        .filter(|row| set.get(row.version).is_none())
        .map(|row| row.name.clone())
        .collect();
    if !foreign.is_empty() {
        return Err(MigrateError::Newer { names: foreign });
    }
    for row in applied {
        let same = |file: &&Migration| file.name == row.name && file.checksum == row.checksum;
        let drifted = set.get(row.version).filter(|file| !same(file));
        if let Some(file) = drifted {
            return Err(MigrateError::Drift {
                migration: file.name.clone(),
            });
        }
    }
    let pending = missing(set, applied);
    let (first, newest) = (pending.first(), applied.last());
    if let (Some(first), Some(newest)) = (first, newest)
        && first.version < newest.version
    {
        return Err(MigrateError::OutOfOrder {
            migration: first.name.clone(),
            applied: newest.name.clone(),
        });
    }
    Ok(pending)
}

/// The files that the history lacks, whatever else there is in it.
pub(super) fn missing<'a>(set: &'a MigrationSet, applied: &[Applied]) -> Vec<&'a Migration> {
    set.iter()
        .filter(|file| applied.iter().all(|row| row.version != file.version))
        .collect()
}

/// Refuses when one of `pending` takes data away.
pub(super) fn harmless(pending: &[&Migration]) -> Result<(), MigrateError> {
    let Some(file) = pending.iter().find(|file| file.destructive) else {
        return Ok(());
    };
    let statement = file.up.iter().find(|statement| statement.is_destructive());
    Err(MigrateError::Destructive {
        migration: file.name.clone(),
        statement: statement
            .or(file.up.first())
            .map(|s| s.shown())
            .unwrap_or_default(),
    })
}
