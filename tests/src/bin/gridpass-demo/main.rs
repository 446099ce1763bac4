//! The demo: a server and phones as processes of their own, over HTTPS and a bad line, playing a morning.
//!
//! Every line it prints was checked; the figures are read back from the databases through the programs' own commands.
//! `DEMO_EXIT=1` ends after the morning, with status 0 only if every check held. `BREAK=drop_pending` loses a phone's
//! unsent work on purpose, by putting back a copy of its folder: the checks have to notice.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a demo talks to whoever watches it")]
#![expect(clippy::indexing_slicing, reason = "indexing JSON that is not there gives null and does not panic")]

mod morning;
mod stage;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let mut stage = match stage::Stage::set_up().await {
        Ok(stage) => stage,
        Err(error) => {
            eprintln!("the demo cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = morning::play(&mut stage).await {
        stage.check("the morning is played to its end", false, &error.to_string());
    }
    let failed = stage.failed();
    match failed {
        0 => println!("\nEvery check held."),
        failed => println!("\n{failed} checks did not hold."),
    }
    if std::env::var_os("DEMO_EXIT").is_none() {
        stage.stay_up().await;
    }
    stage.tear_down().await;
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
