//! The OpenAPI document and its page.
//!
//! Owns what is the same for every operation (errors, security) and where the document is served. The
//! page and its scripts are part of the binary: it works without the internet.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::Response as Described;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::config::LiveSettings;
use crate::error::{Code, FieldError, Problem};
use crate::state::AppState;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "ERPGo API",
        description = "The ERP REST API. Every problem is application/problem+json (RFC 9457) with a \
                       `code` from the schema `Code` and a `request_id` to quote to support. \
                       The headers `RateLimit-Policy` and `RateLimit` say how much may still be asked.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Problem, FieldError, Code)),
    tags(
        (name = "auth", description = "Signing in and out, and one's own account"),
        (name = "passwords", description = "Changing and resetting one's password"),
        (name = "second-factor", description = "What is asked for beside the password"),
        (name = "email", description = "Proving that an address is one's own"),
        (name = "api-keys", description = "What programs present in place of a sign-in"),
        (name = "sessions", description = "Where one is signed in"),
        (name = "users", description = "Who may sign in"),
        (name = "roles", description = "What they may do"),
        (name = "products", description = "What is sold"),
        (name = "audit", description = "What happened, and who did it"),
        (name = "health", description = "For probes and people on call")
    )
)]
struct Base;

/// The document before the routes.
#[must_use]
pub fn base() -> OpenApi {
    let mut document = Base::openapi();
    crate::VERSION.clone_into(&mut document.info.version);
    document
}

/// The document after the routes: each operation with every problem that it can answer.
#[must_use]
pub fn finish(mut document: OpenApi) -> OpenApi {
    for (path, item) in &mut document.paths.paths {
        // Health answers have a body of their own.
        if path.starts_with("/health/") {
            continue;
        }
        for operation in operations(item) {
            let codes = codes(path, operation);
            for code in codes {
                add(operation, code);
            }
        }
    }
    let bearer = SecurityScheme::Http(
        Http::builder()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "The access token of a sign-in, or an API key (erp_…) with these scopes; the listed \
                 names are permissions",
            ))
            .build(),
    );
    if let Some(components) = &mut document.components {
        components.add_security_scheme("bearer", bearer);
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.patch,
        &mut item.delete,
    ]
    .into_iter()
    .flatten()
}

/// The problems of an operation follow from what it takes.
fn codes(path: &str, operation: &Operation) -> Vec<Code> {
    let mut codes = vec![
        // At the least a query parameter that nobody knows.
        Code::ValidationError,
        Code::MethodNotAllowed,
        Code::InternalError,
        Code::ServiceUnavailable,
        Code::Overloaded,
        Code::RequestTimeout,
        // Of the class that the route is in.
        Code::RateLimitExceeded,
    ];
    if operation.security.is_some() {
        codes.extend([
            Code::Unauthorized,
            Code::TokenExpired,
            Code::TokenInvalid,
            Code::TokenRevoked,
            Code::Forbidden,
            Code::InsufficientScope,
        ]);
    }
    if operation.request_body.is_some() {
        codes.extend([
            Code::InvalidJson,
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
            Code::Conflict,
        ]);
    }
    if path.contains('{') || path.starts_with("/api/v1/roles/") {
        codes.extend([Code::NotFound, Code::Conflict]);
    }
    codes.extend_from_slice(special(path));
    codes
}

/// What only some operations can answer.
fn special(path: &str) -> &'static [Code] {
    match path.trim_start_matches("/api/v1") {
        "/profile/export" => &[Code::NotFound],
        "/auth/login" => &[Code::InvalidCredentials],
        "/auth/login/second-factor" => &[Code::InvalidCredentials, Code::TokenInvalid],
        // These ask for the password of whoever calls.
        "/auth/change-password"
        | "/auth/second-factor/enrol"
        | "/auth/second-factor/disable"
        | "/profile/erase" => &[Code::InvalidCredentials, Code::NotFound],
        path if path.starts_with("/email/send") => &[Code::Conflict],
        "/auth/refresh" => &[
            Code::TokenExpired,
            Code::TokenInvalid,
            Code::TokenRevoked,
            Code::TokenReused,
        ],
        _ => &[],
    }
}

/// Adds `code` to the response of its status, which several codes may share.
fn add(operation: &mut Operation, code: Code) {
    let status = code.status().as_u16().to_string();
    let line = format!("`{}`: {}", code.as_str(), code.title());
    let entry = operation.responses.responses.entry(status);
    let response = entry.or_insert_with(|| {
        let schema = Ref::from_schema_name("Problem");
        let mut response = Described::new(String::new());
        response.content.insert(
            "application/problem+json".to_owned(),
            Content::new(Some(schema)).into(),
        );
        RefOr::T(response)
    });
    let RefOr::T(response) = response else { return };
    if response.description.contains(&line) {
        return;
    }
    if !response.description.is_empty() {
        response.description.push_str("; ");
    }
    response.description.push_str(&line);
}

/// Where the document is served.
const DOCUMENT: &str = "/api/docs/openapi.json";

/// `/api/docs` and `/api/docs/openapi.json`, while the feature is on.
pub fn pages(document: &OpenApi, live: Arc<ArcSwap<LiveSettings>>) -> Router<AppState> {
    let page: Router<AppState> = SwaggerUi::new("/api/docs")
        .config(Config::new([DOCUMENT]))
        .into();
    // Written once: whoever is slow to read it holds a share and no copy.
    let text = Bytes::from(serde_json::to_vec(document).unwrap_or_default());
    let kind = [(header::CONTENT_TYPE, "application/json")];
    let document = move || std::future::ready((kind.clone(), text.clone()));
    page.route(DOCUMENT, get(document))
        .layer(from_fn(page_policy))
        .layer(from_fn_with_state(live, gate))
}

async fn gate(
    State(live): State<Arc<ArcSwap<LiveSettings>>>,
    request: Request,
    next: Next,
) -> Response {
    if live.load().features.docs {
        next.run(request).await
    } else {
        StatusCode::NOT_FOUND.into_response()
    }
}

// The page runs its own scripts and styles; nothing of anybody else's.
async fn page_policy(request: Request, next: Next) -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'self' 'unsafe-inline'; \
                          style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                          connect-src 'self'; frame-ancestors 'none'";
    let mut response = next.run(request).await;
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    response
}
