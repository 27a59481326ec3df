//! Counting in Redis, for all processes at once.
//!
//! Owns the scripts; each is one atomic round trip. Redis tells the time, so that processes whose
//! clocks differ agree. Nothing is returned when Redis is away: the caller then counts by itself.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use super::Counted;
use super::gcra::{Quota, Taken};
use crate::cache::Redis;
use crate::config::LimitSettings;

/// A sliding window as a sorted set of times; answers 0, or the milliseconds to wait.
static ADMIT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local window = tonumber(ARGV[2])
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
        if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[1]) then
            redis.call('ZADD', KEYS[1], now, time[1] .. '.' .. time[2])
            redis.call('PEXPIRE', KEYS[1], window)
            return 0
        end
        local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
        return math.max(1, tonumber(first[2]) + window - now)
        ",
    )
});

/// A counter that lives from its first attempt, and again from the one that locks; answers the attempt's
/// number and the milliseconds that are left. One that is refused does not count, as in [`super::memory`].
static ATTEMPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local number = redis.call('INCR', KEYS[1])
        if number > tonumber(ARGV[1]) then
            redis.call('DECR', KEYS[1])
        end
        if number == 1 or number == tonumber(ARGV[1]) or redis.call('PTTL', KEYS[1]) < 0 then
            redis.call('PEXPIRE', KEYS[1], ARGV[2])
        end
        return {number, redis.call('PTTL', KEYS[1])}
        ",
    )
});

/// Counts one back, never below nothing.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        if tonumber(redis.call('GET', KEYS[1]) or '0') > 0 then
            redis.call('DECR', KEYS[1])
        end
        return 0
        ",
    )
});

/// The generic cell rate algorithm, as in [`super::gcra`]: takes up to so many units; answers those it
/// had, those that are left and the microseconds until all are there again.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local share, requests, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
        local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
        local available = math.max(0, math.floor((now + share * requests - full_at) / share))
        local granted = math.min(wanted, available)
        if granted > 0 then
            full_at = full_at + share * granted
            local text = string.format('%.0f', full_at)
            redis.call('SET', KEYS[1], text, 'PX', math.ceil((full_at - now) / 1000))
        end
        return {granted, available - granted, full_at - now}
        ",
    )
});

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) async fn admit(
    redis: &Redis,
    key: &str,
    limits: &LimitSettings,
) -> Option<Option<Duration>> {
    let mut call = ADMIT.key(redis.key(key));
    call.arg(limits.login_per_ip)
        .arg(millis(limits.login_window));
    let wait: u64 = redis
        .run_once("limit", |mut connection| async move {
            call.invoke_async(&mut connection).await
        })
        .await?;
    Some((wait > 0).then(|| Duration::from_millis(wait)))
}

pub(super) async fn attempt(redis: &Redis, key: &str, limits: &LimitSettings) -> Option<Counted> {
    let mut call = ATTEMPT.key(redis.key(key));
    call.arg(limits.lockout_failures)
        .arg(millis(limits.lockout_duration));
    let (number, left): (u32, i64) = redis
        .run_once("limit", |mut connection| async move {
            call.invoke_async(&mut connection).await
        })
        .await?;
    Some(Counted {
        number,
        left: Duration::from_millis(u64::try_from(left).unwrap_or(0)),
    })
}

/// False when Redis did not answer.
pub(super) async fn forget(redis: &Redis, key: &str) -> bool {
    let command = redis::cmd("DEL").arg(redis.key(key)).take();
    redis.run::<()>("limit", command).await.is_some()
}

pub(super) async fn release(redis: &Redis, key: &str) {
    let call = RELEASE.key(redis.key(key));
    redis
        .run_once("limit", |mut connection| async move {
            call.invoke_async::<i64>(&mut connection).await
        })
        .await;
}

/// Takes up to `wanted` units of `quota`.
pub(super) async fn take(redis: &Redis, key: &str, quota: Quota, wanted: u32) -> Option<Taken> {
    let mut call = TAKE.key(redis.key(key));
    call.arg(quota.share()).arg(quota.requests).arg(wanted);
    let (granted, left, full_in): (u32, u32, u64) = redis
        .run_once("limit", |mut connection| async move {
            call.invoke_async(&mut connection).await
        })
        .await?;
    Some(Taken {
        granted,
        left,
        full_in: Duration::from_micros(full_in),
    })
}
