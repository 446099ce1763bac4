//! `gridpass-server user`.

use clap::Subcommand;
use data_encoding::BASE32;
use gridpass_core::id::UserId;
use gridpass_server::app::App;
use gridpass_server::db::Principal;
use gridpass_server::keys::random;
use gridpass_server::routes::text::rfc3339;

use super::assign::{self, Assigning};

type Error = Box<dyn std::error::Error>;

/// Users: who they are, where they work, how they sign in.
#[derive(Subcommand)]
pub enum UserCommand {
    /// Make a user.
    Add {
        /// The login, unique.
        login: String,
        /// The name that is shown.
        name: String,
    },
    #[command(flatten)]
    Assigning(Assigning),
    /// Print a new initial password, once. It has to be changed at the first sign-in; all sessions of the user end.
    Password {
        /// The login.
        login: String,
        /// Remove the second factor too: the user has lost the phone that shows the codes, and the recovery codes.
        #[arg(long)]
        drop_totp: bool,
    },
    /// End the waiting after too many wrong passwords.
    Unlock {
        /// The login.
        login: String,
    },
    /// Let a user sign in no more, and end all sessions of the user. Phones are refused by `device revoke`.
    Disable {
        /// The login.
        login: String,
    },
    /// Let a disabled user sign in again.
    Enable {
        /// The login.
        login: String,
    },
    /// List where a user is signed in.
    Sessions {
        /// The login.
        login: String,
        /// End them all.
        #[arg(long)]
        end: bool,
    },
}

impl UserCommand {
    /// What is noted in the log when it is done.
    pub fn act(&self) -> Option<&'static str> {
        Some(match self {
            Self::Add { .. } => "user add",
            Self::Assigning(Assigning::Assign(_)) => "user assign",
            Self::Assigning(Assigning::Unassign(_)) => "user unassign",
            Self::Assigning(Assigning::Assignments { .. }) => return None,
            Self::Password { .. } => "user password",
            Self::Unlock { .. } => "user unlock",
            Self::Disable { .. } => "user disable",
            Self::Enable { .. } => "user enable",
            Self::Sessions { end: true, .. } => "user sessions --end",
            Self::Sessions { end: false, .. } => return None,
        })
    }
}

/// The user of a login.
pub fn of(app: &App, login: &str) -> Result<UserId, Error> {
    app.db.user_by_login(&Principal::SERVER, app.now_ms(), login)?.ok_or_else(|| "login: no such user".into())
}

/// Runs one.
pub fn run(app: &App, command: UserCommand) -> Result<(), Error> {
    let now_ms = app.now_ms();
    match command {
        UserCommand::Add { login, name } => {
            one_line("login", &login, 64)?;
            one_line("name", &name, 200)?;
            let id = UserId::new(now_ms, random()?);
            app.db.add_user(now_ms, id, &login, &name)?;
            say!("{id}");
        }
        UserCommand::Assigning(command) => assign::run(app, command)?,
        UserCommand::Password { login, drop_totp } => {
            let user = of(app, &login)?;
            let password = initial_password()?;
            let hash = app.passwords.hash_now(&password)?;
            app.db.give_password(now_ms, user, &hash, now_ms + app.limits.initial_password_ms, drop_totp)?;
            say!("{password}");
        }
        UserCommand::Unlock { login } => match app.db.unlock(now_ms, of(app, &login)?)? {
            true => say!("{login} unlocked"),
            false => return Err("login: the account does not wait; nothing was changed".into()),
        },
        UserCommand::Disable { login } => match app.db.set_disabled(now_ms, of(app, &login)?, true)? {
            true => say!("{login} disabled; phones of the user are refused by `device revoke`"),
            false => return Err("login: the user was disabled before; nothing was changed".into()),
        },
        UserCommand::Enable { login } => match app.db.set_disabled(now_ms, of(app, &login)?, false)? {
            true => say!("{login} enabled"),
            false => return Err("login: the user is not disabled; nothing was changed".into()),
        },
        UserCommand::Sessions { login, end: true } => {
            say!("{} sessions ended", app.db.end_sessions(now_ms, None, of(app, &login)?, None)?);
        }
        UserCommand::Sessions { login, end: false } => {
            let (user, idle_ms) = (of(app, &login)?, app.limits.session_idle_ms);
            for row in app.db.sessions(&Principal::SERVER, now_ms, user, idle_ms, None, usize::MAX)? {
                let address = row.address.as_deref().unwrap_or("-");
                let (began, seen) = (rfc3339(row.began_ms), rfc3339(row.seen_ms));
                say!("{}  since {began}  last used {seen}  {address}  {}", row.id, row.agent);
            }
        }
    }
    Ok(())
}

/// What can be typed into a form again.
fn one_line(what: &str, text: &str, max: usize) -> Result<(), Error> {
    let count = text.chars().count();
    if text.trim() != text || text.chars().any(char::is_control) || !(1..=max).contains(&count) {
        return Err(format!("{what}: must be 1 to {max} characters on one line, without blanks around").into());
    }
    Ok(())
}

/// Twenty letters and digits in groups of five: 100 random bits that can be read out.
fn initial_password() -> Result<String, Error> {
    let text = BASE32.encode(&random::<15>()?).to_lowercase();
    let groups: Vec<String> = text.chars().take(20).collect::<Vec<_>>().chunks(5).map(String::from_iter).collect();
    Ok(groups.join("-"))
}
