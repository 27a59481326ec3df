//! The images that the Dockerfiles make are those that the journeys run: the same program of the same
//! profile under the same user, and by the compiler of this repository.

use super::tree::{path, read};

/// The program of each Dockerfile's folder.
const PROGRAMS: [(&str, &str); 3] = [
    ("app", "erpgo"),
    ("operator", "erpgo-operator"),
    ("sidecar-secrets", "sidecar-secrets"),
];

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before);
    let (_, rest) = rest.unwrap_or_else(|| panic!("no {before:?} in {text}"));
    let found = rest.split_once(after);
    found.unwrap_or_else(|| panic!("no {after:?} in {rest}")).0
}

fn instructions<'a>(dockerfile: &'a str, name: &str) -> Vec<&'a str> {
    let lines = dockerfile.lines();
    lines
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .collect()
}

#[test]
fn each_dockerfile_is_known() {
    let folders = std::fs::read_dir(path(".")).unwrap();
    let folders = folders.map(|folder| folder.unwrap());
    let mut with_one: Vec<_> = folders
        .filter(|folder| folder.path().join("Dockerfile").is_file())
        .map(|folder| folder.file_name().into_string().unwrap())
        .collect();
    with_one.sort();
    assert_eq!(with_one, PROGRAMS.map(|(folder, _)| folder));
}

#[test]
fn each_image_is_what_the_journeys_run() {
    let script = read("e2e/cluster/bin/images");
    let user = between(&script, "\nIMAGE_USER=", "\n");
    assert!(script.contains(r#""$IMAGE_USER" "/$name" "$binary=/$name""#));
    for (folder, program) in PROGRAMS {
        let dockerfile = read(&format!("{folder}/Dockerfile"));
        let profile = between(&script, &format!("\n    {program}) echo "), " ;;\n");
        let flag = match profile {
            "release" => "--release".to_owned(),
            other => format!("--profile {other}"),
        };
        let build =
            format!("cargo build --locked {flag} --target \"$target\" -p {program} && \\\n");
        assert_eq!(dockerfile.matches("cargo build").count(), 1, "{folder}");
        assert!(dockerfile.contains(&build), "{folder}: not {build}");
        let built = format!("cp \"target/$target/{profile}/{program}\" /{program}\n");
        assert!(dockerfile.contains(&built), "{folder}: not {built}");
        let copied = format!("--from=build /{program} /{program}");
        assert!(instructions(&dockerfile, "COPY").contains(&copied.as_str()));
        assert_eq!(instructions(&dockerfile, "USER"), [user], "{folder}");
        let entry = format!("[\"/{program}\"]");
        assert_eq!(
            instructions(&dockerfile, "ENTRYPOINT"),
            [entry.as_str()],
            "{folder}"
        );
    }
}

#[test]
fn each_image_is_built_by_the_compiler_of_the_repository() {
    let toolchain = read("rust-toolchain.toml");
    let version = between(&toolchain, "channel = \"", "\"");
    let (minor, _) = version.rsplit_once('.').expect("a whole version");
    let builder = format!("rust:{minor}-bookworm AS build");
    for (folder, _) in PROGRAMS {
        let dockerfile = read(&format!("{folder}/Dockerfile"));
        assert_eq!(
            instructions(&dockerfile, "FROM"),
            [builder.as_str(), "scratch"],
            "{folder}"
        );
    }
    let manifest = read("Cargo.toml");
    assert_eq!(between(&manifest, "\nrust-version = \"", "\""), minor);
}
