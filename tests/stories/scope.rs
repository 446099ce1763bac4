//! What a phone holds: assignments that end while it is away, and what lies in other grids.

use gridpass_core::id::{GrantId, GridId, UserId};
use gridpass_core::record::edit::Edit;
use gridpass_core::{Value, bucket::Bucket};
use gridpass_phone::{ApiError, SaveInput};
use gridpass_server::db::{AssignmentRow, Principal};
use gridpass_server::org::Node;
use gridpass_tests::world::{START_MS, Worker, World};

use crate::forms::{area, below};

fn user(world: &World, login: &str) -> UserId {
    world.server().unwrap().db.user_by_login(&Principal::SERVER, START_MS, login).unwrap().unwrap()
}

fn holds(worker: &Worker, bucket: Bucket) -> bool {
    worker.phone.state().unwrap().buckets.iter().any(|held| held.bucket == bucket)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_before_the_end_is_handed_in_and_then_the_grid_leaves_the_phone() {
    let world = World::new().unwrap();
    let (li, wang) = (world.phone("li").await.unwrap(), world.phone("wang").await.unwrap());
    let address = area(&li, "海尔山庄");
    li.sync().await.unwrap();
    wang.sync().await.unwrap();

    // Li types without a network; meanwhile the office gives the grid to somebody else.
    let edits = vec![Edit::new("estate", "海尔山庄", "海尔山庄一期")];
    li.phone.save(SaveInput { record: Some(address), edits, ..SaveInput::default() }).unwrap();
    let server = world.server().unwrap();
    assert_eq!(
        server
            .db
            .end_assignments(server.now_ms(), user(&world, "li"), Node::Grid(world.grid), server.now_ms())
            .unwrap(),
        1
    );

    assert!(li.sync().await.unwrap().complete, "late work counts within the grace");
    assert!(!holds(&li, Bucket::Place(world.grid)) && !holds(&li, Bucket::Base(world.grid)));
    assert!(matches!(li.phone.show(address), Err(ApiError::NotFound)));
    assert_eq!(li.phone.receipts(address).unwrap().len(), 2, "the proof stays");
    wang.sync().await.unwrap();
    let shown = wang.phone.values(address).unwrap();
    assert_eq!(shown.get("estate").map(|shown| shown.value()), Some(&Value::from("海尔山庄一期")));

    // Nothing new can be begun in the grid, and the reason is said.
    let values =
        vec![("level".into(), "area".into()), ("estate".into(), "别处".into()), ("usage".into(), "residential".into())];
    let again = li.phone.create("address", values);
    let Err(ApiError::Input { problems }) = again else { panic!("{again:?}") };
    assert_eq!(problems[0].code, "no_grid");

    // Assigned again, the phone works there after one sync.
    let assignment = AssignmentRow::worker(GrantId([7; 16]), world.grid, server.now_ms());
    server.db.assign(server.now_ms(), user(&world, "li"), &assignment).unwrap();
    assert!(li.sync().await.unwrap().complete);
    let address = area(&li, "别处");
    assert!(li.sync().await.unwrap().complete);
    assert_eq!(li.phone.receipts(address).unwrap().len(), 1);
    assert_eq!(world.faults().unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_another_grid_is_read_where_it_is_named_and_written_only_at_home() {
    let world = World::new().unwrap();
    let server = world.server().unwrap();
    let other = GridId([9; 16]);
    server.db.add_grid(START_MS, other, &[], "370212001001002", "中韩第二网格").unwrap();
    let (li, wang) = (world.phone("li").await.unwrap(), world.phone_in("wang", other).await.unwrap());
    let estate = area(&li, "海尔山庄");
    let unseen = area(&li, "别的小区");
    li.sync().await.unwrap();
    wang.sync().await.unwrap();
    assert!(matches!(wang.phone.show(estate), Err(ApiError::NotFound)));

    // A building of the estate lies in the other grid.
    below(&wang, estate, "building", "3号楼");
    wang.sync().await.unwrap();
    assert_eq!(wang.phone.show(estate).unwrap().row.title, "海尔山庄");
    assert!(matches!(wang.phone.show(unseen), Err(ApiError::NotFound)), "nothing else of the grid");

    // What changes at home arrives there too; nobody else writes it.
    let edits = |seen: &str, new: &str| vec![Edit::new("estate", seen, new)];
    let save =
        |worker: &Worker, edits| worker.phone.save(SaveInput { record: Some(estate), edits, ..SaveInput::default() });
    save(&li, edits("海尔山庄", "海尔山庄一期")).unwrap();
    li.sync().await.unwrap();
    wang.sync().await.unwrap();
    assert_eq!(wang.phone.show(estate).unwrap().row.title, "海尔山庄一期");
    let Err(ApiError::Input { problems }) = save(&wang, edits("海尔山庄一期", "别的")) else { panic!() };
    assert_eq!(problems[0].code, "read_only");
    assert_eq!(world.faults().unwrap(), []);
}
