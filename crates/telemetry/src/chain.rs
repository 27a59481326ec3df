//! An error and all its sources in one line.
//!
//! Owns [`chain`], used at the one place that logs an error.

use std::error::Error;
use std::fmt;

struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// Shows `error` and each of its sources, from the outermost in.
pub fn chain(error: &dyn Error) -> impl fmt::Display + '_ {
    Chain(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn r03_2_every_source_is_shown_once() {
        let outer = Outer(std::io::Error::other("inner"));
        assert_eq!(chain(&outer).to_string(), "outer: inner");
    }
}
