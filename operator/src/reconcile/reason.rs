//! Reasons of conditions: the closed list that people and scripts may rely on.

/// The wanted version serves with all its pods.
pub const SERVING: &str = "Serving";
/// `spec.paused` is set.
pub const PAUSED: &str = "Paused";
/// `spec.paused` is not set.
pub const NOT_PAUSED: &str = "NotPaused";
/// The spec is refused.
pub const INVALID_SPEC: &str = "InvalidSpec";
/// Inputs are being prepared.
pub const PREPARING: &str = "Preparing";
/// Migrations run.
pub const MIGRATING: &str = "Migrating";
/// Pods are being replaced or started.
pub const ROLLING_OUT: &str = "RollingOut";
/// Nothing is on its way.
pub const SETTLED: &str = "Settled";
/// Nothing is wrong.
pub const AS_EXPECTED: &str = "AsExpected";
/// A Secret that the spec names is missing or unusable.
pub const SECRET_MISSING: &str = "SecretMissing";
/// The secret set in the backend is not valid.
pub const SECRET_SET_INVALID: &str = "SecretSetInvalid";
/// The secret set that pods use is no longer in the backend.
pub const SECRET_SET_LOST: &str = "SecretSetLost";
/// The secret backend cannot be asked.
pub const BACKEND_UNREACHABLE: &str = "BackendUnreachable";
/// Pods cannot read the secret set, which the operator can.
pub const SECRETS_STALE: &str = "SecretsStale";
/// The secret set is there.
pub const SECRET_SET_PRESENT: &str = "SecretSetPresent";
/// The migrations have succeeded.
pub const MIGRATIONS_SUCCEEDED: &str = "MigrationsSucceeded";
/// A migration failed for good.
pub const MIGRATION_FAILED: &str = "MigrationFailed";
/// A migration could not run and is tried again.
pub const MIGRATION_RETRYING: &str = "MigrationRetrying";
/// A destructive migration needs leave.
pub const MIGRATION_REFUSED: &str = "DestructiveMigrationRefused";
/// An image cannot be pulled.
pub const IMAGE_UNAVAILABLE: &str = "ImageUnavailable";
/// A container does not start or ends again and again.
pub const POD_FAILING: &str = "PodFailing";
/// No node takes a pod.
pub const UNSCHEDULABLE: &str = "Unschedulable";
/// The API server refuses an object: a quota, a policy.
pub const WRITE_REFUSED: &str = "WriteRefused";
/// The rollout does not come forward.
pub const ROLLOUT_STUCK: &str = "RolloutStuck";
/// Pods cannot use their database.
pub const DATABASE_UNAVAILABLE: &str = "DatabaseUnavailable";
/// Pods cannot use Redis; the database answers instead.
pub const REDIS_UNAVAILABLE: &str = "RedisUnavailable";
/// The pods may ask for more connections than the database has; of an Event alone.
pub const TOO_FEW_CONNECTIONS: &str = "TooFewConnections";
/// Secrets are being rotated.
pub const ROTATING: &str = "Rotating";
/// Old versions are still accepted.
pub const IN_GRACE: &str = "InGrace";
/// The last rotation was rolled back.
pub const ROTATION_ABORTED: &str = "RotationAborted";
/// No rotation is under way.
pub const NOT_ROTATING: &str = "NotRotating";
/// An optional CRD is not installed.
pub const CRD_MISSING: &str = "CRDMissing";
/// Switched off in the spec.
pub const DISABLED: &str = "Disabled";
/// Monitoring objects are in place.
pub const MONITORING_APPLIED: &str = "Applied";
