//! `gridpass-server audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gridpass_core::codes::Date;
use gridpass_core::id::{RecordId, UserId, hex};
use gridpass_server::app::App;
use gridpass_server::audit::rotate::{begin_of, rotate};
use gridpass_server::audit::verify::time;
use gridpass_server::db::{AuditFilter, AuditRow, Principal};
use serde_json::{Map, Value};

type Error = Box<dyn std::error::Error>;

/// What is done with the audit.
#[derive(Subcommand)]
pub enum AuditCommand {
    /// Print rows as JSON lines, the newest first.
    List(ListArgs),
    /// Move the rows before a day into a compressed archive, verify that, and delete them here; others may write meanwhile.
    Rotate {
        /// The first day whose rows stay, as 2027-01-15; days are those of China.
        #[arg(long, value_name = "DATE")]
        before: Date,
        /// The folder of archives. Keep copies of it elsewhere.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
    },
}

/// What is looked for; everything that is named must hold.
#[derive(Args)]
pub struct ListArgs {
    /// Acts on a record, through its changes, or about it.
    #[arg(long, value_name = "ID")]
    record: Option<RecordId>,
    /// Acts of a user.
    #[arg(long, value_name = "LOGIN")]
    user: Option<String>,
    /// Acts of one word, as `changed`, `file_read`.
    #[arg(long, value_name = "WORD")]
    action: Option<String>,
    /// From this day on, as 2027-01-15; days are those of China.
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// Up to and with this day.
    #[arg(long, value_name = "DATE")]
    to: Option<Date>,
    /// At most so many rows.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Only rows older than this one: the last of the page before.
    #[arg(long, value_name = "SEQ")]
    after: Option<i64>,
}

/// Does it.
pub fn run(app: &App, command: AuditCommand) -> Result<(), Error> {
    match command {
        AuditCommand::List(args) => list(app, args),
        AuditCommand::Rotate { before, to } => {
            let done = rotate(app, begin_of(before), &to)?;
            if done.left > 0 {
                say!("{} rows that lay in an archive already were deleted", done.left);
            }
            match done.archive {
                Some(file) => say!("{} rows moved into {}", done.rows, file.display()),
                None => say!("no rows before {before}"),
            }
            Ok(())
        }
    }
}

fn list(app: &App, args: ListArgs) -> Result<(), Error> {
    let now_ms = app.now_ms();
    let user = match &args.user {
        None => None,
        Some(login) => {
            let found = app.db.user_by_login(&Principal::SERVER, now_ms, login)?;
            Some(found.ok_or("user: nobody has this login")?)
        }
    };
    let next = |day: Date| day.plus_days(1).map_or(i64::MAX, begin_of);
    let filter = AuditFilter {
        record: args.record,
        user,
        action: args.action,
        from_ms: args.from.map(begin_of),
        to_ms: args.to.map(next),
        before: args.after,
    };
    let rows = app.db.audit_list(&Principal::SERVER, now_ms, &filter, args.limit)?;
    let users: Vec<UserId> = rows.iter().filter_map(|row| row.user).collect();
    let logins = app.db.logins(&Principal::SERVER, now_ms, &users)?;
    for row in rows {
        let login = row.user.and_then(|user| logins.get(&user));
        say!("{}", line(&row, login.map(String::as_str)));
    }
    Ok(())
}

/// A row for people and programs.
fn line(row: &AuditRow, login: Option<&str>) -> Value {
    let object = row.change.map(|change| hex(&change.record.0)).or(row.object.as_deref().map(hex));
    let detail = serde_json::from_str::<Value>(&row.detail).ok();
    let all = [
        ("seq", Some(row.seq.into())),
        ("at_ms", Some(row.at_ms.into())),
        ("at", Some(time(row.at_ms).into())),
        ("user", row.user.map(|id| id.to_string().into())),
        ("login", login.map(Value::from)),
        ("device", row.device.map(|id| id.to_string().into())),
        ("grant", row.grant.map(|id| id.to_string().into())),
        ("action", Some(row.action.as_str().into())),
        ("object", object.map(Value::from)),
        ("change", row.change.map(|change| change.hash.to_string().into())),
        ("detail", detail),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into()
}
