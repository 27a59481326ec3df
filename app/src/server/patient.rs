//! A stream whose client must go on taking what it is sent.
//!
//! Owns [`Patient`]: a write that waits longer than it may, fails, and its connection ends. Must never end one
//! that goes on: whatever the kernel takes begins the time anew. It takes more only once a third of what it holds
//! for the client (4 MiB at most, unless `net.ipv4.tcp_wmem` says otherwise) has gone.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A stream, and how long a write to it may wait.
pub(super) struct Patient<S> {
    stream: S,
    patience: Duration,
    /// There while a write waits: one that does not costs nothing.
    end: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(super) const fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            end: None,
        }
    }

    /// What came of a write, or a failure once it has waited too long.
    fn bounded<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.end = None;
            return written;
        }
        let patience = self.patience;
        let end = self
            .end
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(end.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.bounded(written, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, parts);
        this.bounded(written, context)
    }

    // Else every body would be copied behind its head.
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::time::Instant;

    impl Patient<DuplexStream> {
        /// When the write that waits will have waited too long.
        fn deadline(&self) -> Option<Instant> {
            self.end.as_ref().map(|end| end.deadline())
        }
    }

    #[tokio::test]
    async fn a_write_that_nobody_takes_fails() {
        let (near, mut far) = tokio::io::duplex(8);
        let mut near = Patient::new(near, Duration::from_millis(20));
        let written = near.write_all(&[0; 64]);
        let written = tokio::time::timeout(Duration::from_secs(60), written).await;
        let error = written.expect("it is waited for without end").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // What was taken is there.
        let mut taken = [0; 64];
        assert_eq!(far.read(&mut taken).await.unwrap(), 8);
    }

    #[tokio::test]
    async fn whatever_is_taken_begins_the_time_anew() {
        let (near, mut far) = tokio::io::duplex(8);
        let mut near = Patient::new(near, Duration::from_secs(3_600));
        near.write_all(&[0; 8]).await.unwrap();
        assert_eq!(near.deadline(), None, "it did not wait");

        assert!(futures::poll!(Box::pin(near.write(&[1]))).is_pending());
        let first = near.deadline().expect("it waits");
        assert!(futures::poll!(Box::pin(near.write(&[1]))).is_pending());
        assert_eq!(near.deadline(), Some(first), "nothing was taken meanwhile");

        far.read_exact(&mut [0; 4]).await.unwrap();
        near.write_all(&[1; 4]).await.unwrap();
        assert_eq!(near.deadline(), None, "it goes on");
        assert!(futures::poll!(Box::pin(near.write(&[1]))).is_pending());
        assert!(near.deadline().expect("it waits again") > first);
    }
}
