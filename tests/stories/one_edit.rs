//! The way of one edit, from a worker's form to a colleague's screen. This file is the architecture in one page.

use gridpass_core::Value;
use gridpass_core::bucket::Bucket;
use gridpass_core::record::edit::Edit;
use gridpass_phone::SaveInput;
use gridpass_tests::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn one_edit_becomes_a_receipt_and_reaches_a_colleague() {
    // A server, and two phones that work in the same grid.
    let world = World::new().unwrap();
    let (li, wang) = (world.phone("li").await.unwrap(), world.phone("wang").await.unwrap());

    // Li stands in a basement. The save returns when it is durable on the phone; no network is asked.
    li.line.cut(true);
    let address = li.phone.create(
        "address",
        vec![
            ("level".into(), "area".into()),
            ("estate".into(), "海尔山庄".into()),
            ("usage".into(), "residential".into()),
        ],
    );
    let address = address.unwrap().record;
    assert!(li.sync().await.is_err());
    assert_eq!(li.phone.show(address).unwrap().row.title, "海尔山庄");
    assert_eq!(li.phone.state().unwrap().unsent, 1);

    // Back in the street: push, verdict, receipt, pull. The change has come back through the log.
    li.line.cut(false);
    let report = li.sync().await.unwrap();
    assert!(report.complete);
    assert_eq!(report.unsent, 0);
    let receipts = li.phone.receipts(address).unwrap();
    assert_eq!(receipts.iter().map(|receipt| receipt.valid).collect::<Vec<_>>(), [true]);

    // The colleague pulls, searches by initials, and corrects the name.
    wang.sync().await.unwrap();
    let found = wang.phone.search("hesz", None, 10).unwrap();
    assert_eq!(found.iter().map(|row| row.record).collect::<Vec<_>>(), [address]);
    let seen = wang.phone.show(address).unwrap();
    let estate = seen.fields.iter().find(|field| field.key == "estate").unwrap();
    wang.phone
        .save(SaveInput {
            record: Some(address),
            edits: vec![Edit::new("estate", estate.value.clone(), "海尔山庄一期")],
            ..SaveInput::default()
        })
        .unwrap();
    wang.sync().await.unwrap();
    li.sync().await.unwrap();
    assert_eq!(li.phone.show(address).unwrap().row.title, "海尔山庄一期");

    // Both phones and the server hold the same, by value and by checksum; every row of the server adds up.
    let bucket = |worker: &gridpass_tests::world::Worker| {
        let state = worker.phone.state().unwrap();
        let found = state.buckets.into_iter().find(|found| found.bucket == Bucket::Place(world.grid)).unwrap();
        (found.cursor, found.checksum, found.records)
    };
    assert_eq!(bucket(&li), bucket(&wang));
    assert_eq!(li.phone.values(address).unwrap(), wang.phone.values(address).unwrap());
    assert_eq!(world.faults().unwrap(), []);
    assert_ne!(li.phone.values(address).unwrap().get("estate").map(|shown| shown.value()), Some(&Value::Null));
}
