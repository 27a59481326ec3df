//! Runs a program and keeps the end of what it prints, so that a test can wait for a line.
//!
//! The buffers are bounded: of a program that prints without end, the oldest lines are dropped.

use crate::process::Process;
use anyhow::{Context, bail};
use rustix::process::Signal;
use std::collections::VecDeque;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// How many bytes of lines are kept for each stream.
const KEPT_BYTES: usize = 4 * 1024 * 1024;

/// A longer line is kept in pieces.
const LINE_BYTES: u64 = 64 * 1024;

/// A running program, killed when its handle is dropped.
#[derive(Debug)]
pub struct Captured {
    name: String,
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

/// The kept lines of one stream, and a mark that moves with each new line.
#[derive(Clone, Debug)]
struct Stream {
    lines: Arc<Mutex<Lines>>,
    mark: watch::Receiver<u64>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<String>,
    bytes: usize,
}

/// Starts `command` with both streams captured. Needs a running runtime.
pub fn spawn(mut command: Command) -> anyhow::Result<Captured> {
    let name = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let stdout = Stream::follow(child.stdout.take().context("no stdout")?);
    let stderr = Stream::follow(child.stderr.take().context("no stderr")?);
    Ok(Captured {
        name,
        child,
        stdout,
        stderr,
    })
}

impl Captured {
    /// The process's number while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// The kept lines of its standard output.
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.snapshot()
    }

    /// The kept lines of its standard error.
    pub fn stderr(&self) -> Vec<String> {
        self.stderr.snapshot()
    }

    /// Everything that is kept, as one text, to search for what must not be there.
    pub fn output(&self) -> String {
        [self.stdout(), self.stderr()].concat().join("\n")
    }

    /// Waits for a line that holds `text` on either stream, from the start of what is kept.
    pub async fn wait_for_line(&mut self, text: &str, limit: Duration) -> anyhow::Result<String> {
        let (mut stdout, mut stderr) = (self.stdout.clone(), self.stderr.clone());
        let found = tokio::time::timeout(limit, async {
            tokio::select! {
                Some(line) = stdout.find(text) => Some(line),
                Some(line) = stderr.find(text) => Some(line),
                else => None,
            }
        });
        match found.await {
            Ok(Some(line)) => Ok(line),
            Ok(None) => bail!(
                "{} ended without a line with {text:?}; {}",
                self.name,
                self.tail()
            ),
            Err(_) => bail!(
                "{} printed no line with {text:?} within {limit:?}; {}",
                self.name,
                self.tail()
            ),
        }
    }

    /// Waits until the program has ended and all its output is read.
    pub async fn wait(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let ended = async {
            let status = self.child.wait().await?;
            self.stdout.finished().await;
            self.stderr.finished().await;
            std::io::Result::Ok(status)
        };
        match tokio::time::timeout(limit, ended).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!(
                "{} has not ended within {limit:?}; {}",
                self.name,
                self.tail()
            ),
        }
    }

    /// Sends a signal; a program that has ended is fine.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        self.child
            .id()
            .and_then(|pid| Process::of(pid).ok())
            .map_or(Ok(()), |process| process.signal(signal))
    }

    /// The last lines of both streams, for an error.
    pub fn tail(&self) -> String {
        format!(
            "stdout ends with:\n{}\nstderr ends with:\n{}",
            last(&self.stdout()),
            last(&self.stderr())
        )
    }
}

/// Reads a line or a piece of a long one; false at the end of the stream or on an error of it.
async fn read_piece(reader: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> bool {
    let piece = reader.take(LINE_BYTES).read_until(b'\n', line).await;
    piece.is_ok_and(|count| count > 0)
}

fn last(lines: &[String]) -> String {
    lines[lines.len().saturating_sub(20)..].join("\n")
}

impl Stream {
    fn follow(reader: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Lines::default()));
        let (sender, mark) = watch::channel(0);
        let target = Arc::clone(&lines);
        tokio::spawn(async move {
            let mut reader = BufReader::new(reader);
            let mut line = Vec::new();
            // The end of the stream, or an error of it, drops the sender and so ends every wait.
            while read_piece(&mut reader, &mut line).await {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                locked(&target).push(text);
                sender.send_modify(|mark| *mark += 1);
                line.clear();
            }
        });
        Self { lines, mark }
    }

    fn snapshot(&self) -> Vec<String> {
        locked(&self.lines).kept.iter().cloned().collect()
    }

    /// The first kept line with `text`, or nothing when the stream ends without one.
    async fn find(&mut self, text: &str) -> Option<String> {
        loop {
            self.mark.mark_unchanged();
            if let Some(line) = locked(&self.lines)
                .kept
                .iter()
                .find(|line| line.contains(text))
            {
                return Some(line.clone());
            }
            if self.mark.changed().await.is_err() {
                return locked(&self.lines)
                    .kept
                    .iter()
                    .find(|line| line.contains(text))
                    .cloned();
            }
        }
    }

    async fn finished(&mut self) {
        while self.mark.changed().await.is_ok() {}
    }
}

impl Lines {
    fn push(&mut self, line: String) {
        self.bytes += line.len();
        self.kept.push_back(line);
        while self.bytes > KEPT_BYTES {
            self.bytes -= self.kept.pop_front().map_or(self.bytes, |line| line.len());
        }
    }
}

fn locked(lines: &Mutex<Lines>) -> MutexGuard<'_, Lines> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}
