//! Whether one `ErpGo` may ask its backend now.
//!
//! Owns [`Turn`]: a backend that says nothing in time is left alone by all who would wait for it in the
//! same place, so that they are told at once and take nobody's turn. What is asked is not known here.

use std::time::Instant;

use super::error::SecretsError;
use super::rest::Rests;

/// One `ErpGo` before its backend.
pub(super) struct Turn<'a> {
    /// Places that have said nothing.
    pub(super) silent: &'a Rests,
    /// Where it waits: who shares this shares the silence.
    pub(super) place: String,
}

impl Turn<'_> {
    /// The answer to `request`, which is not made while the place rests.
    pub(super) async fn ask<T>(
        &self,
        request: impl Future<Output = Result<T, SecretsError>>,
    ) -> Result<T, SecretsError> {
        self.begin(Instant::now())?;
        let answer = request.await;
        self.end(answer.as_ref().err(), Instant::now());
        answer
    }

    fn begin(&self, now: Instant) -> Result<(), SecretsError> {
        if self.silent.may_ask(&self.place, now) {
            Ok(())
        } else {
            Err(SecretsError::Silent(None))
        }
    }

    fn end(&self, error: Option<&SecretsError>, now: Instant) {
        match error {
            Some(SecretsError::Silent(_)) => self.silent.in_vain(&self.place, now),
            // It was not asked at all.
            Some(
                SecretsError::Kubernetes { .. }
                | SecretsError::NoServiceAccount
                | SecretsError::Reference { .. }
                | SecretsError::Settings(_)
                | SecretsError::Random(_),
            ) => {}
            Some(_) | None => self.silent.answered(&self.place),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn who_waits_in_the_same_place_is_told_of_the_silence_and_nobody_else() {
        let (silent, now) = (Rests::default(), Instant::now());
        let turn = |place: &str| Turn {
            silent: &silent,
            place: place.to_owned(),
        };
        let (one, other) = (turn("vault secret"), turn("vault kv"));
        one.end(Some(&SecretsError::Silent(None)), now);
        let told = turn("vault secret").begin(now).unwrap_err();
        assert_eq!(told.class(), "unreachable");
        assert!(told.is_transient());
        assert!(other.begin(now).is_ok());
        // What comes before the question says nothing of the place.
        one.end(Some(&SecretsError::NoServiceAccount), now);
        assert!(one.begin(now).is_err());
        // A refusal is an answer.
        one.end(Some(&SecretsError::Sealed), now);
        assert!(one.begin(now).is_ok());
    }

    #[tokio::test]
    async fn nothing_is_asked_while_the_place_rests() {
        let silent = Rests::default();
        let turn = Turn {
            silent: &silent,
            place: "vault".into(),
        };
        let said = turn.ask(async { Err::<(), _>(SecretsError::Silent(None)) });
        assert_eq!(said.await.unwrap_err().class(), "unreachable");
        // As if it had just been said, however busy the machine is.
        silent.in_vain("vault", Instant::now() + LONG);
        let is_asked = Cell::new(false);
        let asked = turn.ask(async {
            is_asked.set(true);
            Ok(())
        });
        assert_eq!(asked.await.unwrap_err().class(), "unreachable");
        assert!(!is_asked.get());
        silent.answered("vault");
        assert_eq!(turn.ask(async { Ok(7) }).await.unwrap(), 7);
    }
}
