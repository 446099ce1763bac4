//! The audit.

use std::thread;

use gridpass_core::id::{RecordId, UserId};
use gridpass_server::db::{AuditFilter, AuditRow, Cut, Database, Principal};
use gridpass_server::log::{Audit, Outcome};

use super::{A, Backend, Draft, NOW, faults, intent, store};

fn all(db: &dyn Database) -> Vec<AuditRow> {
    db.audit_after(&Principal::SERVER, NOW, 0, usize::MAX).unwrap()
}

pub fn the_chain_holds_whoever_writes_and_whatever_fails_at_the_same_time(backend: &dyn Backend) {
    const EACH: u32 = 24;
    let db = backend.db();
    db.add_user(NOW, UserId([1; 16]), "li", "某").unwrap();
    let failed = thread::scope(|scope| {
        let write = |writer: u32| {
            let mut failed = 0;
            for n in 0..EACH {
                let mut draft = Draft::new(writer * EACH + n, A);
                let commits =
                    vec![draft.put(1, intent(n), "family"), Draft::new(writer * EACH, A).put(2, intent(n), "x")];
                let outcomes = db.commit(NOW, commits).unwrap();
                assert!(matches!(outcomes[..], [Outcome::Stored(_), Outcome::Stale]));
                // A login is given once: the job fails after it has written, in a group with those of the others.
                failed += u32::from(db.add_user(NOW, UserId([9; 16]), "li", "某").is_err());
                db.audit(NOW, Audit::of("test").by(UserId([2; 16])).on(&n.to_be_bytes())).unwrap();
            }
            failed
        };
        let writers: Vec<_> = (0..8).map(|writer| scope.spawn(move || write(writer))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).sum::<u32>()
    });
    assert_eq!(failed, 8 * EACH);
    assert_eq!(faults(db), Vec::<String>::new());
    let rows = all(db);
    assert_eq!(rows.len() as u32, 1 + 8 * EACH * 2);
    assert!((1..).zip(&rows).all(|(seq, row)| row.seq == seq));
}

pub fn acts_are_found_by_object_change_and_subject_in_pages(backend: &dyn Backend) {
    let db = backend.db();
    let mut drafts: Vec<Draft> = (0..50).map(|n| Draft::new(n, A)).collect();
    for round in 0..6 {
        for (n, draft) in (0..).zip(&mut drafts) {
            store(db, draft.put(1, intent(round * 1000 + n), &format!("{round}")));
            let about = Audit::of("seen").on(&draft.record.0);
            let subject = Audit::of("listed").on(b"list").subject(draft.record).reason("r");
            db.audit(NOW + i64::from(round), if n % 2 == 0 { about } else { subject }).unwrap();
        }
    }
    let rows = all(db);
    for (n, draft) in drafts.iter().enumerate() {
        let subject = draft.record.to_string();
        let is_of = |row: &AuditRow| {
            row.change.is_some_and(|change| change.record == draft.record)
                || row.object.as_deref() == Some(&draft.record.0)
                || row.detail.contains(&subject)
        };
        let mut expected: Vec<AuditRow> = rows.iter().filter(|row| is_of(row)).cloned().collect();
        expected.reverse();
        assert_eq!(expected.len(), 12);
        let (mut found, mut filter) =
            (Vec::new(), AuditFilter { record: Some(draft.record), ..AuditFilter::default() });
        loop {
            let page = db.audit_list(&Principal::SERVER, NOW, &filter, 1 + n % 5).unwrap();
            let Some(last) = page.last() else { break };
            filter.before = Some(last.seq);
            found.extend(page);
        }
        assert_eq!(found, expected, "{n}");
    }
    let nobody = AuditFilter { record: Some(RecordId([0; 16])), ..AuditFilter::default() };
    assert_eq!(db.audit_list(&Principal::SERVER, NOW, &nobody, 9).unwrap(), []);
}

pub fn rows_go_up_to_the_cut_and_the_chain_goes_on_from_it(backend: &dyn Backend) {
    let db = backend.db();
    for n in 0..20 {
        store(db, Draft::new(n, A).put(1, intent(n), "family"));
    }
    let rows = all(db);
    let cut = |n: usize| Cut {
        seq: rows[n].seq,
        chain: rows[n].chain,
        change: rows[n].change_number.unwrap(),
        at_ms: NOW,
        renewals: Vec::new(),
        key: vec![1; 8],
        signature: vec![2; 64],
    };
    assert_eq!(db.drop_rotated(NOW, 100).unwrap(), 0, "nothing without a cut");
    let elsewhere = Cut { chain: [7; 16], ..cut(3) };
    assert!(!db.cut_audit(NOW, elsewhere, "{}".into()).unwrap());
    assert!(db.cut_audit(NOW, cut(11), "{}".into()).unwrap());
    assert_eq!(faults(db), Vec::<String>::new());
    for (limit, dropped) in [(5, 5), (5, 5), (5, 2), (5, 0)] {
        assert_eq!(db.drop_rotated(NOW, limit).unwrap(), dropped);
        assert_eq!(faults(db), Vec::<String>::new());
    }
    store(db, Draft::new(99, A).put(1, intent(99), "family"));
    assert_eq!(faults(db), Vec::<String>::new());
    let kept: Vec<i64> = all(db).iter().map(|row| row.seq).collect();
    assert_eq!(kept, (13..=22).collect::<Vec<_>>());
    let found = db.audit_list(&Principal::SERVER, NOW, &AuditFilter::default(), 100).unwrap();
    assert_eq!(found.len(), kept.len());
    let state = db.chain_state(&Principal::SERVER, NOW, &[12, 13]).unwrap();
    assert_eq!((state.cuts, state.end.map(|end| end.seq)), (vec![cut(11)], Some(22)));
    assert_eq!((state.at[0], state.at[1].is_some()), (None, true));
}
