//! What becomes of what phones push.

use gridpass_core::Value;
use gridpass_core::bucket::Bucket;
use gridpass_core::id::{GridId, IntentId};
use gridpass_core::record::request::Request;
use gridpass_core::record::{Document, digest};
use gridpass_core::seal::verify_receipts;
use gridpass_core::wire::{Create, Verdict};
use gridpass_server::ingest;

use crate::hand::{Server, accepted, record};

const KIND: &str = "kind";

#[test]
fn one_edit_gets_a_receipt_that_proves_it_and_comes_back_by_pull() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let mut phone = server.enrol(1);
    let mut document = Document::new();
    let answer = phone.save(&server, record(1), &mut document, &[(KIND, "family".into())]);
    let Verdict::Accepted { via: Some(via), .. } = &answer.verdicts[0].verdict else { panic!("{answer:?}") };
    assert_eq!((via.bucket, via.log_seq), (server.base(), 1));
    let sheet = answer.sheet.unwrap();
    verify_receipts(&server.app.keys.public(), &sheet).unwrap();
    assert_eq!((sheet.receipts[0].hash, sheet.receipts[0].log_seq), (document.heads()[0], 1));
    assert_eq!(server.document(&phone, record(1)).state(), document.state());
    assert_eq!(server.faults(), []);
}

#[test]
fn the_same_push_twice_and_in_parallel_is_stored_once_with_the_same_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let mut phone = server.enrol(1);
    let mut actors = Vec::new();
    let items = (0..50)
        .map(|n| {
            let change = phone.change(&mut Document::new(), &[(KIND, "family".into())]);
            phone.item(record(n), &change, server.base(), &mut actors)
        })
        .collect();
    let request = phone.push(1, actors, items);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let pushes: Vec<_> =
            (0..4).map(|_| scope.spawn(|| ingest::push(&server.app, &phone.device, &request).unwrap())).collect();
        pushes.into_iter().map(|push| push.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().map(accepted).sum::<usize>(), 50, "each item is accepted by one of the four");
    let receipts: Vec<_> = answers.into_iter().map(|answer| answer.sheet.unwrap().receipts).collect();
    assert!(receipts.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(phone.start(&server).as_of.log_seq, 50);
    assert_eq!(server.faults(), []);
}

#[test]
fn one_forged_item_in_two_hundred_is_kept_apart_and_blocks_only_what_stands_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let mut phone = server.enrol(1);
    let mut actors = Vec::new();
    let mut items = Vec::new();
    for n in 0..199 {
        let change = phone.change(&mut Document::new(), &[(KIND, "family".into())]);
        items.push(phone.item(record(n), &change, server.base(), &mut actors));
    }
    let mut document = Document::new();
    for key in [KIND, "best_time"] {
        let value = if key == KIND { "family" } else { "any" };
        let change = phone.change(&mut document, &[(key, value.into())]);
        items.push(phone.item(record(200), &change, server.base(), &mut actors));
    }
    items[199].change.start_op = 9;
    let request = phone.push(1, actors, items);
    for _ in 0..2 {
        let answer = ingest::push(&server.app, &phone.device, &request).unwrap();
        let Verdict::Rejected { ticket, reason } = &answer.verdicts[199].verdict else { panic!("{answer:?}") };
        assert_eq!(reason.code, "hash");
        assert_eq!(answer.verdicts[200].verdict, Verdict::BlockedBy { ticket: *ticket });
        assert_eq!(answer.sheet.unwrap().receipts.len(), 199);
    }
    assert_eq!(phone.start(&server).as_of.log_seq, 199);
    assert_eq!(server.faults(), []);
}

#[test]
fn different_fields_of_two_phones_both_stand() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let (mut one, mut two) = (server.enrol(1), server.enrol(2));
    let mut document = Document::new();
    one.save(&server, record(1), &mut document, &[(KIND, "family".into())]);
    let mut other = document.clone();
    one.save(&server, record(1), &mut document, &[("best_time", "any".into())]);
    two.save(&server, record(1), &mut other, &[(KIND, "single".into())]);
    assert_eq!(server.shown(&one, record(1), "best_time"), ["any".into()]);
    assert_eq!(server.shown(&one, record(1), KIND), ["single".into()]);
    assert_eq!(server.faults(), []);
}

#[test]
fn of_two_latest_values_the_one_observed_later_is_shown_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let (mut early, mut late) = (server.enrol(1), server.enrol(2));
    let mut document = Document::new();
    early.save(&server, record(1), &mut document, &[(KIND, "family".into())]);
    let mut other = document.clone();
    // The early phone counts far ahead, and pushes last: neither may decide.
    let change = late.change(&mut other, &[(KIND, "single".into())]);
    let mut actors = Vec::new();
    let mut item = late.item(record(1), &change, server.base(), &mut actors);
    item.intent.at_ms -= 1_000;
    ingest::push(&server.app, &late.device, &late.push(1, actors, vec![item])).unwrap();
    let mut actors = Vec::new();
    let mut items = Vec::new();
    for value in ["shared", "collective", "shared"] {
        let change = early.change(&mut document, &[(KIND, value.into())]);
        let mut item = early.item(record(1), &change, server.base(), &mut actors);
        item.intent.at_ms -= 60_000;
        items.push(item);
    }
    ingest::push(&server.app, &early.device, &early.push(1, actors, items)).unwrap();
    assert_eq!(server.shown(&early, record(1), KIND), ["single".into()], "one winner");
    assert!(server.document(&early, record(1)).len() > 5, "the others are history");
    assert_eq!(server.faults(), []);
}

#[test]
fn a_decide_field_shows_both_until_the_request_to_decide_is_ruled_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let (mut one, mut two) = (server.enrol(1), server.enrol(2));
    let (head, other_head) = ("0".repeat(32), "1".repeat(32));
    let mut document = Document::new();
    one.save(&server, record(1), &mut document, &[(KIND, "family".into())]);
    let mut other = document.clone();
    one.save(&server, record(1), &mut document, &[("head_id", head.as_str().into())]);
    two.save(&server, record(1), &mut other, &[("head_id", other_head.as_str().into())]);
    let both = server.shown(&one, record(1), "head_id");
    assert_eq!(both.len(), 2);

    let mut seen = server.document(&one, record(1));
    let decide = |value: &str, seen: Vec<String>, n: u8| {
        Request::Resolve { key: "head_id".into(), value: value.into(), seen }.entry(IntentId([n; 16]))
    };
    let (key, value) = decide(&head, vec![digest(&Value::from(head.as_str()))], 7);
    one.save(&server, record(1), &mut seen, &[(&key, value)]);
    assert_eq!(server.shown(&one, record(1), "head_id").len(), 2, "made over one of two values: void");

    let mut seen = server.document(&two, record(1));
    let (key, value) = decide(&other_head, both.iter().map(digest).collect(), 8);
    two.save(&server, record(1), &mut seen, &[(&key, value)]);
    assert_eq!(server.shown(&one, record(1), "head_id"), [other_head.as_str().into()]);
    let ruling = server.shown(&one, record(1), &format!("s/v/{}", IntentId([8; 16])));
    assert_eq!(ruling, [r#"{"ruling":"accepted"}"#.into()]);
    assert_eq!(server.faults(), []);
}

#[test]
fn nobody_writes_where_no_assignment_lets_him() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let mut phone = server.enrol(1);
    for (n, home, code) in [
        (1, Bucket::Base(GridId([9; 16])), "no_right"),
        (2, Bucket::Place(server.grid), "home_class"),
        (3, Bucket::District, "home_class"),
    ] {
        let change = phone.change(&mut Document::new(), &[(KIND, "family".into())]);
        let mut actors = Vec::new();
        let item = phone.item(record(n), &change, home, &mut actors);
        let answer = ingest::push(&server.app, &phone.device, &phone.push(phone.count, actors, vec![item])).unwrap();
        let Verdict::Rejected { reason, .. } = &answer.verdicts[0].verdict else { panic!("{home}: {answer:?}") };
        assert_eq!(reason.code, code, "{home}");
    }
}

#[test]
fn a_push_signed_by_another_key_is_not_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let (mut one, two) = (server.enrol(1), server.enrol(2));
    let change = one.change(&mut Document::new(), &[(KIND, "family".into())]);
    let mut actors = Vec::new();
    let item = one.item(record(1), &change, server.base(), &mut actors);
    let request = one.push(1, actors, vec![item]);
    assert!(ingest::push(&server.app, &two.device, &request).is_err());
    assert_eq!(one.pull(&server, Vec::new()).granted.map(|granted| granted.len()), Some(1), "only the district");
}

#[test]
fn what_another_device_sends_under_the_name_of_a_change_does_not_refuse_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let (mut one, mut liar) = (server.enrol(1), server.enrol(2));
    let mut document = Document::new();
    one.save(&server, record(1), &mut document, &[(KIND, "family".into())]);
    let change = one.change(&mut document.clone(), &[("best_time", "any".into())]);
    let (mut actors, mut forged) = (Vec::new(), Vec::new());
    let lie = liar.change(&mut document.clone(), &[("best_time", "evening".into())]);
    let mut wrong = liar.item(record(1), &lie, server.base(), &mut forged);
    wrong.change.hash = change.build().unwrap().hash;
    let answer = ingest::push(&server.app, &liar.device, &liar.push(1, forged, vec![wrong])).unwrap();
    assert!(matches!(answer.verdicts[0].verdict, Verdict::Rejected { .. }), "{answer:?}");

    let own = one.item(record(1), &change, server.base(), &mut actors);
    let mut then = document.clone();
    then.apply([change.build().unwrap()]).unwrap();
    let after = one.change(&mut then, &[(KIND, "single".into())]);
    let after = one.item(record(1), &after, server.base(), &mut actors);
    let early = ingest::push(&server.app, &one.device, &one.push(1, actors.clone(), vec![after.clone()])).unwrap();
    assert!(matches!(early.verdicts[0].verdict, Verdict::Missing { .. }), "{early:?}");
    let answer = ingest::push(&server.app, &one.device, &one.push(2, actors, vec![own, after])).unwrap();
    assert_eq!(accepted(&answer), 2, "{answer:?}");
    assert_eq!(server.faults(), []);
}

#[test]
fn what_another_device_stores_under_the_name_of_a_save_does_not_pass_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let (mut one, mut liar) = (server.enrol(1), server.enrol(2));
    let mut document = Document::new();
    one.save(&server, record(1), &mut document, &[(KIND, "family".into())]);
    let mut actors = Vec::new();
    let change = one.change(&mut document.clone(), &[("best_time", "any".into())]);
    let own = one.item(record(1), &change, server.base(), &mut actors);
    let mut forged = Vec::new();
    let other = liar.change(&mut document.clone(), &[(KIND, "single".into())]);
    let mut item = liar.item(record(1), &other, server.base(), &mut forged);
    item.intent.id = own.intent.id;
    let answer = ingest::push(&server.app, &liar.device, &liar.push(1, forged, vec![item])).unwrap();
    assert_eq!(accepted(&answer), 1, "{answer:?}");

    let answer = ingest::push(&server.app, &one.device, &one.push(1, actors, vec![own])).unwrap();
    let Verdict::Rejected { reason, .. } = &answer.verdicts[0].verdict else { panic!("{answer:?}") };
    assert_eq!(reason.code, "intent_taken");
    assert_eq!(server.faults(), []);
}

#[test]
fn a_member_writes_nothing_of_the_grid_and_no_resident_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let (mut worker, mut member) = (server.enrol(1), server.enrol_as(2, "member"));
    let own = Bucket::User(member.device.user);
    worker.save(&server, record(1), &mut Document::new(), &[(KIND, "family".into())]);
    let granted = member.pull(&server, Vec::new()).granted.unwrap();
    assert!(granted.iter().all(|granted| granted.bucket.grid().is_none()), "nothing but residents is there");
    for (n, collection, key, value, home, taken) in [
        (1, "household", KIND, Value::from("single"), server.base(), false),
        (2, "household", KIND, "single".into(), server.base(), false),
        (3, "household", KIND, "single".into(), own, false),
        (4, "facility", "name", "电梯".into(), Bucket::Place(server.grid), false),
        (5, "opinion", "text", "路灯太暗".into(), server.base(), false),
        (6, "opinion", "text", "路灯太暗".into(), own, true),
    ] {
        let change = member.change(&mut Document::new(), &[(key, value)]);
        let mut actors = Vec::new();
        let mut item = member.item(record(n), &change, home, &mut actors);
        item.create = Some(Create { collection: collection.into(), home });
        let answer = ingest::push(&server.app, &member.device, &member.push(member.count, actors, vec![item])).unwrap();
        assert_eq!(accepted(&answer), usize::from(taken), "{n}: {answer:?}");
        if !taken {
            let Verdict::Rejected { reason, .. } = &answer.verdicts[0].verdict else { panic!("{n}: {answer:?}") };
            assert_eq!(reason.code, "no_right", "{n}");
        }
    }
    assert_eq!(server.shown(&worker, record(1), KIND), ["family".into()]);
    assert_eq!(server.faults(), []);
}

/// A catalog in which workers may write a household's kind and nothing that is more sensitive, and decide nothing.
fn narrow(server: &Server) {
    let roles = server.app.newest_catalog().files.into_iter().find(|(name, _)| name == "roles.toml").unwrap().1;
    let worker = "do = [\"read\", \"write\", \"decide\"]\non = [\"*\"]\nto = \"S3\"";
    assert!(roles.contains(worker));
    let roles = roles.replacen(worker, "do = [\"read\", \"write\"]\non = [\"household\"]\nto = \"S1\"", 1);
    let next = server.app.next_catalog(vec![("roles.toml".into(), roles)]).unwrap();
    server.app.publish(&next).unwrap();
}

#[test]
fn what_a_role_may_is_data_and_counts_from_its_publication_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let mut phone = server.enrol(1);
    let mut document = Document::new();
    assert_eq!(accepted(&phone.save(&server, record(1), &mut document, &[(KIND, "family".into())])), 1, "before");
    narrow(&server);
    let best = [("best_time", "weekend".into())];
    assert_eq!(accepted(&phone.save(&server, record(1), &mut document, &best)), 1, "S1");
    let asked = Request::Resolve { key: "best_time".into(), value: "any".into(), seen: Vec::new() };
    let (key, value) = asked.entry(IntentId([8; 16]));
    for (puts, field) in [([(KIND, "single".into())], KIND), ([(key.as_str(), value)], key.as_str())] {
        let answer = phone.save(&server, record(1), &mut document.clone(), &puts);
        let Verdict::Rejected { reason, .. } = &answer.verdicts[0].verdict else { panic!("{answer:?}") };
        assert_eq!((reason.code.as_str(), reason.field.as_deref()), ("no_right", Some(field)));
    }
    assert_eq!(server.faults(), []);
}
