//! The rows of files.

use std::thread;

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{BlobHash, DeviceId, TicketId, UserId};
use gridpass_core::wire::{Reason, Role};
use gridpass_server::db::{Begun, Database, Finished, NewUpload, PartRow, Principal, UploadId, UploadRow, UploadState};
use gridpass_server::log::{Audit, Commit, Files, NamedFile, Quarantined, Write};

use super::{A, B, Backend, Draft, NOW, intent, store};

const HASH: BlobHash = BlobHash([7; 32]);
const KEY: &str = "photo/07";

fn by(n: u8) -> (UserId, DeviceId) {
    (UserId([n; 16]), DeviceId([n; 16]))
}

fn reader(n: u8) -> Principal {
    Principal { user: Some(by(n).0), device: Some(by(n).1), grant: None, role: Role::DEVICE }
}

fn files(n: u8, scope: &[Bucket], size: u64) -> Files {
    let named = NamedFile { key: KEY.into(), hash: HASH, size: Some(size), taken_back: false };
    Files { by: Some(by(n)), scope: scope.to_vec(), named: vec![named], taken_back: Vec::new() }
}

/// A record of a phone that says something about files.
fn say(db: &dyn Database, draft: &mut Draft, n: u32, files: Files) {
    let mut commit = draft.put(1, intent(n), &n.to_string());
    if let Write::Record(write) = &mut commit.write {
        write.files = files;
    }
    store(db, commit);
}

fn take_back(n: u8) -> Files {
    Files { by: Some(by(n)), taken_back: vec![KEY.into()], ..Files::default() }
}

fn begin(db: &dyn Database, n: u8, id: u8, length: u64) -> Begun {
    let new = NewUpload { id: UploadId([id; 16]), device: by(n).1, hash: HASH, length, max_bytes: 1000, max_open: 2 };
    db.begin_upload(NOW, new).unwrap()
}

fn under(id: u8, offset: u64) -> UploadState {
    UploadState::Under(UploadRow { id: UploadId([id; 16]), hash: HASH, length: 100, offset })
}

fn part(start: u64, size: u64) -> PartRow {
    PartRow { start, size, name: format!("{start}") }
}

/// Brings the whole file.
fn bring(db: &dyn Database, n: u8, id: u8) -> Finished {
    assert_eq!(begin(db, n, id, 100), Begun::At(under(id, 0)));
    assert!(db.add_part(NOW, UploadId([id; 16]), part(0, 100)).unwrap());
    db.finish_upload(NOW, UploadId([id; 16])).unwrap()
}

fn reads(db: &dyn Database, n: u8, scope: &[Bucket]) -> bool {
    db.readable_blob(&reader(n), NOW, scope, HASH).unwrap().is_some()
}

pub fn an_upload_is_for_who_names_the_file_in_that_size_within_its_share(backend: &dyn Backend) {
    let db = backend.db();
    assert_eq!(begin(db, 1, 1, 100), Begun::NoReference);
    say(db, &mut Draft::new(1, A), 1, files(1, &[A], 100));
    assert_eq!(begin(db, 2, 1, 100), Begun::NoReference, "another's");
    assert_eq!(begin(db, 1, 1, 99), Begun::OtherSize);
    assert_eq!(begin(db, 1, 1, 100), Begun::At(under(1, 0)));
    assert_eq!(begin(db, 1, 2, 100), Begun::At(under(1, 0)), "again is the same");
    assert_eq!(db.upload(&reader(1), NOW, HASH).unwrap(), under(1, 0));
    assert_eq!(db.upload(&reader(2), NOW, HASH).unwrap(), UploadState::Nothing);
    say(db, &mut Draft::new(2, A), 2, files(2, &[A], 1001));
    assert_eq!(begin(db, 2, 3, 1001), Begun::Quota);
}

pub fn of_pieces_at_one_offset_one_counts_and_none_goes_beyond_the_end(backend: &dyn Backend) {
    let db = backend.db();
    say(db, &mut Draft::new(1, A), 1, files(1, &[A], 100));
    begin(db, 1, 1, 100);
    let id = UploadId([1; 16]);
    let counted = thread::scope(|scope| {
        let tries: Vec<_> = (0..8).map(|_| scope.spawn(|| db.add_part(NOW, id, part(0, 60)).unwrap())).collect();
        tries.into_iter().map(|attempt| attempt.join().unwrap()).filter(|counted| *counted).count()
    });
    assert_eq!(counted, 1);
    assert!(!db.add_part(NOW, id, part(60, 41)).unwrap(), "too long");
    assert!(!db.add_part(NOW, id, part(61, 9)).unwrap(), "a gap");
    assert_eq!(db.finish_upload(NOW, id).unwrap(), Finished::Gone, "not all has arrived");
    assert!(db.add_part(NOW + 5, id, part(60, 40)).unwrap());
    assert_eq!(db.parts(&reader(1), NOW, id).unwrap(), [part(0, 60), part(60, 40)]);
    assert_eq!(db.arrived_uploads(&Principal::SERVER, NOW).unwrap().len(), 1);
    assert_eq!(db.idle_uploads(&Principal::SERVER, NOW, NOW + 4).unwrap(), []);
    assert_eq!(db.idle_uploads(&Principal::SERVER, NOW, NOW + 5).unwrap(), [id]);
    assert_eq!(db.finish_upload(NOW, id).unwrap(), Finished::Stored);
    assert_eq!(db.finish_upload(NOW, id).unwrap(), Finished::Gone, "once");
    assert_eq!(db.upload(&reader(1), NOW, HASH).unwrap(), UploadState::Complete { size: 100 });
    assert_eq!(db.parts(&reader(1), NOW, id).unwrap(), []);
}

pub fn a_file_is_read_through_a_record_of_somebody_who_had_it(backend: &dyn Backend) {
    let db = backend.db();
    let mut draft = Draft::new(1, A);
    say(db, &mut draft, 1, files(1, &[A], 100));
    assert!(!reads(db, 1, &[A]), "not stored yet");
    assert_eq!(bring(db, 1, 1), Finished::Stored);
    assert!(reads(db, 2, &[A]) && !reads(db, 2, &[B]) && !reads(db, 2, &[]));
    say(db, &mut Draft::new(2, B), 2, files(3, &[B], 100));
    assert!(!reads(db, 3, &[B]), "to name it is not to have it");
    assert_eq!(db.upload(&reader(3), NOW, HASH).unwrap(), UploadState::Nothing);
    say(db, &mut Draft::new(3, B), 3, files(4, &[A, B], 100));
    assert!(reads(db, 3, &[B]), "who could read it hands it on");
    say(db, &mut draft, 4, take_back(9));
    assert!(!reads(db, 2, &[A]), "taken back");
    (draft.home, draft.also) = (B, Vec::new());
    assert!(reads(db, 2, &[B]));
}

pub fn a_file_nothing_names_is_marked_dropped_and_forgotten(backend: &dyn Backend) {
    let db = backend.db();
    let mut draft = Draft::new(1, A);
    say(db, &mut draft, 1, files(1, &[A], 100));
    bring(db, 1, 1);
    assert_eq!(db.condemn_blobs(NOW, i64::MAX - 1).unwrap(), [], "it is named");
    say(db, &mut draft, 2, take_back(1));
    assert_eq!(db.condemn_blobs(NOW, NOW - 1).unwrap(), []);
    assert_eq!(db.condemn_blobs(NOW, NOW).unwrap(), [HASH]);
    assert_eq!(db.condemn_blobs(NOW, NOW - 9).unwrap(), [HASH], "until it is forgotten");
    assert!(
        !db.has_blob(&Principal::SERVER, NOW, HASH).unwrap()
            && db.blobs(&Principal::SERVER, NOW, None, 9).unwrap().is_empty()
    );
    say(db, &mut Draft::new(2, A), 3, files(1, &[A], 100));
    assert_eq!(begin(db, 1, 2, 100), Begun::Busy, "its object may be going this moment");
    db.blob_dropped(NOW, HASH).unwrap();
    assert!(
        !db.condemn_stray(NOW, BlobHash([8; 32])).unwrap() || db.condemn_blobs(NOW, 0).unwrap() == [BlobHash([8; 32])]
    );
    assert_eq!(bring(db, 1, 2), Finished::Stored);
    assert!(!db.condemn_stray(NOW, HASH).unwrap(), "a row knows it");
    assert_eq!(db.blobs(&Principal::SERVER, NOW, None, 9).unwrap().len(), 1);
    assert_eq!(db.blobs(&Principal::SERVER, NOW, Some(HASH), 9).unwrap(), []);
    db.lose_blob(NOW, HASH).unwrap();
    assert_eq!(begin(db, 1, 3, 100), Begun::At(under(3, 0)), "what is lost is brought again");
    assert!(!db.condemn_stray(NOW, HASH).unwrap(), "an upload may be completing it");
}

pub fn quarantine_names_files_for_its_own_user_and_taking_back_ends_uploads(backend: &dyn Backend) {
    let db = backend.db();
    let kept = |ticket: u8, files: Files| {
        let quarantined = Quarantined {
            ticket: TicketId([ticket; 16]),
            record: Draft::new(1, A).record,
            generation: 0,
            hash: gridpass_core::id::ChangeHash([ticket; 32]),
            intent: intent(u32::from(ticket)),
            actor: None,
            device: by(1).1,
            user: by(1).0,
            item: vec![1],
            reason: Reason::new("no_right"),
            blocked_by: None,
            files,
        };
        let audit = Audit { action: "quarantined", detail: "{}".into(), ..Audit::default() };
        store(db, Commit { write: Write::Quarantine(Box::new(quarantined)), audit });
    };
    kept(1, files(1, &[], 100));
    assert_eq!(bring(db, 1, 1), Finished::Stored);
    assert!(reads(db, 1, &[]) && !reads(db, 2, &[A, B]));
    assert_eq!(db.condemn_blobs(NOW, NOW).unwrap(), [], "it counts as named");
    say(db, &mut Draft::new(1, A), 9, files(2, &[A], 100));
    begin(db, 2, 2, 100);
    kept(2, take_back(2));
    assert_eq!(
        db.upload(&reader(2), NOW, HASH).unwrap(),
        under(2, 0),
        "quarantine takes back nothing that was accepted"
    );
    kept(3, take_back(1));
    assert!(!reads(db, 1, &[]));
    let mut draft = Draft::new(1, A);
    draft.put(1, intent(9), "9");
    let mut draft = Draft {
        base: Some(gridpass_server::log::Base { generation: 0, heads: draft.heads(), home: A, also: vec![] }),
        ..draft
    };
    say(db, &mut draft, 10, take_back(2));
    assert_eq!(db.upload(&reader(2), NOW, HASH).unwrap(), UploadState::Nothing);
    assert_eq!(db.condemn_blobs(NOW, NOW).unwrap(), [HASH]);
}
