//! The server's disk is lost, or somebody puts yesterday back: what phones had a receipt for comes back from them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use gridpass_core::Value;
use gridpass_core::id::RecordId;
use gridpass_server::backup::{Passphrase, backup};
use gridpass_server::clock::Clock;
use gridpass_server::db::Principal;
use gridpass_server::org::Node;
use gridpass_server::receipts::{self, Finding};
use gridpass_server::restore::{Allowed, RestoreError, restore};
use gridpass_tests::world::{Worker, World, copy_folder};

use crate::forms::{area, person, set};

const FILE: &str = "gridpass.sqlite";

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse battery\n").unwrap()
}

/// A world at the moment before the disaster: two phones, work before and after the backup, receipts for all of it but
/// what `wang` has not sent.
struct Disaster {
    world: World,
    li: Worker,
    wang: Worker,
    records: Vec<RecordId>,
    backup: PathBuf,
    epoch: u64,
    receipts: BTreeMap<RecordId, usize>,
}

/// Puts a backup in place of the stopped server's files.
fn put_in_place(
    world: &World,
    backup: &Path,
    to: &Path,
    replace: bool,
    passphrase: Option<&Passphrase>,
) -> Result<bool, RestoreError> {
    let now = world.clock.load(Ordering::Relaxed);
    let clock = |last| Clock::new(last, move || now);
    let allowed = Allowed { replace, ..Allowed::default() };
    restore(to, backup, allowed, passphrase, clock, &mut |fault| panic!("{fault:?}")).map(|restored| restored.keys)
}

async fn disaster() -> Disaster {
    let world = World::new().unwrap();
    let (li, wang) = (world.phone("li").await.unwrap(), world.phone("wang").await.unwrap());
    let mut records = vec![area(&li, "备份前")];
    li.sync().await.unwrap();
    let folder = world.server_folder().with_file_name("backup");
    let server = world.server().unwrap();
    let rows = backup(&server, &world.server_folder(), &folder, &passphrase(), &mut |fault| panic!("{fault:?}"));
    assert!(rows.unwrap().rows > 2, "the copy was verified");

    set(&li, records[0], "usage", "commercial");
    records.push(area(&li, "备份后"));
    li.sync().await.unwrap();
    wang.sync().await.unwrap();
    set(&wang, records[0], "alias/0000000000000000000000000000000a", "老院");
    set(&wang, records[1], "usage", "public");
    wang.sync().await.unwrap();
    li.sync().await.unwrap();
    records.push(area(&wang, "没有送出"));
    let receipts = records.iter().map(|record| (*record, li.phone.receipts(*record).unwrap().len())).collect();
    let epoch = server.db.epoch();
    Disaster { world, li, wang, records, backup: folder, epoch, receipts }
}

impl Disaster {
    /// Every phone that syncs again converges, and nothing that had a receipt is missing or doubled.
    async fn heals(&self) {
        let Self { world, li, wang, records, .. } = self;
        let server = world.server().unwrap();
        assert_ne!(server.db.epoch(), self.epoch);
        let kept = |worker: &Worker| {
            let mut kept = (0, 0);
            let tell = &mut |_: &_, finding: Finding| if finding.is_good() { kept.0 += 1 } else { kept.1 += 1 };
            receipts::check(&server, &worker.phone.receipt_file().unwrap(), tell).unwrap();
            kept
        };
        for worker in [li, wang, li] {
            worker.sync().await.unwrap();
        }
        for worker in [li, wang] {
            assert_eq!(worker.phone.state().unwrap().unsent, 0);
            assert_eq!(worker.phone.state().unwrap().inbox, 0);
            assert_eq!(worker.phone.verify_receipts().unwrap().invalid, 0);
        }
        let expected: usize = self.receipts.values().sum();
        assert!(
            kept(li).0 + kept(wang).0 >= expected && kept(li).1 + kept(wang).1 == 0,
            "{:?}",
            (kept(li), kept(wang))
        );
        let sums = |worker: &Worker| {
            let buckets = worker.phone.state().unwrap().buckets.into_iter();
            buckets.filter(|held| held.bucket.grid().is_some()).map(|held| (held.bucket, held.checksum)).collect()
        };
        let (one, other): (BTreeMap<_, _>, BTreeMap<_, _>) = (sums(li), sums(wang));
        assert_eq!(one, other);
        let value = |record: RecordId, key: &str| li.phone.values(record).unwrap().get(key).unwrap().value().clone();
        for record in records {
            assert_eq!(li.phone.values(*record).unwrap(), wang.phone.values(*record).unwrap());
            let lines = server.db.trace(&Principal::SERVER, server.now_ms(), *record).unwrap();
            let mut intents: Vec<_> = lines.iter().map(|line| line["intent"].to_string()).collect();
            let stored = intents.len();
            intents.sort();
            intents.dedup();
            assert_eq!(intents.len(), stored, "each intent once");
            assert!(stored >= self.receipts[record], "nothing that had a receipt is missing");
        }
        assert_eq!(value(records[0], "usage"), "commercial".into());
        assert_eq!(value(records[0], "alias/0000000000000000000000000000000a"), "老院".into());
        assert_eq!(value(records[1], "usage"), "public".into());
        assert_eq!(value(records[2], "estate"), "没有送出".into());
        assert_eq!(world.faults().unwrap(), []);
    }

    fn restore(&self, to: &Path, replace: bool, passphrase: Option<&Passphrase>) -> Result<bool, RestoreError> {
        put_in_place(&self.world, &self.backup, to, replace, passphrase)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_server_gets_back_what_the_backup_does_not_hold() {
    let disaster = disaster().await;
    let folder = disaster.world.server_folder();
    assert!(matches!(disaster.restore(&folder, false, None), Err(RestoreError::InPlace(_))));
    assert!(matches!(disaster.restore(&folder, true, None), Err(RestoreError::Open(_))), "the server runs");
    disaster.world.stop();
    let lost = fs::read(folder.join(FILE)).unwrap();
    assert!(!disaster.restore(&folder, true, None).unwrap(), "the keys in place stay");
    assert_eq!(fs::read(folder.join("replaced-1").join(FILE)).unwrap(), lost, "set aside as it was");
    disaster.world.start().unwrap();
    disaster.heals().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_disk_is_gone_comes_back_with_its_keys() {
    let disaster = disaster().await;
    let folder = disaster.world.server_folder();
    disaster.world.stop();
    fs::rename(&folder, folder.with_file_name("gone")).unwrap();
    assert!(matches!(disaster.restore(&folder, false, None), Err(RestoreError::PassphraseWanted)));
    let other = Passphrase::new("another passphrase").unwrap();
    let refused = disaster.restore(&folder, false, Some(&other)).unwrap_err().to_string();
    assert!(refused.contains("do not open"), "{refused}");
    assert!(!folder.join(FILE).exists() && !folder.join("keys").exists());
    assert!(disaster.restore(&folder, false, Some(&passphrase())).unwrap());
    disaster.world.start().unwrap();
    disaster.heals().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn yesterdays_file_over_that_of_a_killed_server_is_no_mixture_of_two_days() {
    let disaster = disaster().await;
    let (folder, killed) = (disaster.world.server_folder(), disaster.world.server_folder().with_file_name("killed"));
    // What a killed server leaves: its newest rows only in the log beside the file.
    copy_folder(&folder, &killed).unwrap();
    assert!(fs::metadata(killed.join("gridpass.sqlite-wal")).unwrap().len() > 0);
    disaster.world.stop();
    fs::rename(&folder, folder.with_file_name("stopped")).unwrap();
    fs::rename(&killed, &folder).unwrap();
    // Somebody copies yesterday's file back, and nothing else.
    fs::copy(disaster.backup.join(FILE), folder.join(FILE)).unwrap();
    disaster.world.start().unwrap();
    disaster.heals().await;
    let aside = fs::read_dir(&folder).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
        name.starts_with("gridpass.sqlite-wal.")
    });
    assert_eq!(aside.count(), 1, "the other day's log is set aside, not deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_stopped_server_copied_back_later_begins_a_new_epoch_each_time() {
    let disaster = disaster().await;
    let folder = disaster.world.server_folder();
    disaster.world.stop();
    let yesterday = fs::read(folder.join(FILE)).unwrap();
    let mut epochs = vec![disaster.epoch];
    for name in ["第一次", "第二次"] {
        disaster.world.start().unwrap();
        area(&disaster.li, name);
        disaster.li.sync().await.unwrap();
        disaster.world.stop();
        fs::write(folder.join(FILE), &yesterday).unwrap();
        disaster.world.start().unwrap();
        epochs.push(disaster.world.server().unwrap().db.epoch());
        disaster.world.stop();
    }
    disaster.world.start().unwrap();
    disaster.heals().await;
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs.len(), 3);
}

/// Numbers of buckets are given out again: here the place of the grid gets the number that its base had.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_from_before_the_grids_first_record_loses_nothing_and_the_sync_ends() {
    let world = World::new().unwrap();
    let (li, wang) = (world.phone("li").await.unwrap(), world.phone("wang").await.unwrap());
    let folder = world.server_folder().with_file_name("backup");
    let server = world.server().unwrap();
    backup(&server, &world.server_folder(), &folder, &passphrase(), &mut |fault| panic!("{fault:?}")).unwrap();
    let person = person(&li, "住户甲");
    li.sync().await.unwrap();
    let first = area(&li, "海尔山庄");
    li.sync().await.unwrap();
    wang.sync().await.unwrap();
    set(&wang, first, "usage", "public");
    wang.sync().await.unwrap();

    drop(server);
    world.stop();
    put_in_place(&world, &folder, &world.server_folder(), true, None).unwrap();
    world.start().unwrap();
    area(&wang, "别的小区");
    for _ in 0..3 {
        assert!(wang.sync().await.is_ok() && li.sync().await.is_ok());
    }
    for worker in [&li, &wang] {
        assert_eq!(worker.phone.state().unwrap().unsent, 0);
        assert_eq!(worker.phone.values(first).unwrap().get("usage").unwrap().value(), &Value::from("public"));
        assert!(worker.phone.show(person).is_ok());
    }
    assert_eq!(world.faults().unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_handed_in_before_a_grid_left_the_phone_is_offered_again_too() {
    let world = World::new().unwrap();
    let (li, wang) = (world.phone("li").await.unwrap(), world.phone("wang").await.unwrap());
    let first = area(&li, "海尔山庄");
    li.sync().await.unwrap();
    let folder = world.server_folder().with_file_name("backup");
    let server = world.server().unwrap();
    backup(&server, &world.server_folder(), &folder, &passphrase(), &mut |fault| panic!("{fault:?}")).unwrap();
    set(&li, first, "usage", "public");
    let second = area(&li, "别的小区");
    li.sync().await.unwrap();
    let user = server.db.user_by_login(&Principal::SERVER, server.now_ms(), "li").unwrap().unwrap();
    server.db.end_assignments(server.now_ms(), user, Node::Grid(world.grid), server.now_ms()).unwrap();
    li.sync().await.unwrap();
    assert!(li.phone.show(first).is_err(), "the grid has left the phone");

    drop(server);
    world.stop();
    put_in_place(&world, &folder, &world.server_folder(), true, None).unwrap();
    world.start().unwrap();
    for _ in 0..3 {
        li.sync().await.unwrap();
        wang.sync().await.unwrap();
    }
    assert_eq!(wang.phone.values(first).unwrap().get("usage").unwrap().value(), &Value::from("public"));
    assert!(wang.phone.show(second).is_ok());
    assert_eq!((li.phone.state().unwrap().unsent, li.phone.inbox().unwrap().len()), (0, 0));
    assert_eq!(world.faults().unwrap(), []);
}
