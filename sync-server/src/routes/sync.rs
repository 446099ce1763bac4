//! The sync protocol, version 1 (`docs/sync.md`, "Wire").

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::response::sse::Sse;
use gridpass_core::id::{DeviceId, hex};
use gridpass_core::wire::{
    Challenge, ChallengeAnswer, EnrolRequest, Enrolled, Grant, PullAnswer, PullRequest, PushAnswer, PushRequest, Role,
    Token, TokenRequest,
};

use super::packed::{Named, Packed, Phone, Session, blocking};
use crate::app::App;
use crate::db::{EnrolRefusal, Principal};
use crate::error::ApiError;
use crate::throttle::Peer;
use crate::{events, ingest, keys, pull};

const NO_RANDOMNESS: ApiError = ApiError::Internal("the operating system gives no randomness");

/// `POST /sync/v1/enroll`
pub async fn enroll(
    State(app): State<Arc<App>>,
    peer: Peer,
    Packed(request): Packed<EnrolRequest>,
) -> Result<Packed<Enrolled>, ApiError> {
    peer.pass(&app.throttle.enrol)?;
    if request.public_key.len() != 32 {
        return Err(ApiError::bad("length", "public_key"));
    }
    if request.app_version.len() > 40 {
        return Err(ApiError::bad("length", "app_version"));
    }
    blocking(move || {
        let now_ms = app.now_ms();
        let device = DeviceId::new(now_ms, keys::random().map_err(|_| NO_RANDOMNESS)?);
        let code = *blake3::hash(request.code.as_bytes()).as_bytes();
        let EnrolRequest { public_key, nonce, app_version, .. } = request;
        match app.db.enrol(now_ms, code, device, &public_key, nonce, &app_version)? {
            Ok(row) => Ok(Packed(Enrolled {
                device: row.device,
                user: row.user,
                user_name: row.user_name,
                keys: app.keys.public(),
                district: app.config.district.clone(),
            })),
            Err(EnrolRefusal::UnknownOrExpired) => Err(ApiError::Forbidden("code_unknown_or_expired")),
            Err(EnrolRefusal::KeyTaken) => Err(ApiError::Forbidden("key_taken")),
            Err(EnrolRefusal::Used) => Err(ApiError::Forbidden("code_used")),
        }
    })
    .await
}

/// `POST /sync/v1/challenge`
pub async fn challenge(
    State(app): State<Arc<App>>,
    peer: Peer,
    Packed(request): Packed<Challenge>,
) -> Result<Packed<ChallengeAnswer>, ApiError> {
    peer.pass(&app.throttle.sign_in)?;
    blocking(move || {
        let now_ms = app.now_ms();
        known(&app, now_ms, request.device)?;
        let challenge: [u8; 32] = keys::random().map_err(|_| NO_RANDOMNESS)?;
        app.db.add_challenge(now_ms, request.device, challenge, now_ms + app.limits.challenge_ms)?;
        Ok(Packed(ChallengeAnswer { challenge: challenge.to_vec() }))
    })
    .await
}

/// `POST /sync/v1/token`
pub async fn token(
    State(app): State<Arc<App>>,
    peer: Peer,
    Packed(request): Packed<TokenRequest>,
) -> Result<Packed<Token>, ApiError> {
    peer.pass(&app.throttle.sign_in)?;
    if request.nonces.len() > TokenRequest::MAX_NONCES {
        return Err(ApiError::bad("too_many", "nonces"));
    }
    blocking(move || {
        let now_ms = app.now_ms();
        let device = known(&app, now_ms, request.device)?;
        let message = TokenRequest::message(request.device, &request.challenge, &request.nonces);
        gridpass_core::seal::verify(&device.public_key, &message, &request.signature)
            .map_err(|_| ApiError::Forbidden("signature"))?;
        app.throttle.token.pass(&device.id)?; // only who holds the key can use up a phone's share
        let token = hex(&keys::random::<32>().map_err(|_| NO_RANDOMNESS)?);
        let until_ms = now_ms + app.limits.token_ms;
        let taken = app.db.take_challenge(
            now_ms,
            request.device,
            &request.challenge,
            *blake3::hash(token.as_bytes()).as_bytes(),
            until_ms,
            &request.nonces,
            &request.app_version,
        )?;
        if !taken {
            return Err(ApiError::Forbidden("challenge"));
        }
        let principal = device.principal();
        let grants = app.db.assignments(&principal, now_ms, device.user)?;
        let grants = grants
            .into_iter()
            .filter(|assignment| assignment.counts_at(now_ms))
            .filter_map(|row| Some(Grant { grant: row.grant, grid: row.grid()?, role: Some(row.role) }))
            .collect();
        Ok(Packed(Token { token, until_ms, grants }))
    })
    .await
}

fn known(app: &App, now_ms: i64, device: DeviceId) -> Result<crate::db::DeviceRow, ApiError> {
    let principal = Principal { device: Some(device), role: Role::DEVICE, ..Principal::SERVER };
    match app.db.device(&principal, now_ms, device)? {
        Some(device) if device.revoked.is_some() => Err(ApiError::Forbidden("revoked")),
        Some(device) => Ok(device),
        None => Err(ApiError::Forbidden("device_unknown")),
    }
}

/// `POST /sync/v1/push`
pub async fn push(
    State(app): State<Arc<App>>,
    Phone(device): Phone,
    Packed(request): Packed<PushRequest>,
) -> Result<Packed<PushAnswer>, ApiError> {
    app.throttle.push.pass(&device.id)?;
    let turn = app.turns.take(device.id).await?;
    blocking(move || {
        let _turn = turn; // until all is written, whether the phone still waits for the answer or not
        let answer = ingest::push(&app, &device, &request)?;
        let refused = app.metrics.pushed(&answer);
        if refused > 0 {
            tracing::warn!(refused, items = answer.verdicts.len(), "items were not taken; the audit says why");
        }
        Ok(Packed(answer))
    })
    .await
}

/// `POST /sync/v1/pull`
pub async fn pull_rows(
    State(app): State<Arc<App>>,
    Phone(device): Phone,
    Packed(request): Packed<PullRequest>,
) -> Result<Packed<PullAnswer>, ApiError> {
    app.throttle.pull.pass(&device.id)?;
    blocking(move || {
        let answer = pull::pull(&app, &device, &request)?;
        app.metrics.pulled(&answer);
        Ok(Packed(answer))
    })
    .await
}

/// `GET /sync/v1/packs/{hash}`
pub async fn pack(
    State(app): State<Arc<App>>,
    Phone(device): Phone,
    Named(hash): Named,
) -> Result<impl IntoResponse, ApiError> {
    app.throttle.pull.pass(&device.id)?;
    let bytes = blocking(move || pull::pack(&app, &device, hash)).await?;
    Ok(([(CONTENT_TYPE, "application/cbor+zstd"), (CACHE_CONTROL, "private, immutable")], bytes))
}

/// `GET /sync/v1/events`
pub async fn events(State(app): State<Arc<App>>, session: Session) -> Result<impl IntoResponse, ApiError> {
    app.throttle.pull.pass(&session.device.id)?;
    Ok(Sse::new(events::events(app, session)))
}
