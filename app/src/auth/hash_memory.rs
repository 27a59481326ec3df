//! What argon2id computes in.
//!
//! Owns [`HashMemory`]. One hash's worth is kept from hash to hash, so that a pod's memory stays where it is and
//! no hash waits for fresh pages; what more a rush took goes back. It is wiped after each hash.

use std::sync::{Mutex, MutexGuard, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::password_hash::{CustomizedPasswordHasher, Error, PasswordHasher, Result};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroize as _;

/// Blocks that no hash uses at the moment.
#[derive(Default)]
pub(super) struct HashMemory(Mutex<Option<Vec<Block>>>);

/// Argon2id with a secret, in memory that is kept.
pub(super) struct Argon2id<'a> {
    /// The pepper.
    pub(super) secret: &'a [u8],
    /// Of new hashes; a check is made with those of the stored one.
    pub(super) params: Params,
    pub(super) memory: &'a HashMemory,
}

impl HashMemory {
    /// Does `work` with so many blocks.
    fn with<T>(&self, count: usize, work: impl FnOnce(&mut [Block]) -> T) -> T {
        let mut blocks = self.kept().take().unwrap_or_default();
        if blocks.len() < count {
            blocks = vec![Block::new(); count];
        }
        let used = &mut blocks[..count];
        let done = work(used);
        used.iter_mut().zeroize();
        *self.kept() = Some(blocks);
        done
    }

    fn kept(&self) -> MutexGuard<'_, Option<Vec<Block>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PasswordHasher<PasswordHash> for Argon2id<'_> {
    fn hash_password_with_salt(&self, password: &[u8], salt: &[u8]) -> Result<PasswordHash> {
        let params = self.params.clone();
        self.hash_password_customized(password, salt, None, None, params)
    }
}

impl CustomizedPasswordHasher<PasswordHash> for Argon2id<'_> {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<u32>,
        params: Params,
    ) -> Result<PasswordHash> {
        let algorithm = algorithm.map_or(Ok(Algorithm::Argon2id), Algorithm::try_from)?;
        let version = version.map_or(Ok(Version::V0x13), Version::try_from)?;
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let mut out = [0; Output::MAX_LENGTH];
        let out = out.get_mut(..length).ok_or(Error::OutputSize)?;
        let argon = Argon2::new_with_secret(self.secret, algorithm, version, params.clone())?;
        self.memory.with(params.block_count(), |blocks| {
            argon.hash_password_into_with_memory(password, salt, out, blocks)
        })?;
        Ok(PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: ParamsString::try_from(&params)?,
            salt: Some(Salt::new(salt)?),
            hash: Some(Output::new(out)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::password_hash::PasswordVerifier as _;

    const SALT: &[u8] = b"sixteen bytes ..";

    #[test]
    fn a_hash_is_the_librarys_whatever_the_memory_was_used_for() {
        let memory = HashMemory::default();
        for (password, kib, passes) in [("one", 64, 1), ("two", 32, 2), ("three", 128, 1)] {
            let params = Params::new(kib, passes, 1, None).unwrap();
            let (method, version) = (Algorithm::Argon2id, Version::V0x13);
            let theirs = Argon2::new_with_secret(b"pepper", method, version, params.clone())
                .unwrap()
                .hash_password_with_salt(password.as_bytes(), SALT)
                .unwrap();
            let ours = Argon2id {
                secret: b"pepper",
                params: Params::default(),
                memory: &memory,
            };
            let made = ours
                .hash_password_customized(password.as_bytes(), SALT, None, None, params)
                .unwrap();
            assert_eq!(made.to_string(), theirs.to_string());
            assert_eq!(ours.verify_password(password.as_bytes(), &theirs), Ok(()));
            assert_eq!(
                ours.verify_password(b"another", &theirs),
                Err(Error::PasswordInvalid)
            );
        }
    }

    #[test]
    fn one_hashs_worth_is_kept_and_nothing_is_in_it() {
        let memory = HashMemory::default();
        let used = |count| {
            memory.with(count, |blocks| {
                let clean = blocks
                    .iter()
                    .all(|block| block.as_ref().iter().all(|word| *word == 0));
                for word in blocks.iter_mut().flat_map(|block| block.as_mut()) {
                    *word = 7;
                }
                // While this hash has what is kept, another has its own.
                memory.with(count, |_| ());
                clean
            })
        };
        assert!(used(8) && used(8) && used(4) && used(16));
        assert_eq!(memory.kept().as_ref().map(Vec::len), Some(16));
        let place = |count| memory.with(count, |blocks| blocks.as_ptr().addr());
        assert_eq!(place(16), place(8));
    }
}
