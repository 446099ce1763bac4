//! What people do with their accounts: sign in, change the password, set up a second factor.

use std::sync::Arc;

use axum::http::StatusCode;

use super::{Person, password, recent, session, totp};
use crate::app::App;
use crate::db::{AccountRow, Act, Asked, Factor, NewSession, Principal, Proof, Proven, SessionId, SessionRow};
use crate::error::{ApiError, Told};
use crate::keys;
use crate::routes::packed::blocking;

const NO_RANDOMNESS: ApiError = ApiError::Internal("the operating system gives no randomness");
const NO_ACCOUNT: ApiError = ApiError::Internal("a session has no account");

/// What somebody types to sign in.
pub struct SignIn {
    /// The login.
    pub login: String,
    /// The password.
    pub password: String,
    /// A code of the second factor, or a recovery code.
    pub totp: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// With which program, in short.
    pub agent: String,
}

/// Signs somebody in: the new session's token, and the session.
///
/// An unknown login, a wrong password, a disabled user and one who waits are answered alike, after the same work.
pub async fn sign_in(app: &Arc<App>, asked: SignIn) -> Result<(String, SessionRow), ApiError> {
    let token = session::token().map_err(|_| NO_RANDOMNESS)?;
    let id = SessionId(keys::random().map_err(|_| NO_RANDOMNESS)?);
    let account = find(app, Wanted::Login(asked.login)).await?;
    let new = NewSession {
        id,
        token: session::token_hash(&token),
        lasts_ms: app.limits.session_ms,
        idle_ms: app.limits.session_idle_ms,
        address: asked.address,
        agent: asked.agent,
    };
    let proven = prove(app, account, &asked.password, asked.totp, Act::SignIn(new)).await?;
    if proven != Proven::FactorMissing {
        app.metrics.signed_in(proven == Proven::Done);
    }
    let unauthorized = |code| ApiError::told(StatusCode::UNAUTHORIZED, code);
    // Nobody is told which of login and password is wrong.
    answer(app, proven, unauthorized("sign_in"), unauthorized("totp_wrong").at("totp"))?;
    let (app, hash) = (app.clone(), session::token_hash(&token));
    let row = blocking(move || {
        let found = app.db.session(app.now_ms(), hash, app.limits.session_idle_ms)?;
        found.ok_or_else(|| ApiError::told(StatusCode::UNAUTHORIZED, "session").into())
    })
    .await?;
    Ok((token, row))
}

/// Changes the password of a person; all other sessions end.
pub async fn change_password(app: &Arc<App>, person: &Person, old: String, new: String) -> Result<(), ApiError> {
    let account = of(app, person).await?;
    password::check(&new, &account.login, "new")?;
    if new == old {
        return Err(ApiError::bad("password_same", "new"));
    }
    let hash = app.passwords.hash(&new).await?;
    let act = Act::ChangePassword { hash, keep: person.session };
    in_session(app, prove(app, Some(account), &old, None, act).await?, "old")
}

/// Begins a second factor: the secret, shown this once.
pub async fn begin_totp(app: &Arc<App>, person: &Person, password: String) -> Result<(String, String), ApiError> {
    let account = of(app, person).await?;
    if account.totp.as_ref().is_some_and(|totp| totp.confirmed) {
        return Err(ApiError::told(StatusCode::CONFLICT, "totp_on").into());
    }
    let secret = totp::secret().map_err(|_| NO_RANDOMNESS)?;
    let sealed = totp::seal(&app.keys, person.user, &secret).map_err(|_| NO_RANDOMNESS)?;
    let uri = totp::uri(&secret, &app.config.district, &account.login);
    let act = Act::BeginTotp { secret: sealed };
    in_session(app, prove(app, Some(account), &password, None, act).await?, "password")?;
    Ok((totp::typed(&secret), uri))
}

/// Confirms the second factor that was begun with one of its codes: the recovery codes, shown this once.
pub async fn confirm_totp(app: &Arc<App>, person: &Person, code: &str) -> Result<Vec<String>, ApiError> {
    let off = || ApiError::told(StatusCode::CONFLICT, "totp_not_begun").into();
    let waiting = of(app, person).await?.totp.filter(|totp| !totp.confirmed).ok_or_else(off)?;
    let secret = totp::open(&app.keys, person.user, &waiting.secret).ok_or_else(off)?;
    let step = totp::step_of(&secret, code, app.now_ms()).ok_or(ApiError::bad("totp_wrong", "code"))?;
    let codes = totp::recovery_codes().map_err(|_| NO_RANDOMNESS)?;
    let hashes: Vec<_> = codes.iter().map(|code| totp::recovery_hash(person.user, code)).collect();
    let (app, user, session) = (app.clone(), person.user, person.session);
    match blocking(move || Ok(app.db.confirm_totp(app.now_ms(), user, session, step, &hashes)?)).await? {
        true => Ok(codes),
        false => Err(off()),
    }
}

/// Removes the second factor of a person who has just shown it.
pub async fn remove_totp(app: &Arc<App>, person: &Person) -> Result<(), ApiError> {
    recent(person, app.now_ms())?;
    let (app, user) = (app.clone(), person.user);
    blocking(move || {
        app.db.remove_totp(app.now_ms(), user)?;
        Ok(())
    })
    .await
}

/// Shows the second factor again in a session.
pub async fn show_factor(app: &Arc<App>, person: &Person, code: String) -> Result<(), ApiError> {
    let account = of(app, person).await?;
    if !account.totp.as_ref().is_some_and(|totp| totp.confirmed) {
        return Err(ApiError::told(StatusCode::CONFLICT, "totp_not_begun").into());
    }
    let proof = Proof {
        compared: account.password.clone(),
        right: true, // it was, when the session began
        renewed: None,
        factor: factor(app, &account, Some(code)),
    };
    let (db, user, session) = (app.clone(), person.user, person.session);
    let proven = blocking(move || Ok(db.db.prove(db.now_ms(), Some(user), proof, Act::ShowFactor(session))?)).await?;
    match proven {
        Proven::FactorMissing => Err(refused("totp_wrong", "code").into()), // nothing but blanks
        proven => answer(app, proven, refused("totp_wrong", "code"), refused("totp_wrong", "code")),
    }
}

/// The account of a person.
pub async fn of(app: &Arc<App>, person: &Person) -> Result<AccountRow, ApiError> {
    find(app, Wanted::Person(person.clone())).await?.ok_or(NO_ACCOUNT)
}

enum Wanted {
    Login(String),
    Person(Person),
}

async fn find(app: &Arc<App>, wanted: Wanted) -> Result<Option<AccountRow>, ApiError> {
    let app = app.clone();
    blocking(move || {
        let (principal, asked) = match &wanted {
            Wanted::Login(login) => (Principal::SERVER, Asked::Login(login)),
            Wanted::Person(person) => (person.principal(), Asked::User(person.user)),
        };
        Ok(app.db.account(&principal, app.now_ms(), asked)?)
    })
    .await
}

async fn prove(
    app: &Arc<App>,
    account: Option<AccountRow>,
    password: &str,
    code: Option<String>,
    act: Act,
) -> Result<Proven, ApiError> {
    let compared = account.as_ref().and_then(|account| account.password.clone());
    let found = app.passwords.compare(password, compared.clone()).await?;
    let factor = account.as_ref().map_or(Factor::Missing, |account| factor(app, account, code));
    let proof = Proof { compared, right: found.right, renewed: found.renewed, factor };
    let (app, user) = (app.clone(), account.map(|account| account.user));
    blocking(move || Ok(app.db.prove(app.now_ms(), user, proof, act)?)).await
}

fn factor(app: &App, account: &AccountRow, code: Option<String>) -> Factor {
    let Some(code) = code.filter(|code| !code.trim().is_empty()) else { return Factor::Missing };
    let secret = account.totp.as_ref().and_then(|totp| totp::open(&app.keys, account.user, &totp.secret));
    secret.map_or(Factor::Wrong, |secret| totp::factor(account.user, &secret, &code, app.now_ms()))
}

/// What becomes of a proof as an answer; `wrong` and `factor` say that what was typed is.
fn answer(app: &App, proven: Proven, wrong: Told, factor: Told) -> Result<(), ApiError> {
    Err(match proven {
        Proven::Done => return Ok(()),
        Proven::Wrong => wrong,
        Proven::WrongFactor => factor,
        Proven::FactorMissing => ApiError::told(StatusCode::UNAUTHORIZED, "totp_needed"),
        Proven::Locked { until_ms } => {
            let ms = u64::try_from(until_ms - app.now_ms()).unwrap_or(0);
            wrong.after(ms.div_ceil(1000))
        }
    }
    .into())
}

/// The same for a password that is asked for in a session, in a field.
fn in_session(app: &App, proven: Proven, field: &'static str) -> Result<(), ApiError> {
    answer(app, proven, refused("password_wrong", field), refused("totp_wrong", field))
}

/// What is refused in a session: not 401, for the session goes on.
fn refused(code: &'static str, field: &'static str) -> Told {
    ApiError::told(StatusCode::BAD_REQUEST, code).at(field)
}
