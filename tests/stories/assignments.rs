//! Who serves where and when, as their phones show it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{GrantId, GridId};
use gridpass_phone::{ApiError, SaveInput};
use gridpass_server::db::{AssignmentRow, Duty};
use gridpass_tests::world::{MemoryKeys, START_MS, Worker, World};

use crate::forms::{area, below, house, make, person, set};

const DAY_MS: i64 = 86_400_000;
const A: GridId = GridId([0xa; 16]);
const B: GridId = GridId([0xb; 16]);
const C: GridId = GridId([0xc; 16]);

/// A worker's assignment that counts from one day until before another, counted from the beginning.
fn serves(number: u8, grid: GridId, from: i64, to: Option<i64>) -> AssignmentRow {
    let moment = |day: i64| START_MS + day * DAY_MS;
    AssignmentRow { to_ms: to.map(moment), ..AssignmentRow::worker(GrantId([number; 16]), grid, moment(from)) }
}

async fn enrol(world: &World, login: &str, assignments: &[AssignmentRow]) -> Worker {
    world.phone_of(login, assignments, Arc::new(MemoryKeys::default())).await.unwrap()
}

/// The grids of which a phone holds everything that a worker's holds, in order; any other bucket of a grid is told.
fn grids(worker: &Worker) -> Vec<GridId> {
    let state = worker.phone.state().unwrap();
    let held: Vec<Bucket> = state.buckets.iter().map(|held| held.bucket).collect();
    let mut grids: Vec<GridId> = held.iter().filter_map(Bucket::grid).collect();
    grids.sort();
    grids.dedup();
    for grid in &grids {
        for bucket in [Bucket::Place(*grid), Bucket::Base(*grid)] {
            assert!(held.contains(&bucket), "{bucket}");
        }
    }
    let others: Vec<&Bucket> = held.iter().filter(|bucket| bucket.grid().is_none()).collect();
    assert!(others.iter().all(|bucket| [Bucket::District, Bucket::User(state.user)].contains(bucket)), "{others:?}");
    assert_eq!(held.len(), others.len() + 2 * grids.len());
    grids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_holds_exactly_the_buckets_that_are_due() {
    let world = World::new().unwrap();
    let server = world.server().unwrap();
    for (grid, code) in [(A, "370212001001011"), (B, "370212001001012"), (C, "370212001001013")] {
        server.db.add_grid(START_MS, grid, &[], code, code).unwrap();
        // There is something to be held in each.
        let before = world.phone_in(code, grid).await.unwrap();
        area(&before, "海尔山庄");
        person(&before, "王芳");
        assert!(before.sync().await.unwrap().complete);
    }
    let cover = AssignmentRow { duty: Duty::Cover, ..serves(6, C, 1, Some(4)) };
    let phones = [
        enrol(&world, "li", &[serves(1, A, 0, None)]).await,
        enrol(&world, "wang", &[serves(2, A, 0, None)]).await,
        enrol(&world, "zhao", &[serves(3, A, 0, None), serves(4, B, 0, None)]).await,
        enrol(&world, "qian", &[serves(5, B, 0, None), cover]).await,
        enrol(&world, "sun", &[serves(7, C, 7, None)]).await,
        enrol(&world, "zhou", &[serves(8, A, -30, Some(-1))]).await,
    ];
    let always: [Vec<GridId>; 3] = [vec![A], vec![A], vec![A, B]];
    // Day, what covers, what starts next week.
    for (day, covering, starting) in [
        (0, vec![B], vec![]),
        (1, vec![B, C], vec![]),
        (3, vec![B, C], vec![]),
        (4, vec![B], vec![]),
        (7, vec![B], vec![C]),
    ] {
        let now_ms = START_MS + day * DAY_MS;
        world.clock.store(now_ms, Ordering::Relaxed);
        let mut shown = Vec::new();
        for worker in &phones {
            worker.clock.store(now_ms, Ordering::Relaxed);
            assert!(worker.sync().await.unwrap().complete, "day {day}");
            shown.push(grids(worker));
        }
        let mut due = always.to_vec();
        due.extend([covering, starting, vec![]]);
        assert_eq!(shown, due, "day {day}");
    }
    assert_eq!(world.faults().unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_members_phone_holds_no_resident_and_its_reports_arrive() {
    let world = World::new().unwrap();
    let member =
        AssignmentRow { role: "member".into(), ..AssignmentRow::worker(GrantId([9; 16]), world.grid, START_MS) };
    let (li, zhang) = (world.phone("li").await.unwrap(), enrol(&world, "zhang", &[member]).await);
    let estate = area(&li, "海尔山庄");
    let room = below(&li, below(&li, estate, "building", "3号楼"), "room", "301");
    let (home, resident) = (house(&li, room), person(&li, "王芳"));
    li.sync().await.unwrap();
    assert!(zhang.sync().await.unwrap().complete);

    let held: Vec<Bucket> = zhang.phone.state().unwrap().buckets.iter().map(|held| held.bucket).collect();
    assert_eq!(held.iter().filter(|bucket| bucket.grid().is_some()).collect::<Vec<_>>(), [&Bucket::Place(world.grid)]);
    assert_eq!(zhang.phone.show(estate).unwrap().row.title, "海尔山庄");
    for hidden in [home, resident] {
        assert!(matches!(zhang.phone.show(hidden), Err(ApiError::NotFound)));
    }

    // What his role does not allow is told while it is typed, at its field.
    fn refused<T>(done: Result<T, ApiError>) -> Vec<(Option<String>, String)> {
        let Err(ApiError::Input { problems }) = done else { panic!() };
        problems.into_iter().map(|problem| (problem.key, problem.code)).collect()
    }
    let role = |key: Option<&str>| vec![(key.map(str::to_owned), "not_your_role".to_owned())];
    let name = vec![("name".into(), "李四".into()), ("id_missing".into(), "not_shown".into())];
    assert_eq!(refused(zhang.phone.create("person", name)), role(None));
    assert_eq!(refused(zhang.phone.new_form("person")), role(None));
    assert!(zhang.phone.new_form("opinion").is_ok());
    let usage = gridpass_core::record::edit::Edit::new("usage", "residential", "commercial");
    let input = SaveInput { record: Some(estate), edits: vec![usage], ..SaveInput::default() };
    assert_eq!(refused(zhang.phone.save(input)), role(Some("usage")));

    // An opinion he heard is his own report: the server has it, the grid's other phones do not.
    let heard = [
        ("topic", "03".into()),
        ("text", "路灯太暗".into()),
        ("heard_on", "2025-06-01".into()),
        ("channel", "meeting".into()),
    ];
    let report = make(&zhang, "opinion", &heard);
    assert!(zhang.sync().await.unwrap().complete);
    assert_eq!(zhang.phone.receipts(report).unwrap().len(), 1);
    li.sync().await.unwrap();
    assert!(matches!(li.phone.show(report), Err(ApiError::NotFound)));
    set(&zhang, report, "text", "路灯太暗,三号楼前");
    assert!(zhang.sync().await.unwrap().complete);
    assert_eq!(world.faults().unwrap(), []);
}
