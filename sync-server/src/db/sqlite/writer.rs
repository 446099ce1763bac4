//! The one writer: jobs that arrive while a commit is under way share the next one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::{DbError, backend};

/// The most jobs that share one commit.
const GROUP: usize = 256;

type Reply = Box<dyn FnOnce(Option<&DbError>) + Send>;
/// Runs on the connection, or is told why there is none to run on.
type Job = Box<dyn FnOnce(Result<&Connection, &DbError>) -> Reply + Send>;

pub(super) struct Writer {
    jobs: Mutex<Option<SyncSender<(i64, Job)>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, marker: PathBuf, epoch: u64) -> Result<Self, DbError> {
        let (sender, receiver) = sync_channel(1024);
        write_marker(&marker, epoch, sum_of_heads(&connection)?);
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || work(&connection, &receiver, &marker, epoch))
            .map_err(|error| DbError::Backend { step: "starting the writer", cause: error.to_string() })?;
        Ok(Self { jobs: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) })
    }

    /// Runs a job in a savepoint of the next commit and returns when that commit is on disk.
    pub(super) fn run<T: Send + 'static>(
        &self,
        step: &'static str,
        now_ms: i64,
        job: impl FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        let stopped = || DbError::Backend { step, cause: "the writer has stopped".into() };
        let (answer, answered) = sync_channel(1);
        let job: Job = Box::new(move |connection| {
            let result = match connection {
                Ok(connection) => in_savepoint(connection, step, job),
                Err(error) => Err(within(step, error)),
            };
            Box::new(move |failed| {
                let result = match failed {
                    Some(error) => Err(within(step, error)),
                    None => result,
                };
                // Whoever asked may have gone; what was written stands all the same.
                let _ = answer.send(result);
            })
        });
        let sender = self.jobs.lock().ok().and_then(|jobs| jobs.clone()).ok_or_else(stopped)?;
        sender.send((now_ms, job)).map_err(|_| stopped())?;
        answered.recv().map_err(|_| stopped())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Ok(mut jobs) = self.jobs.lock() {
            jobs.take();
        }
        if let Ok(mut thread) = self.thread.lock()
            && let Some(thread) = thread.take()
        {
            // The thread ends when its last job is done; a panic there has been answered already.
            let _ = thread.join();
        }
    }
}

fn work(connection: &Connection, jobs: &Receiver<(i64, Job)>, marker: &Path, epoch: u64) {
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        group.extend(jobs.try_iter().take(GROUP - 1));
        let latest = group.iter().map(|(now, _)| *now).max().unwrap_or(0);
        let mut state = connection.execute_batch("BEGIN IMMEDIATE").map_err(backend("beginning"));
        let mut replies: Vec<Reply> = Vec::with_capacity(group.len());
        for (_, job) in group {
            replies.push(job(state.as_ref().map(|()| connection)));
            if state.is_ok() && connection.is_autocommit() {
                // SQLite takes a whole transaction back when the disk is full: what came before is gone with it.
                state = Err(DbError::Storage { step: "writing", cause: "the transaction was taken back".into() });
            }
        }
        let committed = state.and_then(|()| commit(connection, latest)).map(|heads| write_marker(marker, epoch, heads));
        if let Err(error) = &committed {
            tracing::error!(error = %error, "a commit failed; nothing of its group was written");
            let _ = connection.execute_batch("ROLLBACK");
        }
        replies.into_iter().for_each(|reply| reply(committed.as_ref().err()));
    }
}

/// Commits with the newest time of the group; returns the sum of all heads.
fn commit(connection: &Connection, latest: i64) -> Result<i64, DbError> {
    connection
        .execute(
            "INSERT INTO meta (key, value) VALUES ('last_time', ?1)
             ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)",
            [latest],
        )
        .map_err(backend("storing the time"))?;
    let heads = sum_of_heads(connection)?;
    connection.execute_batch("COMMIT").map_err(backend("committing"))?;
    Ok(heads)
}

/// The error of a whole group as that of one of its steps.
fn within(step: &'static str, error: &DbError) -> DbError {
    match error {
        DbError::Storage { .. } => DbError::Storage { step, cause: error.to_string() },
        _ => DbError::Backend { step, cause: error.to_string() },
    }
}

fn in_savepoint<T>(
    connection: &Connection,
    step: &'static str,
    job: impl FnOnce(&Connection) -> Result<T, DbError>,
) -> Result<T, DbError> {
    connection.execute_batch("SAVEPOINT job").map_err(backend(step))?;
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(connection)))
        .unwrap_or_else(|_| Err(DbError::Backend { step, cause: "a defect; see the log".into() }));
    let end = match result {
        Ok(_) => "RELEASE job",
        Err(_) if connection.is_autocommit() => return result, // the savepoint went with its transaction
        Err(_) => "ROLLBACK TO job; RELEASE job",
    };
    connection.execute_batch(end).map_err(backend(step))?;
    result
}

pub(super) fn sum_of_heads(connection: &Connection) -> Result<i64, DbError> {
    let mut statement =
        connection.prepare_cached("SELECT coalesce(sum(head), 0) FROM bucket").map_err(backend("summing heads"))?;
    statement.query_row([], |row| row.get(0)).map_err(backend("summing heads"))
}

/// The marker is not flushed: it only has to be there when somebody puts an older database file in place.
fn write_marker(marker: &Path, epoch: u64, heads: i64) {
    if let Err(error) = fs::write(marker, format!("{epoch:016x} {heads}\n")) {
        tracing::warn!(error = %error, "the marker of heads cannot be written");
    }
}

pub(super) fn read_marker(marker: &Path) -> Option<(u64, i64)> {
    let text = fs::read_to_string(marker).ok()?;
    let (epoch, heads) = text.trim().split_once(' ')?;
    Some((u64::from_str_radix(epoch, 16).ok()?, heads.parse().ok()?))
}
