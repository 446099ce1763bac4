//! A backup that is made while everybody works.

use std::collections::BTreeMap;

use gridpass_core::bucket::Bucket;
use gridpass_server::backup::{Passphrase, backup};
use gridpass_server::clock::Clock;
use gridpass_server::receipts::{self, Finding};
use gridpass_server::restore::{Allowed, restore};
use gridpass_tests::world::{START_MS, Worker, World};
use tokio::sync::{mpsc, watch};

use crate::forms::{area, set};

const PHONES: usize = 50;

/// The sums of the grid's buckets, as the phone has them.
fn sums(worker: &Worker) -> BTreeMap<Bucket, u64> {
    let buckets = worker.phone.state().unwrap().buckets.into_iter();
    buckets.filter(|held| held.bucket.grid().is_some()).map(|held| (held.bucket, held.checksum)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_phones_write_while_a_backup_runs_and_the_restored_server_gets_the_rest_from_them() {
    let world = World::new().unwrap();
    let mut workers = Vec::new();
    for n in 0..PHONES {
        workers.push(world.phone(&format!("worker{n}")).await.unwrap());
    }
    let (begun, mut has_begun) = mpsc::channel(PHONES);
    let (done, is_done) = watch::channel(false);
    // Every phone hands in work before the backup begins, goes on while it runs, and once more after it.
    let working = workers.into_iter().enumerate().map(|(n, worker)| {
        let (begun, mut is_done) = (begun.clone(), is_done.clone());
        tokio::spawn(async move {
            let record = area(&worker, &format!("小区{n}"));
            worker.sync().await.unwrap();
            begun.send(()).await.unwrap();
            drop(begun); // so that nobody waits for a phone that fails
            for usage in ["public", "commercial"] {
                set(&worker, record, "usage", usage);
                worker.sync().await.unwrap();
            }
            is_done.wait_for(|done| *done).await.unwrap();
            set(&worker, record, "usage", "public");
            worker.sync().await.unwrap();
            worker
        })
    });
    let working: Vec<_> = working.collect();
    drop(begun);
    for _ in 0..PHONES {
        has_begun.recv().await.unwrap();
    }
    let (server, data) = (world.server().unwrap(), world.server_folder());
    let (copy, elsewhere) = (data.with_file_name("backup"), data.with_file_name("elsewhere"));
    let passphrase = Passphrase::new("correct horse battery").unwrap();
    let made = backup(&server, &data, &copy, &passphrase, &mut |fault| panic!("{fault:?}")).unwrap();
    done.send(true).unwrap();
    let mut workers = Vec::new();
    for worker in working {
        workers.push(worker.await.unwrap());
    }
    let epoch = server.db.epoch();
    drop(server);
    world.stop();

    let clock = |last| Clock::new(last, || START_MS);
    let restored =
        restore(&elsewhere, &copy, Allowed::default(), Some(&passphrase), clock, &mut |fault| panic!("{fault:?}"));
    let restored = restored.unwrap();
    assert!(restored.keys && restored.rows == made.rows && restored.rows > PHONES as u64, "{restored:?} {made:?}");
    std::fs::rename(&data, data.with_file_name("broken")).unwrap();
    std::fs::rename(&elsewhere, &data).unwrap();
    world.start().unwrap();
    assert_eq!(world.faults().unwrap(), [], "what was copied in the middle of work adds up");
    let server = world.server().unwrap();
    assert_ne!(server.db.epoch(), epoch);
    let lost = |worker: &Worker| {
        let mut lost = 0;
        let tell = &mut |_: &_, finding: Finding| lost += usize::from(!finding.is_good());
        receipts::check(&server, &worker.phone.receipt_file().unwrap(), tell).unwrap();
        lost
    };
    assert!(workers.iter().all(|worker| lost(worker) > 0), "every phone has handed in something after the copy");

    for _ in 0..2 {
        for worker in &workers {
            worker.sync().await.unwrap();
        }
    }
    let (first, state) = (sums(&workers[0]), |worker: &Worker| worker.phone.state().unwrap());
    for worker in &workers {
        assert_eq!((state(worker).unsent, state(worker).inbox, lost(worker)), (0, 0, 0));
        assert_eq!(sums(worker), first);
    }
    assert_eq!(world.faults().unwrap(), []);
}
