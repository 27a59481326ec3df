//! One migration file.
//!
//! Owns [`Migration`] and its header: `-- erpgo: no-transaction`, `-- erpgo: destructive` and the mark
//! `-- erpgo: down`, after which come the statements that take the file back. What would break the
//! promise of "all or nothing" is refused here, before anything runs (P17).

use sha2::{Digest as _, Sha256};

use super::statement::{Statement, split};

/// Whether a file's statements are committed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All statements in one transaction.
    Transaction,
    /// One statement that PostgreSQL refuses in a transaction; the index that it creates.
    Concurrent {
        /// The index.
        index: String,
    },
}

/// One file, understood.
#[derive(Clone, Debug)]
pub struct Migration {
    /// The number in its name.
    pub version: i32,
    /// `NNNN_name`.
    pub name: String,
    /// SHA-256 of the file, in hex.
    pub checksum: String,
    /// How it runs.
    pub mode: Mode,
    /// Whether it takes data away.
    pub destructive: bool,
    /// What it does.
    pub up: Vec<Statement>,
    /// What takes it back; none when it cannot be.
    pub down: Vec<Statement>,
}

/// Why a file is no migration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Its name.
    #[error("{0}: a migration is called NNNN_name.sql, in a-z, 0-9 and _")]
    Name(String),
    /// A header line that nobody knows.
    #[error("{name}: {line:?} is not a header; there are no-transaction, destructive and down")]
    Header {
        /// The file.
        name: String,
        /// The line.
        line: String,
    },
    /// A quote or comment without an end.
    #[error("{name}: what begins at byte {at} is never closed")]
    Unclosed {
        /// The file.
        name: String,
        /// Where it begins.
        at: usize,
    },
    /// There is nothing to do.
    #[error("{0}: there is no statement in it")]
    Empty(String),
    /// BEGIN, COMMIT and the like.
    #[error("{name}: the file's transaction is not its own to end: {statement}")]
    TransactionControl {
        /// The file.
        name: String,
        /// The statement.
        statement: String,
    },
    /// CONCURRENTLY without the header.
    #[error("{0}: CONCURRENTLY needs the header `-- erpgo: no-transaction`")]
    Concurrently(String),
    /// Something else than one index without a transaction.
    #[error(
        "{0}: without a transaction a file has exactly one statement, \
         CREATE INDEX CONCURRENTLY name ON …, so that nothing of it can stay behind"
    )]
    NotOneIndex(String),
}

#[derive(Default)]
struct Header {
    no_transaction: bool,
    destructive: bool,
}

impl Migration {
    /// Understands `sql`, the content of the file called `file`.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn parse(file: &str, sql: &str) -> Result<Self, FileError> {
        let (name, version) = name(file).ok_or_else(|| FileError::Name(file.to_owned()))?;
        let (header, up, down) = sections(&name, sql)?;
        let (up, down) = (statements(&name, up)?, statements(&name, down)?);
        if up.is_empty() {
            return Err(FileError::Empty(name));
        }
        let mode = mode(&name, &header, &up)?;
        Ok(Self {
            version,
            checksum: hex::encode(Sha256::digest(sql)),
            mode,
            destructive: header.destructive || up.iter().any(Statement::is_destructive),
            up,
            down,
            name,
        })
    }
}

fn name(file: &str) -> Option<(String, i32)> {
    let stem = file.strip_suffix(".sql")?;
    let (number, words) = stem.split_once('_')?;
    let digits = number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit());
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let good = digits && (1..=60).contains(&words.len()) && words.bytes().all(word);
    let version = number.parse().ok().filter(|number| *number > 0)?;
    good.then(|| (stem.to_owned(), version))
}

fn sections<'a>(name: &str, sql: &'a str) -> Result<(Header, &'a str, &'a str), FileError> {
    let mut header = Header::default();
    let (mut up, mut down) = (sql, "");
    let mut at = 0;
    for line in sql.split_inclusive('\n') {
        let word = line.trim().strip_prefix("-- erpgo:").map(str::trim);
        match word {
            None => {}
            Some("no-transaction") => header.no_transaction = true,
            Some("destructive") => header.destructive = true,
            Some("down") => {
                (up, down) = (&sql[..at], &sql[at + line.len()..]);
                break;
            }
            Some(_) => {
                return Err(FileError::Header {
                    name: name.to_owned(),
                    line: line.trim().chars().take(80).collect(),
                });
            }
        }
        at += line.len();
    }
    Ok((header, up, down))
}

fn statements(name: &str, sql: &str) -> Result<Vec<Statement>, FileError> {
    let statements = split(sql).map_err(|unclosed| FileError::Unclosed {
        name: name.to_owned(),
        at: unclosed.0,
    })?;
    match statements
        .iter()
        .find(|statement| statement.controls_transaction())
    {
        None => Ok(statements),
        Some(statement) => Err(FileError::TransactionControl {
            name: name.to_owned(),
            statement: statement.shown(),
        }),
    }
}

fn mode(name: &str, header: &Header, up: &[Statement]) -> Result<Mode, FileError> {
    if !header.no_transaction {
        return match up.iter().any(Statement::is_concurrent) {
            true => Err(FileError::Concurrently(name.to_owned())),
            false => Ok(Mode::Transaction),
        };
    }
    match up {
        [only] => only
            .concurrent_index()
            .map(|index| Mode::Concurrent { index }),
        _ => None,
    }
    .ok_or_else(|| FileError::NotOneIndex(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r19_1_header_and_sections_are_understood() {
        let sql = "-- erpgo: destructive\nSELECT 1;\n-- erpgo: down\nSELECT 2; SELECT 3;\n";
        let migration = Migration::parse("0042_some_name.sql", sql).unwrap();
        assert_eq!(
            (migration.version, &*migration.name),
            (42, "0042_some_name")
        );
        assert!(migration.destructive);
        assert_eq!((migration.up.len(), migration.down.len()), (1, 2));
        assert_eq!(migration.mode, Mode::Transaction);
        let other = Migration::parse("0042_some_name.sql", "SELECT 1").unwrap();
        assert!(!other.destructive);
        assert_ne!(migration.checksum, other.checksum);
    }

    #[test]
    fn p17_what_could_leave_something_behind_is_refused() {
        let refused = |sql: &str| Migration::parse("0001_a.sql", sql).unwrap_err();
        for sql in [
            "SELECT 1; COMMIT; SELECT 2",
            "begin",
            "ROLLBACK TO x",
            "/**/ end;",
        ] {
            assert!(
                matches!(refused(sql), FileError::TransactionControl { .. }),
                "{sql}"
            );
        }
        let concurrently = "CREATE INDEX CONCURRENTLY a ON b (c)";
        assert!(matches!(refused(concurrently), FileError::Concurrently(_)));
        for sql in [
            "SELECT 1",
            "SELECT 1; SELECT 2",
            "CREATE INDEX CONCURRENTLY ON b (c)",
        ] {
            let sql = format!("-- erpgo: no-transaction\n{sql}");
            assert!(matches!(refused(&sql), FileError::NotOneIndex(_)), "{sql}");
        }
        assert!(matches!(
            refused("-- erpgo: no-transactoin\nSELECT 1"),
            FileError::Header { .. }
        ));
        assert!(matches!(refused("-- nothing"), FileError::Empty(_)));
        assert!(matches!(refused("SELECT 'a"), FileError::Unclosed { .. }));
        for name in [
            "1_a.sql",
            "0001a.sql",
            "0001_A.sql",
            "0001_a",
            "0000_a.sql",
            "0001_.sql",
        ] {
            assert!(
                matches!(Migration::parse(name, "SELECT 1"), Err(FileError::Name(_))),
                "{name}"
            );
        }
    }
}
