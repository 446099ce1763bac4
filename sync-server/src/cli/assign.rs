//! Who serves where: giving roles, ending them, listing them.

use clap::{Args, Subcommand};
use gridpass_core::catalog::Role;
use gridpass_core::codes::Date;
use gridpass_core::id::GridId;
use gridpass_server::app::App;
use gridpass_server::auth::assign::{NewAssignment, assign};
use gridpass_server::db::{Duty, Post, Principal};

use super::user;

#[derive(Args)]
pub struct AssignArgs {
    /// The login.
    login: String,
    /// The grid's code.
    grid: String,
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
    /// The grid's code.
    grid: String,
    /// The first day on which it no longer counts; without it from now on.
    #[arg(long)]
    from: Option<Date>,
}

#[derive(Subcommand)]
pub enum Assigning {
    /// Give a user a role in a grid; prints the grant.
    Assign(AssignArgs),
    /// End a user's assignments to a grid. What waits on the user's phones is still taken for a while.
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
    let new = NewAssignment {
        user: user::of(app, &args.login)?,
        post: Post::Grid(grid_of(app, &args.grid)?),
        kind: Role::GRID.to_owned(),
        role: args.role,
        duty: if args.cover { Duty::Cover } else { Duty::Primary },
        from_ms: args.from.map_or_else(|| app.now_ms(), Date::begins_in_china),
        to_ms: args.to.map(|last| last.begins_in_china().saturating_add(86_400_000)),
    };
    say!("{}", assign(app, new)?);
    Ok(())
}

fn run_unassign(app: &App, args: &UnassignArgs) -> Done {
    let (user, grid) = (user::of(app, &args.login)?, grid_of(app, &args.grid)?);
    let at_ms = args.from.map_or_else(|| app.now_ms(), Date::begins_in_china);
    match app.db.end_assignments(app.now_ms(), user, Post::Grid(grid), at_ms)? {
        0 => Err("grid: the user is not assigned to it at that time; nothing was changed".into()),
        ended => {
            say!("{ended} assignments ended");
            Ok(())
        }
    }
}

fn list(app: &App, login: &str) -> Done {
    let now_ms = app.now_ms();
    let user = user::of(app, login)?;
    for row in app.db.assignments(&Principal::SERVER, now_ms, user)? {
        let state = match row.counts_at(now_ms) {
            true => "now",
            false if row.from_ms > now_ms => "later",
            false => "ended",
        };
        let post = match row.post {
            Post::Grid(grid) => grid.to_string(),
            Post::Unit(unit) => unit.to_string(),
        };
        let day = |ms| Date::in_china(ms).to_string();
        // The last day on which it counts.
        let to = row.to_ms.map_or_else(|| "open".to_owned(), |to| day(to - 1));
        say!("{} {} {post} {} {} {to} {state}", row.grant, row.role, row.duty.as_str(), day(row.from_ms));
    }
    Ok(())
}

fn grid_of(app: &App, code: &str) -> Result<GridId, Box<dyn std::error::Error>> {
    let found = app.db.grid_by_code(&Principal::SERVER, app.now_ms(), code)?;
    found.ok_or_else(|| "grid: no grid has this code".into())
}
