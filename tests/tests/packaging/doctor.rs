//! What `e2e/cluster/bin/doctor` finds on machines that have all and on machines that lack something: each lack is
//! told with the way out, and fails.

use super::machine::{Ended, Machine};

type Change = fn(&Machine);

const DOCTOR: &str = "e2e/cluster/bin/doctor";
const CGROUP_2: &str = "sys/fs/cgroup/cgroup.controllers";
/// Says of every package but this one that it is installed, and of this one when apt-get has installed it.
const WITHOUT_JQ: &str =
    r#"[[ ${!#} = jq && ! -e $HOME/installed ]] || echo -n "install ok installed""#;
const APT: &str =
    r#"echo "$*" >>"$HOME/asked"; [[ $* != *" install "* ]] || touch "$HOME/installed""#;

/// A machine with the least of everything that is enough.
fn enough() -> Machine {
    let machine = Machine::with(&["e2e/cluster/bin", "e2e/cluster/lib"]);
    machine.program("id", "echo 0");
    machine.program("go", "echo go1.26");
    machine.program("cargo", "echo 'cargo 1.95.0 (0123456 2026-01-01)'");
    free_disk(&machine, 15);
    free_memory(&machine, 4000);
    machine.file(CGROUP_2, "cpu memory pids\n");
    machine.program("dpkg-query", "echo -n 'install ok installed'");
    machine.program("ss", "");
    machine
}

fn free_disk(machine: &Machine, gib: u64) {
    let blocks = gib * 1024 * 1024;
    let table = format!("echo Filesystem; echo '/dev/sda1 99999999 9 {blocks} 1% /'");
    machine.program("df", &table);
}

fn free_memory(machine: &Machine, mib: u64) {
    let kib = mib * 1024;
    let table = format!("MemTotal: 99999999 kB\nMemFree: 1 kB\nMemAvailable: {kib} kB\n");
    machine.file("proc/meminfo", &table);
}

fn doctor(machine: &Machine, arguments: &[&str]) -> Ended {
    let root = machine.path("").display().to_string();
    let root = root.trim_end_matches('/');
    let cache = format!("{root}/cache");
    let variables = [("DOCTOR_ROOT", root), ("ERPGO_CACHE", cache.as_str())];
    let ended = machine.bash(&[&[DOCTOR][..], arguments].concat(), &variables);
    // What it uses itself may be missing as well.
    let lost = ["command not found", "No such file"];
    for words in lost {
        assert!(!ended.said.contains(words), "{}", ended.said);
    }
    ended
}

fn is_well(machine: &Machine, arguments: &[&str]) -> String {
    let Ended { code, said } = doctor(machine, arguments);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("all is well") && !said.contains("FAULT"),
        "{said}"
    );
    said
}

/// It finds so many faults, and says these words.
fn finds(machine: &Machine, faults: usize, words: &[&str]) {
    let Ended { code, said } = doctor(machine, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(said.matches("  FAULT ").count(), faults, "{said}");
    assert!(said.ends_with(&format!("{faults} fault(s)\n")), "{said}");
    assert!(!said.contains("all is well"), "{said}");
    for words in words {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn a_machine_that_has_enough_of_everything_is_well() {
    let machine = enough();
    let said = is_well(&machine, &[]);
    for good in [
        "root",
        "Go 1.26",
        "Rust 1.95.0",
        "disk: 15 GiB free",
        "memory: 4000 MiB available",
        "cgroup v2",
        "Debian packages",
        "ports are free",
    ] {
        assert!(said.contains(&format!("  ok    {good}")), "{good}: {said}");
    }
    machine.remove(CGROUP_2);
    for controller in ["cpu", "memory", "pids"] {
        machine.file(&format!("sys/fs/cgroup/{controller}/tasks"), "");
    }
    let said = is_well(&machine, &[]);
    assert!(said.contains("  ok    cgroup v1"), "{said}");
}

#[test]
fn each_lack_is_told_with_its_way_out() {
    let lacks: [(Change, &[&str]); 12] = [
        (|m| m.program("id", "echo 1000"), &["not root", "sudo -E"]),
        (
            |m| m.remove("bin/go"),
            &["Go 1.26 or newer is needed\n", "https://go.dev/dl", "PATH"],
        ),
        // As a number it would be the greater one.
        (
            |m| m.program("go", "echo go1.9.7"),
            &["Go 1.26 or newer is needed, here is 1.9.7"],
        ),
        (
            |m| m.remove("bin/cargo"),
            &["Rust 1.95 or newer is needed\n", "https://rustup.rs"],
        ),
        (
            |m| m.program("cargo", "echo 'cargo 1.94.1 (0123456 2026-01-01)'"),
            &["Rust 1.95 or newer is needed, here is 1.94.1"],
        ),
        (
            |m| free_disk(m, 14),
            &["only 14 GiB free", "15 GiB are needed", "ERPGO_CACHE"],
        ),
        (
            |m| free_memory(m, 3999),
            &["only 3999 MiB of memory", "4000 MiB are needed"],
        ),
        (
            |m| m.remove(CGROUP_2),
            &["no cgroups under /sys/fs/cgroup", "mount cgroup2 there"],
        ),
        (
            |m| {
                m.remove(CGROUP_2);
                m.file("sys/fs/cgroup/cpu/tasks", "");
                m.file("sys/fs/cgroup/memory/tasks", "");
            },
            &["no cgroups", "the v1 controllers cpu, memory and pids"],
        ),
        (
            |m| m.program("dpkg-query", WITHOUT_JQ),
            &[
                "Debian packages are missing: jq\n",
                "run doctor --install, or: apt-get update && apt-get install -y --no-install-recommends jq\n",
            ],
        ),
        (
            |m| {
                let one = r#"[[ $* != *":6443" ]] || echo 'LISTEN 0 9 *:6443 *:* users:(("nginx",pid=42,fd=6))'"#;
                m.program("ss", one);
            },
            &[
                "ports are taken: 6443 (\"nginx\",pid=42)\n",
                "end those processes",
            ],
        ),
        // The demo's own.
        (
            |m| m.program("ss", r#"[[ $* != *":30080" ]] || echo LISTEN"#),
            &["ports are taken: 30080 ()\n"],
        ),
    ];
    for (change, words) in lacks {
        let machine = enough();
        change(&machine);
        finds(&machine, 1, words);
    }
}

#[test]
fn all_that_is_lacking_is_told_at_once() {
    let machine = enough();
    machine.program("id", "echo 1000");
    machine.remove("bin/go");
    machine.program("dpkg-query", WITHOUT_JQ);
    finds(&machine, 3, &["not root", "Go 1.26", "missing: jq"]);
}

#[test]
fn ports_are_not_called_free_by_who_cannot_look() {
    let machine = enough();
    machine.remove("bin/ss");
    let missing = r#"[[ ${!#} = iproute2 ]] || echo -n "install ok installed""#;
    machine.program("dpkg-query", missing);
    finds(&machine, 1, &["missing: iproute2", "ports: not looked at"]);
    let Ended { said, .. } = doctor(&machine, &[]);
    assert!(!said.contains("ports are free"), "{said}");
}

#[test]
fn packages_are_installed_when_that_is_asked_for_and_not_otherwise() {
    let machine = enough();
    machine.program("dpkg-query", WITHOUT_JQ);
    machine.program("apt-get", APT);
    finds(&machine, 1, &["missing: jq"]);
    assert_eq!(machine.read("asked"), None);

    is_well(&machine, &["--install"]);
    let asked = machine.read("asked").unwrap();
    let asked: Vec<&str> = asked.lines().collect();
    assert!(
        matches!(asked.as_slice(), [update, install]
        if update.ends_with(" update") && install.ends_with(" install -y --no-install-recommends jq")),
        "{asked:?}"
    );

    // What is there is not installed again.
    is_well(&machine, &["--install"]);
    let again = machine.read("asked").unwrap();
    assert_eq!(again.lines().count(), asked.len(), "{again}");
}

#[test]
fn an_installation_that_fails_is_told_in_apts_words() {
    let machine = enough();
    machine.program("dpkg-query", WITHOUT_JQ);
    machine.program("apt-get", "echo 'E: no network' >&2; exit 100");
    let Ended { code, said } = doctor(&machine, &["--install"]);
    assert_eq!(code, Some(1), "{said}");
    for words in ["E: no network", "error: apt-get failed"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("all is well"), "{said}");
}

#[test]
fn nothing_is_installed_by_who_is_not_root() {
    let machine = enough();
    machine.program("id", "echo 1000");
    machine.program("dpkg-query", WITHOUT_JQ);
    machine.program("apt-get", APT);
    let Ended { code, said } = doctor(&machine, &["--install"]);
    assert_eq!((code, machine.read("asked")), (Some(1), None), "{said}");
    assert!(said.contains("this needs root"), "{said}");
}

#[test]
fn another_option_is_refused() {
    let Ended { code, said } = doctor(&enough(), &["--instal"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("unknown option --instal") && said.contains("usage: "),
        "{said}"
    );
}
