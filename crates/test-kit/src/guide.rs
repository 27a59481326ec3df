//! The commands of a guide, run as they are written.
//!
//! Owns how they are found in the text. What they should print is for each test to say.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::process::Command;

/// Runs every block of shell in `guide`, in order and as one script that ends with the first failure, with
/// these variables beside those of the test; gives what was printed.
pub async fn run(
    guide: &str,
    variables: &[(&str, &str)],
    limit: Duration,
) -> anyhow::Result<String> {
    let commands = Command::new("bash")
        .arg("-c")
        .arg(script(guide))
        .envs(variables.iter().copied())
        .env("no_proxy", "127.0.0.1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(limit, commands).await;
    let output = ended.with_context(|| format!("the commands took longer than {limit:?}"))??;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "a command failed: {complaint}\nprinted before:\n{printed}"
    );
    Ok(printed)
}

fn script(guide: &str) -> String {
    let mut script = String::from("set -euo pipefail\n");
    let blocks = guide.split("```sh\n").skip(1);
    script.extend(blocks.filter_map(|block| block.split("```").next()));
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUIDE: &str =
        "Text.\n```sh\nA=1\n```\nMore.\n```json\n{}\n```\n```sh\necho \"$A$B\"\n```\nThe end.\n";

    #[tokio::test]
    async fn all_blocks_of_shell_are_one_script_and_nothing_else_is() {
        let printed = run(GUIDE, &[("B", "2")], Duration::from_secs(20)).await;
        assert_eq!(printed.unwrap(), "12\n");
    }

    #[tokio::test]
    async fn the_first_failure_ends_it() {
        let guide = "```sh\necho first\nfalse | cat\n```\n```sh\necho second\n```\n";
        let failed = run(guide, &[], Duration::from_secs(20)).await.unwrap_err();
        let told = failed.to_string();
        assert!(told.contains("first") && !told.contains("second"), "{told}");
    }
}
