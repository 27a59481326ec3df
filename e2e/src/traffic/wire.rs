//! One kept-alive HTTP/1.1 connection, as cheap as a client can be: it shares its cores with what it
//! measures.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const MAX_ANSWER: usize = 4 << 20;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// Whether the server takes another request on the connection.
    pub(super) stays: bool,
}

/// A connection.
pub(super) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub(super) async fn connect(to: SocketAddr) -> Result<Self> {
        ensure!(to.ip().is_loopback(), "{to} is not on this machine");
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(4096),
        })
    }

    /// Sends a whole request and reads its answer.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        self.buffer.clear();
        self.stream.write_all(request).await?;
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = Head::of(&self.buffer[..end])?;
        while self.buffer.len() < end + head.length {
            self.more().await?;
        }
        Ok(Answer {
            status: head.status,
            body: self.buffer[end..end + head.length].to_vec(),
            stays: head.stays,
        })
    }

    /// Whether nothing has come back of the last request: a server may end an idle connection at any time.
    pub(super) fn is_untouched(&self) -> bool {
        self.buffer.is_empty()
    }

    async fn more(&mut self) -> Result<()> {
        ensure!(self.buffer.len() < MAX_ANSWER, "the answer is too long");
        let read = self.stream.read_buf(&mut self.buffer).await?;
        ensure!(read > 0, "the connection ended in mid answer");
        Ok(())
    }
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|part| part == needle)
}

#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    length: usize,
    stays: bool,
}

impl Head {
    fn of(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes)?.to_ascii_lowercase();
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.split(' ').nth(1).context("no status")?.parse()?;
        let mut head = Self {
            status,
            length: 0,
            stays: true,
        };
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            match name {
                "content-length" => head.length = value.trim().parse()?,
                "connection" => head.stays = value != "close",
                "transfer-encoding" => bail!("the answer comes in chunks"),
                _ => {}
            }
        }
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_says_where_an_answer_ends() -> Result<()> {
        let head =
            Head::of(b"HTTP/1.1 429 Too Many\r\nContent-Length: 12\r\nconnection: close\r\n\r\n")?;
        let expected = Head {
            status: 429,
            length: 12,
            stays: false,
        };
        assert_eq!(head, expected);
        assert_eq!(Head::of(b"HTTP/1.1 204 No Content\r\n\r\n")?.length, 0);
        assert!(Head::of(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        Ok(())
    }
}
