//! What the server does not take: it is kept with its reason, and what stands beside it goes on.

use gridpass_core::catalog::Catalog;
use gridpass_core::id::{ChangeHash, TicketId};
use gridpass_core::value::Value;
use gridpass_core::wire::{Reason, Verdict};
use gridpass_phone::{InboxWhy, RecordState};

use crate::host::{Handset, edit};
use crate::server::Server;

const NOTHING: Value = Value::Null;

fn settled_person(server: &Server) -> (Handset, gridpass_core::id::RecordId) {
    let ann = Handset::enrolled(server, 1);
    ann.sync();
    let person = ann.person("张三");
    assert!(ann.sync().complete);
    (ann, person)
}

#[test]
fn a_refused_edit_is_kept_with_its_reason_and_later_edits_of_other_fields_go_on() {
    let server = Server::new();
    let (ann, person) = settled_person(&server);
    server.rules(|rules| rules.refuse = Some("13900000008|本人".into()));
    ann.save(person, vec![edit("phone/1", NOTHING, "13900000008|本人")]);
    let later = ann.save(
        person,
        vec![edit("phone/2", NOTHING, "13900000002|家人"), edit("phone/1", "13900000008|本人", "13900000009|本人")],
    );
    let report = ann.sync();
    assert_eq!(report.unsent, 0, "{report:?}");

    assert_eq!(server.values(person, "phone/2"), ["13900000002|家人".into()]);
    assert_eq!(server.values(person, "phone/1"), []);
    assert_eq!(ann.value(person, "phone/1"), NOTHING, "the screen says what stands");
    let sent: Vec<_> = server.world().seen.pushes.iter().flat_map(|push| push.items.clone()).collect();
    assert_eq!(sent.iter().filter(|item| Some(item.intent.id) == later.intent).count(), 2, "under its own intent");

    let inbox = ann.phone().inbox().unwrap();
    assert!(inbox[0].text.zh.contains("内容已保留"), "said in words: {:?}", inbox[0].text);
    assert_eq!(inbox.len(), 2);
    assert_eq!((inbox[0].why, &inbox[0].reason), (InboxWhy::Rejected, &Reason::at("refused", "phone/1")));
    assert_eq!(inbox[0].edits, [edit("phone/1", NOTHING, "13900000008|本人")]);
    assert_eq!((inbox[1].why, inbox[1].reason.code.as_str()), (InboxWhy::NeedsYou, "seen_changed"));
    assert_eq!(inbox[1].edits, [edit("phone/1", "13900000008|本人", "13900000009|本人")]);
    assert_ne!(Some(inbox[1].id), later.intent, "the rest waits under an intent of its own");
    assert_eq!(ann.phone().show(person).unwrap().row.state, RecordState::NeedsYou);

    ann.phone().edit_and_resend(inbox[1].id, vec![edit("phone/1", NOTHING, "13900000001|本人")]).unwrap();
    ann.phone().discard(inbox[0].id).unwrap();
    assert!(ann.sync().complete);
    assert_eq!(server.values(person, "phone/1"), ["13900000001|本人".into()]);
    assert!(ann.phone().inbox().unwrap().is_empty());
    assert_eq!(ann.phone().state().unwrap().outbox, 0);
}

#[test]
fn a_refused_record_waits_whole_and_can_be_sent_again() {
    let server = Server::new();
    let ann = Handset::enrolled(&server, 1);
    ann.sync();
    server.rules(|rules| rules.refuse = Some("坏名".into()));
    let person = ann.person("坏名");
    ann.save(person, vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    ann.sync();
    assert_eq!(server.changes(person), 0);
    let inbox = ann.phone().inbox().unwrap();
    assert_eq!(inbox.iter().map(|item| item.reason.code.as_str()).collect::<Vec<_>>(), ["refused", "record_refused"]);
    assert!(inbox.iter().all(|item| Catalog::built_in().text(&item.reason.code).is_some()), "each has words");
    assert!(ann.phone().show(person).is_err(), "there is no such record");

    let again: Vec<_> = inbox[0]
        .edits
        .iter()
        .map(|old| edit(&old.key, NOTHING, if old.key == "name" { "好名".into() } else { old.new.clone() }))
        .collect();
    ann.phone().edit_and_resend(inbox[0].id, again).unwrap();
    ann.phone().edit_and_resend(inbox[1].id, inbox[1].edits.clone()).unwrap();
    assert!(ann.sync().complete);
    assert_eq!(server.values(person, "name"), ["好名".into()]);
    assert_eq!(server.values(person, "phone/1"), ["13900000001|本人".into()]);
}

#[test]
fn work_behind_a_refused_item_waits_and_goes_when_it_is_given_up() {
    let server = Server::new();
    let (ann, person) = settled_person(&server);
    let ticket = TicketId([9; 16]);
    let other = ann.person("李四");
    ann.sync();
    server.rules(|rules| rules.instead = Some(("phone/1", Verdict::Rejected { ticket, reason: Reason::new("no") }, 1)));
    ann.save(person, vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    ann.sync();
    server.rules(|rules| rules.instead = Some(("phone/2", Verdict::BlockedBy { ticket }, 2)));
    ann.save(other, vec![edit("phone/2", NOTHING, "13900000002|本人")]);
    let report = ann.sync();
    assert!(!report.complete);
    assert_eq!(report.unsent, 1, "it waits");
    let rejected = ann.phone().inbox().unwrap().remove(0);
    ann.phone().discard(rejected.id).unwrap();
    assert!(!ann.sync().complete, "still blocked once");
    assert!(ann.sync().complete);
    assert_eq!(server.values(other, "phone/2"), ["13900000002|本人".into()]);
}

#[test]
fn what_the_server_does_not_know_again_and_again_reaches_a_person() {
    let server = Server::new();
    let (ann, person) = settled_person(&server);
    server.rules(|rules| rules.instead = Some(("phone/1", Verdict::Missing { deps: vec![ChangeHash([1; 32])] }, 99)));
    ann.save(person, vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    for _ in 0..4 {
        ann.try_sync().unwrap();
    }
    let inbox = ann.phone().inbox().unwrap();
    assert_eq!(inbox.len(), 1);
    assert_eq!((inbox[0].why, inbox[0].reason.code.as_str()), (InboxWhy::NeedsYou, "missing"));
    assert!(server.world().seen.pushes.len() <= 5, "a bounded number of tries");
}

#[test]
fn a_verdict_of_a_newer_server_leaves_the_work_pending_and_asks_for_an_update() {
    let server = Server::new();
    let (mut ann, person) = settled_person(&server);
    server.rules(|rules| rules.instead = Some(("phone/1", Verdict::Unknown, 1)));
    ann.save(person, vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    let report = ann.sync();
    assert_eq!((report.complete, report.unsent), (false, 1));
    assert!(ann.phone().state().unwrap().update_app);
    assert_eq!(ann.value(person, "phone/1"), "13900000001|本人".into());
    ann.start();
    assert!(ann.sync().complete, "the updated app sends it");
    assert!(!ann.phone().state().unwrap().update_app);
}

#[test]
fn two_phones_that_name_a_person_differently_both_see_both_names_until_it_is_decided() {
    let server = Server::new();
    let (ann, person) = settled_person(&server);
    let ben = Handset::enrolled(&server, 2);
    ben.sync();
    ann.save(person, vec![edit("name", "张三", "张珊")]);
    ben.save(person, vec![edit("name", "张三", "章三")]);
    ann.sync();
    ben.sync();
    ann.sync();
    for phone in [&ann, &ben] {
        let view = phone.phone().show(person).unwrap();
        assert_eq!(view.row.conflicts, 1);
        let name = view.fields.iter().find(|field| field.key == "name").unwrap();
        let mut names: Vec<_> = name.values.iter().map(|value| value.value.clone()).collect();
        names.sort();
        assert_eq!(names, ["张珊".into(), "章三".into()]);
        assert!(name.values.iter().all(|value| value.author.is_some()));
    }
    ann.phone().resolve(person, "name", "张珊".into(), vec!["张珊".into(), "章三".into()]).unwrap();
    assert!(ann.sync().complete);
    let requests: Vec<_> = server.world().records[&person].document.state().into_keys().collect();
    assert_eq!(requests.iter().filter(|key| key.starts_with("t/")).count(), 1, "a request, never a put");
    assert_eq!(server.values(person, "name").len(), 2);
}

#[test]
fn an_edit_whose_field_changed_meanwhile_is_refused_at_once_with_what_was_typed_kept() {
    let server = Server::new();
    let (ann, person) = settled_person(&server);
    server.console_writes(person, "phone/1", "13900000009|台");
    let form = ann.phone().form(person).unwrap();
    ann.sync();
    let typed = vec![edit("phone/1", NOTHING, "13900000001|本人")];
    let input = gridpass_phone::SaveInput { record: Some(person), edits: typed, ..Default::default() };
    let refused = ann.phone().save(input).unwrap_err();
    let gridpass_phone::ApiError::Input { problems } = refused else { panic!("{refused:?}") };
    assert_eq!(problems[0].code, "seen_changed");
    assert!(form.fields.iter().all(|field| field.key != "phone/1"));
}

#[test]
fn an_edit_of_what_changed_on_the_server_is_an_ordinary_conflict_never_an_overwrite() {
    let server = Server::new();
    let (ann, person) = settled_person(&server);
    server.console_writes(person, "name", "张叁");
    ann.save(person, vec![edit("name", "张三", "张珊")]);
    ann.sync();
    assert_eq!(server.values(person, "name").len(), 2);
    assert_eq!(ann.phone().show(person).unwrap().row.conflicts, 1);
}

#[test]
fn refused_work_that_a_supervisor_approves_leaves_the_inbox_when_it_arrives() {
    let server = Server::new();
    let (ann, person) = settled_person(&server);
    server.rules(|rules| rules.refuse = Some("13900000001|本人".into()));
    let saved = ann.save(person, vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    ann.sync();
    assert_eq!(ann.phone().inbox().unwrap().len(), 1);
    server.approve(person, saved.intent.unwrap(), "phone/1", "13900000001|本人");
    assert!(ann.sync().complete);
    assert!(ann.phone().inbox().unwrap().is_empty());
    assert_eq!(ann.value(person, "phone/1"), "13900000001|本人".into());
    assert_eq!(ann.phone().show(person).unwrap().row.state, RecordState::OnServer);
}

#[test]
fn refused_work_stays_when_another_phone_uses_its_name() {
    let server = Server::new();
    let (ann, person) = settled_person(&server);
    server.rules(|rules| rules.refuse = Some("13900000001|本人".into()));
    let saved = ann.save(person, vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    ann.sync();
    server.another_phone_writes(person, saved.intent.unwrap(), "phone/2", "13900000002|家人");
    assert!(ann.sync().complete);
    assert_eq!(ann.phone().inbox().unwrap().len(), 1);
    assert_eq!(ann.value(person, "phone/2"), "13900000002|家人".into());
}

#[test]
fn work_on_a_rolled_over_record_is_authored_again_on_the_new_generation() {
    let server = Server::new();
    let (ann, person) = settled_person(&server);
    server.roll_over(person);
    ann.save(person, vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    assert!(ann.sync().complete);
    assert_eq!(server.values(person, "phone/1"), ["13900000001|本人".into()]);
    assert_eq!(server.values(person, "name"), ["张三".into()]);
    let pushes = server.world().seen.pushes.clone();
    let generations: Vec<_> = pushes.iter().flat_map(|push| &push.items).map(|item| item.generation).collect();
    assert_eq!(generations, [0, 0, 1], "made, refused as old, sent again");
    assert_eq!(pushes[1].items[0].intent.id, pushes[2].items[0].intent.id);
}
