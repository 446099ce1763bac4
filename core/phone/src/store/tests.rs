use gridpass_core::id::{IntentId, RecordId};

use super::*;
use crate::edit::empty;
use crate::store::pending::PendingState;

fn open(folder: &Path, key: u8) -> Result<Store> {
    Store::open(folder, SecretKey::new([key; 32]))
}

#[test]
fn a_database_of_a_newer_app_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 1).unwrap();
    store.write(|tx| Ok(tx.pragma_update(None, "user_version", 99)?)).unwrap();
    drop(store);
    assert!(matches!(open(folder.path(), 1), Err(StoreError::Newer { found: 99, known: 2 })));
}

#[test]
fn a_closed_database_is_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 1).unwrap();
    store.write(|tx| meta::put(tx, "a", &7_u32)).unwrap();
    assert_eq!(store.read(|db| meta::get::<u32>(db, "a")).unwrap(), Some(7));
    drop(store);
    let mut names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.retain(|name| name.to_string_lossy().contains('-'));
    assert!(names.is_empty(), "beside it: {names:?}");
}

#[test]
fn a_database_from_before_files_gets_them_and_keeps_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let key = SecretKey::new([1; 32]);
    let old = file::open(folder.path(), &key).unwrap();
    old.execute_batch(include_str!("../../migrations/001_start.sql")).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    meta::put(&old, "a", &7_u32).unwrap();
    let place = pending::add(&old, &empty(RecordId([1; 16]))).unwrap();
    drop(old);

    let store = open(folder.path(), 1).unwrap();
    let hash = gridpass_core::id::BlobHash([2; 32]);
    let seal = crate::files::Seal { name: "name".into(), key: crate::outbox::FileKey([3; 32]) };
    let row = files::FileRow {
        hash,
        seal: seal.clone(),
        size: 5,
        stand: files::FileStand::Waiting,
        sent: 3,
        attempts: 2,
        small: true,
        code: None,
        since_ms: 1,
        used_ms: 2,
    };
    store
        .write(|tx| {
            assert_eq!(meta::get::<u32>(tx, "a")?, Some(7));
            assert_eq!(pending::at(tx, place)?.map(|own| own.record), Some(RecordId([1; 16])));
            assert_eq!((files::all(tx)?, files::parts(tx)?), (Vec::new(), Vec::new()));
            files::put(tx, &row)?;
            files::put_part(tx, &hash, &seal)?;
            assert_eq!(files::get(tx, &hash)?, Some(row.clone()));
            assert_eq!(files::part(tx, &hash)?, Some(seal.clone()));
            assert_eq!(files::unsent(tx)?, (1, 5));
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_reader_never_waits_for_a_writer_and_sees_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 1).unwrap();
    store.write(|tx| meta::put(tx, "a", &1_u32)).unwrap();
    store
        .write(|tx| {
            meta::put(tx, "a", &2_u32)?;
            assert_eq!(store.read(|db| meta::get::<u32>(db, "a"))?, Some(1), "what is not committed is not seen");
            Ok(())
        })
        .unwrap();
    assert_eq!(store.read(|db| meta::get::<u32>(db, "a")).unwrap(), Some(2));
}

#[test]
fn an_error_inside_a_transaction_undoes_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 1).unwrap();
    let failed: Result<()> = store.write(|tx| {
        meta::put(tx, "a", &1_u32)?;
        Err(StoreError::Io { step: "test" })
    });
    assert!(failed.is_err());
    assert_eq!(store.read(|db| meta::get::<u32>(db, "a")).unwrap(), None);
}

#[test]
fn only_work_that_can_be_lost_does_not_wait_for_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 1).unwrap();
    let waits = |tx: &Transaction<'_>| Ok(tx.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0))?);
    assert_eq!(store.write(waits).unwrap(), 2, "FULL");
    assert_eq!(store.write_unhurried(waits).unwrap(), 1, "NORMAL");
    assert_eq!(store.write(waits).unwrap(), 2);
    assert!(store.write_unhurried(|_| Err::<(), _>(StoreError::Io { step: "test" })).is_err());
    assert_eq!(store.write(waits).unwrap(), 2, "after an error too");
}

#[test]
fn nothing_in_the_file_is_readable() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 1).unwrap();
    store.write(|tx| meta::put(tx, "a", &"13912345678".to_owned())).unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(11).any(|window| window == b"13912345678"));
        assert!(!bytes.starts_with(b"SQLite format 3"));
    }
}

#[test]
fn a_pending_change_keeps_its_place_when_it_is_authored_again_and_when_it_is_queued_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 1).unwrap();
    let via = gridpass_core::wire::Via { bucket: gridpass_core::bucket::Bucket::District, epoch: u64::MAX, log_seq: 7 };
    store
        .write(|tx| {
            for n in 1..=3 {
                let mut pending = empty(RecordId([n; 16]));
                pending.intent.id = IntentId([n; 16]);
                pending.actor_seq = 1;
                assert_eq!(pending::add(tx, &pending)?, i64::from(n));
            }
            let mut second = pending::at(tx, 2)?.unwrap();
            (second.state, second.via) = (PendingState::Accepted, Some(via));
            pending::add(tx, &second)?;
            assert_eq!(pending::reached(tx, &via.bucket, u64::MAX, 6)?, []);
            assert_eq!(pending::reached(tx, &via.bucket, u64::MAX, 7)?, [second.clone()]);
            pending::keep(tx, &second, 5)?;
            assert_eq!(pending::to_send(tx, 9)?.iter().map(|own| own.place).collect::<Vec<_>>(), [1, 3]);
            assert_eq!(pending::requeue(tx, &via.bucket)?, 1);
            assert_eq!(pending::to_send(tx, 9)?.iter().map(|own| own.place).collect::<Vec<_>>(), [1, 2, 3]);
            let mut again = pending::at(tx, 2)?.unwrap();
            assert!(again.receipted);
            // What stood there before a change was made of it has none to send.
            (again.actor_seq, again.via) = (0, Some(via));
            pending::add(tx, &again)?;
            pending::keep(tx, &again, 5)?;
            assert_eq!(pending::requeue(tx, &via.bucket)?, 1);
            assert_eq!(pending::at(tx, 2)?.unwrap().state, PendingState::Fallen);
            Ok(())
        })
        .unwrap();
}

#[test]
fn kept_changes_are_forgotten_only_when_a_backup_holds_them_and_they_are_old() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 1).unwrap();
    let via = gridpass_core::wire::Via { bucket: gridpass_core::bucket::Bucket::District, epoch: 1, log_seq: 7 };
    store
        .write(|tx| {
            let mut own = empty(RecordId([1; 16]));
            own.via = Some(via);
            own.place = pending::add(tx, &own)?;
            pending::keep(tx, &own, 1000)?;
            assert_eq!(pending::forget_kept(tx, &via.bucket, 1, 6, 9999)?, 0, "no backup holds it");
            assert_eq!(pending::forget_kept(tx, &via.bucket, 1, 7, 1000)?, 0, "too young");
            assert_eq!(pending::forget_kept(tx, &via.bucket, 2, 7, 9999)?, 0, "another epoch");
            assert_eq!(pending::forget_kept(tx, &via.bucket, 1, 7, 1001)?, 1);
            Ok(())
        })
        .unwrap();
}
