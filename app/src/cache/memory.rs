//! How much memory Redis has in use.
//!
//! Owns the question and how its answer is read. A user who may not ask (`INFO`) costs the metric and nothing else.

use redis::aio::MultiplexedConnection;

/// Lines of the answer that are looked at: there are some sixty.
const LINES: usize = 500;

/// The bytes in use, if the server says.
pub(super) async fn used(connection: &mut MultiplexedConnection) -> Option<i64> {
    let mut question = redis::cmd("INFO");
    let answer = question.arg("memory").query_async::<String>(connection);
    read(&answer.await.ok()?)
}

fn read(answer: &str) -> Option<i64> {
    let mut lines = answer.lines().take(LINES);
    let bytes = lines.find_map(|line| line.strip_prefix("used_memory:"))?;
    bytes.trim().parse::<i64>().ok().filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_the_server_says_is_read_and_nothing_that_looks_like_it() {
        let answer =
            "# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\nused_memory_rss:7\r\n";
        assert_eq!(read(answer), Some(1_048_576));
        for nothing in [
            "",
            "used_memory_rss:7\r\n",
            "used_memory:\r\n",
            "used_memory:much\r\n",
            "used_memory:0\r\n",
            "used_memory:-5\r\n",
            "used_memory:99999999999999999999\r\n",
        ] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
        let far = "x:1\r\n".repeat(LINES);
        assert_eq!(read(&format!("{far}used_memory:1\r\n")), None);
    }

    proptest! {
        #[test]
        fn no_answer_is_too_odd(answer in "\\PC{0,200}") {
            let _ = read(&answer);
        }
    }
}
