//! Buckets that come, end, go, and change what is in them.

use gridpass_core::bucket::Bucket;
use gridpass_core::value::Value;
use gridpass_phone::{ApiError, SaveInput};

use crate::host::{Handset, edit};
use crate::server::{BASE, OTHER_GRID, Server};

const NOTHING: Value = Value::Null;

fn with_people(server: &Server, names: &[&str]) -> (Handset, Vec<gridpass_core::id::RecordId>) {
    let ann = Handset::enrolled(server, 1);
    ann.sync();
    let people = names.iter().map(|name| ann.person(name)).collect();
    assert!(ann.sync().complete);
    (ann, people)
}

#[test]
fn a_new_phone_takes_packs_and_what_came_after_them() {
    let server = Server::new();
    let (ann, people) = with_people(&server, &["张三", "李四", "王五"]);
    server.rules(|rules| (rules.pack, rules.page) = (1, 1));
    let ben = Handset::enrolled(&server, 2);
    server.rules(|rules| rules.lose_answers = ("packs", 0));
    assert!(ben.sync().complete);
    for person in people {
        assert_eq!(ben.phone().values(person).unwrap(), ann.phone().values(person).unwrap());
    }
    for _ in 0..3 {
        ann.save(ann.person("赵六"), vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    }
    ann.sync();
    assert!(ben.sync().complete, "page by page");
    assert_eq!(ben.phone().search("赵六", Some("person"), 0).unwrap().len(), 3);
}

#[test]
fn packs_that_are_gone_or_cut_off_are_asked_for_again_and_those_taken_in_stay() {
    let server = Server::new();
    let (_, people) = with_people(&server, &["张三", "李四", "王五"]);
    server.rules(|rules| rules.pack = 1);
    let ben = Handset::enrolled(&server, 2);
    server.rules(|rules| rules.status = ("packs", 503, 1));
    assert!(matches!(ben.try_sync(), Err(ApiError::Later { .. })));
    server.rules(|rules| rules.status = ("packs", 410, 1));
    assert!(ben.sync().complete);
    assert!(people.iter().all(|person| ben.phone().show(*person).is_ok()));
    let packs = server.world().seen.requests.iter().filter(|path| *path == "packs").count();
    assert_eq!(packs, 5, "three packs, one refused, one gone");
}

#[test]
fn a_record_that_leaves_is_gone_unless_something_is_pending_on_it() {
    let server = Server::new();
    let (ann, people) = with_people(&server, &["张三", "李四"]);
    ann.save(people[1], vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    server.remove(BASE, people[0], None);
    server.remove(BASE, people[1], None);
    server.rules(|rules| rules.status = ("push", 503, 1));
    assert!(ann.try_sync().is_err());
    assert!(ann.sync().complete);
    assert!(matches!(ann.phone().show(people[0]), Err(ApiError::NotFound)));
    assert_eq!(ann.phone().search("张三", None, 0).unwrap(), []);
    assert_eq!(
        server.values(people[1], "phone/1"),
        ["13900000001|本人".into()],
        "what was written before it was known goes"
    );
    let list = ann.phone().list(gridpass_phone::ListQuery::default()).unwrap();
    assert!(list.rows.iter().all(|row| row.record != people[0]));
}

#[test]
fn a_record_that_moves_into_another_held_bucket_stays() {
    let server = Server::new();
    server.world().buckets.push(Bucket::Base(OTHER_GRID));
    let (ann, people) = with_people(&server, &["张三"]);
    server.remove(BASE, people[0], Some(Bucket::Base(OTHER_GRID)));
    assert!(ann.sync().complete);
    assert_eq!(ann.value(people[0], "name"), "张三".into());
    let held = ann.phone().state().unwrap().buckets;
    let records = |bucket| held.iter().find(|held| held.bucket == bucket).unwrap().records;
    assert_eq!((records(BASE), records(Bucket::Base(OTHER_GRID))), (0, 1));
}

#[test]
fn a_closing_bucket_takes_nothing_new_but_sends_what_waits() {
    let server = Server::new();
    let (ann, people) = with_people(&server, &["张三"]);
    ann.save(people[0], vec![edit("phone/1", NOTHING, "13900000001|本人")]);
    server.world().closing.insert(BASE);
    assert!(ann.sync().complete);
    assert_eq!(server.values(people[0], "phone/1"), ["13900000001|本人".into()]);
    let edits = vec![edit("phone/2", NOTHING, "13900000002|本人")];
    let refused = ann.phone().save(SaveInput { record: Some(people[0]), edits, ..SaveInput::default() }).unwrap_err();
    let ApiError::Input { problems } = refused else { panic!("{refused:?}") };
    assert_eq!(problems[0].code, "bucket_closing");
    server.world().buckets.retain(|bucket| *bucket != BASE);
    server.world().closing.clear();
    assert!(ann.sync().complete);
    assert!(ann.phone().show(people[0]).is_err(), "the scope ended");
}

#[test]
fn a_row_of_an_unknown_kind_stops_its_bucket_and_nothing_else() {
    let server = Server::new();
    let (ann, people) = with_people(&server, &["张三"]);
    server.console_writes(people[0], "phone/1", "13900000009|台");
    server.rules(|rules| rules.strange_rows = true);
    ann.sync();
    let state = |wanted: &str| ann.phone().state().unwrap().buckets.iter().filter(|held| held.state == wanted).count();
    assert_eq!((state("stopped"), state("open")), (1, 2));
    assert_eq!(ann.value(people[0], "phone/1"), NOTHING, "nothing is skipped");
    server.rules(|rules| rules.strange_rows = false);
    assert!(ann.sync().complete, "as after an update of the app");
    assert_eq!(ann.value(people[0], "phone/1"), "13900000009|台".into());
}

#[test]
fn a_catalog_from_the_server_is_used_and_drafts_survive_it() {
    let server = Server::new();
    let ann = Handset::enrolled(&server, 1);
    ann.sync();
    let draft = ann.phone().put_draft(None, "person", None, vec![edit("name", NOTHING, "张")]).unwrap();
    let old = gridpass_core::catalog::CatalogSource::built_in();
    let file = r#"
id = "tree"
label = { zh = "古树", en = "Tree" }
bucket = "place"
icon = "tree"
order = 900
title = "{species}"
short = "{species}"
review = []
retain = "while_active + 24 months"

[[field]]
key = "species"
label = { zh = "树种", en = "Species" }
type = "text"
max = 20
required = true
policy = "latest"
sens = "S0"
group = "address.base"
search = "name"
"#;
    let new = old.succeed([("tree.toml".to_owned(), file.to_owned())]);
    assert!(new.parse().is_ok(), "{:?}", new.parse().err());
    let mut values: Vec<(String, Value)> = vec![("version".into(), i64::from(new.version).into())];
    values.extend(new.files.iter().map(|(name, text)| (format!("file/{name}"), text.as_str().into())));
    server.publish("catalog", values);
    assert!(ann.sync().complete);
    assert_eq!(ann.phone().state().unwrap().catalog_version, new.version);
    let tree = ann.phone().create("tree", vec![("species".into(), "银杏".into())]).unwrap().record;
    assert_eq!(
        ann.phone().search("yx", None, 0).unwrap()[0].record,
        tree,
        "a collection this phone was never built for"
    );
    let kept = ann.phone().drafts().unwrap();
    assert_eq!((kept[0].id, kept[0].catalog_version), (draft, old.version));
}
