//! Answers that are kept and read back, sealed or not, without a database.

use http::StatusCode;

use super::*;
use crate::secrets::example::set;

fn once(key: &str, request: &str, set: Option<&SecretSet>) -> Once {
    let (caller, key) = (UserId(uuid::Uuid::nil()), key.parse().unwrap());
    match set {
        Some(set) => Once::sealed(caller, "test", key, &request, set).unwrap(),
        None => Once::new(caller, "test", key, &request).unwrap(),
    }
}

/// What is read back of what `once` has kept.
fn kept(once: &Once) -> Kept {
    let reply = Reply::created("/there".to_owned(), &"canary").unwrap();
    let row = once.row(&reply).unwrap();
    let sealed = row.sealed.map(|sealed| {
        let kid = row.sealed_by.unwrap().to_owned();
        (kid, sealed)
    });
    Kept {
        fingerprint: row.fingerprint.to_vec(),
        sealed,
        young: false,
        gone: false,
        reply: Reply {
            body: row.body.to_owned(),
            ..Reply::created("/there".to_owned(), &"").unwrap()
        },
    }
}

fn refused(once: &Once, kept: Kept) -> Code {
    match once.answer(kept) {
        Ok(reply) => panic!("answered {}", reply.status),
        Err(error) => error.code(),
    }
}

#[test]
fn a_repeat_is_answered_and_another_request_refused_sealed_or_not() {
    let set = set(1);
    for set in [None, Some(&set)] {
        let first = once("a", "this", set);
        let again = once("a", "this", set).answer(kept(&first)).ok().unwrap();
        assert_eq!(again.status, StatusCode::CREATED);
        assert_eq!(again.location.as_deref(), Some("/there"));
        assert_eq!((&*again.body, again.replayed), ("\"canary\"", true));
        let other = refused(&once("a", "that", set), kept(&first));
        assert_eq!(other, Code::IdempotencyKeyReused);
    }
}

#[test]
fn what_is_sealed_holds_nothing_in_clear_and_opens_for_its_key_alone() {
    let set = set(1);
    let kept = || kept(&once("a", "this", Some(&set)));
    let (_, sealed) = kept().sealed.unwrap();
    assert!(!String::from_utf8_lossy(&sealed).contains("canary"));
    assert!(kept().reply.body.is_empty());
    assert_eq!(
        refused(&once("b", "this", Some(&set)), kept()),
        Code::Conflict
    );
}

/// Taken out since, under a key that is there no more, or another one of that name.
#[test]
fn an_answer_that_does_not_open_is_no_reason_to_have_the_effect_again() {
    let (set, other) = (set(1), set(2));
    let again = once("a", "this", Some(&set));
    let blank = |change: fn(&mut (String, Vec<u8>))| {
        let mut kept = kept(&again);
        change(kept.sealed.as_mut().unwrap());
        kept
    };
    let emptied = blank(|(_, bytes)| bytes.clear());
    assert_eq!(refused(&again, emptied), Code::Conflict);
    let retired = blank(|(kid, _)| kid.push('0'));
    assert_eq!(refused(&again, retired), Code::Conflict);
    let kept = kept(&once("a", "this", Some(&other)));
    assert_eq!(refused(&again, kept), Code::Conflict);
}

/// Under a key that this process does not know yet; not what was emptied, or does not open though it is known.
#[test]
fn an_answer_of_this_minute_under_an_unknown_key_is_asked_for_again() {
    let (set, other) = (set(1), set(2));
    let again = once("a", "this", Some(&set));
    let young = |once: &Once, change: fn(&mut (String, Vec<u8>))| {
        let mut kept = kept(once);
        change(kept.sealed.as_mut().unwrap());
        Kept {
            young: true,
            ..kept
        }
    };
    let newer = young(&again, |(kid, _)| kid.push('0'));
    assert_eq!(refused(&again, newer), Code::IdempotencyInFlight);
    let emptied = young(&again, |(kid, bytes)| {
        kid.clear();
        bytes.clear();
    });
    assert_eq!(refused(&again, emptied), Code::Conflict);
    let of_another = young(&once("a", "this", Some(&other)), |_| {});
    assert_eq!(refused(&again, of_another), Code::Conflict);
    let same = young(&again, |_| {});
    assert!(again.answer(same).is_ok());
}

#[test]
fn an_answer_about_somebody_who_is_gone_is_lost_sealed_or_not() {
    let set = set(1);
    for set in [None, Some(&set)] {
        let again = once("a", "this", set);
        for gone in [true, false] {
            let kept = Kept {
                gone,
                ..kept(&again)
            };
            let code = again.answer(kept).err().map(|error| error.code());
            assert_eq!(code, gone.then_some(Code::Conflict));
        }
    }
}

/// Two versions serve side by side, and must not both hold one key.
#[test]
fn the_lock_of_a_key_is_that_of_the_version_before() {
    let once = once("key-1", "this", None);
    let parts: [&[u8]; 4] = [&[0; 16], b"test", &[0], b"key-1"];
    let digest = Sha256::digest(parts.concat());
    let first: [u8; 8] = digest[..8].try_into().unwrap();
    assert_eq!(once.lock(), i64::from_be_bytes(first));
}
