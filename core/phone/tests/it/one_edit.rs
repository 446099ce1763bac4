//! The way of one edit: from a form on one phone to a list on another.

use gridpass_core::value::Value;
use gridpass_phone::{ListQuery, RecordState, SaveInput};

use crate::host::{Handset, edit};
use crate::server::Server;

#[test]
fn an_edit_reaches_the_server_and_the_other_phone() {
    let server = Server::new();
    let (ann, ben) = (Handset::enrolled(&server, 1), Handset::enrolled(&server, 2));
    ann.sync();
    let person = ann.person("张三");
    assert_eq!(ann.phone().show(person).unwrap().row.state, RecordState::OnPhone);

    let report = ann.sync();
    assert!(report.complete, "{report:?}");
    let row = ann.phone().show(person).unwrap().row;
    assert_eq!((row.title.as_str(), row.state), ("张三", RecordState::OnServer));
    let state = ann.phone().state().unwrap();
    assert_eq!((state.unsent, state.accepted, state.outbox), (0, 0, 0), "settled, and nothing is left to rescue");

    ben.sync();
    assert_eq!(ben.value(person, "name"), "张三".into());
    let phone = ben.phone().values(person).unwrap();
    assert_eq!(phone, ann.phone().values(person).unwrap());
    ben.save(person, vec![edit("phone/1", Value::Null, "13900001111|本人")]);
    ben.sync();
    ann.sync();
    assert_eq!(ann.value(person, "phone/1"), "13900001111|本人".into());
    assert_eq!(ann.phone().search("zs", None, 0).unwrap()[0].record, person);
    assert_eq!(ann.phone().search("1111", None, 0).unwrap()[0].record, person);

    let sums = |phone: &Handset| {
        let buckets = phone.phone().state().unwrap().buckets;
        buckets.iter().map(|bucket| (bucket.bucket, bucket.cursor, bucket.checksum)).collect::<Vec<_>>()
    };
    ben.sync();
    assert_eq!(sums(&ann), sums(&ben));
    assert!(sums(&ann).iter().all(|(_, cursor, sum)| cursor.checksum == *sum));
}

#[test]
fn a_day_without_a_network_is_sent_in_order_when_it_is_back() {
    let server = Server::new();
    let ann = Handset::enrolled(&server, 1);
    ann.sync();
    server.rules(|rules| rules.offline = true);
    let person = ann.person("张三");
    ann.save(person, vec![edit("phone/1", Value::Null, "13900001111|本人")]);
    ann.save(person, vec![edit("phone/1", "13900001111|本人", "13900002222|本人")]);
    assert!(ann.try_sync().is_err());
    assert_eq!(ann.phone().state().unwrap().unsent, 3);
    assert_eq!(ann.value(person, "phone/1"), "13900002222|本人".into());

    server.rules(|rules| rules.offline = false);
    assert!(ann.sync().complete);
    assert_eq!(server.changes(person), 3);
    assert_eq!(server.values(person, "phone/1"), ["13900002222|本人".into()]);
    assert_eq!(server.world().seen.pushes.len(), 1, "one request for the day");
}

#[test]
fn a_lost_answer_is_asked_for_again_with_the_same_batch() {
    let server = Server::new();
    let ann = Handset::enrolled(&server, 1);
    ann.sync();
    let person = ann.person("张三");
    server.rules(|rules| rules.lose_answers = ("push", 1));
    assert!(ann.try_sync().is_err());
    assert_eq!(ann.phone().state().unwrap().unsent, 1, "nobody told the phone that it arrived");
    assert!(ann.sync().complete);
    let world = server.world();
    assert_eq!(world.seen.pushes.len(), 2);
    let (first, again) = (&world.seen.pushes[0], &world.seen.pushes[1]);
    assert_eq!((first.batch, &first.items, &first.signature), (again.batch, &again.items, &again.signature));
    assert_eq!(world.records[&person].rows.len(), 1);
    drop(world);
    let receipts = ann.phone().receipts(person).unwrap();
    assert_eq!(receipts.len(), 1);
    assert!(receipts[0].valid);
}

#[test]
fn an_ended_token_is_renewed_in_the_middle_and_nothing_is_sent_twice() {
    let server = Server::new();
    let ann = Handset::enrolled(&server, 1);
    ann.sync();
    ann.person("张三");
    server.world().end_tokens();
    server.world().seen.requests.clear();
    assert!(ann.sync().complete);
    let requests = server.world().seen.requests.clone();
    assert_eq!(
        requests,
        ["push", "challenge", "token", "push", "push", "pull"][..3]
            .iter()
            .chain(&["push", "pull"])
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    );
}

#[test]
fn nothing_new_is_one_request() {
    let server = Server::new();
    let ann = Handset::enrolled(&server, 1);
    ann.person_after_sync();
    ann.sync();
    server.world().seen.requests.clear();
    assert!(ann.sync().complete);
    assert_eq!(server.world().seen.requests, ["pull"]);
}

#[test]
fn a_form_in_which_nothing_is_different_writes_nothing() {
    let server = Server::new();
    let ann = Handset::enrolled(&server, 1);
    let person = ann.person_after_sync();
    ann.sync();
    let form = ann.phone().form(person).unwrap();
    let same: Vec<_> =
        form.fields.iter().map(|field| edit(&field.key, field.value.clone(), field.value.clone())).collect();
    assert!(same.len() > 5);
    let saved = ann.phone().save(SaveInput { record: Some(person), edits: same, ..SaveInput::default() }).unwrap();
    assert_eq!(saved.intent, None);
    assert_eq!(ann.phone().state().unwrap().unsent, 0);
}

#[test]
fn a_list_goes_on_where_the_last_page_ended() {
    let server = Server::new();
    let ann = Handset::enrolled(&server, 1);
    ann.sync();
    for name in ["张三", "李四", "王五", "赵六", "陈七"] {
        ann.person(name);
    }
    let query = ListQuery { collection: Some("person".into()), limit: 2, ..ListQuery::default() };
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let page = ann.phone().list(ListQuery { after, ..query.clone() }).unwrap();
        assert_eq!(page.total, 5);
        names.extend(page.rows.into_iter().map(|row| row.title));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(names, ["陈七", "李四", "王五", "张三", "赵六"], "by the sound of the names");
}

impl Handset {
    /// A person, made after the first sync told the grid.
    fn person_after_sync(&self) -> gridpass_core::id::RecordId {
        self.sync();
        self.person("张三")
    }
}
