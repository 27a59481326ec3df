//! From bytes to a set that may replace the held one.
//!
//! Owns [`accept`]: parse, validate, compare; pure. A document that fails any of it changes nothing
//! on the tmpfs. A refusal names keys, slots and numbers, never a value (I-04).

use erpgo_secret_set::{
    Document, DocumentError, Fault, Generation, Manifest, RenderedSet, render, validate,
};

/// What a good document means for the held set.
pub(crate) enum Accepted {
    /// It is what is held.
    Same,
    /// It replaces what is held.
    Newer(RenderedSet),
}

/// Why a document is not used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Refusal {
    #[error("the document is not used: write a valid one")]
    Document(#[source] DocumentError),
    #[error("the document is not used: {}", list(.0))]
    Faults(Vec<Fault>),
    #[error("the document has generation {found} and {held} is held: write a higher one")]
    Older { found: Generation, held: Generation },
    #[error(
        "the document differs from the held one and has the same generation {0}: write a higher one"
    )]
    Altered(Generation),
}

fn list(faults: &[Fault]) -> String {
    let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// Checks `bytes` against the rules and against `held`.
pub(crate) fn accept(bytes: &[u8], held: Option<&Manifest>) -> Result<Accepted, Refusal> {
    let document = Document::parse(bytes).map_err(Refusal::Document)?;
    let faults = validate(&document.keys);
    if !faults.is_empty() {
        return Err(Refusal::Faults(faults));
    }
    let set = render(&document);
    let Some(held) = held else {
        return Ok(Accepted::Newer(set));
    };
    let found = document.generation;
    if found > held.generation {
        Ok(Accepted::Newer(set))
    } else if set.manifest == *held {
        Ok(Accepted::Same)
    } else if found < held.generation {
        Err(Refusal::Older {
            found,
            held: held.generation,
        })
    } else {
        // An ack names a generation, so two contents under one number would make it worthless.
        Err(Refusal::Altered(found))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A valid document of `generation`, whose values carry `mark`.
    pub(crate) fn document(generation: u64, mark: &str) -> String {
        let key = |name: &str, value: &str| {
            format!(
                r#""{name}":{{"current":{{"kid":"{name}-{generation}","created_at":"2026-08-01T00:00:00Z","value":"{value}{mark}"}}}}"#
            )
        };
        let keys = [
            key("jwt", "mU3xQ9vT1zL7pW5kR2nB8cD4fG6hJ0sYaEoIuXtVrNq"),
            key("refresh", "Zk4uP0yH8wC2mS6bF1xJ5vN9tR3dL7gQaTeYiWoUzXp"),
            key("pepper", "b7VhK2sXw9RfTq4Lm1Zc"),
            key("database", "postgres://erp:hunter2@db:5432/erp"),
        ];
        format!(
            r#"{{"generation":{generation},"keys":{{{}}}}}"#,
            keys.join(",")
        )
    }

    pub(crate) fn newer(text: &str, held: Option<&Manifest>) -> RenderedSet {
        match accept(text.as_bytes(), held) {
            Ok(Accepted::Newer(set)) => set,
            Ok(Accepted::Same) => panic!("the same"),
            Err(refusal) => panic!("{refusal}"),
        }
    }

    fn refusal(text: &str, held: &Manifest) -> Refusal {
        accept(text.as_bytes(), Some(held)).map(|_| ()).unwrap_err()
    }

    #[test]
    fn a_higher_generation_replaces_and_the_same_document_does_not() {
        let held = newer(&document(3, "a"), None).manifest;
        newer(&document(4, "b"), Some(&held));
        let same = accept(document(3, "a").as_bytes(), Some(&held));
        assert!(matches!(same, Ok(Accepted::Same)));
    }

    #[test]
    fn a_lower_generation_and_other_content_under_the_same_number_are_refused() {
        let held = newer(&document(3, "a"), None).manifest;
        let older = Refusal::Older {
            found: Generation(2),
            held: Generation(3),
        };
        assert_eq!(refusal(&document(2, "a"), &held), older);
        assert_eq!(
            refusal(&document(3, "b"), &held),
            Refusal::Altered(Generation(3))
        );
    }

    #[test]
    fn r01_2_every_weak_value_is_named_and_none_is_shown() {
        let held = newer(&document(3, "a"), None).manifest;
        let weak =
            document(4, "").replace("mU3xQ9vT1zL7pW5kR2nB8cD4fG6hJ0sYaEoIuXtVrNq", "hunter2");
        let weak = weak.replace("postgres://", "mysql://");
        let found = refusal(&weak, &held).to_string();
        assert!(
            found.contains("jwt (current)") && found.contains("database (current)"),
            "{found}"
        );
        assert!(!found.contains("hunter2"), "{found}");
    }
}
