//! Ends a test whose component did not come up, with the whole chain of causes.

/// Unwraps `result`, or fails the running test with every cause on one line.
pub(crate) fn unless<T>(result: anyhow::Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("test kit: {error:#}"),
    }
}

/// Runs blocking start-up work away from the test's runtime.
pub(crate) async fn blocking<T, F>(work: F) -> anyhow::Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> anyhow::Result<T> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await?
}
