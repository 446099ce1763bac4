//! When the next visit is due.

use std::sync::atomic::Ordering;

use gridpass_core::id::RecordId;
use gridpass_tests::world::{Worker, World};

use crate::forms::{area, house, make};

const DAY_MS: i64 = 86_400_000;

fn due(worker: &Worker) -> Vec<RecordId> {
    worker.phone.due().unwrap().into_iter().map(|due| due.record).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_district_says_how_often_a_household_is_visited() {
    let world = World::new().unwrap();
    let li = world.phone("li").await.unwrap();
    let at = house(&li, area(&li, "海尔山庄"));
    let household = make(&li, "household", &[("house_id", at.to_string().into()), ("kind", "family".into())]);
    let now = li.clock.load(Ordering::Relaxed);
    let check = format!("check/{household}");
    let met = [
        (check.as_str(), "confirmed".into()),
        ("source", "worker".into()),
        ("target_kind", "household".into()),
        ("target_id", household.to_string().into()),
        ("mode", "door".into()),
        ("started_at", now.into()),
        ("ended_at", now.into()),
        ("outcome", "met".into()),
    ];
    make(&li, "visit", &met);
    li.sync().await.unwrap();
    li.clock.fetch_add(40 * DAY_MS, Ordering::Relaxed);
    assert_eq!(due(&li), [], "every 90 days until the district says otherwise");

    let server = world.server().unwrap();
    assert!(server.set_parameter("visit_interval_days", 60).is_ok());
    assert!(server.set_parameter("visit_interval_days", 30).is_ok());
    assert_eq!(due(&li), []);
    assert!(li.sync().await.unwrap().complete);
    assert_eq!(due(&li), [household]);

    assert!(server.set_parameter("visit_interval_days", 0).is_err());
    assert!(server.set_parameter("visit_interval_days", 120).is_ok());
    assert!(li.sync().await.unwrap().complete);
    assert_eq!(due(&li), []);
    assert_eq!(world.faults().unwrap(), []);
}
