//! The API for people and other systems, `/api/v1`: its routes, its description, and the headers of all its answers.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::MAX_BODY;
use super::{account, reviews, session, tickets};
use crate::app::App;
use crate::auth::session::COOKIE_NAME;
use crate::error::{ApiError, Refusal};

/// Where the API is.
pub const PREFIX: &str = "/api/v1";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "GridPass",
        description = "The API of the office: the console and other systems of the district use nothing else. \
                       The rules are in docs/API.md.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(Refusal)),
    security(("cookie" = []), ("bearer" = [])),
    tags((name = "account", description = "Signing in, sessions, password and second factor of the caller"),
         (name = "desk", description = "What waits for a supervisor, and what is said of it"),
         (name = "about", description = "The API itself"))
)]
struct Description;

fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Description::openapi()).nest(
        PREFIX,
        OpenApiRouter::new()
            .routes(routes!(session::sign_in, session::who, session::sign_out))
            .routes(routes!(session::show_factor))
            .routes(routes!(session::list, session::end_others))
            .routes(routes!(session::end))
            .routes(routes!(account::change_password))
            .routes(routes!(account::begin_totp, account::confirm_totp, account::remove_totp))
            .routes(routes!(reviews::list))
            .routes(routes!(reviews::look))
            .routes(routes!(reviews::say))
            .routes(routes!(tickets::list))
            .routes(routes!(tickets::look))
            .routes(routes!(tickets::decide))
            .routes(routes!(tickets::undo))
            .routes(routes!(description))
            .fallback(|| async { ApiError::NotFound }),
    )
}

/// The routes of the API.
pub fn router() -> Router<Arc<App>> {
    let (router, _) = routes().split_for_parts();
    router.layer(DefaultBodyLimit::max(MAX_BODY)).layer(map_response(guarded))
}

/// The description, as it is committed in `openapi.json`.
pub fn openapi() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let (_, mut described) = routes().split_for_parts();
        let components = described.components.get_or_insert_default();
        let cookie = ApiKeyValue::with_description(
            COOKIE_NAME,
            "Of a browser. What writes needs `X-GridPass: 1` as well, and an `Origin` or `Sec-Fetch-Site` of this server.",
        );
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        described.to_pretty_json().map(|text| text + "\n").unwrap_or_default()
    });
    &TEXT
}

/// The description of this API, in OpenAPI 3.1.
#[utoipa::path(get, path = "/openapi.json", tag = "about", security(()),
    responses((status = 200, description = "The description", body = serde_json::Value), Busy))]
async fn description() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], openapi())
}

/// Nothing of the API is kept by anybody in between, shown inside another page, or taken for anything but what it is.
async fn guarded(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 4] = [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

type Described = BTreeMap<String, RefOr<utoipa::openapi::Response>>;

fn refusals(statuses: &[(&str, &str)]) -> Described {
    let schema = Ref::from_schema_name("Refusal");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = |what: &str| {
        let response = ResponseBuilder::new().description(what).content("application/json", content.clone());
        RefOr::T(response.build())
    };
    statuses.iter().map(|(status, what)| ((*status).to_owned(), response(what))).collect()
}

/// What any operation may be answered.
pub struct Busy;

impl IntoResponses for Busy {
    fn responses() -> Described {
        refusals(&[
            ("500", "`internal`: a defect; the log has it under the request's name"),
            ("503", "`busy`, `storage`: come again later"),
        ])
    }
}

/// What an operation of somebody signed in may be answered.
pub struct Personal;

impl IntoResponses for Personal {
    fn responses() -> Described {
        let mut all = Busy::responses();
        all.extend(refusals(&[
            ("400", "The request is not what it should be; `field` says where"),
            ("401", "`session`: sign in"),
            ("403", "`csrf`, `password_change`, `second_factor`, or a right is missing"),
            ("429", "`too_many_requests`: `Retry-After` says when to come again"),
        ]));
        all
    }
}

/// What an operation that takes a body may be answered beside.
pub struct WithBody;

impl IntoResponses for WithBody {
    fn responses() -> Described {
        refusals(&[
            ("413", "`body_too_large`: more than 64 KiB"),
            ("415", "`json_type`: the body is not `application/json`"),
        ])
    }
}

/// What an operation on one thing may be answered beside.
pub struct OfOne;

impl IntoResponses for OfOne {
    fn responses() -> Described {
        refusals(&[("404", "`not_found`: there is none, or the caller may not know of it")])
    }
}

/// What a decision over something that was looked at may be answered beside.
pub struct Conditional;

impl IntoResponses for Conditional {
    fn responses() -> Described {
        refusals(&[
            ("412", "`stale`: it has changed since it was looked at; `ETag` says as what it stands, where it is known"),
            ("428", "`if_match`: say with `If-Match` what was looked at"),
        ])
    }
}

/// What an operation may be answered beside that does not fit to what stands.
pub struct Conflicting;

impl IntoResponses for Conflicting {
    fn responses() -> Described {
        refusals(&[("409", "It does not fit to what stands; the code says why")])
    }
}
