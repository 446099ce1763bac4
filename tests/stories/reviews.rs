//! What a supervisor says reaches the phone at the field, and what is fixed there comes back as answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use gridpass_core::Value;
use gridpass_core::id::{GrantId, RecordId, UserId};
use gridpass_core::record::mark::{Decision, digest_of};
use gridpass_core::record::{digest, plain};
use gridpass_phone::{FieldView, RecordState};
use gridpass_server::app::App;
use gridpass_server::db::{Principal, ReviewRow, ReviewState, TicketRow};
use gridpass_server::office::desk::{self, Desk, DeskError, Word};
use gridpass_tests::world::{Worker, World};

use crate::forms::{area, below, house, person, set};

const DESK: Desk = Desk { user: UserId([0xd; 16]), grant: GrantId([0xd; 16]) };
const OPEN: [ReviewState; 3] = [ReviewState::Waits, ReviewState::Returned, ReviewState::Answered];

fn queue(server: &App) -> Vec<ReviewRow> {
    server.db.reviews(&Principal::SERVER, server.now_ms(), None, &OPEN, None, 100).unwrap()
}

fn tickets(server: &App) -> Vec<TicketRow> {
    server.db.tickets(&Principal::SERVER, server.now_ms(), None, None, 100).unwrap()
}

/// The digest of a record as a phone shows it: a desk names what it saw.
fn seen(worker: &Worker, record: RecordId) -> String {
    digest_of("", &plain(&worker.phone.values(record).unwrap()))
}

fn state(worker: &Worker, record: RecordId) -> RecordState {
    worker.phone.show(record).unwrap().row.state
}

fn field(worker: &Worker, record: RecordId, key: &str) -> FieldView {
    worker.phone.show(record).unwrap().fields.into_iter().find(|field| field.key == key).unwrap()
}

fn returned(reasons: &[(&str, &str)]) -> Word {
    let reasons: BTreeMap<_, _> = reasons.iter().map(|(key, why)| ((*key).to_owned(), (*why).to_owned())).collect();
    Word::Return { reasons, due: Some("2027-02-01".parse().unwrap()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_returned_fields_are_shown_fixed_offline_and_come_back_as_answered() {
    let world = World::new().unwrap();
    let server = world.server().unwrap();
    let li = world.phone("li").await.unwrap();
    let somebody = person(&li, "王芳");
    li.sync().await.unwrap();
    assert_eq!(queue(&server), [], "a new person who repeats nobody is not asked about");
    set(&li, somebody, "name", "王方");
    li.sync().await.unwrap();
    let [item] = &queue(&server)[..] else { panic!() };
    assert_eq!((item.record, item.state, item.occasions[0].on.as_str()), (somebody, ReviewState::Waits, "field:name"));

    let before = seen(&li, somebody);
    let word = returned(&[("name", "与户口簿不符"), ("birth", "请核对出生日期")]);
    desk::review(&server, DESK, somebody, &before, &word).unwrap();
    assert_eq!(queue(&server)[0].state, ReviewState::Returned);
    li.sync().await.unwrap();
    assert_eq!(state(&li, somebody), RecordState::Returned);
    for (key, why) in [("name", "与户口簿不符"), ("birth", "请核对出生日期")] {
        let mark = field(&li, somebody, key).mark.unwrap();
        assert_eq!((mark.decision, mark.reason.as_str(), mark.changed_since), (Decision::Returned, why, false));
        assert_eq!(mark.due.map(|due| due.to_string()).as_deref(), Some("2027-02-01"));
    }

    // Fixed without a network, one after the other.
    li.line.cut(true);
    set(&li, somebody, "name", "王芳");
    assert!(field(&li, somebody, "name").mark.unwrap().changed_since);
    set(&li, somebody, "birth", "1985-03-02");
    li.line.cut(false);
    li.sync().await.unwrap();
    assert_eq!(queue(&server)[0].state, ReviewState::Answered);
    assert_eq!(state(&li, somebody), RecordState::OnServer, "nobody has looked at the answer");

    // Whoever looks at what was there before is told, and nothing happens.
    let old = desk::review(&server, DESK, somebody, &before, &Word::Approve);
    let Err(DeskError::Changed { now }) = old else { panic!("{old:?}") };
    assert_eq!(now, [seen(&li, somebody)]);
    desk::review(&server, DESK, somebody, &now[0], &Word::Approve).unwrap();
    assert_eq!(queue(&server), []);
    li.sync().await.unwrap();
    assert_eq!(state(&li, somebody), RecordState::Reviewed);
    assert_eq!(field(&li, somebody, "name").mark.unwrap().decision, Decision::Approved);

    // An edit after the approval is derived as such and flips nothing by itself.
    set(&li, somebody, "name_latin", "Wang Fang");
    li.sync().await.unwrap();
    assert_eq!(state(&li, somebody), RecordState::Reviewed);
    assert!(li.phone.show(somebody).unwrap().mark.unwrap().changed_since);
    assert_eq!(queue(&server), []);
    assert_eq!(world.faults().unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_said_of_a_record_is_refused_with_the_field() {
    let world = World::new().unwrap();
    let server = world.server().unwrap();
    let li = world.phone("li").await.unwrap();
    let somebody = person(&li, "王芳");
    li.sync().await.unwrap();
    let now = seen(&li, somebody);
    for (word, code, field) in [
        (returned(&[]), "missing", "reasons"),
        (returned(&[("name", " ")]), "missing", "reasons.name"),
        (returned(&[("shoe_size", "x")]), "unknown_key", "reasons.shoe_size"),
        (returned(&[("s/state", "x")]), "unknown_key", "reasons.s/state"),
        (returned(&[("name", &"长".repeat(501))]), "too_long", "reasons.name"),
    ] {
        let refused = desk::review(&server, DESK, somebody, &now, &word);
        let Err(DeskError::Bad { code: told, field: at }) = refused else { panic!("{refused:?}") };
        assert_eq!((told, at.as_str()), (code, field));
    }
    let nobody = desk::review(&server, DESK, RecordId([1; 16]), &now, &Word::Approve);
    assert!(matches!(nobody, Err(DeskError::NotFound)));
    li.sync().await.unwrap();
    assert_eq!(state(&li, somebody), RecordState::OnServer);
}

/// Two phones that hold different owners of one house, and a third that has heard of neither.
async fn disagreement(world: &World) -> ([Worker; 3], RecordId) {
    let (li, wang) = (world.phone("li").await.unwrap(), world.phone("wang").await.unwrap());
    let sun = world.phone("sun").await.unwrap();
    let building = below(&li, area(&li, "海尔山庄"), "building", "3号楼");
    let home = house(&li, below(&li, building, "room", "301"));
    li.sync().await.unwrap();
    wang.sync().await.unwrap();
    sun.sync().await.unwrap();
    set(&li, home, "owner_name", "赵一");
    set(&wang, home, "owner_name", "钱二");
    for worker in [&li, &wang, &li] {
        worker.sync().await.unwrap();
    }
    ([li, wang, sun], home)
}

fn owner(worker: &Worker, home: RecordId) -> Vec<Value> {
    let values = worker.phone.values(home).unwrap();
    values["owner_name"].all().into_iter().cloned().collect()
}

fn all_of(ticket: &TicketRow) -> Vec<String> {
    ticket.values.iter().map(|(value, _)| digest(value)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_decided_with_a_third_value_reopened_by_an_unseen_edit_and_undone() {
    let world = World::new().unwrap();
    let server = world.server().unwrap();
    let ([li, wang, sun], home) = disagreement(&world).await;
    let [ticket] = &tickets(&server)[..] else { panic!() };
    assert_eq!((ticket.record, ticket.key.as_str(), ticket.kind.as_str()), (home, "owner_name", "conflict"));
    assert_eq!(ticket.values.len(), 2);

    // Decided over other values than those that stand: told, nothing done.
    let old = desk::decide(&server, DESK, ticket.id, &"孙三".into(), &[digest(&"赵一".into())]);
    assert!(matches!(old, Err(DeskError::Changed { ref now }) if now.len() == 2), "{old:?}");
    desk::decide(&server, DESK, ticket.id, &"孙三".into(), &all_of(ticket)).unwrap();
    assert_eq!(tickets(&server), []);
    wang.sync().await.unwrap();
    assert_eq!(owner(&wang, home), ["孙三".into()]);
    let again = desk::decide(&server, DESK, ticket.id, &"李四".into(), &all_of(ticket));
    assert!(matches!(again, Err(DeskError::Decided { by: Some(by), .. }) if by == DESK.user), "{again:?}");

    // Li, who has not heard, decides for himself on the phone: the values are others now, nothing is overruled.
    set(&li, home, "owner_name", "赵一");
    li.sync().await.unwrap();
    wang.sync().await.unwrap();
    for worker in [&li, &wang] {
        assert_eq!(owner(worker, home)[0], "孙三".into());
    }

    // Sun wrote without having heard of anything: it is open again with both values, and the server's is shown.
    set(&sun, home, "owner_name", "周四");
    sun.sync().await.unwrap();
    wang.sync().await.unwrap();
    assert_eq!(owner(&wang, home), ["孙三".into(), "周四".into()]);
    let [anew] = &tickets(&server)[..] else { panic!() };
    assert_eq!((anew.kind.as_str(), anew.values.len()), ("conflict", 2));
    desk::decide(&server, DESK, anew.id, &"孙三".into(), &all_of(anew)).unwrap();

    let reopened = desk::undo(&server, DESK, ticket.id).unwrap();
    let [open] = &tickets(&server)[..] else { panic!() };
    assert_eq!((open.id, open.kind.as_str(), all_of(open)), (reopened, "reopened", all_of(ticket)));
    let not_closed = desk::undo(&server, DESK, reopened);
    assert!(matches!(not_closed, Err(DeskError::Bad { code: "still_open", .. })), "{not_closed:?}");
    assert_eq!(world.faults().unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_decide_at_once_one_is_told_what_the_other_did() {
    let world = World::new().unwrap();
    let server = world.server().unwrap();
    let _phones = disagreement(&world).await;
    let ticket = tickets(&server).remove(0);
    let decide = |value: &'static str| {
        let (server, ticket) = (Arc::clone(&server), ticket.clone());
        std::thread::spawn(move || desk::decide(&server, DESK, ticket.id, &value.into(), &all_of(&ticket)))
    };
    let done: Vec<_> = [decide("赵一"), decide("钱二")].into_iter().map(|one| one.join().unwrap()).collect();
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "{done:?}");
    assert!(done.iter().any(|done| matches!(done, Err(DeskError::Decided { .. }))), "{done:?}");
    assert_eq!(world.faults().unwrap(), []);
}
