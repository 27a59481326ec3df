//! `erpgo audit verify`: is the audit log what was written?
//!
//! Owns [`verify`], which reads one snapshot from the first link to the last, and the subcommand. It
//! trusts nothing in the database but the hashes that it computes itself; against a rewrite of the
//! whole chain, or a tail that was cut off, it needs an anchor that was kept elsewhere.

mod read;
mod run;
mod walk;

use sqlx::{Connection as _, PgConnection};

use super::seal::Head;

pub use run::run;
pub use walk::{Break, Link, Walk};

/// What a whole log comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Links that were walked.
    pub links: u64,
    /// Events that wait for their seal.
    pub pending: i64,
    /// The newest link.
    pub head: Head,
}

/// Why there is no verdict that it is whole.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is not.
    #[error("the audit log is not whole: {0}")]
    Broken(Break),
    /// It cannot be read.
    #[error("the audit log cannot be read")]
    Read(#[source] sqlx::Error),
}

/// Links that are read at once.
const PART: i64 = 1_000;

/// Walks the whole log, and holds it against `anchor` if there is one.
///
/// # Errors
/// The first break, or when the database does not answer.
pub async fn verify(
    connection: &mut PgConnection,
    anchor: Option<Head>,
) -> Result<Whole, VerifyError> {
    let mut tx = connection.begin().await.map_err(VerifyError::Read)?;
    read::snapshot(&mut tx).await.map_err(VerifyError::Read)?;
    let beginning = read::beginning(&mut tx).await.map_err(VerifyError::Read)?;
    let mut walk = Walk::from(beginning, anchor);
    loop {
        let after = walk.head().position;
        let part = read::links(&mut tx, after, PART)
            .await
            .map_err(VerifyError::Read)?;
        if part.is_empty() {
            break;
        }
        for (link, event) in &part {
            walk.step(link, event.as_ref())
                .map_err(VerifyError::Broken)?;
        }
    }
    let loose = read::loose(&mut tx).await.map_err(VerifyError::Read)?;
    let (links, head) = walk.end(&loose).map_err(VerifyError::Broken)?;
    Ok(Whole {
        links,
        pending: loose.pending,
        head,
    })
}
