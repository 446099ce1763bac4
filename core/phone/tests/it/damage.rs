//! Crashes, damage, forgotten PINs: what was saved is there, and what was not handed in comes back.

use gridpass_core::value::Value;
use gridpass_core::wire::PushRequest;
use gridpass_phone::{ApiError, LockState, OutboxEntry, Phone, SaveInput, read_as_server};

use crate::host::{Handset, edit, run};
use crate::server::{Server, sealing_key};

const NOTHING: Value = Value::Null;

fn with_person(server: &Server) -> (Handset, gridpass_core::id::RecordId) {
    let ann = Handset::enrolled(server, 1);
    ann.sync();
    let person = ann.person("张三");
    assert!(ann.sync().complete);
    (ann, person)
}

#[test]
fn what_was_saved_is_there_after_the_app_is_killed() {
    let server = Server::new();
    let (mut ann, person) = with_person(&server);
    ann.save(person, vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    let crash = ann.snapshot();
    ann.put_back(crash.path());
    assert_eq!(ann.value(person, "phone/1"), "13900000001|本人".into());
    assert!(ann.sync().complete);
    assert_eq!(server.values(person, "phone/1"), ["13900000001|本人".into()]);
}

#[test]
fn a_kill_at_any_request_of_a_hard_sync_loses_nothing_and_doubles_nothing() {
    let server = Server::new();
    let (mut ann, person) = with_person(&server);
    let ben = Handset::enrolled(&server, 2);
    ben.sync();
    ben.save(person, vec![edit("name", "张三", "章三")]);
    ben.sync();
    server.rules(|rules| rules.refuse = Some("13900000008|本人".into()));
    ann.save(person, vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    ann.save(person, vec![edit("phone/2", NOTHING, "13900000008|本人")]);
    ann.save(
        person,
        vec![edit("phone/3", NOTHING, "13900000003|家人"), edit("phone/2", "13900000008|本人", "13900000002|家人")],
    );
    ann.save(person, vec![edit("name", "张三", "张珊")]);
    let other = ann.person("李四");
    server.rules(|rules| rules.page = 1);
    server.world().end_tokens();

    let moments = ann.moments_of_a_sync(&server);
    assert!(moments.len() >= 10, "{}", moments.len());

    for (place, (copy, world)) in moments.into_iter().enumerate() {
        *server.world() = world;
        ann.put_back(copy.path());
        let report = ann.sync();
        assert_eq!(report.unsent, 0, "moment {place}");
        assert_eq!(server.values(person, "phone/1"), ["13900000001|本人".into()], "moment {place}");
        assert_eq!(server.values(person, "phone/2"), [], "moment {place}");
        assert_eq!(server.values(person, "phone/3"), ["13900000003|家人".into()], "moment {place}");
        assert_eq!(server.values(person, "name").len(), 2, "moment {place}");
        assert_eq!(server.changes(other), 1, "moment {place}");
        assert_eq!(server.changes(person), 5, "moment {place}: made, ben's name, phone 1, phone 3, ann's name");
        let inbox = ann.phone().inbox().unwrap();
        let codes: Vec<_> = inbox.iter().map(|item| item.reason.code.as_str()).collect();
        assert_eq!(codes, ["refused", "seen_changed"], "moment {place}");
        for held in ann.phone().state().unwrap().buckets {
            assert_eq!(held.checksum, held.cursor.checksum, "moment {place}");
        }
    }
}

#[test]
fn a_kill_between_push_and_verdict_sends_the_same_batch_once_more() {
    let server = Server::new();
    let (mut ann, person) = with_person(&server);
    ann.save(person, vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    server.rules(|rules| rules.lose_answers = ("push", 1));
    assert!(ann.try_sync().is_err());
    let crash = ann.snapshot();
    ann.put_back(crash.path());
    assert!(ann.sync().complete);
    let pushes = server.world().seen.pushes.clone();
    let [first, again] = pushes.last_chunk().unwrap();
    assert!(again.sent_ms > first.sent_ms, "what is told of the time is told from now");
    let (sent_ms, sent_monotonic_ms) = (first.sent_ms, first.sent_monotonic_ms);
    assert_eq!(PushRequest { sent_ms, sent_monotonic_ms, ..again.clone() }, *first);
    assert_eq!(server.changes(person), 2);
}

#[test]
fn a_kill_between_outbox_and_commit_leaves_a_phone_that_works_and_an_entry_that_can_be_rescued() {
    let server = Server::new();
    let (mut ann, person) = with_person(&server);
    let before = ann.snapshot();
    ann.save(person, vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    // The outbox of after the save beside the database of before it: the kill came between the two.
    let torn = ann.snapshot();
    for file in std::fs::read_dir(before.path()).unwrap() {
        let file = file.unwrap();
        if file.file_name() != "outbox" {
            std::fs::copy(file.path(), torn.path().join(file.file_name())).unwrap();
        }
    }
    let database_lost = tempfile::tempdir().unwrap();
    std::fs::copy(torn.path().join("outbox"), database_lost.path().join("outbox")).unwrap();

    ann.put_back(torn.path());
    assert_eq!(ann.value(person, "phone/1"), NOTHING, "the save never said that it was done");
    ann.save(person, vec![edit("phone/1", NOTHING, "13900000002|本人")]);
    assert!(ann.sync().complete);
    assert_eq!(server.values(person, "phone/1"), ["13900000002|本人".into()]);

    let bytes = std::fs::read(database_lost.path().join("outbox")).unwrap();
    let (_, entries) = read_as_server(&bytes, &sealing_key()).unwrap();
    assert!(matches!(&entries[..], [OutboxEntry::Save(save)] if save.record == person));
}

#[test]
fn a_lost_database_is_rebuilt_from_the_outbox_and_the_server() {
    let server = Server::new();
    let (mut ann, person) = with_person(&server);
    ann.save(person, vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    let new = ann.person("李四");
    let draft = ann.phone().put_draft(None, "person", None, vec![edit("name", NOTHING, "王")]).unwrap();
    ann.kill();
    for file in ["phone.db", "phone.db-wal", "phone.db-shm"] {
        let _ = std::fs::remove_file(ann.folder.join(file));
    }
    ann.start();
    assert_eq!(ann.phone().drafts().unwrap()[0].id, draft);
    assert_eq!(ann.phone().state().unwrap().unsent, 2);
    assert_eq!(ann.value(new, "name"), "李四".into(), "shown before any network is there");
    assert!(ann.sync().complete);
    assert_eq!(server.values(person, "phone/1"), ["13900000001|本人".into()]);
    assert_eq!(server.values(new, "name"), ["李四".into()]);
    assert_eq!(ann.value(person, "name"), "张三".into());
}

#[test]
fn a_damaged_database_is_set_aside_and_never_deleted() {
    let server = Server::new();
    let (mut ann, person) = with_person(&server);
    ann.save(person, vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    ann.kill();
    for file in ["phone.db-wal", "phone.db-shm"] {
        let _ = std::fs::remove_file(ann.folder.join(file));
    }
    let database = ann.folder.join("phone.db");
    let mut bytes = std::fs::read(&database).unwrap();
    bytes.iter_mut().step_by(100).for_each(|byte| *byte ^= 0x55);
    std::fs::write(&database, &bytes).unwrap();
    ann.start();
    let aside: Vec<_> = std::fs::read_dir(&ann.folder).unwrap().map(|file| file.unwrap()).collect();
    let aside = aside.iter().find(|file| file.file_name().to_string_lossy().starts_with("phone.db.damaged-")).unwrap();
    assert_eq!(std::fs::read(aside.path()).unwrap(), bytes, "as it was found");
    assert!(ann.sync().complete);
    assert_eq!(server.values(person, "phone/1"), ["13900000001|本人".into()]);
}

#[test]
fn a_torn_end_of_the_outbox_costs_nothing_that_was_saved() {
    let server = Server::new();
    let (mut ann, person) = with_person(&server);
    ann.save(person, vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    ann.kill();
    let outbox = ann.folder.join("outbox");
    let mut bytes = std::fs::read(&outbox).unwrap();
    bytes.extend_from_slice(&[200, 0, 0, 0, 1, 2, 3]);
    std::fs::write(&outbox, &bytes).unwrap();
    std::fs::remove_file(ann.folder.join("phone.db")).unwrap();
    ann.start();
    ann.save(ann.person("李四"), vec![edit("phone/1", NOTHING, "13900000002|本人")]);
    assert_eq!(ann.phone().state().unwrap().outbox, 3);
    assert!(ann.sync().complete);
    assert_eq!(server.values(person, "phone/1"), ["13900000001|本人".into()]);
}

#[test]
fn a_pin_opens_the_phone_and_a_forgotten_one_costs_no_unsent_work() {
    let server = Server::new();
    let (mut ann, person) = with_person(&server);
    ann.phone().set_pin(None, Some("2468")).unwrap();
    ann.save(person, vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    ann.kill();
    assert_eq!(Phone::lock_state(&ann.host).unwrap(), LockState::PinWanted);
    let open = |pin| Phone::open(&ann.folder, ann.host.clone(), pin);
    assert!(matches!(open(None), Err(ApiError::Locked { code }) if code == "pin_wanted"));
    assert!(matches!(open(Some("1111")), Err(ApiError::Locked { code }) if code == "pin_wrong"));
    assert_eq!(open(Some("2468")).unwrap().state().unwrap().unsent, 1);

    let phone = Phone::reset(&ann.folder, ann.host.clone(), Some("1357")).unwrap();
    assert!(run(phone.sync()).unwrap().complete);
    assert_eq!(server.values(person, "phone/1"), ["13900000001|本人".into()]);
}

#[test]
fn another_database_key_is_told_apart_from_damage_and_touches_nothing() {
    let server = Server::new();
    let (mut ann, _) = with_person(&server);
    ann.kill();
    let files = |ann: &Handset| {
        let mut files: Vec<_> = std::fs::read_dir(&ann.folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files.into_iter().map(|file| std::fs::read(file).unwrap()).collect::<Vec<_>>()
    };
    let before = files(&ann);
    let stored = ann.secrets.0.lock().unwrap().get("database_key").cloned().unwrap();
    let mut wrong = stored.clone();
    *wrong.iter_mut().rev().nth(3).unwrap() ^= 1;
    ann.secrets.0.lock().unwrap().insert("database_key".to_owned(), wrong);
    let refused = Phone::open(&ann.folder, ann.host.clone(), None);
    assert!(matches!(refused, Err(ApiError::Locked { code }) if code == "wrong_key"));
    assert_eq!(files(&ann), before);
    ann.secrets.0.lock().unwrap().insert("database_key".to_owned(), stored);
    ann.start();
}

#[test]
fn a_rescue_copy_is_whole_and_sealed() {
    let server = Server::new();
    let (mut ann, person) = with_person(&server);
    ann.save(person, vec![edit("phone/1", NOTHING, "13912345678|本人")]);
    let rescue = tempfile::tempdir().unwrap();
    let exported = ann.phone().export(rescue.path()).unwrap();
    let bytes = [std::fs::read(&exported.database).unwrap(), std::fs::read(&exported.outbox).unwrap()].concat();
    assert!(!bytes.windows(11).any(|window| window == b"13912345678"));
    assert!(ann.phone().export(rescue.path()).is_err(), "no copy is written over");
    std::fs::copy(ann.folder.join("phone.key"), rescue.path().join("phone.key")).unwrap();
    let phone = ann.put_back(rescue.path());
    assert_eq!(phone.state().unwrap().unsent, 1);
    assert_eq!(ann.value(person, "phone/1"), "13912345678|本人".into());
}

#[test]
fn the_outbox_holds_only_what_was_not_handed_in() {
    let server = Server::new();
    let (ann, person) = with_person(&server);
    assert_eq!(ann.phone().state().unwrap().outbox, 0);
    let mut draft = None;
    for typed in ["1", "13", "139"] {
        draft =
            Some(ann.phone().put_draft(draft, "person", Some(person), vec![edit("phone/1", NOTHING, typed)]).unwrap());
    }
    assert_eq!(ann.phone().state().unwrap().outbox, 3);
    let edits = vec![edit("phone/1", NOTHING, "13900000139|本人")];
    ann.phone().save(SaveInput { record: Some(person), edits, draft, ..SaveInput::default() }).unwrap();
    assert!(ann.phone().drafts().unwrap().is_empty(), "the save took its draft with it");
    ann.sync();
    assert_eq!(ann.phone().state().unwrap().outbox, 0);
}
