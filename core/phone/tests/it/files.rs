//! Files: sealed on the phone, sent after their records, in pieces that survive cuts, fetched when they are asked for.

use std::path::PathBuf;

use gridpass_core::catalog::{CatalogSource, FieldType};
use gridpass_core::id::{BlobHash, RecordId};
use gridpass_core::value::Value;
use gridpass_phone::{ApiError, AttachInput, Attached, Content, FileState, FileView};

use crate::host::{Handset, copy_files, edit, run};
use crate::server::{BASE, Server};

const CANARY: &[u8] = b"canary 13912345678";
/// More than two pieces of 512 KiB, and not a whole number of chunks.
const LARGE: usize = (1 << 20) + 300_001;

fn photo(seed: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    let end = CANARY.len().min(len);
    bytes[..end].copy_from_slice(&CANARY[..end]);
    bytes
}

fn hash(bytes: &[u8]) -> BlobHash {
    BlobHash(*blake3::hash(bytes).as_bytes())
}

fn input(record: RecordId, bytes: &[u8]) -> AttachInput {
    AttachInput {
        record,
        field: "photo".into(),
        content: Content::Bytes(bytes.to_vec()),
        media_type: "image/jpeg".into(),
        purpose: None,
        taken_at_ms: Some(1),
        thumb: None,
        visit: None,
    }
}

fn attach(phone: &Handset, record: RecordId, bytes: &[u8]) -> Attached {
    phone.phone().attach(input(record, bytes)).unwrap()
}

fn house(phone: &Handset) -> RecordId {
    let address = RecordId([9; 16]).to_string();
    let values = vec![("address_id".into(), address.into()), ("nature".into(), "owner_occupied".into())];
    phone.phone().create("house", values).unwrap().record
}

fn with_house(server: &Server) -> (Handset, RecordId) {
    let ann = Handset::enrolled(server, 1);
    ann.sync();
    let house = house(&ann);
    assert!(ann.sync().complete);
    (ann, house)
}

fn view(phone: &Handset, record: RecordId) -> FileView {
    let files = phone.phone().files(record).unwrap();
    assert_eq!(files.len(), 1);
    files[0].clone()
}

fn state(phone: &Handset, record: RecordId) -> FileState {
    view(phone, record).state
}

fn sealed(phone: &Handset) -> Vec<PathBuf> {
    let files = std::fs::read_dir(phone.folder.join("files")).into_iter().flatten();
    files.map(|file| file.unwrap().path()).collect()
}

fn lose_database(phone: &Handset) {
    for file in ["phone.db", "phone.db-wal", "phone.db-shm"] {
        let _ = std::fs::remove_file(phone.folder.join(file));
    }
}

fn refusal(result: Result<Attached, ApiError>) -> (Option<String>, String) {
    let Err(ApiError::Input { problems }) = result else { panic!("{result:?}") };
    (problems[0].key.clone(), problems[0].code.clone())
}

#[test]
fn a_photo_is_saved_without_a_network_and_follows_its_record() {
    let server = Server::new();
    let ann = Handset::enrolled(&server, 1);
    ann.sync();
    server.rules(|rules| rules.offline = true);
    let house = house(&ann);
    let (large, small) = (photo(1, LARGE), photo(2, 4_000));
    let attached = ann.phone().attach(AttachInput { thumb: Some(small.clone()), ..input(house, &large) }).unwrap();
    assert_eq!((attached.hash, attached.size), (hash(&large), LARGE as u64));
    let shown = view(&ann, house);
    assert_eq!((shown.key.as_str(), shown.size, shown.taken_at_ms), (attached.key.as_str(), LARGE as u64, Some(1)));
    assert_eq!(
        (shown.state, shown.thumb, shown.thumb_here),
        (FileState::Waiting { sent: 0 }, Some(hash(&small)), true)
    );
    assert_eq!(ann.phone().read_file(&attached.hash).unwrap(), Some(large.clone()));
    let counted = ann.phone().state().unwrap();
    assert_eq!((counted.unsent_files, counted.unsent_file_bytes), (2, LARGE as u64 + 4_000));
    assert!(ann.try_sync().is_err(), "flight mode");

    server.rules(|rules| rules.offline = false);
    server.world().seen.requests.clear();
    let report = ann.sync();
    assert_eq!((report.complete, report.unsent_files), (true, 0));
    let world = server.world();
    let first_upload = world.seen.requests.iter().position(|path| path == "uploads").unwrap();
    assert!(world.seen.requests[..first_upload].contains(&"pull".to_owned()), "{:?}", world.seen.requests);
    assert!(!world.seen.requests[first_upload..].contains(&"push".to_owned()));
    assert_eq!(world.blobs.order, [hash(&small), hash(&large)], "the small picture first");
    assert_eq!(world.blobs.whole(&attached.hash), Some(&large));
    drop(world);
    assert_eq!(state(&ann, house), FileState::Stored);
    assert_eq!(ann.phone().state().unwrap().outbox, 0);
    assert_eq!(ann.phone().show(house).unwrap().files, ann.phone().files(house).unwrap());
}

#[test]
fn nothing_on_the_disk_can_be_read() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    attach(&ann, house, &photo(1, 200_000));
    let mut folders = vec![ann.folder.clone()];
    let mut looked = 0;
    while let Some(folder) = folders.pop() {
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY), "{path:?}");
            looked += 1;
        }
    }
    assert!(looked >= 4);
}

#[test]
fn a_cut_upload_goes_on_where_it_was_and_sends_nothing_twice() {
    let server = Server::new();
    let (mut ann, house) = with_house(&server);
    let bytes = photo(1, LARGE);
    let attached = attach(&ann, house, &bytes);
    server.world().blobs.cut_upload_after = Some(100_000);
    let failed = ann.try_sync().unwrap_err();
    assert!(matches!(failed, ApiError::Later { .. }), "{failed:?}");
    assert_eq!(ann.phone().state().unwrap().unsent, 0, "the records are not held up");
    server.world().blobs.cut_upload_after = Some(7);
    assert!(ann.try_sync().is_err());
    assert_eq!(state(&ann, house), FileState::Waiting { sent: 100_000 });
    ann.start();
    server.rules(|rules| rules.lose_answers = ("uploads/", 1));
    assert!(ann.try_sync().is_err(), "a piece arrived and nobody said so");
    assert!(ann.sync().complete);
    let world = server.world();
    assert_eq!(world.blobs.whole(&attached.hash), Some(&bytes));
    assert_eq!(world.blobs.arrived[&attached.hash], LARGE as u64, "every byte once");
}

#[test]
fn a_save_while_a_file_is_sent_goes_before_its_next_piece() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    attach(&ann, house, &photo(1, LARGE));
    server.world().seen.requests.clear();
    let phone = ann.phone().clone();
    let mut saved = false;
    let seen = std::sync::Arc::new(std::sync::Mutex::new(None));
    let person = seen.clone();
    server.watch(Some(Box::new(move |world| {
        if !saved && world.blobs.order.len() == 1 {
            saved = true;
            let values = [("name", "张三"), ("id_missing", "not_shown"), ("gender", "1"), ("birth", "1980-05-06")];
            let values = values.into_iter().map(|(key, value)| (key.to_owned(), value.into()));
            let more = [("nationality".to_owned(), "CHN".into()), ("pop_class".to_owned(), "here".into())];
            let made = phone.create("person", values.chain(more).collect()).unwrap();
            *person.lock().unwrap() = Some(made.record);
        }
    })));
    assert!(ann.sync().complete);
    server.watch(None);
    let person = seen.lock().unwrap().unwrap();
    assert_eq!(server.changes(person), 1);
    let requests = server.world().seen.requests.clone();
    let uploads: Vec<_> = requests.iter().filter(|path| matches!(path.as_str(), "push" | "uploads")).collect();
    assert_eq!(uploads, ["push", "uploads", "uploads", "push", "uploads", "uploads"]);
}

#[test]
fn no_file_goes_before_the_servers_word_on_its_record() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let bytes = photo(1, 1_000);
    let attached = attach(&ann, house, &bytes);
    let unknown = gridpass_core::wire::Verdict::Unknown;
    server.rules(|rules| rules.instead = Some((leak(&attached.key), unknown, 1)));
    let report = ann.sync();
    assert_eq!((report.complete, report.unsent, report.unsent_files), (false, 1, 1));
    assert!(!server.world().seen.requests.contains(&"uploads".to_owned()));

    let mut ann = ann;
    ann.start();
    assert!(ann.sync().complete, "as after an update of the app");
    assert_eq!(server.world().blobs.whole(&attached.hash), Some(&bytes));
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

#[test]
fn a_photo_of_a_refused_record_is_sent_as_well() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let bytes = photo(1, 1_000);
    let attached = attach(&ann, house, &bytes);
    let value = ann.value(house, &attached.key);
    server.rules(|rules| rules.refuse = Some(value));
    ann.sync();
    assert_eq!(ann.phone().inbox().unwrap().len(), 1);
    assert_eq!(server.world().blobs.whole(&attached.hash), Some(&bytes), "a reference in quarantine counts");
}

#[test]
fn a_photo_of_work_that_was_given_up_is_not_sent() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let attached = attach(&ann, house, &photo(1, 1_000));
    let value = ann.value(house, &attached.key);
    server.rules(|rules| {
        rules.refuse = Some(value);
        rules.status = ("uploads", 503, 1);
    });
    assert!(ann.try_sync().is_err());
    let item = ann.phone().inbox().unwrap()[0].id;
    ann.phone().discard(item).unwrap();
    let state = ann.phone().state().unwrap();
    assert_eq!((state.unsent_files, state.outbox, sealed(&ann).len()), (0, 0, 0));
    assert!(ann.sync().complete);
    assert_eq!(server.world().blobs.whole(&attached.hash), None);
}

#[test]
fn a_kill_between_file_and_commit_leaves_nothing_behind() {
    let server = Server::new();
    let (mut ann, house) = with_house(&server);
    let before = ann.snapshot();
    let attached = attach(&ann, house, &photo(1, 1_000));
    // The sealed file of after the save beside database and outbox of before it.
    let torn = ann.snapshot();
    copy_files(before.path(), torn.path());
    ann.put_back(torn.path());
    assert_eq!(ann.phone().files(house).unwrap(), []);
    assert_eq!(ann.phone().read_file(&attached.hash).unwrap(), None);
    assert_eq!(sealed(&ann), Vec::<PathBuf>::new());
    assert!(ann.sync().complete);
}

#[test]
fn a_damaged_database_costs_no_unsent_photo() {
    let server = Server::new();
    let (mut ann, house) = with_house(&server);
    let (told, untold) = (photo(1, LARGE), photo(2, 5_000));
    let first = attach(&ann, house, &told);
    server.world().blobs.cut_upload_after = Some(10);
    assert!(ann.try_sync().is_err(), "the record arrived, the photo did not");
    let made = self::house(&ann);
    let second = attach(&ann, made, &untold);
    let third = attach(&ann, made, &photo(3, 50));
    ann.phone().take_back(made, &third.key).unwrap();
    ann.kill();
    lose_database(&ann);
    ann.start();
    let state = ann.phone().state().unwrap();
    assert_eq!((state.unsent_files, sealed(&ann).len()), (2, 2), "what was taken back is not wanted");
    assert_eq!(ann.phone().read_file(&second.hash).unwrap(), Some(untold.clone()));
    assert!(ann.sync().complete);
    let world = server.world();
    assert_eq!(world.blobs.whole(&first.hash), Some(&told));
    assert_eq!(world.blobs.whole(&second.hash), Some(&untold));
    assert_eq!(world.blobs.whole(&third.hash), None);
    drop(world);
    assert_eq!(view(&ann, house).state, FileState::Stored);
}

#[test]
fn a_rescue_copy_holds_the_photos_that_were_not_handed_in() {
    let server = Server::new();
    let (mut ann, house) = with_house(&server);
    attach(&ann, house, &photo(1, 1_000));
    assert!(ann.sync().complete);
    let other = self::house(&ann);
    let bytes = photo(2, 70_000);
    let attached = attach(&ann, other, &bytes);
    let rescue = tempfile::tempdir().unwrap();
    let exported = ann.phone().export(rescue.path()).unwrap();
    assert_eq!(exported.files.len(), 1, "the other is on the server");
    let copied = std::fs::read(&exported.files[0]).unwrap();
    assert!(!copied.windows(CANARY.len()).any(|window| window == CANARY));
    std::fs::remove_file(&exported.database).unwrap();
    ann.put_back(rescue.path());
    assert_eq!(ann.phone().read_file(&attached.hash).unwrap(), Some(bytes.clone()), "outbox and files are enough");
    assert!(ann.sync().complete);
    assert_eq!(server.world().blobs.whole(&attached.hash), Some(&bytes));
}

#[test]
fn the_same_bytes_of_two_records_are_kept_and_sent_once() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let other = self::house(&ann);
    let bytes = photo(1, 100_000);
    let first = attach(&ann, house, &bytes);
    let second = attach(&ann, other, &bytes);
    assert_eq!(first.hash, second.hash);
    assert_eq!((sealed(&ann).len(), ann.phone().state().unwrap().unsent_files), (1, 1));
    ann.phone().take_back(house, &first.key).unwrap();
    assert_eq!(state(&ann, house), FileState::TakenBack);
    assert_eq!(state(&ann, other), FileState::Waiting { sent: 0 }, "the other record wants it");
    assert!(ann.sync().complete);
    assert_eq!(server.world().blobs.arrived[&first.hash], 100_000);
    let third = self::house(&ann);
    attach(&ann, third, &bytes);
    assert!(ann.sync().complete);
    assert_eq!(server.world().blobs.arrived[&first.hash], 100_000, "the server has it");
    assert_eq!(sealed(&ann).len(), 1);
}

#[test]
fn a_photo_taken_back_while_it_waits_is_not_sent() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let attached = attach(&ann, house, &photo(1, LARGE));
    server.world().blobs.cut_upload_after = Some(1_000);
    assert!(ann.try_sync().is_err());
    ann.phone().take_back(house, &attached.key).unwrap();
    assert_eq!(ann.phone().state().unwrap().unsent_files, 0);
    assert_eq!(sealed(&ann), Vec::<PathBuf>::new());
    assert!(ann.sync().complete);
    assert_eq!(server.world().blobs.arrived[&attached.hash], 1_000);
    assert_eq!(state(&ann, house), FileState::TakenBack);
    assert_eq!(ann.phone().take_back(house, &attached.key).unwrap().intent, None, "it is taken back already");
    assert!(matches!(ann.phone().take_back(house, "photo/none"), Err(ApiError::Input { .. })));
}

#[test]
fn a_photo_that_somebody_else_took_back_waits_no_more() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let ben = Handset::enrolled(&server, 2);
    let attached = attach(&ann, house, &photo(1, 1_000));
    server.rules(|rules| rules.status = ("uploads", 503, 1));
    assert!(ann.try_sync().is_err());
    ben.sync();
    ben.phone().take_back(house, &attached.key).unwrap();
    ben.sync();
    assert!(ann.sync().complete);
    assert_eq!((ann.phone().state().unwrap().unsent_files, sealed(&ann).len()), (0, 0));
    assert_eq!(server.world().blobs.whole(&attached.hash), None);
}

#[test]
fn a_hash_that_comes_out_wrong_is_sent_again_a_few_times_and_then_shown() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let bytes = photo(1, 1_000);
    let attached = attach(&ann, house, &bytes);
    server.world().blobs.wrong.insert(attached.hash, 1);
    assert!(ann.sync().complete, "once is a bad line");
    assert_eq!(server.world().blobs.arrived[&attached.hash], 2_000);

    let other = attach(&ann, self::house(&ann), &photo(2, 1_000));
    server.world().blobs.wrong.insert(other.hash, 99);
    let report = ann.sync();
    assert_eq!((report.complete, report.unsent_files), (true, 1), "nothing is left that would go by itself");
    let record = ann.phone().list(gridpass_phone::ListQuery::default()).unwrap().rows;
    let states: Vec<_> = record.iter().flat_map(|row| ann.phone().files(row.record).unwrap()).collect();
    assert!(states.iter().any(|file| file.state == FileState::NeedsAttention { code: "file_altered".into() }));
    server.world().blobs.wrong.clear();
    ann.phone().send_file_again(&other.hash).unwrap();
    assert!(ann.sync().complete);
    assert!(server.world().blobs.whole(&other.hash).is_some());
}

#[test]
fn one_file_that_is_not_taken_stops_no_other() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let full = attach(&ann, house, &photo(1, 1_000));
    let later = attach(&ann, house, &photo(2, 1_000));
    let heavy = attach(&ann, house, &photo(9, 1_000));
    let good = attach(&ann, house, &photo(3, 1_000));
    server.world().blobs.refuse.insert(heavy.hash, (413, "too_large"));
    server.world().blobs.refuse.insert(full.hash, (413, "quota"));
    server.world().blobs.refuse.insert(later.hash, (409, "no_reference"));
    let report = ann.sync();
    assert_eq!((report.complete, report.unsent_files), (false, 3));
    assert!(server.world().blobs.whole(&good.hash).is_some());
    let states: Vec<_> = ann.phone().files(house).unwrap().into_iter().map(|file| (file.hash, file.state)).collect();
    assert!(states.contains(&(full.hash, FileState::NeedsAttention { code: "quota".into() })));
    assert!(states.contains(&(heavy.hash, FileState::NeedsAttention { code: "file_over_limit".into() })));
    assert!(states.contains(&(later.hash, FileState::Waiting { sent: 0 })));
    assert_eq!(ann.phone().read_file(&full.hash).unwrap().unwrap().len(), 1_000, "it is kept");
    server.world().blobs.refuse.clear();
    assert!(ann.sync().complete);
    assert!(server.world().blobs.whole(&later.hash).is_some());

    let poison = attach(&ann, house, &photo(4, 1_000));
    let behind = attach(&ann, house, &photo(5, 1_000));
    server.world().blobs.refuse.insert(poison.hash, (500, "internal"));
    assert!(ann.try_sync().is_err());
    assert!(ann.try_sync().is_err());
    assert!(server.world().blobs.whole(&behind.hash).is_some(), "the next sync takes the others first");
}

#[test]
fn the_other_phone_fetches_the_photo_through_a_cut() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let bytes = photo(1, LARGE);
    let attached = attach(&ann, house, &bytes);
    ann.sync();
    let ben = Handset::enrolled(&server, 2);
    ben.sync();
    assert_eq!(state(&ben, house), FileState::Elsewhere);
    assert_eq!(ben.phone().read_file(&attached.hash).unwrap(), None);
    server.world().blobs.cut_download_after = Some(1);
    assert!(matches!(run(ben.phone().fetch_file(&attached.hash)), Err(ApiError::Later { .. })));
    assert!(ben.sync().complete);
    assert_eq!(ben.phone().read_file(&attached.hash).unwrap(), None, "a part is no file");
    server.world().end_tokens();
    assert_eq!(run(ben.phone().fetch_file(&attached.hash)).unwrap().size(), LARGE as u64);
    let fetched = server.world().blobs.fetched;
    assert!(fetched <= LARGE as u64 + (64 << 10), "{fetched}: at most the chunk that was being filled comes twice");
    assert_eq!(ben.phone().read_file(&attached.hash).unwrap(), Some(bytes));
    assert_eq!(state(&ben, house), FileState::Stored);

    let unknown = run(ben.phone().fetch_file(&BlobHash([7; 32])));
    assert!(matches!(unknown, Err(ApiError::NotFound)), "no record names it: nobody is asked");
    server.rules(|rules| rules.offline = true);
    assert!(run(ben.phone().fetch_file(&attached.hash)).is_ok(), "it is here");
}

#[test]
fn altered_bytes_are_not_believed_and_fetched_again() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let bytes = photo(1, 100_000);
    let attached = attach(&ann, house, &bytes);
    ann.sync();
    let ben = Handset::enrolled(&server, 2);
    ben.sync();
    server.world().blobs.wrong.insert(attached.hash, 1);
    let altered = run(ben.phone().fetch_file(&attached.hash)).err();
    assert!(matches!(altered, Some(ApiError::Later { ref code, .. }) if code == "file_altered"), "{altered:?}");
    assert_eq!(sealed(&ben), Vec::<PathBuf>::new());
    assert!(run(ben.phone().fetch_file(&attached.hash)).is_ok());

    let file = sealed(&ben).remove(0);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(ben.phone().read_file(&attached.hash), Err(ApiError::Storage { .. })));
    assert!(run(ben.phone().fetch_file(&attached.hash)).is_ok());
    assert_eq!(ben.phone().read_file(&attached.hash).unwrap(), Some(bytes));
    assert_eq!(sealed(&ben).len(), 1);
}

#[test]
fn a_photo_that_is_damaged_before_it_was_sent_is_shown_and_stops_no_other() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let broken = attach(&ann, house, &photo(1, 100_000));
    std::fs::write(sealed(&ann).remove(0), b"GPFILE01").unwrap();
    let good = attach(&ann, house, &photo(2, 1_000));
    ann.sync();
    assert!(server.world().blobs.whole(&good.hash).is_some());
    let files = ann.phone().files(house).unwrap();
    let state = &files.iter().find(|file| file.hash == broken.hash).unwrap().state;
    assert_eq!(*state, FileState::NeedsAttention { code: "file_damaged".into() });
}

#[test]
fn a_restored_server_gets_the_photos_it_lost_again() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let backup = server.world().clone();
    let bytes = photo(1, 100_000);
    let attached = attach(&ann, house, &bytes);
    assert!(ann.sync().complete);
    server.restore(backup);
    assert!(server.world().blobs.whole(&attached.hash).is_none());
    server.world().end_tokens();
    ann.sync();
    assert!(ann.sync().complete);
    assert_eq!(server.world().blobs.whole(&attached.hash), Some(&bytes));
    assert_eq!(ann.phone().trim_files(0).unwrap(), 100_000, "own photos stay until a backup holds them");
}

#[test]
fn files_that_can_be_fetched_again_make_room_and_own_ones_stay() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let (first, second) = (photo(1, 1_000), photo(2, 2_000));
    let (older, newer) = (attach(&ann, house, &first), attach(&ann, house, &second));
    assert_eq!(ann.phone().trim_files(0).unwrap(), 3_000, "not handed in");
    ann.sync();
    assert_eq!(ann.phone().trim_files(0).unwrap(), 3_000, "not in a backup");
    let ben = Handset::enrolled(&server, 2);
    ben.sync();
    run(ben.phone().fetch_file(&newer.hash)).unwrap();
    run(ben.phone().fetch_file(&older.hash)).unwrap();
    ben.phone().read_file(&newer.hash).unwrap();
    assert_eq!(ben.phone().trim_files(2_000).unwrap(), 2_000);
    assert_eq!(ben.phone().read_file(&older.hash).unwrap(), None, "looked at longest ago");
    assert!(ben.phone().read_file(&newer.hash).unwrap().is_some());
    assert_eq!(sealed(&ben).len(), 1);
}

#[test]
fn a_record_that_leaves_takes_its_files_along_but_none_that_was_not_handed_in() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let sent = attach(&ann, house, &photo(1, 1_000));
    ann.sync();
    let unsent = attach(&ann, house, &photo(2, 1_000));
    server.rules(|rules| rules.status = ("uploads", 503, 1));
    assert!(ann.try_sync().is_err());
    server.remove(BASE, house, None);
    server.rules(|rules| rules.status = ("uploads", 503, 1));
    assert!(ann.try_sync().is_err());
    assert!(ann.phone().show(house).is_err());
    assert_eq!(ann.phone().read_file(&sent.hash).unwrap(), None);
    assert!(ann.phone().read_file(&unsent.hash).unwrap().is_some());
    assert!(ann.sync().complete);
    assert!(server.world().blobs.whole(&unsent.hash).is_some());
    ann.sync();
    assert_eq!(sealed(&ann), Vec::<PathBuf>::new());
}

#[test]
fn what_is_no_file_for_the_field_is_refused_with_field_and_reason_and_leaves_nothing() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let try_it = |change: fn(&mut AttachInput)| {
        let mut input = input(house, b"bytes");
        change(&mut input);
        refusal(ann.phone().attach(input))
    };
    let at = |field: &str, code: &str| (Some(field.to_owned()), code.to_owned());
    assert_eq!(try_it(|input| input.content = Content::Bytes(Vec::new())), at("photo", "file_empty"));
    assert_eq!(try_it(|input| input.thumb = Some(Vec::new())), at("photo", "file_empty"));
    assert_eq!(try_it(|input| input.media_type = "jpeg".into()), at("photo", "bad_media_type"));
    assert_eq!(try_it(|input| input.field = "nature".into()), at("nature", "not_a_file_field"));
    assert_eq!(try_it(|input| input.purpose = Some("Not a code".into())), at("photo", "unknown_purpose"));
    assert_eq!(try_it(|input| input.content = Content::Path("no such file".into())), at("photo", "file_unreadable"));
    let endless = |input: &mut AttachInput| input.content = Content::Reader(Box::new(std::io::repeat(7)));
    assert_eq!(try_it(endless), at("photo", "file_too_large"));
    assert!(matches!(ann.phone().attach(input(RecordId([3; 16]), b"bytes")), Err(ApiError::NotFound)));
    assert_eq!(sealed(&ann), Vec::<PathBuf>::new());
    assert_eq!(ann.phone().state().unwrap().unsent, 0);
}

#[test]
fn a_field_with_a_place_for_each_purpose_wants_one_and_names_it_in_the_key() {
    let server = Server::new();
    let (mut ann, house) = with_house(&server);
    let files = CatalogSource::built_in().files.into_iter().map(|(name, text)| match name.as_str() {
        "house.toml" => {
            let text =
                text.replace("key = \"photo\"\n", "key = \"photo\"\nby_purpose = true\ntable = \"photo_purpose\"\n");
            (name, text)
        }
        _ => (name, text),
    });
    ann.host.catalog = std::sync::Arc::new(CatalogSource::new(1, files).parse().unwrap());
    ann.start();
    let at = |code: &str| (Some("photo".to_owned()), code.to_owned());
    assert_eq!(refusal(ann.phone().attach(input(house, b"bytes"))), at("purpose_wanted"));
    let unknown = AttachInput { purpose: Some("no_such".into()), ..input(house, b"bytes") };
    assert_eq!(refusal(ann.phone().attach(unknown)), at("unknown_purpose"));
    let form = ann.phone().catalog();
    let FieldType::Media { purposes: Some(table), .. } =
        &form.collection("house").unwrap().field("photo").unwrap().field_type
    else {
        panic!("the field has a table");
    };
    let purpose = table.items[0].code.clone();
    let named = AttachInput { purpose: Some(purpose.clone()), ..input(house, b"bytes") };
    let attached = ann.phone().attach(named).unwrap();
    assert!(attached.key.starts_with(&format!("photo/{purpose}/")), "{}", attached.key);
    assert_eq!(view(&ann, house).purpose, Some(purpose));
    ann.phone().take_back(house, &attached.key).unwrap();
    assert_eq!(state(&ann, house), FileState::TakenBack);
}

#[test]
fn a_file_may_come_from_a_path_or_a_reader_and_be_as_large_as_allowed() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let bytes = photo(1, 32 << 20);
    let path = ann.folder.with_file_name("photo.jpg");
    std::fs::write(&path, &bytes).unwrap();
    let by_path = AttachInput { content: Content::Path(path), ..input(house, b"") };
    let attached = ann.phone().attach(by_path).unwrap();
    assert_eq!(attached.hash, hash(&bytes));
    let reader = Content::Reader(Box::new(std::io::Cursor::new(bytes.clone())));
    assert_eq!(ann.phone().attach(AttachInput { content: reader, ..input(house, b"") }).unwrap().hash, attached.hash);
    assert!(ann.sync().complete);
    assert_eq!(server.world().blobs.whole(&attached.hash), Some(&bytes));
    let mut part = ann.phone().open_file(&attached.hash).unwrap().unwrap();
    assert_eq!(part.read_at(20_000_001, 10).unwrap(), bytes[20_000_001..20_000_011]);
}

#[test]
fn a_folder_that_cannot_be_written_fails_the_save_and_nothing_is_named() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    std::fs::write(ann.folder.join("files"), b"in the way").unwrap();
    assert!(matches!(ann.phone().attach(input(house, b"bytes")), Err(ApiError::Storage { .. })));
    assert_eq!(ann.phone().files(house).unwrap(), []);
    assert_eq!(ann.phone().state().unwrap().unsent, 0);
}

#[test]
fn a_photo_goes_with_work_that_its_author_sends_again() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let bytes = photo(1, 1_000);
    let attached = attach(&ann, house, &bytes);
    let value = ann.value(house, &attached.key);
    server.rules(|rules| {
        rules.refuse = Some(value.clone());
        rules.status = ("uploads", 503, 1);
    });
    assert!(ann.try_sync().is_err());
    server.rules(|rules| rules.refuse = None);
    let item = ann.phone().inbox().unwrap().remove(0);
    let edits = item.edits.iter().map(|old| edit(&old.key, Value::Null, old.new.clone())).collect();
    ann.phone().edit_and_resend(item.id, edits).unwrap();
    assert!(ann.sync().complete);
    assert_eq!(server.values(house, &attached.key), [value]);
    assert_eq!(server.world().blobs.whole(&attached.hash), Some(&bytes));
}

#[test]
fn an_upload_that_the_server_forgot_is_begun_again() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let bytes = photo(1, LARGE);
    let attached = attach(&ann, house, &bytes);
    server.world().blobs.cut_upload_after = Some(100_000);
    assert!(ann.try_sync().is_err());
    server.world().blobs.forget(&attached.hash);
    assert!(ann.sync().complete);
    assert_eq!(server.world().blobs.whole(&attached.hash), Some(&bytes));
}

#[test]
fn a_part_of_a_file_leaves_with_its_record() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let attached = attach(&ann, house, &photo(1, LARGE));
    ann.sync();
    let ben = Handset::enrolled(&server, 2);
    ben.sync();
    server.world().blobs.cut_download_after = Some(1);
    assert!(run(ben.phone().fetch_file(&attached.hash)).is_err());
    assert_eq!(sealed(&ben).len(), 1);
    server.remove(BASE, house, None);
    assert!(ben.sync().complete);
    assert_eq!(sealed(&ben), Vec::<PathBuf>::new());
}

#[test]
fn a_small_picture_of_the_same_bytes_is_the_same_file() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    let bytes = photo(1, 1_000);
    ann.phone().attach(AttachInput { thumb: Some(bytes.clone()), ..input(house, &bytes) }).unwrap();
    assert_eq!((sealed(&ann).len(), ann.phone().state().unwrap().unsent_files), (1, 1));
    assert!(ann.sync().complete);
    assert_eq!(ann.phone().read_file(&hash(&bytes)).unwrap(), Some(bytes));
}

#[test]
fn a_kill_at_any_request_with_or_without_the_database_loses_no_photo() {
    let server = Server::new();
    let (mut ann, house) = with_house(&server);
    let (first, second, third) = (photo(1, LARGE), photo(2, 30_000), photo(3, 400));
    let refused = attach(&ann, house, &photo(4, 700));
    let value = ann.value(house, &refused.key);
    server.rules(|rules| rules.refuse = Some(value));
    ann.phone().attach(AttachInput { thumb: Some(third.clone()), ..input(house, &first) }).unwrap();
    let made = self::house(&ann);
    attach(&ann, made, &second);
    let backed = attach(&ann, made, &photo(5, 900));
    ann.phone().take_back(made, &backed.key).unwrap();

    let moments = ann.moments_of_a_sync(&server);
    assert!(moments.len() >= 16, "{}", moments.len());
    for (place, (copy, world)) in moments.into_iter().enumerate() {
        for database_lost in [false, true] {
            *server.world() = world.clone();
            ann.put_back(copy.path());
            if database_lost {
                ann.kill();
                lose_database(&ann);
                ann.start();
            }
            let at = format!("moment {place}, database lost: {database_lost}");
            assert!(ann.sync().complete, "{at}");
            assert_eq!(ann.phone().state().unwrap().unsent_files, 0, "{at}");
            assert_eq!(ann.phone().state().unwrap().outbox, 0, "{at}");
            for bytes in [&first, &second, &third] {
                assert_eq!(server.world().blobs.whole(&hash(bytes)), Some(bytes), "{at}");
            }
            assert!(server.world().blobs.whole(&refused.hash).is_some(), "{at}");
            assert!(server.world().blobs.whole(&backed.hash).is_none(), "{at}");
        }
    }
}

#[test]
fn the_check_of_the_storage_names_an_altered_photo_and_nothing_where_all_is_whole() {
    let server = Server::new();
    let (ann, house) = with_house(&server);
    ann.phone().attach(input(house, b"bytes of a photo")).unwrap();
    assert_eq!(ann.phone().check_storage().unwrap(), Vec::<String>::new());
    let file = sealed(&ann).remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let faults = ann.phone().check_storage().unwrap();
    assert_eq!(faults, ["files: an unsent file is not the one of its hash"]);
}
