//! Reading.

use std::collections::BTreeMap;

use gridpass_core::id::BlobHash;
use gridpass_core::record::checksum;
use gridpass_core::wire::Cursor;
use gridpass_server::db::{BucketRead, NewPack, Principal};

use super::{A, B, Backend, Draft, NOW, faults, intent, page, start, store, zero};

pub fn pages_of_every_size_add_up_to_the_checksum(backend: &dyn Backend) {
    let db = backend.db();
    let mut drafts: Vec<Draft> = (0..6).map(|n| Draft::new(n, A)).collect();
    for n in 0..20 {
        let draft = &mut drafts[usize::try_from(n * n % 6).unwrap()];
        store(db, draft.put(1, intent(n), &format!("{n}")));
    }
    (drafts[1].home, drafts[3].also) = (B, vec![B]);
    let moved: Vec<_> = drafts.iter_mut().map(|draft| draft.base.is_some().then(|| draft.moved())).collect();
    moved.into_iter().flatten().for_each(|commit| drop(store(db, commit)));

    let head = start(db, A).1;
    for size in 1..=30 {
        let (mut held, mut cursor) = (BTreeMap::new(), zero(db));
        loop {
            let (rows, to, more) = page(db, A, cursor, size).unwrap();
            assert!(to.log_seq > cursor.log_seq, "{size}: a page moves on");
            for row in rows {
                match row.touched {
                    Some(touched) => {
                        held.insert(row.record, checksum(row.record, touched.generation, &touched.heads));
                    }
                    None => drop(held.remove(&row.record)),
                }
            }
            cursor = to;
            if !more {
                break;
            }
        }
        assert_eq!(cursor, head, "{size}");
        assert_eq!(held.values().fold(0u64, |sum, share| sum.wrapping_add(*share)), head.checksum, "{size}");
        assert_eq!(page(db, A, cursor, size).unwrap().0.len(), 0, "{size}: nothing new");
    }
    assert_eq!(faults(db), Vec::<String>::new());
}

pub fn a_cursor_that_is_no_place_in_the_log_starts_again(backend: &dyn Backend) {
    let db = backend.db();
    let mut draft = Draft::new(1, A);
    for n in 0..4 {
        store(db, draft.put(1, intent(n), &format!("{n}")));
    }
    let head = start(db, A).1;
    let second = page(db, A, zero(db), 2).unwrap().1;
    assert_eq!(second.log_seq, 2);
    for wrong in [
        Cursor { epoch: head.epoch ^ 1, ..head },
        Cursor { log_seq: head.log_seq + 1, ..head },
        Cursor { checksum: head.checksum ^ 1, ..head },
        Cursor { checksum: 1, ..zero(db) },
    ] {
        assert!(page(db, A, wrong, 500).is_none(), "{wrong:?}");
    }
    backend.raise_floor(A, 1);
    assert!(page(db, A, zero(db), 500).is_none(), "what it stands for is deleted");
    let (rows, to, more) = page(db, A, second, 500).unwrap();
    assert_eq!((rows.len(), to, more), (1, head, false));
}

pub fn packs_are_replaced_whole_and_read_within_the_scope(backend: &dyn Backend) {
    let db = backend.db();
    store(db, Draft::new(1, A).put(1, intent(1), "family"));
    assert!(db.manifest(&Principal::SERVER, NOW, A).unwrap().is_none());
    let as_of = start(db, A).1;
    let pack = |n: u8| NewPack { hash: BlobHash([n; 32]), bytes: vec![n; 3], records: 1 };
    db.put_manifest(NOW, A, as_of, vec![pack(1), pack(2)]).unwrap();
    db.put_manifest(NOW, A, as_of, vec![pack(3), pack(2)]).unwrap();
    let manifest = db.manifest(&Principal::SERVER, NOW, A).unwrap().unwrap();
    assert_eq!(manifest.as_of, as_of);
    assert_eq!(manifest.packs.iter().map(|pack| (pack.hash.0[0], pack.size)).collect::<Vec<_>>(), [(3, 3), (2, 3)]);
    let read = |scope, n| db.pack(&Principal::SERVER, NOW, scope, BlobHash([n; 32])).unwrap();
    assert_eq!([read(&[A], 1), read(&[A], 2), read(&[B], 2)], [None, Some(vec![2; 3]), None]);
}

pub fn a_backup_raises_what_is_durable_and_never_lowers_it(backend: &dyn Backend) {
    let db = backend.db();
    let mut draft = Draft::new(1, A);
    for n in 0..4 {
        store(db, draft.put(1, intent(n), &format!("{n}")));
    }
    let number = start(db, A).0;
    let durable = || {
        let asked = [gridpass_core::wire::BucketCursor { bucket: number, cursor: zero(db), pending: 0 }];
        match db.pull(&Principal::SERVER, NOW, &[A], &asked, 1).unwrap()[..] {
            [BucketRead::Page { durable_seq, .. }] => durable_seq,
            ref other => panic!("{other:?}"),
        }
    };
    assert_eq!(durable(), 0);
    for (held, expected) in [(3, 3), (2, 3), (4, 4)] {
        db.durable(NOW, &BTreeMap::from([(A, held)])).unwrap();
        assert_eq!(durable(), expected);
    }
    assert_eq!(db.heads(&Principal::SERVER, NOW, &[A, B]).unwrap(), BTreeMap::from([(A, 4)]));
}
