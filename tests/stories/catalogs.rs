//! A district changes what may be recorded while its phones work.

use std::path::Path;
use std::sync::Arc;

use gridpass_core::Value;
use gridpass_core::catalog::{Catalog, CatalogSource};
use gridpass_core::id::RecordId;
use gridpass_core::record::edit::Edit;
use gridpass_phone::{Phone, SaveInput};
use gridpass_server::app::App;
use gridpass_server::clock::Clock;
use gridpass_server::publish::name_in;
use gridpass_tests::world::{START_MS, Worker, World};

/// A file that no build has ever seen: a group, a table, and a collection of six fields and one rule.
const TREES: &str = r#"
id = "ancient_tree"
label = { zh = "古树名木", en = "Ancient tree" }
bucket = "place"
icon = "tree"
order = 90
title = "{species} {number}"
review = ["new", "field:health"]
retain = "while_active + 24 months"

[[field]]
key = "number"
label = { zh = "编号", en = "Number" }
type = "text"
max = 20
required = true
policy = "decide"
sens = "S0"
group = "tree.base"
search = "number"

[[field]]
key = "species"
label = { zh = "树种", en = "Species" }
type = "text"
max = 40
required = true
policy = "decide"
sens = "S0"
group = "tree.base"
search = "text"

[[field]]
key = "age_years"
label = { zh = "树龄", en = "Age" }
type = "int"
min = 1
max = 5000
policy = "latest"
sens = "S0"
group = "tree.base"

[[field]]
key = "health"
label = { zh = "长势", en = "Health" }
type = "code"
table = "tree_health"
required = true
policy = "latest"
sens = "S0"
group = "tree.base"

[[field]]
key = "guardian"
label = { zh = "养护人", en = "Guardian" }
type = "text"
max = 40
policy = "latest"
sens = "S1"
group = "tree.base"

[[field]]
key = "fenced"
label = { zh = "有围栏", en = "Fenced" }
type = "bool"
policy = "latest"
sens = "S0"
group = "tree.base"

[[rule]]
id = "dying_without_guardian"
when = "health == 'dying' && guardian == null"
level = "warn"
at = "guardian"
text = { zh = "濒危古树没有养护人", en = "A dying tree has no guardian" }

[[group]]
id = "tree.base"
label = { zh = "古树名木", en = "Ancient trees" }
purpose = { zh = "保护", en = "Protection" }
basis = { zh = "城市绿化条例", en = "Urban greening regulation" }
notice = { zh = "只登记树木", en = "Trees only" }
retain = "while_active + 24 months"

[[table]]
id = "tree_health"
label = { zh = "长势", en = "Health" }
items = [{ code = "good", zh = "良好", en = "Good" }, { code = "dying", zh = "濒危", en = "Dying" }]
"#;

const HEATING: &str = r#"
[[field]]
key = "heating"
label = { zh = "供暖", en = "Heating" }
type = "text"
max = 20
policy = "latest"
sens = "S1"
group = "house.base"
"#;

/// What another process does with the same data folder: `gridpass-server catalog publish`.
fn publish(world: &World, files: Vec<(String, String)>) -> u32 {
    let command = App::open(&world.server_folder(), |last| Clock::new(last, || START_MS)).unwrap();
    let next = command.next_catalog(files).unwrap();
    command.publish(&next).unwrap();
    next.version
}

/// `house.toml` with a field more.
fn heated_house() -> Vec<(String, String)> {
    let files = CatalogSource::built_in().files;
    let (name, text) = files.into_iter().find(|(name, _)| name == "house.toml").unwrap();
    vec![(name, format!("{text}{HEATING}"))]
}

fn put(key: &str, new: impl Into<Value>) -> Edit {
    Edit::new(key, Value::Null, new)
}

fn house(worker: &Worker) -> RecordId {
    let values = |values: &[(&str, &str)]| values.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    let place = [("level", "area"), ("estate", "海尔山庄"), ("usage", "residential")];
    let address = worker.phone.create("address", values(&place)).unwrap().record.to_string();
    worker.phone.create("house", values(&[("address_id", &address), ("nature", "owner_occupied")])).unwrap().record
}

fn shown(worker: &Worker, record: RecordId, key: &str) -> Value {
    worker.phone.values(record).unwrap().get(key).map(|shown| shown.value().clone()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_collection_is_used_by_two_phones_that_were_never_built_for_it() {
    let world = World::new().unwrap();
    let (li, wang) = (world.phone("li").await.unwrap(), world.phone("wang").await.unwrap());
    assert!(li.phone.new_form("ancient_tree").is_err());
    assert_eq!(publish(&world, vec![("ancient_tree.toml".into(), TREES.into())]), 2);

    for worker in [&li, &wang] {
        worker.sync().await.unwrap();
        assert_eq!(worker.phone.state().unwrap().catalog_version, 2);
    }
    let tree = |health: &str| {
        let values = [("number", "崂-0007".into()), ("species", "银杏".into()), ("health", health.into())];
        let values = values.into_iter().chain([("age_years", Value::Int(800)), ("fenced", true.into())]);
        li.phone.create("ancient_tree", values.map(|(key, value)| (key.to_owned(), value)).collect())
    };
    assert!(tree("asleep").is_err(), "no such code");
    let saved = tree("dying").unwrap();
    let warned: Vec<&str> = saved.warnings.iter().map(|problem| problem.code.as_str()).collect();
    assert_eq!(warned, ["dying_without_guardian"]);
    li.sync().await.unwrap();
    assert_eq!(li.phone.state().unwrap().unsent, 0, "the running server knows the collection");
    assert_eq!(li.phone.state().unwrap().inbox, 0);

    wang.sync().await.unwrap();
    let found = wang.phone.search("银杏", Some("ancient_tree"), 10).unwrap();
    assert_eq!(found.iter().map(|row| row.title.as_str()).collect::<Vec<_>>(), ["银杏 崂-0007"]);
    let edits = vec![put("guardian", "园林所")];
    wang.phone.save(SaveInput { record: Some(saved.record), edits, ..SaveInput::default() }).unwrap();
    wang.sync().await.unwrap();
    li.sync().await.unwrap();
    assert_eq!(shown(&li, saved.record, "guardian"), "园林所".into());
    assert_eq!(world.faults().unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_added_to_a_form_leaves_what_is_being_typed() {
    let world = World::new().unwrap();
    let li = world.phone("li").await.unwrap();
    let record = house(&li);
    let typed = vec![put("rooms", Value::Int(3))];
    let draft = li.phone.put_draft(None, "house", Some(record), typed.clone()).unwrap();
    publish(&world, heated_house());
    li.sync().await.unwrap();

    let drafts = li.phone.drafts().unwrap();
    assert_eq!(drafts.iter().map(|draft| &draft.edits).collect::<Vec<_>>(), [&typed]);
    let form = li.phone.form(record).unwrap();
    assert_eq!(form.catalog_version, 2);
    let heating = form.fields.iter().find(|field| field.key == "heating").unwrap();
    assert_eq!(heating.label.as_ref().unwrap().zh, "供暖");
    let edits = [typed, vec![put("heating", "集中")]].concat();
    let input = SaveInput { record: Some(record), edits, draft: Some(draft), ..SaveInput::default() };
    li.phone.save(input).unwrap();
    assert!(li.phone.drafts().unwrap().is_empty());
    li.sync().await.unwrap();
    assert_eq!(li.phone.state().unwrap().unsent, 0);
    assert_eq!([shown(&li, record, "rooms"), shown(&li, record, "heating")], [Value::Int(3), "集中".into()]);
}

/// The phone with the built-in catalog for good: as if it had not been able to take up the newer one.
fn left_behind(worker: Worker) -> Worker {
    let Worker { phone, folder, mut host, line, clock } = worker;
    drop(phone);
    host.catalog = Arc::new(Catalog { version: 1000, ..(*Catalog::built_in()).clone() });
    let phone = Phone::open(&folder, host.clone(), None).unwrap();
    Worker { phone, folder, host, line, clock }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_without_the_new_catalog_keeps_keys_it_does_not_know() {
    let world = World::new().unwrap();
    let (li, wang) = (world.phone("li").await.unwrap(), left_behind(world.phone("wang").await.unwrap()));
    let record = house(&li);
    publish(&world, heated_house());
    li.sync().await.unwrap();
    let edits = vec![put("heating", "集中")];
    li.phone.save(SaveInput { record: Some(record), edits, ..SaveInput::default() }).unwrap();
    li.sync().await.unwrap();

    wang.sync().await.unwrap();
    let form = wang.phone.form(record).unwrap();
    assert!(form.fields.iter().all(|field| field.key != "heating"), "the form does not know the field");
    for rooms in 1..3 {
        let edits = vec![Edit::new("rooms", shown(&wang, record, "rooms"), rooms)];
        wang.phone.save(SaveInput { record: Some(record), edits, ..SaveInput::default() }).unwrap();
        assert_eq!(shown(&wang, record, "heating"), "集中".into());
    }
    let wang = wang.restart().unwrap();
    wang.sync().await.unwrap();
    li.sync().await.unwrap();
    for worker in [&li, &wang] {
        assert_eq!([shown(worker, record, "rooms"), shown(worker, record, "heating")], [Value::Int(2), "集中".into()]);
    }
    assert_eq!(world.faults().unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_file_is_refused_with_its_place_and_what_to_do_and_changes_nothing() {
    let world = World::new().unwrap();
    let server = world.server().unwrap();
    let refusal = |name: &str, text: String| server.next_catalog(vec![(name.into(), text)]).unwrap_err().to_string();
    let house = || heated_house().remove(0).1;

    let told = refusal("house.toml", house().replace("type = \"int\"", "type = \"integer\""));
    let line = house().lines().position(|line| line == "type = \"int\"").unwrap() + 1;
    assert!(told.contains(&format!("house.toml:{line}:8: field[4].type: `integer` is not a known `type`")), "{told}");
    assert!(told.contains("use one of text, int"), "{told}");

    // It reads, but it may not follow: the field has records.
    let told = refusal("house.toml", house().replace("type = \"int\"\nmax = 999\nmin = 1", "type = \"bool\""));
    let line = house().lines().position(|line| line == "key = \"rooms\"").unwrap() + 1;
    let expected = format!("house.toml:{line}:7: house.rooms: the type was `int`; use another key [type_changed]");
    assert!(told.contains(&expected), "{told}");
    let told = refusal("house.toml", house().replace("key = \"rooms\"", "key = \"room_count\""));
    assert!(
        told.contains("house.toml:3:6: house.rooms: the field is gone; put it back with `retired = true`"),
        "{told}"
    );

    let told = refusal("古树.toml", TREES.into());
    assert!(told.contains("古树.toml:1:1:") && told.contains("rename it [file_name]"), "{told}");
    let same = CatalogSource::built_in().files.into_iter().find(|(name, _)| name == "house.toml").unwrap();
    assert_eq!(refusal(&same.0, same.1), "nothing in these files differs from version 1, the newest");
    assert_eq!(server.newest_catalog().version, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_publishers_at_once_make_one_version() {
    let world = World::new().unwrap();
    let server = world.server().unwrap();
    let slow = server.next_catalog(heated_house()).unwrap();
    assert_eq!(publish(&world, vec![("ancient_tree.toml".into(), TREES.into())]), 2);
    let told = server.publish(&slow).unwrap_err().to_string();
    assert!(told.contains("version 2 does not come after 2"), "{told}");
    assert_eq!(name_in(&slow, Path::new("files/tables/duty.toml")), "tables/duty.toml");
    assert_eq!(publish(&world, heated_house()), 3, "over what was published meanwhile");
    let newest = server.newest_catalog().parse().unwrap();
    assert!(newest.collection("ancient_tree").is_some());
    assert!(newest.collection("house").is_some_and(|house| house.field("heating").is_some()));
}
