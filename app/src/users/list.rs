//! GET /users.

use axum::Json;
use axum::extract::State;
use utoipa::IntoParams;

use super::position::{Position, cursor_after};
use super::wire::{UserList, UserOut};
use super::{UsersRead, select};
use crate::audit::{self, Action, Event};
use crate::auth::Authorized;
use crate::error::Result;
use crate::extract::page::Page;
use crate::extract::page::part::{CursorParam, Part};
use crate::extract::{ApiQuery, FromQuery, Origin, Params};
use crate::state::AppState;

/// What a list may be sorted by; there is no other way to name a column (R2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortColumn {
    /// E-mail, whatever its case.
    Email,
    /// First name.
    FirstName,
    /// Last name.
    LastName,
    /// When the user was created.
    CreatedAt,
}

/// Direction of a sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

impl Order {
    pub(super) const fn keyword(self) -> &'static str {
        match self {
            Self::Ascending => "ASC",
            Self::Descending => "DESC",
        }
    }
}

/// Which users are listed, and in which order.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Part of e-mail or name.
    pub search: Option<String>,
    /// Only those who may, or may not, sign in.
    pub is_active: Option<bool>,
    /// Order.
    pub sort: SortColumn,
    /// Direction.
    pub order: Order,
}

/// Longest text that is searched for.
const MAX_SEARCH: usize = 100;
/// Letters or digits in a row that a search needs: the index knows texts by three at a time.
const MIN_RUN: usize = 3;

impl FromQuery for Filter {
    fn read(params: &mut Params) -> Self {
        let search = params.take("search").filter(|text| !text.is_empty());
        if search
            .as_ref()
            .is_some_and(|text| text.chars().count() > MAX_SEARCH || text.contains('\0'))
        {
            params.fault("search", "too_long", "must have at most 100 characters");
        } else if search
            .as_deref()
            .is_some_and(|text| longest_run(text) < MIN_RUN)
        {
            params.fault(
                "search",
                "too_short",
                "must have three letters or digits in a row",
            );
        }
        Self {
            search,
            is_active: params.take_parsed("is_active", "must be true or false"),
            sort: sort(params),
            order: order(params),
        }
    }
}

fn longest_run(text: &str) -> usize {
    let runs = text.split(|c: char| !c.is_alphanumeric());
    runs.map(|run| run.chars().count()).max().unwrap_or(0)
}

fn sort(params: &mut Params) -> SortColumn {
    match params.take("sort_by").as_deref() {
        None | Some("created_at") => SortColumn::CreatedAt,
        Some("email") => SortColumn::Email,
        Some("first_name") => SortColumn::FirstName,
        Some("last_name") => SortColumn::LastName,
        Some(_) => {
            params.fault(
                "sort_by",
                "not_allowed",
                "must be one of created_at, email, first_name, last_name",
            );
            SortColumn::CreatedAt
        }
    }
}

fn order(params: &mut Params) -> Order {
    match params.take("sort_order").as_deref() {
        None | Some("asc") => Order::Ascending,
        Some("desc") => Order::Descending,
        Some(_) => {
            params.fault("sort_order", "not_allowed", "must be asc or desc");
            Order::Ascending
        }
    }
}

/// Parameters of the list, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what Filter reads")]
pub(super) struct FilterParams {
    /// Part of e-mail or name, with three letters or digits in a row.
    #[param(min_length = 3, max_length = 100)]
    search: Option<String>,
    /// Only those who may, or may not, sign in.
    is_active: Option<bool>,
    /// One of created_at, email, first_name, last_name.
    #[param(
        default = "created_at",
        pattern = "^(created_at|email|first_name|last_name)$"
    )]
    sort_by: Option<String>,
    /// asc or desc.
    #[param(default = "asc", pattern = "^(asc|desc)$")]
    sort_order: Option<String>,
}

pub(super) struct ListQuery {
    pub(super) filter: Filter,
    pub(super) part: Part<Position>,
}

impl FromQuery for ListQuery {
    fn read(params: &mut Params) -> Self {
        let filter = Filter::read(params);
        let part = Part::read(params, |cursor| Position::read(&filter, cursor));
        Self { filter, part }
    }
}

/// List users: by `page`, or on from there by `cursor`, which neither skips nor repeats one while others are added.
#[utoipa::path(get, path = "/users", tag = "users", params(Page, CursorParam, FilterParams),
    security(("bearer" = ["users.read"])),
    responses((status = 200, description = "A part of the list", body = UserList)))]
pub(super) async fn list_users(
    caller: Authorized<UsersRead>,
    origin: Origin,
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Json<UserList>> {
    let mut connection = state.database.acquire().await?;
    let mut users = select::list(&mut connection, &query).await?;
    let more = query.part.cut(&mut users);
    let mut pagination = None;
    if let Some(page) = query.part.page() {
        let total = select::count(&mut connection, &query.filter).await?;
        pagination = Some(page.pagination(users.len(), more, total));
    }
    let last = users.last().filter(|_| more);
    let next_cursor = last.map(|last| cursor_after(&query.filter, last));
    let mut detail = serde_json::json!({"returned": users.len()});
    match query.part.page() {
        Some(page) => detail["page"] = page.page.into(),
        None => detail["continued"] = true.into(),
    }
    let event = Event::of(Action::UsersListed, &origin)
        .by(caller.principal.user)
        .with(detail);
    audit::record(&mut connection, &event).await?;
    connection.done();
    Ok(Json(UserList {
        users: users.into_iter().map(UserOut::from).collect(),
        next_cursor,
        pagination,
    }))
}
