//! Writing.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{DeviceId, GridId, RecordId, TicketId, UserId};
use gridpass_core::wire::{Reason, RowKind};
use gridpass_server::db::{Database, ItemRef, Known, Principal};
use gridpass_server::log::{Audit, Commit, Files, Outcome, Quarantined, Write};

use super::{A, B, Backend, C, Draft, NOW, faults, intent, page, shown, start, store, zero};

pub fn a_write_over_what_no_longer_stands_is_stale_and_writes_nothing(backend: &dyn Backend) {
    let db = backend.db();
    let mut draft = Draft::new(1, A);
    store(db, draft.put(1, intent(1), "family"));
    let mut late = draft.clone();
    store(db, draft.put(1, intent(2), "single"));
    let before = start(db, A);

    let mut fresh = Draft { base: None, ..late.clone() };
    let mut elsewhere = late.clone();
    elsewhere.base.as_mut().unwrap().home = B;
    let mut generation = Draft { base: draft.base.clone(), ..late.clone() };
    generation.base.as_mut().unwrap().generation = 1;
    let others = [late.put(2, intent(3), "shared"), fresh.put(2, intent(4), "shared")];
    let others = others.into_iter().chain([elsewhere.put(2, intent(5), "x"), generation.put(2, intent(6), "x")]);
    for (n, commit) in others.enumerate() {
        assert_eq!(db.commit(NOW, vec![commit]).unwrap(), [Outcome::Stale], "{n}");
    }
    assert_eq!(start(db, A), before);
    let outcomes = db.commit(NOW, vec![Draft::new(1, A).put(3, intent(7), "x"), draft.put(1, intent(8), "shared")]);
    assert!(matches!(outcomes.unwrap()[..], [Outcome::Stale, Outcome::Stored(_)]), "one does not stop the other");
    assert_eq!(faults(db), Vec::<String>::new());
}

pub fn sequences_have_no_gaps_whoever_writes_at_the_same_time(backend: &dyn Backend) {
    const EACH: u32 = 24;
    let db = backend.db();
    let stored: Vec<(Bucket, u64)> = thread::scope(|scope| {
        let write = |writer: u32| {
            let mut stored = Vec::new();
            for n in 0..EACH {
                let mut draft = Draft::new(writer * EACH + n, [A, B, C][usize::try_from(n % 3).unwrap()]);
                if n % 4 == 0 {
                    draft.also = vec![Bucket::District];
                }
                let commits = ["family", "single"].map(|value| {
                    draft.put(
                        u8::try_from(writer).unwrap(),
                        intent((writer * EACH + n) * 2 + u32::from(value == "single")),
                        value,
                    )
                });
                for outcome in db.commit(NOW, commits.into()).unwrap() {
                    let Outcome::Stored(rows) = outcome else { panic!("nobody else writes this record") };
                    stored.extend(rows.last);
                }
            }
            stored
        };
        let writers: Vec<_> = (0..8).map(|writer| scope.spawn(move || write(writer))).collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    let mut rows: BTreeMap<Bucket, Vec<u64>> = BTreeMap::new();
    stored.into_iter().for_each(|(bucket, row)| rows.entry(bucket).or_default().push(row));
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), [C, A, B, Bucket::District]);
    for (bucket, mut taken) in rows {
        taken.sort_unstable();
        let head = start(db, bucket).1.log_seq;
        assert_eq!(taken, (1..=head).collect::<Vec<_>>(), "{bucket}: every row once, none left out");
    }
    assert_eq!(faults(db), Vec::<String>::new());
}

pub fn of_writers_of_one_record_each_is_stored_once(backend: &dyn Backend) {
    const EACH: u8 = 5;
    let db = backend.db();
    let first = Draft::new(1, A);
    thread::scope(|scope| {
        for writer in 0..8u8 {
            let first = first.clone();
            scope.spawn(move || {
                for n in 0..EACH {
                    let id = intent(u32::from(writer) * 100 + u32::from(n));
                    while !add(db, &first, writer, id) {}
                }
            });
        }
    });
    let stored = usize::from(EACH) * 8;
    let facts = db.push_facts(&Principal::SERVER, NOW, &[item(&first, intent(0))], usize::MAX).unwrap();
    let record = &facts.records[&first.record];
    assert_eq!(record.changes.len(), stored);
    assert_eq!(record.changes.iter().map(|change| change.row.intent).collect::<BTreeSet<_>>().len(), stored);
    assert_eq!(start(db, A).1.log_seq, u64::try_from(stored).unwrap());
    assert_eq!(faults(db), Vec::<String>::new());
}

/// Looks, prepares and commits once; false if somebody was faster.
fn add(db: &dyn Database, first: &Draft, actor: u8, id: gridpass_core::id::IntentId) -> bool {
    let facts = db.push_facts(&Principal::SERVER, NOW, &[item(first, id)], usize::MAX).unwrap();
    let mut draft = first.clone();
    if let Some(row) = &facts.records[&first.record].row {
        let bytes = facts.records[&first.record].changes.iter().map(|change| change.row.bytes.as_slice());
        draft.document = gridpass_core::record::Document::from_changes(bytes).unwrap();
        let heads = row.heads.clone();
        draft.base = Some(gridpass_server::log::Base {
            generation: row.generation,
            heads,
            home: row.home,
            also: row.also.clone(),
        });
    }
    let commit = draft.put(actor, id, &format!("{actor}"));
    matches!(db.commit(NOW, vec![commit]).unwrap()[..], [Outcome::Stored(_)])
}

fn item(draft: &Draft, intent: gridpass_core::id::IntentId) -> ItemRef {
    ItemRef { record: draft.record, generation: 0, hash: draft.heads().first().copied().unwrap_or_default(), intent }
}

pub fn an_intent_is_stored_once_per_record(backend: &dyn Backend) {
    let db = backend.db();
    let (mut one, mut other) = (Draft::new(1, A), Draft::new(2, A));
    store(db, one.put(1, intent(1), "family"));
    let stored = one.heads()[0];
    store(db, other.put(1, intent(1), "family"));
    let mut again = one.clone();
    assert_eq!(db.commit(NOW, vec![again.put(1, intent(1), "single")]).unwrap(), [Outcome::Stale]);
    assert_eq!(start(db, A).1.log_seq, 2);
    let facts = db.push_facts(&Principal::SERVER, NOW, &[item(&again, intent(1))], usize::MAX).unwrap();
    let Known::Stored(known) = &facts.items[0] else { panic!("{:?}", facts.items) };
    assert_eq!((known.hash, known.home, known.log_seq), (stored, A, 1), "another hash, the same save");
}

pub fn entering_and_leaving_a_bucket_writes_put_and_remove(backend: &dyn Backend) {
    let db = backend.db();
    let mut draft = Draft::new(1, A);
    store(db, draft.put(1, intent(1), "family"));
    draft.also = vec![B];
    store(db, draft.moved());
    store(db, draft.put(1, intent(2), "single"));
    let (rows, after, _) = page(db, B, zero(db), 500).unwrap();
    assert_eq!(rows.iter().map(|row| row.kind).collect::<Vec<_>>(), [RowKind::PUT]);
    assert_eq!(rows[0].touched.as_ref().unwrap().changes.len(), 2, "who enters late gets all");
    assert_eq!((shown(&rows[0]), rows[0].touched.as_ref().unwrap().home), ("single".into(), A));

    let (_, was, _) = page(db, A, zero(db), 500).unwrap();
    (draft.home, draft.also) = (C, vec![]);
    let moved = store(db, draft.moved());
    assert_eq!(moved.last.iter().map(|(bucket, _)| *bucket).collect::<Vec<_>>(), [C], "left buckets hold nothing");
    for (bucket, from) in [(B, after), (A, zero(db))] {
        let (rows, to, _) = page(db, bucket, from, 500).unwrap();
        let last = rows.last().unwrap();
        assert_eq!((last.kind, last.moved_to, last.touched.is_none()), (RowKind::REMOVE, Some(C), true), "{bucket}");
        assert_eq!(to.checksum, 0, "{bucket} is empty");
    }
    assert_eq!(shown(&page(db, C, zero(db), 500).unwrap().0[0]), "single".into());
    assert!(db.whole(&Principal::SERVER, NOW, &[A, B], &[draft.record]).unwrap().is_empty());
    assert_eq!(db.whole(&Principal::SERVER, NOW, &[A, C], &[draft.record]).unwrap().len(), 1);

    (draft.home, draft.also) = (A, vec![]);
    store(db, draft.moved());
    for from in [zero(db), was] {
        let (rows, ..) = page(db, A, from, 500).unwrap();
        assert_eq!((rows.len(), rows[0].kind, shown(&rows[0])), (1, RowKind::PUT, "single".into()), "and back at once");
        assert_eq!(rows[0].touched.as_ref().unwrap().changes.len(), 2);
    }
    assert_eq!(faults(db), Vec::<String>::new());
}

pub fn a_record_named_from_another_grid_is_read_there_from_then_on(backend: &dyn Backend) {
    let db = backend.db();
    let other = Bucket::Base(GridId([77; 16]));
    let (mut named, mut naming, mut person) = (Draft::new(1, A), Draft::new(2, other), Draft::new(3, A));
    let mut first = named.put(1, intent(1), "family");
    let Write::Record(write) = &mut first.write else { panic!() };
    write.collection = "organisation".into();
    store(db, first);
    store(db, person.put(1, intent(1), "family"));
    let mut unaware = named.clone();
    let mut commit = naming.put(1, intent(2), "single");
    let Write::Record(write) = &mut commit.write else { panic!() };
    write.names = vec![named.record, naming.record, person.record, RecordId([99; 16])];
    assert_eq!(store(db, commit).shared, [other]);
    let (rows, after, _) = page(db, other, zero(db), 500).unwrap();
    let brought = rows.iter().find(|row| row.record == named.record).unwrap();
    assert_eq!((brought.kind, brought.touched.as_ref().unwrap().home), (RowKind::PUT, A));
    assert_eq!(rows.len(), 2, "once, nothing of another kind, nothing that is not there");

    let stale = db.commit(NOW, vec![unaware.put(1, intent(3), "single")]).unwrap();
    assert_eq!(stale, [Outcome::Stale], "who did not know would take it away again");
    named.also = vec![other];
    named.base.as_mut().unwrap().also = vec![other];
    store(db, named.put(1, intent(4), "single"));
    let (rows, ..) = page(db, other, after, 500).unwrap();
    assert_eq!(rows.iter().map(|row| (row.record, row.kind)).collect::<Vec<_>>(), [(named.record, RowKind::CHANGE)]);
    assert_eq!(faults(db), Vec::<String>::new());
}

pub fn what_is_in_quarantine_is_known_by_its_hash(backend: &dyn Backend) {
    let db = backend.db();
    let mut draft = Draft::new(1, A);
    draft.put(1, intent(1), "family");
    let asked = item(&draft, intent(1));
    let quarantined = Quarantined {
        ticket: TicketId([1; 16]),
        record: draft.record,
        generation: 0,
        hash: asked.hash,
        intent: intent(1),
        actor: None,
        device: DeviceId([1; 16]),
        user: UserId([1; 16]),
        item: vec![1],
        reason: Reason::at("wrong_type", "kind"),
        blocked_by: Some(TicketId([2; 16])),
        files: Files::default(),
    };
    let audit = Audit { action: "quarantined", detail: "{}".into(), ..Audit::default() };
    for _ in 0..2 {
        store(db, Commit { write: Write::Quarantine(Box::new(quarantined.clone())), audit: audit.clone() });
    }
    let facts = db.push_facts(&Principal::SERVER, NOW, &[asked], usize::MAX).unwrap();
    let Known::Quarantined { ticket, reason, blocked_by } = &facts.items[0] else { panic!("{:?}", facts.items) };
    assert_eq!((*ticket, *blocked_by), (TicketId([1; 16]), Some(TicketId([2; 16]))));
    assert_eq!(*reason, Reason::at("wrong_type", "kind"));
    assert_eq!(facts.records[&draft.record].quarantined.get(&asked.hash), Some(&TicketId([1; 16])));
    let other = ItemRef { hash: gridpass_core::id::ChangeHash([9; 32]), ..asked };
    assert!(matches!(db.push_facts(&Principal::SERVER, NOW, &[other], usize::MAX).unwrap().items[..], [Known::New]));
}
