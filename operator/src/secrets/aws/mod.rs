//! AWS Secrets Manager.
//!
//! Owns the operator's requests to it. A version is written under the label AWSPENDING and becomes the
//! document by moving AWSCURRENT to it from the version that was read, which AWS refuses when another
//! is current: this is the check-and-set that `PutSecretValue` alone lacks. AWSPENDING is taken away
//! again whatever comes of it. No error carries a text of AWS (I-04).

mod fault;
mod login;
mod place;

use erpgo_crds::AwsBackend;
pub(super) use login::Sessions;
pub(super) use place::{LAG, Place};

/// Where requests under these settings wait.
pub(super) fn place_of(settings: &AwsBackend) -> String {
    let by_sts = settings.auth.web_identity.is_some();
    let sts = by_sts.then_some(&settings.sts_endpoint);
    format!("{:?}", (&settings.region, &settings.endpoint, sts))
}
