//! Who serves where: giving roles, ending them, listing them.

use clap::{Args, Subcommand};
use gridpass_core::codes::Date;
use gridpass_server::app::App;
use gridpass_server::auth::assign::{NewAssignment, assign};
use gridpass_server::db::{Duty, Principal};
use gridpass_server::org::begin_of;

use super::user;

#[derive(Args)]
pub struct AssignArgs {
    /// The login.
    login: String,
    /// The code of a grid, or the code or path of a unit.
    place: String,
    /// The role, as the catalog names it.
    #[arg(long, default_value = "worker")]
    role: String,
    /// The first day, such as 2026-11-30; without it from now on.
    #[arg(long)]
    from: Option<Date>,
    /// The last day; without it until it is ended.
    #[arg(long)]
    to: Option<Date>,
    /// For somebody who is away.
    #[arg(long)]
    cover: bool,
}

#[derive(Args)]
pub struct UnassignArgs {
    /// The login.
    login: String,
    /// The code of the grid, or the code or path of the unit.
    place: String,
    /// The first day on which it no longer counts; without it from now on.
    #[arg(long)]
    from: Option<Date>,
}

#[derive(Subcommand)]
pub enum Assigning {
    /// Give a user a role in a grid or at a unit; prints the grant.
    Assign(AssignArgs),
    /// End a user's assignments to a grid or unit. What waits on the user's phones is still taken for a while.
    Unassign(UnassignArgs),
    /// List a user's assignments, ended and future ones too.
    Assignments {
        /// The login.
        login: String,
    },
}

type Done = Result<(), Box<dyn std::error::Error>>;

pub fn run(app: &App, command: Assigning) -> Done {
    match command {
        Assigning::Assign(args) => run_assign(app, args),
        Assigning::Unassign(args) => run_unassign(app, &args),
        Assigning::Assignments { login } => list(app, &login),
    }
}

fn run_assign(app: &App, args: AssignArgs) -> Done {
    let from_ms = args.from.map_or_else(|| app.now_ms(), begin_of);
    let tree = app.tree()?;
    let place = tree.at(from_ms).find(&args.place)?;
    let new = NewAssignment {
        user: user::of(app, &args.login)?,
        post: place.node,
        kind: place.kind.clone(),
        role: args.role,
        duty: if args.cover { Duty::Cover } else { Duty::Primary },
        from_ms,
        to_ms: args.to.map(|last| begin_of(last).saturating_add(86_400_000)),
    };
    say!("{}", assign(app, new)?);
    Ok(())
}

fn run_unassign(app: &App, args: &UnassignArgs) -> Done {
    let at_ms = args.from.map_or_else(|| app.now_ms(), begin_of);
    let tree = app.tree()?;
    let (user, place) = (user::of(app, &args.login)?, tree.at(at_ms).find(&args.place)?.node);
    match app.db.end_assignments(app.now_ms(), user, place, at_ms)? {
        0 => Err("place: the user is not assigned to it at that time; nothing was changed".into()),
        ended => {
            say!("{ended} assignments ended");
            Ok(())
        }
    }
}

fn list(app: &App, login: &str) -> Done {
    let now_ms = app.now_ms();
    let (user, tree) = (user::of(app, login)?, app.tree()?);
    for row in app.db.assignments(&Principal::SERVER, now_ms, user)? {
        let state = match row.counts_at(now_ms) {
            true => "now",
            false if row.from_ms > now_ms => "later",
            false => "ended",
        };
        let post = tree.at(row.from_ms).path_text(row.post);
        let day = |ms| Date::in_china(ms).to_string();
        // The last day on which it counts.
        let to = row.to_ms.map_or_else(|| "open".to_owned(), |to| day(to - 1));
        say!("{} {} {post} {} {} {to} {state}", row.grant, row.role, row.duty.as_str(), day(row.from_ms));
    }
    Ok(())
}
