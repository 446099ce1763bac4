//! One message of every type that travels, with every field filled and no two fields alike.

use std::collections::BTreeMap;
use std::fmt::Debug;

use gridpass_core::Value;
use gridpass_core::bucket::Bucket;
use gridpass_core::id::*;
use gridpass_core::record::Shown;
use gridpass_core::wire::dump::{Named, Show, dump};
use gridpass_core::wire::*;
use minicbor::{Decode, Encode};

/// Prints bytes.
pub type Print = fn(&[u8], Show) -> Result<String, WireError>;

/// A message as bytes, and what can be done with bytes that claim to be of its type.
pub struct Sample {
    /// The type, and the variant where there are several.
    pub name: &'static str,
    pub bytes: Vec<u8>,
    /// The text for people, without and with what is personal.
    pub dumps: Option<[String; 2]>,
    /// Decodes bytes as this type and encodes what came out.
    pub again: fn(&[u8]) -> Result<Vec<u8>, WireError>,
    /// Prints bytes as this type.
    pub print: Option<Print>,
}

fn again<T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug>(bytes: &[u8]) -> Result<Vec<u8>, WireError> {
    let message: T = decode(bytes)?;
    let bytes = encode(&message);
    assert_eq!(decode::<T>(&bytes).as_ref(), Ok(&message), "what was read once can be written and read again");
    Ok(bytes)
}

fn unnamed<T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug>(name: &'static str, message: T) -> Sample {
    let bytes = encode(&message);
    assert_eq!(decode(&bytes), Ok(message), "{name} reads back");
    Sample { name, bytes, dumps: None, again: again::<T>, print: None }
}

fn named<T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug + Named>(name: &'static str, message: T) -> Sample {
    assert_eq!(name.split(' ').next(), Some(T::TABLE.name));
    let sample = unnamed(name, message);
    let dumps = [Show::Shape, Show::Everything].map(|show| dump::<T>(&sample.bytes, show).unwrap());
    Sample { dumps: Some(dumps), print: Some(dump::<T>), ..sample }
}

fn nonce(n: u8) -> Nonce {
    Nonce([n; 16])
}

pub fn base_bucket() -> Bucket {
    Bucket::Base(GridId([0xb1; 16]))
}

pub fn place_bucket() -> Bucket {
    Bucket::Place(GridId([0xb1; 16]))
}

pub fn keys() -> PublicKeys {
    PublicKeys {
        signing_id: KeyId([0x51; 8]),
        signing: vec![0x52; 32],
        sealing_id: KeyId([0x53; 8]),
        sealing: vec![0x54; 32],
    }
}

pub fn grant() -> Grant {
    Grant { grant: GrantId([0xa1; 16]), grid: GridId([0xb1; 16]), role: Some("worker".into()) }
}

pub fn cursor() -> Cursor {
    Cursor { epoch: 0xe1e2_e3e4_e5e6_e7e8, log_seq: 70_001, checksum: 0xc1c2_c3c4_c5c6_c7c8 }
}

pub fn pack_ref() -> PackRef {
    PackRef { hash: BlobHash([0x91; 32]), size: 123_456, records: 1000 }
}

pub fn change_row() -> ChangeRow {
    ChangeRow {
        hash: ChangeHash([0x31; 32]),
        bytes: vec![0x85; 40],
        author: author(),
        time_ms: 1_700_000_000_123,
        intent: IntentId([0x41; 16]),
    }
}

pub fn author() -> Author {
    Author { role: Role::DEVICE, user: Some(UserId([0x21; 16])), device: Some(DeviceId([0x22; 16])) }
}

pub fn touched() -> Touched {
    let two = vec![("甲".into(), ChangeHash([0x31; 32])), (Value::Null, ChangeHash([0x32; 32]))];
    let values = BTreeMap::from([
        ("name".to_owned(), Shown::Several(two)),
        ("phone".to_owned(), Shown::One("13800000000".into())),
        ("rooms".to_owned(), Shown::One(Value::Int(-3))),
        ("tag/a".to_owned(), Shown::One(Value::Bool(true))),
        ("note".to_owned(), Shown::One(Value::Null)),
    ]);
    Touched {
        record: RecordId([0x11; 16]),
        collection: "person".into(),
        generation: 2,
        fmt: FMT_AUTOMERGE,
        home: base_bucket(),
        heads: vec![ChangeHash([0x31; 32]), ChangeHash([0x32; 32])],
        values,
        changes: vec![change_row()],
    }
}

pub fn row() -> Row {
    Row {
        kind: RowKind::PUT,
        record: RecordId([0x11; 16]),
        touched: Some(touched()),
        moved_to: Some(Bucket::User(UserId([0x21; 16]))),
    }
}

pub fn page() -> BucketPage {
    BucketPage { number: 4, to: Some(cursor()), durable_seq: 69_999, rows: Some(vec![row()]), more: true }
}

pub fn granted() -> Granted {
    Granted { number: 4, bucket: place_bucket(), as_of: cursor(), packs: vec![pack_ref()] }
}

pub fn closing() -> Closing {
    Closing { number: 6, until_ms: 1_700_000_259_200 }
}

pub fn put() -> PutFields {
    PutFields { key: "phone".into(), value: "13900000000".into(), pred: vec![(4, 0), (5, 1)] }
}

pub fn change() -> ChangeFields {
    ChangeFields {
        hash: ChangeHash([0x33; 32]),
        actor: 1,
        actor_seq: 3,
        start_op: 6,
        time_s: 1_700_000_001,
        deps: vec![ChangeHash([0x31; 32]), ChangeHash([0x32; 32])],
        puts: vec![put()],
    }
}

pub fn create() -> Create {
    Create { collection: "person".into(), home: base_bucket() }
}

pub fn intent() -> Intent {
    Intent {
        id: IntentId([0x42; 16]),
        kind: IntentKind::VISIT,
        at_ms: 1_700_000_001_456,
        monotonic_ms: 9_001,
        visit: Some(RecordId([0x12; 16])),
    }
}

pub fn item() -> PushItem {
    PushItem {
        record: RecordId([0x11; 16]),
        generation: 2,
        fmt: FMT_AUTOMERGE,
        create: Some(create()),
        change: change(),
        intent: intent(),
        grant: GrantId([0xa1; 16]),
        catalog_version: 7,
    }
}

pub fn via() -> Via {
    Via { bucket: base_bucket(), epoch: 0xe1e2_e3e4_e5e6_e7e8, log_seq: 70_002 }
}

pub fn reason() -> Reason {
    Reason {
        code: "int_range".into(),
        field: Some("rooms".into()),
        args: BTreeMap::from([("max".to_owned(), "99".to_owned())]),
    }
}

pub fn receipt() -> Receipt {
    Receipt {
        record: RecordId([0x11; 16]),
        generation: 2,
        hash: ChangeHash([0x33; 32]),
        home: base_bucket(),
        log_seq: 70_002,
        epoch: 0xe1e2_e3e4_e5e6_e7e8,
        time_ms: 1_700_000_002_000,
    }
}

pub fn sheet() -> ReceiptSheet {
    ReceiptSheet { key: KeyId([0x51; 8]), receipts: vec![receipt()], signature: vec![0x61; 64] }
}

pub fn verdicts() -> Vec<(&'static str, Verdict)> {
    let ticket = TicketId([0x71; 16]);
    vec![
        ("Verdict accepted", Verdict::Accepted { via: Some(via()), notes: vec![reason()] }),
        ("Verdict accepted and silent", Verdict::Accepted { via: None, notes: vec![] }),
        ("Verdict duplicate", Verdict::Duplicate { via: Some(via()), stored: ChangeHash([0x34; 32]) }),
        ("Verdict rejected", Verdict::Rejected { ticket, reason: reason() }),
        ("Verdict blocked by", Verdict::BlockedBy { ticket }),
        ("Verdict missing", Verdict::Missing { deps: vec![ChangeHash([0x35; 32])] }),
        ("Verdict stale generation", Verdict::StaleGeneration { generation: 3 }),
        ("Verdict actor fork", Verdict::ActorFork),
        ("Verdict unknown", Verdict::Unknown),
    ]
}

pub fn item_verdict() -> ItemVerdict {
    let verdict = Verdict::Rejected { ticket: TicketId([0x71; 16]), reason: reason() };
    ItemVerdict { record: RecordId([0x11; 16]), hash: ChangeHash([0x33; 32]), verdict }
}

pub fn enrol() -> Vec<Sample> {
    let device = DeviceId([0x22; 16]);
    vec![
        named(
            "EnrolRequest",
            EnrolRequest {
                code: "K7Q2-9FXM".into(),
                public_key: vec![0x55; 32],
                nonce: nonce(0x81),
                app_version: "1.2.3".into(),
            },
        ),
        named(
            "Enrolled",
            Enrolled {
                device,
                user: UserId([0x21; 16]),
                user_name: "王网格".into(),
                keys: keys(),
                district: "示范街道".into(),
            },
        ),
        named("PublicKeys", keys()),
        named("Challenge", Challenge { device }),
        named("ChallengeAnswer", ChallengeAnswer { challenge: vec![0x82; 32] }),
        named(
            "TokenRequest",
            TokenRequest {
                device,
                key: KeyId([0x56; 8]),
                challenge: vec![0x82; 32],
                nonces: vec![nonce(0x81), nonce(0x83)],
                app_version: "1.2.3".into(),
                signature: vec![0x62; 64],
            },
        ),
        unnamed("Nonce", nonce(0x81)),
        named("Token", Token { token: "secret-token".into(), until_ms: 1_700_000_900_000, grants: vec![grant()] }),
        named("Grant", grant()),
        named("Grant of a server that knew only workers", Grant { role: None, ..grant() }),
    ]
}

pub fn pull() -> Vec<Sample> {
    vec![
        named(
            "PullRequest",
            PullRequest {
                buckets: vec![BucketCursor { bucket: 4, cursor: cursor(), pending: 2 }],
                whole: vec![RecordId([0x13; 16])],
            },
        ),
        named("PullRequest of a new phone", PullRequest::default()),
        named("BucketCursor", BucketCursor { bucket: 4, cursor: cursor(), pending: 2 }),
        named("Cursor", cursor()),
        named(
            "PullAnswer",
            PullAnswer {
                granted: Some(vec![granted()]),
                closing: Some(vec![closing()]),
                removed: Some(vec![8, 9]),
                pages: vec![page()],
                whole: Some(vec![touched()]),
                server_ms: 1_700_000_003_000,
                next_sync_after_ms: 60_000,
            },
        ),
        named("PullAnswer with nothing", PullAnswer::default()),
        named("Granted", granted()),
        named("PackRef", pack_ref()),
        named("Pack", Pack { bucket: place_bucket(), records: vec![touched()] }),
        named("Closing", closing()),
        named("BucketPage", page()),
        unnamed("RowKind", RowKind::REMOVE),
        named("Row", row()),
        named(
            "Row that removes",
            Row { kind: RowKind::REMOVE, record: RecordId([0x11; 16]), touched: None, moved_to: None },
        ),
        named("Touched", touched()),
        named("ChangeRow", change_row()),
        named("Author", author()),
        named("Author at the office", Author { role: Role::OFFICE, user: None, device: None }),
        unnamed("Role", Role::CONSOLE),
    ]
}

pub fn push() -> Vec<Sample> {
    let mut samples = vec![
        named(
            "PushRequest",
            PushRequest {
                batch: BatchId([0x43; 16]),
                key: KeyId([0x56; 8]),
                actors: vec![ActorId([0x23; 16]), ActorId([0x24; 16])],
                items: vec![item()],
                signature: vec![0x63; 64],
                sent_ms: 1_700_000_002_500,
                sent_monotonic_ms: 10_002,
            },
        ),
        named("PushItem", item()),
        named("PushItem of a settled record", PushItem { create: None, ..item() }),
        named("Create", create()),
        named("ChangeFields", change()),
        named("PutFields", put()),
        named("PutFields that clears", PutFields { key: "note".into(), value: Value::Null, pred: vec![] }),
        named("Intent", intent()),
        unnamed("IntentKind", IntentKind::IMPORT),
        named(
            "PushAnswer",
            PushAnswer {
                verdicts: vec![item_verdict()],
                sheet: Some(sheet()),
                server_ms: 1_700_000_003_000,
                next_sync_after_ms: 60_000,
            },
        ),
        named("ItemVerdict", item_verdict()),
        named("Via", via()),
        named("Reason", reason()),
        named("Reason without more", Reason::new("hash")),
    ];
    samples.extend(verdicts().into_iter().map(|(name, verdict)| named(name, verdict)));
    samples
}

pub fn receipts() -> Vec<Sample> {
    let save =
        ReceiptedSave { record: RecordId([0x11; 16]), hash: ChangeHash([0x33; 32]), intent: IntentId([0x44; 16]) };
    let file = ReceiptFile { device: DeviceId([0x21; 16]), sheets: vec![sheet()], saves: vec![save.clone()] };
    vec![
        named("Receipt", receipt()),
        named("ReceiptSheet", sheet()),
        named("ReceiptedSave", save),
        named("ReceiptFile", file),
    ]
}

pub fn all() -> Vec<Sample> {
    [enrol(), pull(), push(), receipts()].into_iter().flatten().collect()
}
