//! Waiting for a condition with a deadline; an error shows the tail of the log.

use anyhow::bail;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(10);
const TAIL_BYTES: u64 = 4096;

/// Polls `condition` until it gives a value, fails, or `limit` has passed.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    log: &Path,
    mut condition: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        match condition() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(POLL),
            Ok(None) => bail!("{what} took longer than {limit:?}; {}", tail(log)),
            Err(error) => return Err(error.context(format!("{what}; {}", tail(log)))),
        }
    }
}

/// The last lines of a log, in a form that fits at the end of an error.
pub(crate) fn tail(log: &Path) -> String {
    match read_tail(log) {
        Ok(text) => format!("the log {} ends with:\n{text}", log.display()),
        Err(error) => format!("the log {} cannot be read: {error}", log.display()),
    }
}

fn read_tail(log: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
