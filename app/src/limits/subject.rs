//! Whose requests are counted.
//!
//! Owns [`Subject`]: what may be had by each, and by which name. It counts nothing.

use std::net::IpAddr;

use super::class::Class;
use crate::config::{Rate, RateSettings};
use crate::users::UserId;

/// Whose requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// An address; of IPv6 its /64.
    Ip(IpAddr),
    /// A user, whatever they present.
    User(UserId),
}

/// What is set; nothing when the limit is off.
pub(super) fn requests(rates: &RateSettings, class: Class, subject: Subject) -> Option<u32> {
    let Rate { per_ip, per_user } = match class {
        Class::Read => rates.read,
        Class::Write => rates.write,
        Class::Export => rates.export,
        Class::SignIn => return None,
    };
    let requests = match subject {
        Subject::Ip(_) => per_ip,
        Subject::User(_) => per_user,
    };
    (requests > 0).then_some(requests)
}

/// The limit's name on the wire.
pub(super) const fn policy(class: Class, subject: Subject) -> &'static str {
    match (class, subject) {
        (Class::Read, Subject::Ip(_)) => "read-ip",
        (Class::Read, Subject::User(_)) => "read-user",
        (Class::Write, Subject::Ip(_)) => "write-ip",
        (Class::Write, Subject::User(_)) => "write-user",
        (Class::Export, Subject::Ip(_)) => "export-ip",
        (Class::Export, Subject::User(_)) => "export-user",
        (Class::SignIn, _) => "sign-in-ip",
    }
}
