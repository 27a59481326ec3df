//! The guide as a list of named blocks.
//!
//! Owns the rule that each command stands in a block with a name of its own; it runs none.

use anyhow::{Context as _, Result, ensure};

const PAGE: &str = include_str!("../../../docs/guides/rotation.md");
const FENCE: &str = "```";
/// How a block of commands begins, before its name.
const COMMANDS: &str = "```sh ";
/// How one begins that holds none.
const TEXT: &str = "```text";

/// Commands that belong together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) name: String,
    pub(super) script: String,
}

/// Those of the guide, in its order.
pub(super) fn blocks() -> Result<Vec<Block>> {
    parse(PAGE)
}

fn parse(page: &str) -> Result<Vec<Block>> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let begins = line.trim_start();
        ensure!(!begins.starts_with("~~~"), "fence it by {FENCE}");
        if !begins.starts_with(FENCE) {
            continue;
        }
        let name = name(line)?;
        let script = inside(&mut lines).with_context(|| format!("{line} is not closed"))?;
        let Some(name) = name else {
            continue;
        };
        let is_new = blocks.iter().all(|block| block.name != name);
        ensure!(is_new, "two blocks are called {name}");
        blocks.push(Block {
            name: name.to_owned(),
            script,
        });
    }
    Ok(blocks)
}

fn name(line: &str) -> Result<Option<&str>> {
    if line == TEXT {
        return Ok(None);
    }
    let name = line.strip_prefix(COMMANDS).filter(|name| !name.is_empty());
    let name = name.with_context(|| {
        format!("{line} begins a block: write {COMMANDS}NAME, or {TEXT} if it holds no command")
    })?;
    Ok(Some(name))
}

fn inside<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<String> {
    let mut script = String::new();
    for line in lines {
        if line == FENCE {
            return Some(script);
        }
        script.push_str(line);
        script.push('\n');
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_by_their_names_and_what_has_none_is_a_fault() {
        let page = "Words\n```sh first\necho 1\n\necho 2\n```\n```text\na ─▶ b\n```\n```sh second\ntrue\n```\n";
        let block = |name: &str, script: &str| Block {
            name: name.to_owned(),
            script: script.to_owned(),
        };
        let expected = [
            block("first", "echo 1\n\necho 2\n"),
            block("second", "true\n"),
        ];
        assert_eq!(parse(page).unwrap(), expected);
        for (page, fault) in [
            ("```\ntrue\n```\n", "begins a block"),
            ("```sh\ntrue\n```\n", "begins a block"),
            ("```console\n$ true\n```\n", "begins a block"),
            ("- item\n  ```sh third\n  true\n```\n", "begins a block"),
            ("~~~\ntrue\n~~~\n", "fence it"),
            ("```sh open\ntrue\n", "is not closed"),
            (
                "```sh a\ntrue\n```\n```sh a\ntrue\n```\n",
                "two blocks are called a",
            ),
        ] {
            let error = parse(page).unwrap_err().to_string();
            assert!(error.contains(fault), "{page:?}: {error}");
        }
    }
}
