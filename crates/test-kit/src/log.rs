//! What a subscriber has written.
//!
//! Owns [`Log`], a writer that keeps everything: for one test process, whose log has an end.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use crate::fail;

/// So many events are looked through before the next are taken.
const AT_ONCE: usize = 256;

/// Everything that is logged to it or to a clone of it.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<Arc<str>>>>);

impl Log {
    /// As they were written: whole lines. Those who write need not wait until they are looked through.
    fn events(&self) -> Vec<Arc<str>> {
        self.kept().clone()
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of it.
    #[must_use]
    pub fn text(&self) -> String {
        self.events().iter().map(|event| &**event).collect()
    }

    /// Whether anything that was written has `needle`; what came last is looked at first.
    #[must_use]
    pub fn has(&self, needle: &str) -> bool {
        // It only grows: what stood before a place stands there still.
        let mut end = self.kept().len();
        while end > 0 {
            let start = end.saturating_sub(AT_ONCE);
            let some = self.kept()[start..end].to_vec();
            if some.iter().any(|event| event.contains(needle)) {
                return true;
            }
            end = start;
        }
        false
    }

    /// Line by line.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// The lines with `needle`, each of which must be JSON.
    #[must_use]
    pub fn lines_with(&self, needle: &str) -> Vec<Value> {
        self.events()
            .iter()
            .flat_map(|event| event.lines())
            .filter(|line| line.contains(needle))
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
            .collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let event = fail::unless(str::from_utf8(bytes).map_err(Into::into));
        self.kept().push(event.into());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::io::Write as _;

    #[test]
    fn what_is_written_to_any_clone_is_kept_in_order_and_found_by_a_word() {
        let log = Log::default();
        for line in ["{\"message\":\"one\"}\n", "{\"message\":\"zwölf\"}\n"] {
            log.make_writer().write_all(line.as_bytes()).unwrap();
        }
        let lines = ["{\"message\":\"one\"}", "{\"message\":\"zwölf\"}"];
        assert_eq!(log.lines(), lines);
        assert_eq!(log.text(), format!("{}\n{}\n", lines[0], lines[1]));
        assert_eq!(log.lines_with("zwö"), [json!({"message": "zwölf"})]);
        assert!(log.lines_with("three").is_empty());
        assert!(log.has("one") && log.has("zwö") && !log.has("three"));
        for _ in 0..2 * AT_ONCE {
            log.make_writer().write_all(b"{}\n").unwrap();
        }
        assert!(log.has("one") && log.has("zwö") && !log.has("three"));
        assert!(!Log::default().has(""));
    }
}
