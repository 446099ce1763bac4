//! Restored servers, restored phones, copied phones.

use gridpass_core::value::Value;
use gridpass_core::wire::TokenRequest;
use gridpass_phone::RecordState;

use crate::host::{Handset, edit};
use crate::server::{BASE, Server};

const NOTHING: Value = Value::Null;

fn record_set(phone: &Handset) -> Vec<(gridpass_core::bucket::Bucket, gridpass_core::wire::Cursor, u64, u32)> {
    let state = phone.phone().state().unwrap();
    state.buckets.iter().map(|bucket| (bucket.bucket, bucket.cursor, bucket.checksum, bucket.records)).collect()
}

#[test]
fn a_server_restored_from_an_old_backup_gets_back_everything_it_lost() {
    let server = Server::new();
    let (ann, ben) = (Handset::enrolled(&server, 1), Handset::enrolled(&server, 2));
    ann.sync();
    ben.sync();
    let person = ann.person("张三");
    ann.sync();
    ben.sync();
    let backup = server.world().clone();

    let later = ann.person("李四");
    ann.save(person, vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    ann.sync();
    ben.sync();
    ben.save(person, vec![edit("phone/2", NOTHING, "13900000002|家人")]);
    ben.sync();
    ann.sync();
    assert_eq!(ann.phone().state().unwrap().unsent, 0);

    server.restore(backup);
    assert_eq!(server.changes(person), 1);
    assert!(ann.sync().complete);
    assert!(ben.sync().complete);
    assert!(ann.sync().complete);
    assert_eq!(server.changes(later), 1);
    assert_eq!(server.values(person, "phone/1"), ["13900000001|本人".into()]);
    assert_eq!(
        server.values(person, "phone/2"),
        ["13900000002|家人".into()],
        "it was made on a change that was lost with it"
    );
    assert_eq!(record_set(&ann), record_set(&ben));
    for phone in [&ann, &ben] {
        assert_eq!(phone.value(person, "phone/1"), "13900000001|本人".into());
        assert_eq!(phone.value(person, "phone/2"), "13900000002|家人".into());
        assert!(phone.phone().inbox().unwrap().is_empty());
    }
    assert!(ann.phone().receipts(person).unwrap().iter().all(|receipt| receipt.valid));
}

#[test]
fn work_on_a_lost_change_of_somebody_else_is_authored_again_on_what_is_left() {
    let server = Server::new();
    let (ann, ben) = (Handset::enrolled(&server, 1), Handset::enrolled(&server, 2));
    ann.sync();
    let person = ann.person("张三");
    ann.sync();
    ben.sync();
    let backup = server.world().clone();
    ann.save(person, vec![edit("name", "张三", "张珊")]);
    ann.sync();
    ben.sync();
    ben.save(person, vec![edit("name", "张珊", "章珊")]);
    ben.sync();
    server.restore(backup);
    // Ben comes first: what he wrote on Ann's lost change is put on what both had seen.
    assert!(ben.sync().complete);
    assert_eq!(server.values(person, "name"), ["章珊".into()]);
    assert!(ann.sync().complete);
    assert!(ben.sync().complete);
    let mut names = server.values(person, "name");
    names.sort();
    assert_eq!(names, ["张珊".into(), "章珊".into()], "both stand until somebody decides");
    assert_eq!(record_set(&ann), record_set(&ben));
}

#[test]
fn a_phone_put_back_from_a_backup_notices_and_goes_on_as_a_new_actor() {
    let server = Server::new();
    let mut ann = Handset::enrolled(&server, 1);
    ann.sync();
    let person = ann.person("张三");
    ann.sync();
    let backup = ann.snapshot();
    ann.save(person, vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    ann.sync();

    ann.put_back(backup.path());
    assert_eq!(ann.value(person, "phone/1"), NOTHING);
    ann.save(person, vec![edit("phone/2", NOTHING, "13900000002|家人")]);
    assert!(ann.sync().complete);
    assert_eq!(server.values(person, "phone/1"), ["13900000001|本人".into()]);
    assert_eq!(server.values(person, "phone/2"), ["13900000002|家人".into()]);
    assert_eq!(ann.value(person, "phone/1"), "13900000001|本人".into());
    assert_eq!(server.world().seen.nonces, 2, "both nonces are told");
    ann.save(person, vec![edit("phone/3", NOTHING, "13900000003|家人")]);
    assert!(ann.sync().complete);
    assert_eq!(ann.phone().show(person).unwrap().row.state, RecordState::OnServer);
}

#[test]
fn a_copy_with_much_to_send_becomes_one_new_actor() {
    let server = Server::new();
    let mut ann = Handset::enrolled(&server, 1);
    ann.sync();
    let people = ["张三", "李四", "王五"].map(|name| ann.person(name));
    ann.sync();
    let backup = ann.snapshot();
    let name_all =
        |ann: &Handset, phone| people.map(|person| ann.save(person, vec![edit(phone, NOTHING, "13900000001|本人")]));
    name_all(&ann, "phone/1");
    ann.sync();
    // Its counts are used again for other work, all of it in one push.
    ann.put_back(backup.path());
    name_all(&ann, "phone/2");
    assert!(ann.sync().complete);
    for (person, phone) in people.into_iter().zip(["phone/1", "phone/2"]) {
        assert_eq!(server.values(person, phone), ["13900000001|本人".into()]);
    }
    assert_eq!(server.world().seen.nonces, 2);
}

#[test]
fn a_phone_that_was_put_back_for_ever_still_signs_in() {
    let server = Server::new();
    let mut ann = Handset::enrolled(&server, 1);
    ann.sync();
    let person = ann.person("张三");
    ann.sync();
    let backup = ann.snapshot();
    for time in 0..=TokenRequest::MAX_NONCES {
        ann.save(person, vec![edit(&format!("phone/{time}"), NOTHING, "13900000001|本人")]);
        assert!(ann.sync().complete);
        ann.put_back(backup.path());
    }
    server.world().end_tokens();
    assert!(ann.sync().complete);
    assert_eq!(server.world().seen.nonces, 1, "of the second request");
    assert_eq!(ann.value(person, "phone/100"), "13900000001|本人".into());
}

#[test]
fn an_intent_that_arrived_under_another_change_is_not_sent_again() {
    let server = Server::new();
    let mut ann = Handset::enrolled(&server, 1);
    ann.sync();
    let person = ann.person("张三");
    ann.sync();
    ann.save(person, vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    let before = ann.snapshot();
    ann.sync();
    server.console_writes(person, "best", "x");
    // The database of before the push comes back: the same intent, pushed once more, is known.
    ann.put_back(before.path());
    ann.save(person, vec![edit("phone/2", NOTHING, "13900000002|家人")]);
    assert!(ann.sync().complete);
    assert_eq!(server.values(person, "phone/1"), ["13900000001|本人".into()]);
    assert_eq!(server.values(person, "phone/2"), ["13900000002|家人".into()]);
    assert_eq!(server.changes(person), 4, "made, phone 1, console, phone 2");
}

#[test]
fn a_wrong_checksum_starts_the_bucket_again_and_keeps_what_is_pending() {
    let server = Server::new();
    let ann = Handset::enrolled(&server, 1);
    ann.sync();
    let person = ann.person("张三");
    ann.sync();
    server.console_writes(person, "phone/9", "13900000009|台");
    server.rules(|rules| rules.wrong_sum = true);
    ann.save(person, vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    let _ = ann.try_sync();
    server.rules(|rules| rules.wrong_sum = false);
    assert!(ann.sync().complete);
    let held = ann.phone().state().unwrap().buckets.into_iter().find(|bucket| bucket.bucket == BASE).unwrap();
    assert_eq!(held.checksum, held.cursor.checksum);
    assert_eq!(ann.value(person, "phone/1"), "13900000001|本人".into());
    assert_eq!(server.values(person, "phone/1"), ["13900000001|本人".into()]);
}
