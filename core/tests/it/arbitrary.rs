//! Random messages of every type, for round trips.

use gridpass_core::Value;
use gridpass_core::bucket::Bucket;
use gridpass_core::id::*;
use gridpass_core::record::{Shown, ShownValues};
use gridpass_core::wire::*;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

/// A strategy for a message out of strategies for its fields; boxed, because the nested types take long to compile.
macro_rules! message {
    ($type:ident { $($field:ident: $strategy:expr),* $(,)? }) => {
        ($($strategy,)*).prop_map(|($($field,)*)| $type { $($field),* }).boxed()
    };
}

/// A name made of random bytes.
fn id<const N: usize, T: std::fmt::Debug>(name: fn([u8; N]) -> T) -> impl Strategy<Value = T>
where
    [u8; N]: Arbitrary,
{
    any::<[u8; N]>().prop_map(name)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..80)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-z]{1,9}", "\\PC{0,4}"]
}

pub fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-(1i64 << 53)..=1 << 53).prop_map(Value::Int),
        text().prop_map(Value::Str),
    ]
}

fn bucket() -> impl Strategy<Value = Bucket> {
    prop_oneof![
        id(GridId).prop_map(Bucket::Place),
        id(GridId).prop_map(Bucket::Base),
        id(GridId).prop_map(Bucket::Restricted),
        id(UserId).prop_map(Bucket::User),
        Just(Bucket::District),
    ]
}

pub fn enrol_request() -> BoxedStrategy<EnrolRequest> {
    message!(EnrolRequest { code: text(), public_key: bytes(), nonce: id(Nonce), app_version: text() })
}

pub fn enrolled() -> impl Strategy<Value = Enrolled> {
    let keys =
        message!(PublicKeys { signing_id: id(KeyId), signing: bytes(), sealing_id: id(KeyId), sealing: bytes() });
    message!(Enrolled { device: id(DeviceId), user: id(UserId), user_name: text(), keys: keys, district: text() })
}

pub fn challenge() -> BoxedStrategy<Challenge> {
    message!(Challenge { device: id(DeviceId) })
}

pub fn challenge_answer() -> BoxedStrategy<ChallengeAnswer> {
    message!(ChallengeAnswer { challenge: bytes() })
}

pub fn token_request() -> BoxedStrategy<TokenRequest> {
    message!(TokenRequest {
        device: id(DeviceId),
        key: id(KeyId),
        challenge: bytes(),
        nonces: vec(id(Nonce), 0..4),
        app_version: text(),
        signature: bytes(),
    })
}

pub fn token() -> impl Strategy<Value = Token> {
    let grant = message!(Grant { grant: id(GrantId), grid: id(GridId), role: of(text()) });
    message!(Token { token: text(), until_ms: any::<i64>(), grants: vec(grant, 0..3) })
}

fn change_fields() -> impl Strategy<Value = ChangeFields> {
    let put = message!(PutFields { key: text(), value: value(), pred: vec(any::<(u64, u32)>(), 0..4) });
    message!(ChangeFields {
        hash: id(ChangeHash),
        actor: any::<u32>(),
        actor_seq: any::<u64>(),
        start_op: any::<u64>(),
        time_s: any::<i64>(),
        deps: vec(id(ChangeHash), 0..4),
        puts: vec(put, 0..4),
    })
}

fn push_item() -> impl Strategy<Value = PushItem> {
    let intent = message!(Intent {
        id: id(IntentId),
        kind: any::<u8>().prop_map(IntentKind),
        at_ms: any::<i64>(),
        monotonic_ms: any::<i64>(),
        visit: of(id(RecordId)),
    });
    message!(PushItem {
        record: id(RecordId),
        generation: any::<u32>(),
        fmt: any::<u8>(),
        create: of(message!(Create { collection: text(), home: bucket() })),
        change: change_fields(),
        intent: intent,
        grant: id(GrantId),
        catalog_version: any::<u32>(),
    })
}

pub fn push_request() -> BoxedStrategy<PushRequest> {
    message!(PushRequest {
        batch: id(BatchId),
        key: id(KeyId),
        actors: vec(id(ActorId), 0..4),
        items: vec(push_item(), 0..4),
        signature: bytes(),
        sent_ms: any::<i64>(),
        sent_monotonic_ms: any::<i64>(),
    })
}

fn reason() -> BoxedStrategy<Reason> {
    message!(Reason { code: text(), field: of(text()), args: btree_map(text(), text(), 0..3) })
}

fn verdict() -> impl Strategy<Value = Verdict> {
    let via = || of(message!(Via { bucket: bucket(), epoch: any::<u64>(), log_seq: any::<u64>() }));
    prop_oneof![
        (via(), vec(reason(), 0..3)).prop_map(|(via, notes)| Verdict::Accepted { via, notes }),
        (via(), id(ChangeHash)).prop_map(|(via, stored)| Verdict::Duplicate { via, stored }),
        (id(TicketId), reason()).prop_map(|(ticket, reason)| Verdict::Rejected { ticket, reason }),
        id(TicketId).prop_map(|ticket| Verdict::BlockedBy { ticket }),
        vec(id(ChangeHash), 0..3).prop_map(|deps| Verdict::Missing { deps }),
        any::<u32>().prop_map(|generation| Verdict::StaleGeneration { generation }),
        Just(Verdict::ActorFork),
        Just(Verdict::Unknown),
    ]
}

pub fn receipt_sheet() -> impl Strategy<Value = ReceiptSheet> {
    let receipt = message!(Receipt {
        record: id(RecordId),
        generation: any::<u32>(),
        hash: id(ChangeHash),
        home: bucket(),
        log_seq: any::<u64>(),
        epoch: any::<u64>(),
        time_ms: any::<i64>(),
    });
    message!(ReceiptSheet { key: id(KeyId), receipts: vec(receipt, 0..4), signature: bytes() })
}

pub fn push_answer() -> impl Strategy<Value = PushAnswer> {
    let item = message!(ItemVerdict { record: id(RecordId), hash: id(ChangeHash), verdict: verdict() });
    message!(PushAnswer {
        verdicts: vec(item, 0..6),
        sheet: of(receipt_sheet()),
        server_ms: any::<i64>(),
        next_sync_after_ms: any::<u64>(),
    })
}

fn cursor() -> BoxedStrategy<Cursor> {
    message!(Cursor { epoch: any::<u64>(), log_seq: any::<u64>(), checksum: any::<u64>() })
}

pub fn pull_request() -> impl Strategy<Value = PullRequest> {
    let bucket = message!(BucketCursor { bucket: any::<u32>(), cursor: cursor(), pending: any::<u32>() });
    message!(PullRequest { buckets: vec(bucket, 0..5), whole: vec(id(RecordId), 0..3) })
}

fn shown_values() -> impl Strategy<Value = ShownValues> {
    let several = vec((value(), id(ChangeHash)), 0..4).prop_map(Shown::Several);
    btree_map(text(), prop_oneof![value().prop_map(Shown::One), several], 0..5)
}

fn touched() -> impl Strategy<Value = Touched> {
    let author = message!(Author { role: any::<u8>().prop_map(Role), user: of(id(UserId)), device: of(id(DeviceId)) });
    let change = message!(ChangeRow {
        hash: id(ChangeHash),
        bytes: bytes(),
        author: author,
        time_ms: any::<i64>(),
        intent: id(IntentId),
    });
    message!(Touched {
        record: id(RecordId),
        collection: text(),
        generation: any::<u32>(),
        fmt: any::<u8>(),
        home: bucket(),
        heads: vec(id(ChangeHash), 0..3),
        values: shown_values(),
        changes: vec(change, 0..3),
    })
}

pub fn pack_content() -> BoxedStrategy<Pack> {
    message!(Pack { bucket: bucket(), records: vec(touched(), 0..3) })
}

pub fn pull_answer() -> impl Strategy<Value = PullAnswer> {
    let pack = message!(PackRef { hash: id(BlobHash), size: any::<u32>(), records: any::<u32>() });
    let granted = message!(Granted { number: any::<u32>(), bucket: bucket(), as_of: cursor(), packs: vec(pack, 0..3) });
    let closing = message!(Closing { number: any::<u32>(), until_ms: any::<i64>() });
    let row = message!(Row {
        kind: any::<u8>().prop_map(RowKind),
        record: id(RecordId),
        touched: of(touched()),
        moved_to: of(bucket()),
    });
    let page = message!(BucketPage {
        number: any::<u32>(),
        to: of(cursor()),
        durable_seq: any::<u64>(),
        rows: of(vec(row, 0..3)),
        more: any::<bool>(),
    });
    message!(PullAnswer {
        granted: of(vec(granted, 0..2)),
        closing: of(vec(closing, 0..2)),
        removed: of(vec(any::<u32>(), 0..3)),
        pages: vec(page, 0..3),
        whole: of(vec(touched(), 0..2)),
        server_ms: any::<i64>(),
        next_sync_after_ms: any::<u32>(),
    })
}
