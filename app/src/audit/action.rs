//! What can be noted.
//!
//! Owns [`Action`] and [`Outcome`]: names on the wire and in the table, never renamed.

use serde::Serialize;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $text:literal;)*) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action {
            $($(#[$doc])* $variant,)*
        }

        impl Action {
            /// Every action there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The action as text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

actions! {
    /// A user signed in.
    SignedIn = "auth.signed_in";
    /// A sign-in was refused: unknown, wrong or locked.
    SignInFailed = "auth.sign_in_failed";
    /// Sign-ins, or new passwords in their place, were refused since their address had had its share.
    SignInRefused = "auth.sign_in_refused";
    /// Tokens or API keys were presented that are none, or none any more.
    CredentialRefused = "auth.credential_refused";
    /// Sign-in was locked after too many failures.
    Locked = "auth.locked";
    /// A lock was lifted before its time.
    Unlocked = "auth.unlocked";
    /// A user signed out.
    SignedOut = "auth.signed_out";
    /// A refresh token was used twice; the session was ended.
    RefreshReused = "auth.refresh_reused";
    /// A session was ended by another one or by an administrator.
    SessionRevoked = "auth.session_revoked";
    /// A password was changed by its owner.
    PasswordChanged = "auth.password_changed";
    /// A password was reset by e-mail.
    PasswordReset = "auth.password_reset";
    /// A second factor was switched on or off.
    SecondFactorChanged = "auth.second_factor_changed";
    /// An e-mail address was verified.
    EmailVerified = "auth.email_verified";
    /// An API key was made.
    ApiKeyCreated = "api_key.created";
    /// An API key was shown again, to a repeat of the request that made it.
    ApiKeyShown = "api_key.shown";
    /// An API key was revoked.
    ApiKeyRevoked = "api_key.revoked";
    /// Somebody else's record was read.
    UserRead = "user.read";
    /// Users were listed.
    UsersListed = "user.listed";
    /// A user was created.
    UserCreated = "user.created";
    /// A user was changed.
    UserChanged = "user.changed";
    /// A user was deleted.
    UserDeleted = "user.deleted";
    /// A user's data was exported.
    UserExported = "user.exported";
    /// A user was erased.
    UserErased = "user.erased";
    /// A role was created.
    RoleCreated = "role.created";
    /// A role was changed.
    RoleChanged = "role.changed";
    /// A role was deleted.
    RoleDeleted = "role.deleted";
    /// A role was given to a user.
    RoleAssigned = "role.assigned";
    /// A role was taken from a user.
    RoleRemoved = "role.removed";
    /// The audit log was searched.
    AuditRead = "audit.read";
    /// The audit log was exported.
    AuditExported = "audit.exported";
    /// A process took up changed settings.
    SettingsChanged = "settings.changed";
}

impl PartialSchema for Action {
    fn schema() -> RefOr<Schema> {
        let names = Self::ALL.iter().map(|action| action.as_str());
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.enum_values(Some(names)).into()
    }
}

impl ToSchema for Action {}

impl std::str::FromStr for Action {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let named = |action: &&Self| action.as_str() == text;
        Self::ALL.iter().find(named).copied().ok_or(())
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It took place.
    Success,
    /// It was refused.
    Refused,
}

impl Outcome {
    /// The outcome as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_read_back_from_its_name() {
        for action in Action::ALL {
            assert_eq!(action.as_str().parse(), Ok(*action));
        }
        assert_eq!("auth.nonsense".parse::<Action>(), Err(()));
    }
}
