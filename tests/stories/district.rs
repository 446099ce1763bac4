//! A part of the district, as large as a part that is made in seconds: from the workbooks of its offices to the phones
//! of its workers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gridpass_core::bucket::Bucket;
use gridpass_core::id::GridId;
use gridpass_phone::ListQuery;
use gridpass_server::app::App;
use gridpass_server::db::Principal;
use gridpass_server::import::tree::{TreeOptions, tree};
use gridpass_server::import::{Mapping, Options, run};
use gridpass_tests::street::{Form, Plan, Scale, Street, write};
use gridpass_tests::world::{Worker, World};

/// About 50,000 records in 24 grids.
const PART: Scale = Scale::District { part: 27 };

/// How many records of each collection the server hands out in a grid.
fn on_server(server: &App, grid: GridId) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for bucket in [Bucket::Place(grid), Bucket::Base(grid)] {
        let count = &mut |records: Vec<gridpass_core::wire::Touched>| {
            records.into_iter().for_each(|record| *counts.entry(record.collection).or_default() += 1);
            Ok(())
        };
        server.db.bucket_records(&Principal::SERVER, server.now_ms(), bucket, 500, count).unwrap();
    }
    counts
}

/// How many of each of these collections a phone lists.
fn on_phone(worker: &Worker, of: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let total = |collection: &String| {
        let query = ListQuery { collection: Some(collection.clone()), limit: 1, ..ListQuery::default() };
        u64::from(worker.phone.list(query).unwrap().total)
    };
    of.keys().map(|collection| (collection.clone(), total(collection))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_district_comes_from_its_offices_to_its_workers() {
    // Few visits, so that the story stays short.
    let plan = Plan { visit_interval_days: 365, ..Plan::new(PART, 1) };
    let street = Street::new(plan);
    let world = World::new().unwrap();
    let server = world.server().unwrap();
    let folder = tempfile::tempdir().unwrap();
    write(plan, folder.path(), Form::Csv, &mut |_| {}).unwrap();
    let file = |name: &str| folder.path().join(name).with_extension("csv");
    tree(&server, &file(street.tree.name), TreeOptions::default(), &mut |problem| panic!("{problem}")).unwrap();
    let mapping = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../sync-server/import/street.toml");
    let files: Vec<PathBuf> = street.sheets.iter().map(|(_, sheet)| file(sheet.name)).collect();
    let tell = &mut |problem: &gridpass_server::import::Problem| assert!(!problem.refused, "{problem}");
    let summary = run(&server, &Mapping::read(&mapping).unwrap(), &Options::default(), &files, tell).unwrap();
    for (collection, sheet) in &street.sheets {
        assert_eq!(summary.collections[*collection].created, sheet.rows.len() as u64, "{collection}");
    }
    assert!(street.records() > 49_000, "{} records", street.records());

    let mut people = BTreeMap::<String, u64>::new();
    street.sheet("person").unwrap().column("网格编码").for_each(|grid| *people.entry(grid).or_default() += 1);
    let mut by_size: Vec<_> = people.into_iter().collect();
    by_size.sort_by_key(|(_, people)| *people);
    let (smallest, largest) = (by_size.first().unwrap(), by_size.last().unwrap());
    for (login, (code, people)) in [("li", smallest), ("wang", largest)] {
        let grid = server.db.grid_by_code(&Principal::SERVER, server.now_ms(), code).unwrap().unwrap();
        let worker = world.phone_in(login, grid).await.unwrap();
        let held = on_server(&server, grid);
        assert_eq!(held["person"], *people);
        assert_eq!(on_phone(&worker, &held), held);
        assert_ne!(worker.phone.search("王", Some("person"), 50).unwrap().len(), 0);
    }
    assert_eq!(world.faults().unwrap(), []);
}
