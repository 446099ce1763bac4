//! Files: the record first, then the bytes in as many pieces as the line needs; and who may have them.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gridpass_core::Value;
use gridpass_core::catalog::FileRef;
use gridpass_core::id::{BlobHash, GrantId, GridId, RecordId, hex};
use gridpass_core::record::Document;
use gridpass_core::wire::{Create, PushAnswer, Verdict};
use gridpass_server::blobs::{Swept, sweep, verify};
use gridpass_server::db::{AssignmentRow, Fault};
use gridpass_server::ingest;
use rusqlite::Connection;

use crate::hand::{Hand, START_MS, Server, accepted, record};
use crate::http::{Answer, send};

const MIB: usize = 1 << 20;
const DAY_MS: i64 = 24 * 3_600_000;

/// A phone with a token, and what it has saved.
pub struct Camera {
    pub hand: Hand,
    token: String,
    house: Document,
}

/// Bytes that look like nothing.
pub fn picture(seed: u8, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

pub fn hash_of(bytes: &[u8]) -> BlobHash {
    BlobHash(*blake3::hash(bytes).as_bytes())
}

/// Where the object of a file lies.
pub fn place(folder: &Path, bytes: &[u8]) -> PathBuf {
    let hash = hash_of(bytes);
    folder.join("blobs").join(hex(&hash.0[..1])).join(hex(&hash.0))
}

fn naming(bytes: &[u8]) -> FileRef {
    FileRef {
        hash: hash_of(bytes),
        size: bytes.len() as u64,
        media_type: "image/jpeg".into(),
        taken_at_ms: None,
        purpose: None,
        thumb: None,
    }
}

fn key(n: u8) -> String {
    format!("photo/{}", hex(&[n; 16]))
}

/// A body that comes in chunks, and with `cut` ends in an error instead of an end.
fn body(bytes: &[u8], cut: bool) -> Body {
    let chunks: Vec<Result<Bytes, std::io::Error>> =
        bytes.chunks(300_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    let end = cut.then(|| Err(std::io::Error::other("the line is cut")));
    Body::from_stream(futures_util::stream::iter(chunks.into_iter().chain(end)))
}

impl Camera {
    pub fn new(server: &Server, n: u8) -> Self {
        let hand = server.enrol(n);
        let token = server.token(&hand);
        Self { hand, token, house: Document::new() }
    }

    /// Saves a house whose key names a file, or takes one back.
    fn save(&mut self, server: &Server, house: RecordId, puts: &[(&str, Value)]) -> PushAnswer {
        let change = self.hand.change(&mut self.house, puts);
        let mut actors = Vec::new();
        let mut item = self.hand.item(house, &change, server.base(), &mut actors);
        item.create = Some(Create { collection: "house".into(), home: server.base() });
        let count = self.hand.count;
        ingest::push(&server.app, &self.hand.device, &self.hand.push(count, actors, vec![item])).unwrap()
    }

    pub fn names(&mut self, server: &Server, house: RecordId, n: u8, bytes: &[u8]) {
        let answer = self.save(server, house, &[(&key(n), naming(bytes).to_value())]);
        assert_eq!(accepted(&answer), 1, "{answer:?}");
    }

    fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let request = Request::builder().method(method).uri(path);
        request.header(header::AUTHORIZATION, format!("Bearer {}", self.token)).header("tus-resumable", "1.0.0")
    }

    pub async fn create(&self, server: &Server, hash: BlobHash, length: usize) -> Answer {
        let metadata = format!("name aGk=,hash {}", STANDARD.encode(hex(&hash.0)));
        let request = self.request(Method::POST, "/sync/v1/uploads");
        let request = request.header("upload-length", length).header("upload-metadata", metadata);
        send(server, request.body(Body::empty()).unwrap()).await
    }

    pub async fn append(&self, server: &Server, hash: BlobHash, offset: usize, body: Body) -> Answer {
        let request = self.request(Method::PATCH, &format!("/sync/v1/uploads/{}", hex(&hash.0)));
        let request = request.header(header::CONTENT_TYPE, "application/offset+octet-stream");
        send(server, request.header("upload-offset", offset).body(body).unwrap()).await
    }

    async fn look(&self, server: &Server, hash: BlobHash) -> Answer {
        let request = self.request(Method::HEAD, &format!("/sync/v1/uploads/{}", hex(&hash.0)));
        send(server, request.body(Body::empty()).unwrap()).await
    }

    pub async fn get(&self, server: &Server, hash: BlobHash, range: Option<&str>) -> Answer {
        let mut request = self.request(Method::GET, &format!("/sync/v1/blobs/{}", hex(&hash.0)));
        if let Some(range) = range {
            request = request.header(header::RANGE, range);
        }
        send(server, request.body(Body::empty()).unwrap()).await
    }

    /// Brings a whole file.
    pub async fn upload(&self, server: &Server, bytes: &[u8]) -> Answer {
        let hash = hash_of(bytes);
        let created = self.create(server, hash, bytes.len()).await;
        assert_eq!((created.status, created.header("upload-offset").as_str()), (StatusCode::CREATED, "0"));
        self.append(server, hash, 0, body(bytes, false)).await
    }
}

fn told(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.code())
}

fn at(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.header("upload-offset"))
}

fn ok(offset: usize, status: u16) -> (u16, String) {
    (status, offset.to_string())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn open() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    (folder, server)
}

fn sql(folder: &tempfile::TempDir) -> Connection {
    Connection::open(folder.path().join("gridpass.sqlite")).unwrap()
}

/// The files below the store's folder, by their path in it.
fn objects(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.join("blobs")];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(folder.join("blobs")).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

async fn faults(server: &Server) -> Vec<String> {
    let mut faults = Vec::new();
    verify(&server.app, &mut |fault: Fault| faults.push(fault.what)).await.unwrap();
    faults
}

#[tokio::test]
async fn the_record_comes_first_then_the_bytes_and_then_whoever_reads_the_record_has_them() {
    let (folder, server) = open();
    let (mut author, reader) = (Camera::new(&server, 1), Camera::new(&server, 2));
    let bytes = picture(1, 2 * MIB + 77);
    let hash = hash_of(&bytes);
    assert_eq!(told(&author.create(&server, hash, bytes.len()).await), refused(409, "no_reference"));
    author.names(&server, record(1), 1, &bytes);
    assert_eq!(told(&author.create(&server, hash, bytes.len() + 1).await), refused(400, "size"));
    assert_eq!(told(&reader.create(&server, hash, bytes.len()).await), refused(409, "no_reference"), "another's item");
    let created = author.create(&server, hash, bytes.len()).await;
    assert_eq!(created.header("location"), format!("/sync/v1/uploads/{}", hex(&hash.0)));
    assert_eq!(at(&author.create(&server, hash, bytes.len()).await), ok(0, 201), "again is the same place");
    assert_eq!(told(&reader.get(&server, hash, None).await), refused(404, "not_found"), "not before it is whole");
    assert_eq!(at(&author.append(&server, hash, 0, body(&bytes, false)).await), ok(bytes.len(), 204));
    for phone in [&author, &reader] {
        let got = phone.get(&server, hash, None).await;
        assert_eq!((got.status, got.body == bytes), (StatusCode::OK, true));
    }
    assert_eq!(at(&author.look(&server, hash).await), ok(bytes.len(), 200));
    assert_eq!(at(&author.create(&server, hash, bytes.len()).await), ok(bytes.len(), 201), "there is nothing to bring");
    let whole = format!("{}/{}", hex(&hash.0[..1]), hex(&hash.0));
    assert_eq!(objects(folder.path()), [whole], "no piece is left");
    assert_eq!(faults(&server).await, Vec::<String>::new());
    let audit: Vec<String> = {
        let sql = sql(&folder);
        let mut rows = sql.prepare("SELECT action FROM audit WHERE action LIKE 'file_%' ORDER BY seq").unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    assert_eq!(audit, ["file_stored", "file_read", "file_read"]);
}

#[tokio::test]
async fn what_arrived_before_a_cut_is_kept_and_the_phone_goes_on_there() {
    let (folder, server) = open();
    let mut phone = Camera::new(&server, 1);
    let bytes = picture(2, 3 * MIB);
    let hash = hash_of(&bytes);
    phone.names(&server, record(1), 1, &bytes);
    assert_eq!(told(&phone.look(&server, hash).await).0, 404);
    phone.create(&server, hash, bytes.len()).await;
    let cut = 2 * MIB + 12_345;
    assert_eq!(told(&phone.append(&server, hash, 0, body(&bytes[..cut], true)).await), refused(408, "cut"));
    let looked = phone.look(&server, hash).await;
    assert_eq!(at(&looked), ok(cut, 200));
    assert_eq!(
        (looked.header("upload-length"), looked.header("cache-control")),
        ((3 * MIB).to_string(), "no-store".into())
    );
    assert_eq!(at(&phone.create(&server, hash, bytes.len()).await), ok(cut, 201));
    for wrong in [0, cut - 1, cut + 1] {
        assert_eq!(
            told(&phone.append(&server, hash, wrong, body(&bytes[wrong..], false)).await),
            refused(409, "offset")
        );
    }
    // The next request goes to another process over the same folder.
    drop(server);
    let server = Server::open(folder.path());
    let middle = cut + 500;
    assert_eq!(at(&phone.append(&server, hash, cut, body(&bytes[cut..middle], false)).await), ok(middle, 204));
    assert_eq!(at(&phone.append(&server, hash, middle, body(&bytes[middle..], false)).await), ok(bytes.len(), 204));
    assert_eq!(phone.get(&server, hash, None).await.body, bytes);
}

#[tokio::test]
async fn other_bytes_than_those_of_the_hash_are_thrown_away_and_brought_again() {
    let (folder, server) = open();
    let mut phone = Camera::new(&server, 1);
    let bytes = picture(3, MIB + 5);
    let hash = hash_of(&bytes);
    phone.names(&server, record(1), 1, &bytes);
    phone.create(&server, hash, bytes.len()).await;
    let mut other = bytes.clone();
    other[MIB] ^= 1;
    assert_eq!(told(&phone.append(&server, hash, 0, body(&other, false)).await), refused(422, "hash"));
    assert_eq!(objects(folder.path()), Vec::<String>::new());
    assert_eq!(phone.look(&server, hash).await.status, StatusCode::NOT_FOUND);
    assert_eq!(at(&phone.upload(&server, &bytes).await), ok(bytes.len(), 204));
    assert_eq!(faults(&server).await, Vec::<String>::new());
}

#[tokio::test]
async fn of_two_bodies_at_once_one_counts_and_the_file_is_whole() {
    let (folder, server) = open();
    let mut phone = Camera::new(&server, 1);
    let bytes = picture(4, MIB + MIB / 2);
    let hash = hash_of(&bytes);
    phone.names(&server, record(1), 1, &bytes);
    phone.create(&server, hash, bytes.len()).await;
    let other = picture(5, bytes.len());
    let (one, two) = tokio::join!(
        phone.append(&server, hash, 0, body(&bytes, true)),
        phone.append(&server, hash, 0, body(&bytes, true)),
    );
    let codes = [told(&one).1, told(&two).1];
    assert!(codes.contains(&"cut".to_owned()) && codes.contains(&"offset".to_owned()), "{codes:?}");
    // All has arrived, and then the line was cut: HEAD completes it.
    assert_eq!(at(&phone.look(&server, hash).await), ok(bytes.len(), 200));
    assert_eq!(phone.get(&server, hash, None).await.body, bytes);
    assert_eq!(told(&phone.append(&server, hash, 0, body(&other, false)).await), refused(409, "offset"));
    assert_eq!(objects(folder.path()).len(), 1);
}

#[tokio::test]
async fn two_phones_bring_the_same_file_and_it_is_stored_once() {
    let (folder, server) = open();
    let (mut one, mut two) = (Camera::new(&server, 1), Camera::new(&server, 2));
    let bytes = picture(6, 2 * MIB);
    one.names(&server, record(1), 1, &bytes);
    two.names(&server, record(2), 1, &bytes);
    assert_eq!(at(&one.upload(&server, &bytes).await), ok(bytes.len(), 204));
    assert_eq!(at(&two.upload(&server, &bytes).await), ok(bytes.len(), 204), "it named it before it could read it");
    assert_eq!(objects(folder.path()).len(), 1);
    // A third who can read it already needs not bring it.
    let mut three = Camera::new(&server, 3);
    three.names(&server, record(3), 1, &bytes);
    assert_eq!(at(&three.create(&server, hash_of(&bytes), bytes.len()).await), ok(bytes.len(), 201));
}

#[tokio::test]
async fn to_know_a_hash_gives_nobody_the_file() {
    let (_folder, server) = open();
    let mut author = Camera::new(&server, 1);
    let bytes = picture(7, 5000);
    let hash = hash_of(&bytes);
    author.names(&server, record(1), 1, &bytes);
    author.upload(&server, &bytes).await;
    // Somebody of another grid who has heard the hash names it in a record of his own.
    let elsewhere = GridId::derived("grid", &[b"2"]);
    server.app.db.add_grid(START_MS, elsewhere, &[], "370212001001002", "二网格").unwrap();
    let stranger = Server { app: server.app.clone(), clock: server.clock.clone(), grid: elsewhere };
    let mut thief = Camera::new(&stranger, 2);
    assert_eq!(told(&thief.get(&server, hash, None).await), refused(404, "not_found"));
    thief.names(&stranger, record(2), 1, &bytes);
    assert_eq!(told(&thief.get(&server, hash, None).await), refused(404, "not_found"));
    assert_eq!(at(&thief.create(&server, hash, bytes.len()).await), ok(0, 201), "he is to bring all of it");
    assert_eq!(thief.look(&server, hash).await.header("upload-offset"), "0");
    // His colleagues get nothing by his naming it either.
    let colleague = Camera::new(&stranger, 3);
    assert_eq!(told(&colleague.get(&server, hash, None).await), refused(404, "not_found"));
    assert_eq!(at(&thief.append(&server, hash, 0, body(&bytes, false)).await), ok(bytes.len(), 204));
    assert_eq!(colleague.get(&server, hash, None).await.body, bytes, "now that he has shown that he has it");
    // Who gets the grid of the author reads it by the author's record, until the assignment ends.
    let grant = GrantId([77; 16]);
    let assignment =
        AssignmentRow { to_ms: Some(START_MS + 10), ..AssignmentRow::worker(grant, server.grid, START_MS) };
    let late = Camera::new(&Server { app: server.app.clone(), clock: server.clock.clone(), grid: GridId([9; 16]) }, 4);
    assert_eq!(late.get(&server, hash, None).await.status, StatusCode::NOT_FOUND);
    server.app.db.assign(START_MS, late.hand.device.user, &assignment).unwrap();
    assert_eq!(late.get(&server, hash, None).await.status, StatusCode::OK);
    server.clock.store(START_MS + 10, Ordering::Relaxed);
    assert_eq!(late.get(&server, hash, None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_item_in_quarantine_names_its_files_too() {
    let (_folder, server) = open();
    let (mut phone, colleague) = (Camera::new(&server, 1), Camera::new(&server, 2));
    let bytes = picture(8, 4000);
    let puts = [(key(1), naming(&bytes).to_value()), ("nonsense".to_owned(), 1.into())];
    let puts: Vec<(&str, Value)> = puts.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    let answer = phone.save(&server, record(1), &puts);
    assert!(matches!(answer.verdicts[0].verdict, Verdict::Rejected { .. }), "{answer:?}");
    assert_eq!(at(&phone.upload(&server, &bytes).await), ok(bytes.len(), 204));
    assert_eq!(phone.get(&server, hash_of(&bytes), None).await.body, bytes, "the author's own");
    assert_eq!(colleague.get(&server, hash_of(&bytes), None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn taking_a_file_back_ends_its_upload_and_its_reading_and_drops_it_after_thirty_days() {
    let (folder, server) = open();
    let mut phone = Camera::new(&server, 1);
    let (half, whole) = (picture(9, 2 * MIB), picture(10, 6000));
    let house = record(1);
    phone.names(&server, house, 1, &half);
    phone.names(&server, house, 2, &whole);
    phone.create(&server, hash_of(&half), half.len()).await;
    phone.append(&server, hash_of(&half), 0, body(&half[..MIB], true)).await;
    phone.upload(&server, &whole).await;
    let off = |n: u8| key(n).replace("photo/", "photo_off/");
    for n in [1, 2] {
        assert_eq!(accepted(&phone.save(&server, house, &[(&off(n), true.into())])), 1);
    }
    assert_eq!(phone.look(&server, hash_of(&half)).await.status, StatusCode::NOT_FOUND, "the upload is gone");
    assert_eq!(told(&phone.append(&server, hash_of(&half), MIB, body(&half[MIB..], false)).await).0, 404);
    assert_eq!(told(&phone.create(&server, hash_of(&half), half.len()).await), refused(409, "no_reference"));
    assert_eq!(phone.get(&server, hash_of(&whole), None).await.status, StatusCode::NOT_FOUND);

    assert_eq!(sweep(&server.app, START_MS).await.unwrap(), Swept { pieces: 1, ..Swept::default() });
    let almost = START_MS + 30 * DAY_MS - 1;
    assert_eq!(sweep(&server.app, almost).await.unwrap(), Swept::default());
    assert_eq!(sweep(&server.app, almost + 1).await.unwrap(), Swept { files: 1, ..Swept::default() });
    assert_eq!(objects(folder.path()), Vec::<String>::new());
    assert_eq!(faults(&server).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_range_is_answered_with_its_bytes() {
    let (_folder, server) = open();
    let mut phone = Camera::new(&server, 1);
    let bytes = picture(11, 10_000);
    let hash = hash_of(&bytes);
    phone.names(&server, record(1), 1, &bytes);
    phone.upload(&server, &bytes).await;
    let all = phone.get(&server, hash, None).await;
    for (name, value) in [
        ("etag", format!("\"{}\"", hex(&hash.0)).as_str()),
        ("accept-ranges", "bytes"),
        ("content-type", "application/octet-stream"),
        ("x-content-type-options", "nosniff"),
        ("content-disposition", "attachment"),
        ("cache-control", "private, immutable"),
        ("content-length", "10000"),
    ] {
        assert_eq!(all.header(name), value, "{name}");
    }
    for (asked, from, to) in [
        ("bytes=0-", 0, 10_000),
        ("bytes=9000-", 9000, 10_000),
        ("bytes=5-7", 5, 8),
        ("bytes=-3", 9997, 10_000),
        ("bytes=9999-20000", 9999, 10_000),
    ] {
        let part = phone.get(&server, hash, Some(asked)).await;
        assert_eq!((part.status, part.body == bytes[from..to]), (StatusCode::PARTIAL_CONTENT, true), "{asked}");
        assert_eq!(part.header("content-range"), format!("bytes {from}-{}/10000", to - 1));
    }
    let beyond = phone.get(&server, hash, Some("bytes=10000-")).await;
    assert_eq!((told(&beyond), beyond.header("content-range")), (refused(416, "range"), "bytes */10000".into()));
    assert_eq!(phone.get(&server, hash, Some("bytes=1-2,4-5")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_phone_has_its_share_and_no_file_is_too_large() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("gridpass.toml"), "files_mb_per_phone = 3\nmax_file_mb = 2\n").unwrap();
    let server = Server::open(folder.path());
    let mut phone = Camera::new(&server, 1);
    let (one, two) = (picture(12, 2 * MIB), picture(13, MIB + 1));
    let huge = picture(14, 2 * MIB + 1);
    let house = record(1);
    for (n, bytes) in (1..).zip([&one, &two, &huge]) {
        phone.names(&server, house, n, bytes);
    }
    assert_eq!(told(&phone.create(&server, hash_of(&huge), huge.len()).await), refused(413, "too_large"));
    phone.create(&server, hash_of(&one), one.len()).await;
    assert_eq!(
        told(&phone.create(&server, hash_of(&two), two.len()).await),
        refused(413, "quota"),
        "what is under way counts"
    );
    let longer = [one.as_slice(), &[0]].concat();
    let (hash, announced) = (hash_of(&one), Body::from(longer.clone()));
    assert_eq!(told(&phone.append(&server, hash, 0, announced).await), refused(413, "too_large"));
    assert_eq!(at(&phone.look(&server, hash).await), ok(0, 200), "it was refused before it was read");
    assert_eq!(told(&phone.append(&server, hash, 0, body(&longer, false)).await), refused(413, "too_large"));
    let there: usize = phone.look(&server, hash).await.header("upload-offset").parse().unwrap();
    assert!(there < one.len(), "a body without a length is refused where it goes too far");
    assert_eq!(at(&phone.append(&server, hash, there, body(&one[there..], false)).await), ok(one.len(), 204));
    assert_eq!(
        told(&phone.create(&server, hash_of(&two), two.len()).await),
        refused(413, "quota"),
        "what is there counts"
    );
    assert_eq!(accepted(&phone.save(&server, house, &[(&key(1).replace("photo/", "photo_off/"), true.into())])), 1);
    sweep(&server.app, START_MS + 30 * DAY_MS).await.unwrap();
    assert_eq!(at(&phone.upload(&server, &two).await), ok(two.len(), 204), "until it is dropped");
}

#[tokio::test]
async fn an_upload_that_nobody_goes_on_with_is_dropped_after_seven_days() {
    let (folder, server) = open();
    let mut phone = Camera::new(&server, 1);
    let bytes = picture(15, 2 * MIB);
    let hash = hash_of(&bytes);
    phone.names(&server, record(1), 1, &bytes);
    phone.create(&server, hash, bytes.len()).await;
    phone.append(&server, hash, 0, body(&bytes[..MIB + 3], true)).await;
    assert_eq!(sweep(&server.app, START_MS + 7 * DAY_MS - 1).await.unwrap(), Swept::default());
    let swept = sweep(&server.app, START_MS + 7 * DAY_MS).await.unwrap();
    assert_eq!((swept.uploads, objects(folder.path())), (1, Vec::new()));
    assert_eq!(at(&phone.upload(&server, &bytes).await), ok(bytes.len(), 204), "and begun again");
}

#[tokio::test]
async fn what_a_crash_leaves_behind_is_mended_by_the_next_request_or_the_sweep() {
    let (folder, server) = open();
    let mut phone = Camera::new(&server, 1);
    let (one, two) = (picture(16, MIB + 9), picture(17, MIB + 10));
    let house = record(1);
    for (n, bytes) in (1..).zip([&one, &two]) {
        phone.names(&server, house, n, bytes);
        phone.create(&server, hash_of(bytes), bytes.len()).await;
        // All has arrived and nobody has put it together: the line was cut after the last byte.
        phone.append(&server, hash_of(bytes), 0, body(bytes, true)).await;
    }
    assert_eq!(objects(folder.path()).len(), 4);
    drop(server);
    let server = Server::open(folder.path());
    assert_eq!(at(&phone.create(&server, hash_of(&one), one.len()).await), ok(one.len(), 201), "by the phone");
    sweep(&server.app, START_MS).await.unwrap();
    assert_eq!(phone.get(&server, hash_of(&two), None).await.body, two, "or without it");
    assert_eq!(objects(folder.path()).len(), 2);

    // An object without a row, pieces without an upload.
    let stray = folder.path().join("blobs/aa").join("aa".repeat(32));
    std::fs::create_dir_all(stray.parent().unwrap()).unwrap();
    std::fs::write(&stray, b"stray").unwrap();
    let piece = folder.path().join("blobs/parts").join(hex(&[7; 16]));
    std::fs::create_dir_all(&piece).unwrap();
    std::fs::write(piece.join("0-00"), b"stray").unwrap();
    let swept = sweep(&server.app, START_MS).await.unwrap();
    assert_eq!(swept, Swept { files: 1, uploads: 0, pieces: 1 });
    assert_eq!(objects(folder.path()).len(), 2);

    // An object that was being written when the process was killed: no store lists it.
    let torn = PathBuf::from(format!("{}#1", place(folder.path(), &one).display()));
    std::fs::write(&torn, b"torn").unwrap();
    assert_eq!(
        (server.app.blobs.clear_unwritten().unwrap(), torn.exists(), objects(folder.path()).len()),
        (1, false, 2)
    );

    // A piece that is not what its row says: the upload is begun again.
    let three = picture(18, MIB + 11);
    phone.names(&server, house, 3, &three);
    phone.create(&server, hash_of(&three), three.len()).await;
    phone.append(&server, hash_of(&three), 0, body(&three[..MIB + 1], true)).await;
    let torn = objects(folder.path()).into_iter().find(|path| path.starts_with("parts/")).unwrap();
    std::fs::write(folder.path().join("blobs").join(torn), b"torn").unwrap();
    let rest = body(&three[MIB + 1..], false);
    assert_eq!(told(&phone.append(&server, hash_of(&three), MIB + 1, rest).await), refused(422, "hash"));
    assert_eq!(at(&phone.upload(&server, &three).await), ok(three.len(), 204));
    assert_eq!(faults(&server).await, Vec::<String>::new());
}

#[tokio::test]
async fn verify_names_lost_cut_and_altered_files_and_the_phone_brings_them_again() {
    let (folder, server) = open();
    let mut phone = Camera::new(&server, 1);
    let files = [picture(19, 1000), picture(20, 1000), picture(21, 1000)];
    for (n, bytes) in (1..).zip(&files) {
        phone.names(&server, record(1), n, bytes);
        phone.upload(&server, bytes).await;
    }
    let path = |bytes: &[u8]| place(folder.path(), bytes);
    std::fs::remove_file(path(&files[0])).unwrap();
    std::fs::write(path(&files[1]), &files[1][..999]).unwrap();
    std::fs::write(path(&files[2]), picture(22, 1000)).unwrap();
    let mut named = faults(&server).await;
    named.sort();
    assert_eq!(named, ["its bytes are not those of its hash", "its object has another size", "its object is missing"]);
    assert_eq!(phone.get(&server, hash_of(&files[0]), None).await.status, StatusCode::NOT_FOUND);
    for bytes in &files[..2] {
        assert_eq!(at(&phone.upload(&server, bytes).await), ok(bytes.len(), 204), "it is asked for again");
    }
    assert_eq!(faults(&server).await, ["its bytes are not those of its hash"]);
}

#[tokio::test]
async fn the_headers_are_those_of_tus() {
    let (_folder, server) = open();
    let mut phone = Camera::new(&server, 1);
    let bytes = picture(23, 1000);
    let hash = hash_of(&bytes);
    phone.names(&server, record(1), 1, &bytes);
    let place = format!("/sync/v1/uploads/{}", hex(&hash.0));

    let options = Request::builder().method(Method::OPTIONS).uri("/sync/v1/uploads").body(Body::empty()).unwrap();
    let options = send(&server, options).await;
    assert_eq!(options.status, StatusCode::NO_CONTENT);
    for (name, value) in [
        ("tus-resumable", "1.0.0"),
        ("tus-version", "1.0.0"),
        ("tus-extension", "creation"),
        ("tus-max-size", "33554432"),
    ] {
        assert_eq!(options.header(name), value, "{name}");
    }
    for version in [None, Some("0.2.2")] {
        let mut request = Request::head(&place).header(header::AUTHORIZATION, format!("Bearer {}", phone.token));
        if let Some(version) = version {
            request = request.header("tus-resumable", version);
        }
        let answer = send(&server, request.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, answer.header("tus-version").as_str()), (StatusCode::PRECONDITION_FAILED, "1.0.0"));
        assert_eq!(answer.header("tus-resumable"), "1.0.0");
    }
    let post = |name: &'static str, value: String| {
        phone.request(Method::POST, "/sync/v1/uploads").header(name, value).body(Body::empty()).unwrap()
    };
    let metadata = format!("hash {}", STANDARD.encode(hex(&hash.0)));
    assert_eq!(told(&send(&server, post("upload-metadata", metadata)).await), refused(411, "length"));
    assert_eq!(told(&send(&server, post("upload-length", "1000".into())).await), refused(400, "hash"));
    assert_eq!(told(&send(&server, post("upload-length", "-1".into())).await), refused(400, "length"));
    assert_eq!(phone.create(&server, hash, 1000).await.header("tus-resumable"), "1.0.0");
    let patch = |name: &str, value: &str| phone.request(Method::PATCH, &place).header(name, value).body(Body::empty());
    let answer = send(&server, patch("upload-offset", "0").unwrap()).await;
    assert_eq!(told(&answer), refused(415, "content_type"));
    assert_eq!(answer.header("tus-resumable"), "1.0.0", "errors too");
    let answer = send(&server, patch("content-type", "application/offset+octet-stream").unwrap()).await;
    assert_eq!(told(&answer), refused(400, "offset"));
    let nobody = Request::patch(&place).header("tus-resumable", "1.0.0").body(Body::empty()).unwrap();
    assert_eq!(told(&send(&server, nobody).await), refused(401, "token"));
    assert_eq!(at(&phone.append(&server, hash, 0, body(&bytes, false)).await), ok(1000, 204));
    let missing = picture(24, 1);
    assert_eq!(told(&phone.append(&server, hash_of(&missing), 0, body(&missing, false)).await).0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_slow_line_has_its_time_and_a_dead_one_is_cut() {
    let (_folder, server) = open();
    let mut phone = Camera::new(&server, 1);
    let bytes = picture(25, 100_000);
    let hash = hash_of(&bytes);
    phone.names(&server, record(1), 1, &bytes);
    phone.create(&server, hash, bytes.len()).await;
    let slow = |bytes: &[u8], pause_s: u64| {
        let chunks: Vec<Bytes> = bytes.chunks(10_000).map(Bytes::copy_from_slice).collect();
        Body::from_stream(futures_util::stream::unfold(chunks.into_iter(), move |mut chunks| async move {
            tokio::time::sleep(std::time::Duration::from_secs(pause_s)).await;
            Some((Ok::<_, std::io::Error>(chunks.next()?), chunks))
        }))
    };
    assert_eq!(told(&phone.append(&server, hash, 0, slow(&bytes, 31)).await), refused(408, "cut"));
    assert_eq!(at(&phone.look(&server, hash).await), ok(0, 200));
    let before = tokio::time::Instant::now();
    assert_eq!(at(&phone.append(&server, hash, 0, slow(&bytes, 25)).await), ok(bytes.len(), 204));
    assert!(before.elapsed().as_secs() > 250, "longer than any other request may take");
}

#[tokio::test]
async fn a_disk_that_refuses_is_told_and_the_upload_goes_on_when_it_heals() {
    let (folder, server) = open();
    let mut phone = Camera::new(&server, 1);
    let bytes = picture(26, MIB + 1);
    let hash = hash_of(&bytes);
    phone.names(&server, record(1), 1, &bytes);
    phone.create(&server, hash, bytes.len()).await;
    let parts = folder.path().join("blobs/parts");
    std::fs::write(&parts, b"in the way").unwrap();
    assert_eq!(told(&phone.append(&server, hash, 0, body(&bytes, false)).await), refused(503, "storage"));
    assert_eq!(at(&phone.look(&server, hash).await), ok(0, 200), "no row without its piece");
    std::fs::remove_file(&parts).unwrap();
    assert_eq!(at(&phone.append(&server, hash, 0, body(&bytes[..MIB], false)).await), ok(MIB, 204));
    let final_folder = folder.path().join("blobs").join(hex(&hash.0[..1]));
    std::fs::write(&final_folder, b"in the way").unwrap();
    assert_eq!(told(&phone.append(&server, hash, MIB, body(&bytes[MIB..], false)).await), refused(503, "storage"));
    assert_eq!(told(&phone.look(&server, hash).await).0, 503, "it is not said to be complete");
    std::fs::remove_file(&final_folder).unwrap();
    assert_eq!(at(&phone.look(&server, hash).await), ok(bytes.len(), 200));
    assert_eq!(phone.get(&server, hash, None).await.body, bytes);
}
