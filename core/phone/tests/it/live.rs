//! Lists that stay current, links, households that are due.

use std::sync::Arc;

use futures_util::FutureExt;
use gridpass_core::value::Value;
use gridpass_phone::ListQuery;

use crate::host::{Handset, edit, run};
use crate::server::Server;

#[test]
fn a_live_list_tells_every_difference_and_nothing_else() {
    let server = Server::new();
    let ann = Handset::enrolled(&server, 1);
    ann.sync();
    let watch = ann.phone().watch(ListQuery { collection: Some("person".into()), ..ListQuery::default() });
    let titles = |snapshot: Option<gridpass_phone::Snapshot>| {
        snapshot.unwrap().list.rows.into_iter().map(|row| row.title).collect::<Vec<_>>()
    };
    assert!(titles(run(watch.next()).unwrap()).is_empty(), "the first is told at once");
    assert!(watch.next().now_or_never().is_none(), "nothing is new");
    let person = ann.person("张三");
    assert_eq!(titles(run(watch.next()).unwrap()), ["张三"]);
    ann.phone().put_draft(None, "person", None, vec![]).unwrap();
    assert!(watch.next().now_or_never().is_none(), "a draft is in no list");
    ann.save(person, vec![edit("name", "张三", "张珊")]);
    assert_eq!(titles(run(watch.next()).unwrap()), ["张珊"]);
    watch.stop();
    assert_eq!(run(watch.next()).unwrap(), None);
}

#[test]
fn stopping_a_live_list_ends_a_call_that_waits() {
    let server = Server::new();
    let ann = Handset::enrolled(&server, 1);
    ann.sync();
    let watch = Arc::new(ann.phone().watch(ListQuery::default()));
    run(async {
        watch.next().await.unwrap();
        let waiting = watch.next();
        let stopping = async { watch.stop() };
        let (told, ()) = tokio::join!(waiting, stopping);
        assert_eq!(told.unwrap(), None);
    });
}

#[test]
fn an_address_that_is_renamed_renames_what_hangs_on_it_and_all_of_it_is_found() {
    let server = Server::new();
    let ann = Handset::enrolled(&server, 1);
    ann.sync();
    let phone = ann.phone();
    let area = [("level", "area"), ("estate", "海青小区"), ("usage", "residential")];
    let make = |collection: &str, values: &[(&str, &str)]| {
        let values = values.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
        phone.create(collection, values).unwrap().record
    };
    let area = make("address", &area);
    let point = r#"{"acc_cm":500,"crs":"CGCS2000","lat_e7":361000000,"lon_e7":1204000000}"#;
    let building = make(
        "address",
        &[
            ("level", "building"),
            ("parent_id", &area.to_string()),
            ("building", "3号楼"),
            ("usage", "residential"),
            ("point", point),
        ],
    );
    let children = phone.children(area, Some("address".into())).unwrap();
    assert_eq!(children.iter().map(|row| row.record).collect::<Vec<_>>(), [building]);
    assert_eq!(children[0].title, "海青小区3号楼");
    ann.save(area, vec![edit("estate", "海青小区", "青山小区")]);
    assert_eq!(phone.children(area, None).unwrap()[0].title, "青山小区3号楼");
    assert_eq!(phone.search("qingshan", None, 0).unwrap().len(), 2);
    let view = phone.show(building).unwrap();
    assert_eq!(view.links[0].title.as_deref(), Some("青山小区"));
    assert_eq!(phone.show(area).unwrap().linked_from[0].record, building);
}

#[test]
fn ending_a_record_can_be_undone_and_a_filter_shows_what_stands() {
    let server = Server::new();
    let ann = Handset::enrolled(&server, 1);
    ann.sync();
    let person = ann.person("张三");
    let standing = || {
        let query = ListQuery { ended: Some(false), collection: Some("person".into()), ..ListQuery::default() };
        ann.phone().list(query).unwrap().rows.len()
    };
    ann.phone().end(person, "2025-06-01", "error", vec![]).unwrap();
    assert_eq!(standing(), 0);
    ann.phone().undo_end(person).unwrap();
    assert_eq!(standing(), 1);
    assert!(ann.sync().complete);
    let of_class = |value: &str| {
        let values = vec![("pop_class".to_owned(), Value::from(value))];
        ann.phone().list(ListQuery { values, ..ListQuery::default() }).unwrap().rows.len()
    };
    assert_eq!((of_class("here"), of_class("migrant")), (1, 0));
}
