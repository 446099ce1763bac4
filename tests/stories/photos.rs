//! A photo through a line that is cut: record first, the file resumed, verified, counted once for two records.

use gridpass_core::id::RecordId;
use gridpass_phone::{AttachInput, Content, FileState};
use gridpass_tests::world::{Worker, World};

use crate::forms::{area, house};

fn photo(seed: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

fn new_house(worker: &Worker) -> RecordId {
    house(worker, area(worker, "海尔山庄"))
}

fn attach(worker: &Worker, record: RecordId, bytes: &[u8], thumb: Option<Vec<u8>>) -> gridpass_phone::Attached {
    let input = AttachInput {
        record,
        field: "photo".into(),
        content: Content::Bytes(bytes.to_vec()),
        media_type: "image/jpeg".into(),
        purpose: None,
        taken_at_ms: None,
        thumb,
        visit: None,
    };
    worker.phone.attach(input).unwrap()
}

/// How many files the server has stored.
fn stored(world: &World) -> usize {
    let folders = std::fs::read_dir(world.server_folder().join("blobs")).into_iter().flatten();
    let folders = folders.map(|folder| folder.unwrap()).filter(|folder| folder.file_name().len() == 2);
    folders.map(|folder| std::fs::read_dir(folder.path()).unwrap().count()).sum()
}

fn state(worker: &Worker, record: RecordId) -> FileState {
    worker.phone.files(record).unwrap().remove(0).state
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_photo_through_a_line_that_is_cut_follows_its_record_goes_on_and_counts_once_for_two_records() {
    let world = World::new().unwrap();
    let (li, wang) = (world.phone("li").await.unwrap(), world.phone("wang").await.unwrap());
    let bytes = photo(1, 8 << 20);
    let (first, second) = (new_house(&li), new_house(&li));
    let attached = attach(&li, first, &bytes, None);
    attach(&li, second, &bytes, None);

    // The line is cut in the middle of the file. The records are on the server already, and a colleague reads them.
    li.line.cut_after(10);
    assert!(li.sync().await.is_err());
    let FileState::Waiting { sent } = state(&li, first) else { panic!("{:?}", state(&li, first)) };
    assert!(sent > 0 && sent < bytes.len() as u64, "{sent} bytes");
    assert_eq!(stored(&world), 0);
    wang.sync().await.unwrap();
    let seen = wang.phone.files(first).unwrap().remove(0);
    assert_eq!((seen.hash, seen.state), (attached.hash, FileState::Elsewhere));
    assert!(wang.phone.fetch_file(&seen.hash).await.is_err(), "half a file is none");

    // Mended, it goes on where it was.
    li.line.cut(false);
    li.line.requests();
    let report = li.sync().await.unwrap();
    assert!(report.complete && report.unsent_files == 0, "{report:?}");
    let pieces = (bytes.len() as u64 - sent).div_ceil(512 << 10);
    assert!(u64::from(li.line.requests()) <= pieces + 4, "nothing that arrived is sent again");
    assert_eq!((stored(&world), state(&li, first), state(&li, second)), (1, FileState::Stored, FileState::Stored));

    // Byte for byte at the colleague, who takes it from either record.
    wang.phone.fetch_file(&wang.phone.files(second).unwrap()[0].hash).await.unwrap();
    assert_eq!(wang.phone.read_file(&seen.hash).unwrap(), Some(bytes));
    assert_eq!(world.faults().unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_and_its_small_picture_reach_a_colleague_and_one_taken_back_does_not() {
    let world = World::new().unwrap();
    let (li, wang) = (world.phone("li").await.unwrap(), world.phone("wang").await.unwrap());
    let (bytes, small) = (photo(1, 8 << 20), photo(2, 9_000));
    let (first, second) = (new_house(&li), new_house(&li));
    let attached = attach(&li, first, &bytes, Some(small.clone()));
    attach(&li, second, &bytes, None);
    li.line.requests();
    let report = li.sync().await.unwrap();
    assert!(report.complete, "{report:?}");
    assert_eq!(report.unsent_files, 0);
    assert!(li.line.requests() < 30, "one upload for two records");

    wang.sync().await.unwrap();
    let seen = wang.phone.files(first).unwrap().remove(0);
    assert_eq!((seen.hash, seen.state), (attached.hash, FileState::Elsewhere));
    wang.phone.fetch_file(&seen.hash).await.unwrap();
    wang.phone.fetch_file(&seen.thumb.unwrap()).await.unwrap();
    assert_eq!(wang.phone.read_file(&seen.hash).unwrap(), Some(bytes));
    assert_eq!(wang.phone.read_file(&seen.thumb.unwrap()).unwrap(), Some(small));

    let taken = attach(&li, first, &photo(3, 100), None);
    li.phone.take_back(first, &taken.key).unwrap();
    li.line.twice(true);
    attach(&li, second, &photo(4, 3 << 20), None);
    assert!(li.sync().await.unwrap().complete);
    assert_eq!(world.faults().unwrap(), []);
}
