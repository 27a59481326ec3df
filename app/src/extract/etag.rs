//! Versions of a resource in the headers.
//!
//! Owns [`ETag`], [`IfMatch`], [`OptionalIfMatch`] and [`IfNoneMatch`] (RFC 9110 §8.8.3, §13.1). A write without
//! If-Match could undo what the client has not seen: where it is not optional it is refused with 428. It is
//! optional where clients wrote before there were tags.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{self, HeaderName};
use http::request::Parts;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::{IntoParams, ToSchema};

use crate::error::{Code, Error, FieldError};

/// Tags of one header that are read.
const MAX_TAGS: usize = 20;

/// The strong tag of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// The tag of the row's version.
    #[must_use]
    pub fn of(version: i64) -> Self {
        Self(format!("\"v{version}\""))
    }

    /// The tag of the row's version where `more` is shown beside the row, and follows from something else.
    #[must_use]
    pub fn beside<'a>(version: i64, more: impl IntoIterator<Item = &'a str>) -> Self {
        let digest = more.into_iter().fold(Sha256::new(), |digest, part| {
            digest.chain_update(part).chain_update([0])
        });
        let short = hex::encode(&digest.finalize()[..8]);
        Self(format!("\"v{version}-{short}\""))
    }

    /// As it stands in a header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<ETag> for String {
    fn from(tag: ETag) -> Self {
        tag.0
    }
}

/// `*`, or tags with whether each is weak.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    Any,
    Listed(Vec<(bool, ETag)>),
}

/// `*`, or up to twenty entity tags with commas between them.
#[derive(ToSchema)]
#[schema(value_type = String,
    pattern = r#"^[ \t]*(\*|(W/)?"[!#-~]*"([ \t]*,[ \t]*(W/)?"[!#-~]*"){0,19})[ \t]*$"#)]
#[expect(dead_code, reason = "describes what parse reads")]
struct TagsParam(String);

/// The versions that a write may replace.
#[derive(Clone, Debug)]
pub struct IfMatch(Tags);

/// If-Match where a write needs it, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes what IfMatch reads")]
pub struct IfMatchParam {
    /// The ETag that was read, or `*` for any version.
    #[param(rename = "if-match", inline, value_type = TagsParam, example = "\"v3\"")]
    if_match: String,
}

/// If-Match where a write goes on without it, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes what OptionalIfMatch reads")]
pub struct OptionalIfMatchParam {
    /// The ETag that was read; without it the write is about whatever version there is.
    #[param(rename = "if-match", inline, value_type = TagsParam, required = false, example = "\"v3\"")]
    if_match: Option<String>,
}

/// If-None-Match, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes what IfNoneMatch reads")]
pub struct IfNoneMatchParam {
    /// The version that you have: it is not sent again.
    #[param(rename = "if-none-match", inline, value_type = TagsParam, required = false)]
    if_none_match: Option<String>,
}

/// The versions that a write may replace where it need not say so: unsaid, the last write stands.
#[derive(Clone, Debug)]
pub struct OptionalIfMatch(Option<IfMatch>);

/// The versions that the client has.
#[derive(Clone, Debug)]
pub struct IfNoneMatch(Option<Tags>);

impl IfMatch {
    /// Refuses unless `current` is one of them; weak tags are none.
    ///
    /// # Errors
    /// `PRECONDITION_FAILED`.
    pub fn check(&self, current: &ETag) -> Result<(), Error> {
        let matches = match &self.0 {
            Tags::Any => true,
            Tags::Listed(tags) => tags.iter().any(|(weak, tag)| !weak && tag == current),
        };
        if matches {
            return Ok(());
        }
        Err(Error::refused(
            Code::PreconditionFailed,
            "somebody changed it since you read it; read it again and repeat your change with its ETag",
        ))
    }
}

impl OptionalIfMatch {
    /// As [`IfMatch::check`]; unsaid, `current` is one of them whatever it is.
    ///
    /// # Errors
    /// `PRECONDITION_FAILED`.
    pub fn check(&self, current: &ETag) -> Result<(), Error> {
        match &self.0 {
            None => Ok(()),
            Some(expected) => expected.check(current),
        }
    }
}

impl IfNoneMatch {
    /// `body` with its tag, or 304 when the client has it already.
    #[must_use]
    pub fn answer(&self, tag: ETag, body: impl Serialize) -> Response {
        let is_known = self.has(&tag);
        let headers = [(header::ETAG, String::from(tag))];
        if is_known {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        (headers, Json(body)).into_response()
    }

    /// Whether the client has `current` already.
    #[must_use]
    pub fn has(&self, current: &ETag) -> bool {
        match &self.0 {
            None => false,
            Some(Tags::Any) => true,
            Some(Tags::Listed(tags)) => tags.iter().any(|(_, tag)| tag == current),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        tags(parts, &header::IF_MATCH)?.map(Self).ok_or_else(|| {
            Error::refused(
                Code::PreconditionRequired,
                "send the header if-match with the ETag that you read",
            )
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OptionalIfMatch {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let tags = tags(parts, &header::IF_MATCH)?;
        Ok(Self(tags.map(IfMatch)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        tags(parts, &header::IF_NONE_MATCH).map(Self)
    }
}

fn tags(parts: &Parts, name: &HeaderName) -> Result<Option<Tags>, Error> {
    let mut listed = Vec::new();
    let mut any = false;
    for value in parts.headers.get_all(name) {
        match value.to_str().ok().and_then(parse) {
            Some(Tags::Any) => any = true,
            Some(Tags::Listed(tags)) => listed.extend(tags),
            None => {
                return Err(Error::invalid(vec![FieldError::new(
                    format!("#/header/{name}"),
                    "invalid_value",
                    "must be * or a list of entity tags such as \"v1\"",
                )]));
            }
        }
    }
    Ok(match (any, listed.is_empty()) {
        (true, _) => Some(Tags::Any),
        (false, false) => Some(Tags::Listed(listed)),
        (false, true) => None,
    })
}

fn parse(value: &str) -> Option<Tags> {
    if value.trim() == "*" {
        return Some(Tags::Any);
    }
    let mut tags = Vec::new();
    let mut rest = value.trim();
    loop {
        let weak = rest.starts_with("W/");
        let quoted = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
        let (tag, after) = quoted.split_once('"')?;
        if !tag.bytes().all(|b| b > b' ' && b != 0x7f) || tags.len() == MAX_TAGS {
            return None;
        }
        tags.push((weak, ETag(format!("\"{tag}\""))));
        rest = after.trim_start();
        if rest.is_empty() {
            return Some(Tags::Listed(tags));
        }
        rest = rest.strip_prefix(',')?.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_and_weak_tags_are_read() {
        let tag = |weak, version| (weak, ETag::of(version));
        let list = parse("\"v1\", W/\"v2\" ,\"v3\"");
        let expected = vec![tag(false, 1), tag(true, 2), tag(false, 3)];
        assert_eq!(list, Some(Tags::Listed(expected)));
        assert_eq!(parse(" * "), Some(Tags::Any));
        for bad in [
            "",
            "v1",
            "\"v1",
            "\"v1\" \"v2\"",
            "w/\"v1\"",
            "\"v1\",",
            "*, \"v1\"",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_weak_tag_allows_no_write_and_spares_a_read() {
        let weak = parse("W/\"v1\"").unwrap();
        assert!(IfMatch(weak.clone()).check(&ETag::of(1)).is_err());
        assert!(IfNoneMatch(Some(weak)).has(&ETag::of(1)));
        assert!(IfMatch(Tags::Any).check(&ETag::of(7)).is_ok());
        assert!(!IfNoneMatch(None).has(&ETag::of(1)));
    }

    #[test]
    fn a_write_that_says_nothing_replaces_any_version_and_one_that_does_only_that() {
        let said = |text: &str| OptionalIfMatch(parse(text).map(IfMatch));
        assert!(OptionalIfMatch(None).check(&ETag::of(7)).is_ok());
        assert!(said("*").check(&ETag::of(7)).is_ok());
        assert!(said("\"v6\", \"v7\"").check(&ETag::of(7)).is_ok());
        for stale in ["\"v6\"", "W/\"v7\""] {
            let refused = said(stale).check(&ETag::of(7)).unwrap_err();
            assert_eq!(refused.code(), Code::PreconditionFailed, "{stale}");
        }
    }

    #[test]
    fn what_is_shown_beside_the_row_is_part_of_the_tag() {
        let tag = ETag::beside(3, ["users.read", "users.update"]);
        assert_eq!(tag, ETag::beside(3, ["users.read", "users.update"]));
        for other in [
            ETag::beside(4, ["users.read", "users.update"]),
            ETag::beside(3, ["users.read"]),
            ETag::beside(3, ["users.readusers.update"]),
            ETag::beside(3, []),
            ETag::of(3),
        ] {
            assert_ne!(tag, other);
        }
        let listed = Tags::Listed(vec![(false, tag.clone())]);
        assert_eq!(parse(tag.as_str()), Some(listed));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn p03_only_the_very_tag_matches(version in 0_i64..50, other in 0_i64..50, junk in "[ -~]{0,30}") {
            let listed = parse(ETag::of(other).as_str()).unwrap();
            prop_assert_eq!(IfMatch(listed).check(&ETag::of(version)).is_ok(), version == other);
            let _ = parse(&junk);
        }
    }
}
