//! The closed sets that label values come from.

use axum::http::StatusCode;

/// What is none of the words.
pub const OTHER: &str = "other";

/// Every route's template, as the router has it.
pub const ROUTES: [&str; 26] = [
    "/sync/v1/uploads",
    "/sync/v1/uploads/{hash}",
    "/sync/v1/blobs/{hash}",
    "/sync/v1/enroll",
    "/sync/v1/challenge",
    "/sync/v1/token",
    "/sync/v1/push",
    "/sync/v1/pull",
    "/sync/v1/packs/{hash}",
    "/sync/v1/events",
    "/api/v1/session",
    "/api/v1/session/factor",
    "/api/v1/sessions",
    "/api/v1/sessions/{id}",
    "/api/v1/password",
    "/api/v1/totp",
    "/api/v1/reviews",
    "/api/v1/reviews/{id}",
    "/api/v1/reviews/{id}/decision",
    "/api/v1/tickets",
    "/api/v1/tickets/{id}",
    "/api/v1/tickets/{id}/decision",
    "/api/v1/tickets/{id}/undo",
    "/api/v1/openapi.json",
    "/health/live",
    "/health/ready",
];

/// Every status that the server answers with.
pub const STATUSES: [&str; 24] = [
    "200", "201", "204", "206", "400", "401", "403", "404", "405", "408", "409", "410", "411", "412", "413", "415",
    "416", "422", "428", "429", "500", "503", "304", "431",
];

/// The label of a route that was matched; what matched none is [`OTHER`], whatever was asked for.
pub fn route_label(matched: Option<&str>) -> &'static str {
    ROUTES.into_iter().find(|route| Some(*route) == matched).unwrap_or(OTHER)
}

/// The label of a status.
pub fn status_label(status: StatusCode) -> &'static str {
    STATUSES.into_iter().find(|known| *known == status.as_str()).unwrap_or(OTHER)
}
