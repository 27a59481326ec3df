use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use erpgo_secret_set::{Generation, Verdict};

use super::*;
use crate::accept::tests::{document, newer};
use crate::sink::restore;

fn at(second: u64) -> Timestamp {
    Timestamp::from_second(i64::try_from(second).unwrap()).unwrap()
}

fn set(generation: u64) -> RenderedSet {
    newer(&document(generation, &format!("-mark{generation}")), None)
}

fn write(dir: &Path, generation: u64) {
    write_set(dir, &set(generation), generation);
}

fn write_set(dir: &Path, set: &RenderedSet, second: u64) {
    let sink = Tmpfs::new(dir.to_owned());
    let written = sink
        .write(set, at(second))
        .and_then(|()| sink.tidy(&set.manifest));
    written.unwrap_or_else(|error| panic!("{error}: {}", error.source));
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_directory_holds_one_generation_its_links_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1);
    write(dir.path(), 2);
    assert_eq!(
        names(dir.path()),
        [
            "..1970_01_01_00_00_02.000000000_g2",
            "..data",
            "database.current",
            "jwt.current",
            "manifest.json",
            "pepper.current",
            "refresh.current",
        ]
    );
    let jwt = fs::read_to_string(dir.path().join("jwt.current")).unwrap();
    assert!(jwt.ends_with("-mark2"));
    for (file, _) in &set(2).files {
        let mode = fs::metadata(dir.path().join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o440, "{file}");
    }
}

#[test]
fn a_key_that_is_gone_loses_its_link() {
    let dir = tempfile::tempdir().unwrap();
    let redis =
        r#"{"current":{"kid":"redis-1","created_at":"2026-08-01T00:00:00Z","value":"redis://h"}}"#;
    let plain = document(1, "a");
    let with_redis = format!(
        "{},\"redis\":{redis}}}}}",
        plain.strip_suffix("}}").unwrap()
    );
    write_set(dir.path(), &newer(&with_redis, None), 1);
    assert!(dir.path().join("redis.current").exists());
    write(dir.path(), 2);
    assert!(!names(dir.path()).contains(&"redis.current".to_owned()));
}

#[test]
fn what_a_killed_process_left_does_not_stop_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1);
    fs::create_dir(dir.path().join("..1999_01_01_g0")).unwrap();
    symlink("..nowhere", dir.path().join(DATA_TMP)).unwrap();
    symlink("..nowhere", dir.path().join(LINK_TMP)).unwrap();
    fs::write(dir.path().join("jwt.current.mine"), "not ours").unwrap();
    write(dir.path(), 2);
    let found = names(dir.path());
    assert!(!found.contains(&"..1999_01_01_g0".to_owned()));
    assert!(!found.contains(&DATA_TMP.to_owned()));
    assert!(
        found.contains(&"jwt.current.mine".to_owned()),
        "what is not ours stays"
    );
}

#[test]
fn a_process_that_is_killed_after_the_flip_leaves_what_the_next_one_completes() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1);
    let sink = Tmpfs::new(dir.path().to_owned());
    sink.write(&set(2), at(2)).unwrap();
    fs::remove_file(dir.path().join("jwt.current")).unwrap();
    let held = restore(dir.path()).unwrap().manifest;
    assert_eq!(
        held.generation,
        Generation(2),
        "the flip alone puts a set to use"
    );
    sink.tidy(&held).unwrap();
    let whole = names(dir.path());
    assert!(whole.contains(&"jwt.current".to_owned()));
    assert_eq!(whole.iter().filter(|name| name.ends_with("_g1")).count(), 0);
    sink.tidy(&held).unwrap();
    assert_eq!(names(dir.path()), whole);
}

#[test]
fn a_set_that_cannot_be_written_leaves_the_old_one_and_no_remains() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1);
    let before = names(dir.path());
    // A name that the new directory needs is taken, so the write fails in the middle.
    let taken = dir.path().join(directory_name(&set(2), at(2)));
    fs::write(&taken, "").unwrap();
    let failed = Tmpfs::new(dir.path().to_owned()).write(&set(2), at(2));
    assert_eq!(failed.unwrap_err().step, "write the new set");
    fs::remove_file(&taken).unwrap();
    assert_eq!(names(dir.path()), before);
    assert_eq!(
        restore(dir.path()).unwrap().manifest.generation,
        Generation(1)
    );
}

#[test]
fn a_restart_finds_the_set_and_the_answer_to_it() {
    let dir = tempfile::tempdir().unwrap();
    assert!(restore(dir.path()).is_none());
    write(dir.path(), 1);
    let sink = Tmpfs::new(dir.path().to_owned());
    let ack = Ack {
        generation: Generation(1),
        verdict: Verdict::Nack {
            reasons: vec!["no".into()],
        },
    };
    let links = names(dir.path());
    sink.keep_ack(&ack).unwrap();
    sink.keep_ack(&ack).unwrap();
    assert_eq!(
        names(dir.path()),
        links,
        "a watcher of the directory sees nothing of an ack"
    );
    let held = restore(dir.path()).unwrap();
    assert_eq!(held.manifest, set(1).manifest);
    assert_eq!(held.ack, Some(ack));
    write(dir.path(), 2);
    assert_eq!(restore(dir.path()).unwrap().ack, None);
}

#[test]
fn a_set_that_was_tampered_with_counts_as_none() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1);
    let file = fs::canonicalize(dir.path().join("jwt.current")).unwrap();
    fs::remove_file(&file).unwrap();
    assert!(restore(dir.path()).is_none());
    fs::write(&file, "another").unwrap();
    assert!(restore(dir.path()).is_none());
}

// Resolves `..data` once, as a reader must, and retries when that generation is gone by then.
fn read_whole(dir: &Path) -> Option<(u64, Vec<String>)> {
    let data = dir.join(fs::read_link(dir.join(DATA)).ok()?);
    let manifest = fs::read_to_string(data.join(MANIFEST_FILE)).ok()?;
    let manifest: erpgo_secret_set::Manifest = serde_json::from_str(&manifest).unwrap();
    let mut values = Vec::new();
    for entry in &manifest.files {
        values.push(fs::read_to_string(data.join(&entry.file)).ok()?);
    }
    Some((manifest.generation.0, values))
}

#[test]
fn readers_see_whole_generations_while_the_set_flips_two_hundred_times() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1);
    let done = AtomicBool::new(false);
    let reads = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| reader(dir.path(), &done)))
            .collect();
        for generation in 2..=200 {
            write(dir.path(), generation);
        }
        done.store(true, Ordering::Relaxed);
        readers
            .into_iter()
            .map(|reader| reader.join().unwrap())
            .sum::<u64>()
    });
    assert!(reads > 200, "only {reads} reads met the 200 flips");
    assert_eq!(read_whole(dir.path()).unwrap().0, 200);
}

fn reader(dir: &Path, done: &AtomicBool) -> u64 {
    let give_up = Instant::now() + Duration::from_secs(60);
    let (mut reads, mut last) = (0, 0);
    while !done.load(Ordering::Relaxed) && Instant::now() < give_up {
        assert!(
            dir.join("jwt.current").symlink_metadata().is_ok(),
            "the link is always there"
        );
        let Some((generation, values)) = read_whole(dir) else {
            continue;
        };
        assert!(generation >= last, "went back from {last} to {generation}");
        let mark = format!("-mark{generation}");
        for value in values {
            assert!(
                value.ends_with(&mark),
                "generation {generation} has {value}"
            );
        }
        (reads, last) = (reads + 1, generation);
    }
    reads
}
