//! The one writer: jobs that arrive while a commit is under way share the next one.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use rusqlite::Connection;

use super::marker::Marker;
use super::{DbError, backend};
use crate::db::Underway;
use crate::log::Outcome;
use crate::metrics::seconds;

/// The most jobs that share one commit.
const GROUP: usize = 256;
/// How much work there may be in a group for another job to join it: a few slices of heavy pushes, many ordinary ones.
const GROUP_WORK: usize = 12_000;

/// A job of more work begins a group.
const HEAVY: usize = GROUP_WORK / 2;
/// After a heavy one others may write: those of another process get no turn while commits follow each other at once.
const BREATH: Duration = Duration::from_millis(5);

type Reply = Box<dyn FnOnce(Option<&DbError>) + Send>;
/// Runs on the connection at a place in its transaction, or is told why there is none to run on.
type Run = Box<dyn FnOnce(Result<(&Connection, Place), &DbError>) -> Reply + Send>;

/// Where a job stands in its transaction.
#[derive(Clone, Copy)]
enum Place {
    /// Nothing was written before it: what it wrote is taken back with the transaction, which begins anew.
    First,
    /// Others were before it: it needs a savepoint. SQLite keeps the pages that change under one in memory, in a list
    /// that it walks from the start after each statement, so a savepoint is dear where very many rows are written.
    Behind,
}

/// What waits for the writer.
struct Job {
    now_ms: i64,
    work: usize,
    run: Run,
}

/// What the writer has done and has to do.
#[derive(Clone)]
pub struct Work {
    /// How long groups of jobs took, with their commit.
    pub seconds: Histogram,
    /// Jobs that were committed or refused.
    pub jobs: Counter,
    /// Jobs that wait.
    pub waiting: Gauge,
}

pub(super) struct Writer {
    pub(super) done: Work,
    jobs: Mutex<Option<SyncSender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, mut marker: Marker) -> Result<Self, DbError> {
        let (sender, receiver) = sync_channel(1024);
        marker.put(sum_of_heads(&connection)?);
        let done = Work { seconds: seconds(), jobs: Counter::default(), waiting: Gauge::default() };
        let counted = done.clone();
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || work(&connection, &receiver, marker, &counted))
            .map_err(|error| DbError::Backend { step: "starting the writer", cause: error.to_string() })?;
        Ok(Self { done, jobs: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) })
    }

    /// Runs a job as a part of the next commit and returns when that commit is on disk. One that fails leaves nothing.
    pub(super) fn run<T: Send + 'static>(
        &self,
        step: &'static str,
        now_ms: i64,
        job: impl FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        let answered = self.queue(step, now_ms, 1, job)?;
        answered.recv().map_err(|_| stopped(step))?
    }

    /// The same for commits of so much work, and without waiting for them.
    pub(super) fn later(
        &self,
        step: &'static str,
        now_ms: i64,
        work: usize,
        job: impl FnOnce(&Connection) -> Result<Vec<Outcome>, DbError> + Send + 'static,
    ) -> Result<Underway, DbError> {
        let answered = self.queue(step, now_ms, work, job)?;
        Ok(Underway(Box::new(move || answered.recv().map_err(|_| stopped(step))?)))
    }

    /// Puts a job at the end of the queue.
    fn queue<T: Send + 'static>(
        &self,
        step: &'static str,
        now_ms: i64,
        work: usize,
        job: impl FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<Receiver<Result<T, DbError>>, DbError> {
        let (answer, answered) = sync_channel(1);
        let run: Run = Box::new(move |connection| {
            let result = match connection {
                Ok((connection, Place::First)) => first(connection, step, job),
                Ok((connection, Place::Behind)) => in_savepoint(connection, step, job),
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
        let sender = self.jobs.lock().ok().and_then(|jobs| jobs.clone()).ok_or_else(|| stopped(step))?;
        self.done.waiting.inc();
        sender.send(Job { now_ms, work, run }).map_err(|_| stopped(step))?;
        Ok(answered)
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

fn work(connection: &Connection, jobs: &Receiver<Job>, mut marker: Marker, done: &Work) {
    let mut held = None;
    while let Some(first) = held.take().or_else(|| jobs.recv().ok()) {
        let began = Instant::now();
        let heavy = first.work > HEAVY;
        let group;
        (group, held) = grouped(first, jobs);
        let count = group.len() as u64;
        done.waiting.dec_by(count.cast_signed());
        let latest = group.iter().map(|job| job.now_ms).max().unwrap_or(0);
        let mut state = connection.execute_batch("BEGIN IMMEDIATE").map_err(backend("beginning"));
        let mut replies: Vec<Reply> = Vec::with_capacity(group.len());
        for job in group {
            let place = if replies.is_empty() { Place::First } else { Place::Behind };
            replies.push((job.run)(state.as_ref().map(|()| (connection, place))));
            if state.is_ok() && connection.is_autocommit() {
                // SQLite takes a whole transaction back when the disk is full: what came before is gone with it.
                state = Err(DbError::Storage { step: "writing", cause: "the transaction was taken back".into() });
            }
        }
        let committed = state.and_then(|()| commit(connection, latest)).map(|heads| marker.put(heads));
        if let Err(error) = &committed {
            tracing::error!(error = %error, "a commit failed; nothing of its group was written");
            let _ = connection.execute_batch("ROLLBACK");
        }
        done.seconds.observe(began.elapsed().as_secs_f64());
        done.jobs.inc_by(count);
        replies.into_iter().for_each(|reply| reply(committed.as_ref().err()));
        if heavy {
            std::thread::sleep(BREATH);
        }
    }
}

/// A job and those that wait behind it, in their order, until there are enough for one commit; and the one that begins
/// the next group, if it was met.
fn grouped(first: Job, jobs: &Receiver<Job>) -> (Vec<Job>, Option<Job>) {
    let mut work = first.work;
    let mut group = vec![first];
    while group.len() < GROUP && work < GROUP_WORK {
        let Ok(next) = jobs.try_recv() else { break };
        if next.work > HEAVY {
            return (group, Some(next));
        }
        work += next.work;
        group.push(next);
    }
    (group, None)
}

fn stopped(step: &'static str) -> DbError {
    DbError::Backend { step, cause: "the writer has stopped".into() }
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
        DbError::Storage { cause, .. } => DbError::Storage { step, cause: cause.clone() },
        _ => DbError::Backend { step, cause: error.to_string() },
    }
}

/// Runs a job that has the transaction for itself until now.
fn first<T>(
    connection: &Connection,
    step: &'static str,
    job: impl FnOnce(&Connection) -> Result<T, DbError>,
) -> Result<T, DbError> {
    let result = caught(connection, step, job);
    // Where SQLite took the transaction back itself, the group ends with it.
    if result.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK; BEGIN IMMEDIATE").map_err(backend(step))?;
    }
    result
}

fn in_savepoint<T>(
    connection: &Connection,
    step: &'static str,
    job: impl FnOnce(&Connection) -> Result<T, DbError>,
) -> Result<T, DbError> {
    connection.execute_batch("SAVEPOINT job").map_err(backend(step))?;
    let result = caught(connection, step, job);
    let end = match result {
        Ok(_) => "RELEASE job",
        Err(_) if connection.is_autocommit() => return result, // the savepoint went with its transaction
        Err(_) => "ROLLBACK TO job; RELEASE job",
    };
    connection.execute_batch(end).map_err(backend(step))?;
    result
}

fn caught<T>(
    connection: &Connection,
    step: &'static str,
    job: impl FnOnce(&Connection) -> Result<T, DbError>,
) -> Result<T, DbError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(connection)))
        .unwrap_or_else(|_| Err(DbError::Backend { step, cause: "a defect; see the log".into() }))
}

pub(super) fn sum_of_heads(connection: &Connection) -> Result<i64, DbError> {
    let mut statement =
        connection.prepare_cached("SELECT coalesce(sum(head), 0) FROM bucket").map_err(backend("summing heads"))?;
    statement.query_row([], |row| row.get(0)).map_err(backend("summing heads"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A writer over a table of numbers, held up by its first job until it is released.
    fn held(folder: &Path) -> (Writer, SyncSender<()>, Receiver<Result<(), DbError>>) {
        let mut connection = Connection::open(folder.join("a")).unwrap();
        super::super::configure(&mut connection).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE meta (key PRIMARY KEY, value); CREATE TABLE bucket (head); CREATE TABLE done (n);",
            )
            .unwrap();
        let writer = Writer::start(connection, Marker::new(folder.join("marker"), 1)).unwrap();
        let (release, held) = sync_channel::<()>(1);
        let (begun, has_begun) = sync_channel(1);
        let wait = move |_: &Connection| {
            begun.send(()).unwrap();
            held.recv().map_err(|_| stopped("waiting"))
        };
        let first = writer.queue("waiting", 0, 1, wait).unwrap();
        has_begun.recv().unwrap();
        (writer, release, first)
    }

    fn insert(connection: &Connection, number: i64) {
        connection.execute("INSERT INTO done (n) VALUES (?1)", [number]).unwrap();
    }

    #[test]
    fn heavy_jobs_begin_and_end_a_group_and_none_overtakes_another() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, release, first) = held(folder.path());
        // How many jobs another connection sees when each runs: those of earlier groups.
        let file = folder.path().join("a");
        let answers: Vec<_> = [HEAVY, HEAVY, 1, GROUP_WORK, 1, HEAVY + 1, 1]
            .into_iter()
            .map(|work| {
                let reader = Connection::open(&file).unwrap();
                let count = move |connection: &Connection| {
                    let all = |c: &Connection| c.query_row("SELECT count(*) FROM done", [], |row| row.get::<_, i64>(0));
                    let seen = (all(connection).unwrap(), all(&reader).unwrap());
                    insert(connection, 1);
                    Ok(seen)
                };
                writer.queue("counting", 0, work, count).unwrap()
            })
            .collect();
        release.send(()).unwrap();
        first.recv().unwrap().unwrap();
        let seen: Vec<(i64, i64)> = answers.into_iter().map(|answer| answer.recv().unwrap().unwrap()).collect();
        assert_eq!(seen, [(0, 0), (1, 0), (2, 2), (3, 3), (4, 4), (5, 5), (6, 5)]);
    }

    #[test]
    fn another_process_gets_its_turn_between_heavy_jobs() {
        const JOBS: i64 = 60;
        let folder = tempfile::tempdir().unwrap();
        let (writer, release, first) = held(folder.path());
        let mut other = Connection::open(folder.path().join("a")).unwrap();
        super::super::configure(&mut other).unwrap();
        let heavy = |connection: &Connection| {
            insert(connection, 1);
            std::thread::sleep(Duration::from_millis(20));
            Ok(())
        };
        let answers: Vec<_> = (0..JOBS).map(|_| writer.queue("writing", 0, HEAVY + 1, heavy).unwrap()).collect();
        release.send(()).unwrap();
        first.recv().unwrap().unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let done: i64 = other.query_row("SELECT count(*) FROM done", [], |row| row.get(0)).unwrap();
        other.execute_batch("COMMIT").unwrap();
        assert!(done < JOBS / 4, "it waited for {done} of {JOBS} jobs");
        answers.into_iter().for_each(|answer| answer.recv().unwrap().unwrap());
    }

    #[test]
    fn a_job_that_fails_or_panics_leaves_nothing_and_takes_nothing_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, release, first) = held(folder.path());
        // As the first of a group and behind others: a job of HEAVY + 1 begins a group.
        let mut answers = Vec::new();
        for (place, number) in (0..12).enumerate() {
            let work = if place % 4 == 0 { HEAVY + 1 } else { 1 };
            let job = move |connection: &Connection| {
                insert(connection, number);
                match number {
                    0 | 2 | 5 => Err(stopped("failing")),
                    8 | 10 => panic!("a defect"),
                    _ => Ok(()),
                }
            };
            answers.push(writer.queue("writing", 0, work, job).unwrap());
        }
        release.send(()).unwrap();
        first.recv().unwrap().unwrap();
        let good: Vec<bool> = answers.into_iter().map(|answer| answer.recv().unwrap().is_ok()).collect();
        let written: Vec<i64> = (0..12).filter(|number| ![0, 2, 5, 8, 10].contains(number)).collect();
        drop(writer);
        let reader = Connection::open(folder.path().join("a")).unwrap();
        let mut statement = reader.prepare("SELECT n FROM done ORDER BY n").unwrap();
        let found: Vec<i64> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(found, written);
        assert_eq!((0..12).filter(|number| good[*number as usize]).collect::<Vec<i64>>(), written);
    }
}
