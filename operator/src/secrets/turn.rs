//! Whether one `ErpGo` may ask its backend now.
//!
//! Owns [`Turn`]: a backend that says nothing in time is left alone by all who would wait for it in the
//! same place, so that they are told at once and take nobody's turn. One that asks for fewer requests is
//! left alone by the `ErpGo` that was told so. What is asked is not known here.

use std::time::{Duration, Instant};

use super::error::SecretsError;
use super::rest::Rests;

/// One `ErpGo` before its backend.
pub(super) struct Turn<'a> {
    /// Places that have said nothing.
    pub(super) silent: &'a Rests,
    /// Where it waits: who shares this shares the silence.
    pub(super) place: String,
    /// `ErpGo` objects that were asked for fewer requests.
    pub(super) throttled: &'a Rests,
    /// This one.
    pub(super) asker: String,
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
        if !self.throttled.may_ask(&self.asker, now) {
            return Err(SecretsError::Throttled { wait: None });
        }
        if !self.silent.may_ask(&self.place, now) {
            return Err(SecretsError::Silent(None));
        }
        Ok(())
    }

    fn end(&self, error: Option<&SecretsError>, now: Instant) {
        match error {
            Some(SecretsError::Silent(_)) => {
                self.silent.in_vain(&self.place, now, Duration::ZERO);
            }
            Some(SecretsError::Throttled { wait: Some(wait) }) => {
                self.silent.answered(&self.place);
                self.throttled.in_vain(&self.asker, now, *wait);
            }
            // It was not asked at all.
            Some(
                SecretsError::Kubernetes { .. }
                | SecretsError::NoServiceAccount
                | SecretsError::Reference { .. }
                | SecretsError::Settings(_)
                | SecretsError::Random(_),
            ) => {}
            Some(_) | None => {
                self.silent.answered(&self.place);
                self.throttled.answered(&self.asker);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[derive(Default)]
    struct World {
        silent: Rests,
        throttled: Rests,
    }

    impl World {
        fn turn(&self, place: &str, asker: &str) -> Turn<'_> {
            Turn {
                silent: &self.silent,
                place: place.to_owned(),
                throttled: &self.throttled,
                asker: asker.to_owned(),
            }
        }
    }

    #[test]
    fn who_waits_in_the_same_place_is_told_of_the_silence_and_nobody_else() {
        let (world, now) = (World::default(), Instant::now());
        let (one, other) = (world.turn("secret", "shop"), world.turn("kv", "shop"));
        one.end(Some(&SecretsError::Silent(None)), now);
        let told = world.turn("secret", "store").begin(now).unwrap_err();
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

    #[test]
    fn who_is_asked_for_fewer_requests_waits_alone() {
        let (world, now) = (World::default(), Instant::now());
        let (one, other) = (world.turn("secret", "shop"), world.turn("secret", "store"));
        let wait = Some(Duration::from_secs(60));
        one.end(Some(&SecretsError::Throttled { wait }), now);
        let told = one.begin(now + Duration::from_secs(59)).unwrap_err();
        assert_eq!(told.class(), "throttled");
        assert!(told.is_transient());
        assert!(other.begin(now).is_ok());
        assert!(one.begin(now + Duration::from_secs(60)).is_ok());
        one.end(None, now);
        // The client of AWS has waited by itself.
        one.end(Some(&SecretsError::Throttled { wait: None }), now);
        assert!(one.begin(now).is_ok());
    }

    #[tokio::test]
    async fn nothing_is_asked_while_the_place_rests() {
        let world = World::default();
        let turn = world.turn("secret", "shop");
        let said = turn.ask(async { Err::<(), _>(SecretsError::Silent(None)) });
        assert_eq!(said.await.unwrap_err().class(), "unreachable");
        // As if it had just been said, however busy the machine is.
        let late = Instant::now() + LONG;
        world.silent.in_vain("secret", late, Duration::ZERO);
        let is_asked = Cell::new(false);
        let asked = turn.ask(async {
            is_asked.set(true);
            Ok(())
        });
        assert_eq!(asked.await.unwrap_err().class(), "unreachable");
        assert!(!is_asked.get());
        world.silent.answered("secret");
        assert_eq!(turn.ask(async { Ok(7) }).await.unwrap(), 7);
    }
}
