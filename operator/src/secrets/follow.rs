//! The secret set follows the user's Secrets until something serves.
//!
//! Owns [`Secrets::follow_sources`]: a URL that was wrong when the first generation was made is mended
//! where the user wrote it, and the document takes it over as a new generation; a Redis that the spec
//! has no more goes. Keys that this operator drew stay. Once something serves, URLs change by rotation
//! alone (I-03).

use erpgo_crds::{ErpGo, SecretKey};
use erpgo_secret_set::{
    Document, Generation, KeyName, Kid, RotatingKey, Secret, Version, is_valid,
};
use jiff::Timestamp;
use kube::ResourceExt as _;

use super::write::{WriteId, Written};
use super::{Ensured, Lookup, Secrets, SecretsError};

/// What the spec and the user's Secret say of a URL.
enum Source {
    /// This one.
    Url(Secret),
    /// The Secret is gone or unusable, which is told elsewhere: the document stays as it is.
    Unusable,
    /// The spec asks for none.
    Unwanted,
}

impl Source {
    fn of(name: KeyName, found: Lookup) -> Self {
        match found {
            Lookup::Found(value) if is_valid(name, &value) => Self::Url(value),
            Lookup::Found(_) | Lookup::NoSecret | Lookup::NoKey | Lookup::NotText => Self::Unusable,
        }
    }
}

impl Secrets {
    /// Writes the next generation when spec and Secrets of the user have other URLs than the document.
    ///
    /// # Errors
    /// When a Secret cannot be read or the backend fails.
    pub async fn follow_sources(&self, erpgo: &ErpGo) -> Result<Ensured, SecretsError> {
        let Some(held) = self.read(erpgo).await? else {
            return Ok(Ensured::Present);
        };
        let database = Some(&erpgo.spec.database.secret_ref);
        let redis = erpgo.spec.redis.as_ref().map(|redis| &redis.secret_ref);
        let mut sources = Vec::new();
        for (name, key) in [(KeyName::Database, database), (KeyName::Redis, redis)] {
            sources.push((name, self.source(erpgo, name, key).await?));
        }
        let Some(next) = successor(held.document, sources, Timestamp::now()) else {
            return Ok(Ensured::Present);
        };
        let uid = erpgo.uid().unwrap_or_default();
        let write = WriteId::derive(&uid, &format!("follow {}", next.generation.0));
        Ok(
            match self.replace(erpgo, &held.revision, &next, &write).await? {
                Written::Done(_) => Ensured::Created,
                Written::Conflict => Ensured::Present,
            },
        )
    }

    async fn source(
        &self,
        erpgo: &ErpGo,
        name: KeyName,
        key: Option<&SecretKey>,
    ) -> Result<Source, SecretsError> {
        let Some(key) = key else {
            return Ok(Source::Unwanted);
        };
        let found = self.store(erpgo).lookup(&key.name, &key.key).await?;
        Ok(Source::of(name, found))
    }
}

fn successor(
    mut document: Document,
    sources: impl IntoIterator<Item = (KeyName, Source)>,
    now: Timestamp,
) -> Option<Document> {
    document.generation = Generation(document.generation.0.checked_add(1)?);
    let mut changed = false;
    for (name, source) in sources {
        let url = match (name, source) {
            (_, Source::Url(url)) if !is_current(&document, name, &url) => url,
            (KeyName::Redis, Source::Unwanted) => {
                document.prepared.remove(&name);
                changed |= document.keys.redis.take().is_some();
                continue;
            }
            (_, Source::Url(_) | Source::Unusable | Source::Unwanted) => continue,
        };
        let kid = Kid::try_from(format!("{}-{}", name.as_str(), document.generation.0)).ok()?;
        let key = RotatingKey {
            current: Version {
                kid,
                created_at: now,
                not_after: None,
                value: url,
            },
            next: None,
            previous: None,
        };
        match name {
            KeyName::Redis => document.keys.redis = Some(key),
            _ => document.keys.database = key,
        }
        changed = true;
    }
    changed.then_some(document)
}

fn is_current(document: &Document, name: KeyName, url: &Secret) -> bool {
    let key = document.keys.get(name);
    key.is_some_and(|key| key.current.value.expose_secret() == url.expose_secret())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::generate;
    use erpgo_secret_set::{DatabaseUrl, RedisUrl};

    fn secret(text: &str) -> Secret {
        Secret::new(text.into())
    }

    fn first() -> Document {
        let database = DatabaseUrl(secret("postgres://u:wrong@h/d"));
        let redis = RedisUrl(secret("redis://h"));
        generate::document(Timestamp::UNIX_EPOCH, database, Some(redis)).unwrap()
    }

    fn url(text: &str) -> Source {
        Source::Url(secret(text))
    }

    #[test]
    fn what_no_pod_would_accept_is_not_taken_over() {
        let of = |text: &str| Source::of(KeyName::Redis, Lookup::Found(secret(text)));
        assert!(matches!(of("redis://h"), Source::Url(_)));
        for bad in ["", "redis", "postgres://u:p@h/d"] {
            assert!(matches!(of(bad), Source::Unusable), "{bad}");
        }
    }

    fn follow(from: Document, database: Source, redis: Source) -> Option<Document> {
        let sources = [(KeyName::Database, database), (KeyName::Redis, redis)];
        successor(from, sources, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn only_a_url_that_changed_is_taken_over_and_every_other_key_stays() {
        let (same, redis) = (|| url("postgres://u:wrong@h/d"), || url("redis://h"));
        assert!(follow(first(), same(), redis()).is_none());
        assert!(follow(first(), Source::Unusable, Source::Unusable).is_none());
        let next = follow(first(), url("postgres://u:right@h/d"), redis()).unwrap();
        assert_eq!(next.generation, Generation(2));
        let database = &next.keys.database.current;
        assert_eq!(database.kid.as_str(), "database-2");
        assert!(database.value.expose_secret().contains("right"));
        assert_eq!(next.keys.redis.unwrap().current.kid.as_str(), "redis-1");
        assert_eq!(next.keys.pepper.current.kid.as_str(), "pepper-1");
    }

    #[test]
    fn redis_comes_and_goes_with_the_spec() {
        let same = || url("postgres://u:wrong@h/d");
        let without = follow(first(), same(), Source::Unwanted).unwrap();
        assert!(without.keys.redis.is_none());
        assert_eq!(without.keys.database.current.kid.as_str(), "database-1");
        let again = Document::parse(without.to_json().expose_secret().as_bytes()).unwrap();
        assert!(follow(again, same(), Source::Unwanted).is_none());
        let with = follow(without, same(), url("redis://h")).unwrap();
        assert_eq!(with.keys.redis.unwrap().current.kid.as_str(), "redis-3");
    }
}
