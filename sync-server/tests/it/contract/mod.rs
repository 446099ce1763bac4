//! What every database must do, said once. A backend lends itself as a [`Backend`] and is held to all of it by
//! [`database_contract`](crate::database_contract).

pub mod accounts;
pub mod audit;
pub mod commits;
pub mod files;
pub mod org;
pub mod people;
pub mod pulls;

mod sqlite;

use gridpass_core::Value;
use gridpass_core::bucket::Bucket;
use gridpass_core::id::{ActorId, ChangeHash, GridId, IntentId, RecordId};
use gridpass_core::record::{Document, shown_values};
use gridpass_core::wire::{BucketCursor, Cursor, FMT_AUTOMERGE, IntentKind, Role, Row};
use gridpass_server::db::{BucketRead, Database, Principal};
use gridpass_server::log::{
    Audit, Base, By, Commit, Files, NewChange, Outcome, RecordWrite, ReviewWrite, Stored, Write,
};

pub const NOW: i64 = 1_800_000_000_000;
pub const A: Bucket = Bucket::Base(GridId([1; 16]));
pub const B: Bucket = Bucket::Base(GridId([2; 16]));
pub const C: Bucket = Bucket::Place(GridId([1; 16]));

/// A database of one kind, empty, and what a test must be able to do to it behind its back.
pub trait Backend {
    fn db(&self) -> &dyn Database;
    /// Deletes the rows of a bucket's log up to one.
    fn raise_floor(&self, bucket: Bucket, floor: u64);
}

/// One test per clause for a backend; `$open` gives an empty one.
#[macro_export]
macro_rules! database_contract {
    ($open:expr) => {
        $crate::database_contract!($open, commits: a_write_over_what_no_longer_stands_is_stale_and_writes_nothing
            sequences_have_no_gaps_whoever_writes_at_the_same_time
            of_writers_of_one_record_each_is_stored_once
            an_intent_is_stored_once_per_record
            entering_and_leaving_a_bucket_writes_put_and_remove
            a_record_named_from_another_grid_is_read_there_from_then_on
            what_is_in_quarantine_is_known_by_its_hash);
        $crate::database_contract!($open, pulls: pages_of_every_size_add_up_to_the_checksum
            a_cursor_that_is_no_place_in_the_log_starts_again
            packs_are_replaced_whole_and_read_within_the_scope
            a_backup_raises_what_is_durable_and_never_lowers_it);
        $crate::database_contract!($open, people: enrolling_again_with_the_same_code_and_key_changes_nothing
            a_challenge_is_taken_once
            a_token_ends_with_its_time_and_at_once_with_its_phone
            an_assignment_counts_from_its_start_until_its_end);
        $crate::database_contract!($open, audit: the_chain_holds_whoever_writes_and_whatever_fails_at_the_same_time
            acts_are_found_by_object_change_and_subject_in_pages
            rows_go_up_to_the_cut_and_the_chain_goes_on_from_it);
        $crate::database_contract!($open, org: changes_of_the_tree_are_written_whole_and_raise_its_number
            a_code_is_a_units_or_grids_as_of_a_moment
            a_shape_ends_where_the_next_begins
            records_are_counted_and_placed_by_their_home);
        $crate::database_contract!($open, accounts: a_session_is_found_by_its_token_until_it_ends
            sessions_are_listed_in_pages_and_end_one_by_one_or_all
            sessions_end_with_the_password_and_with_the_user
            an_account_waits_after_wrong_proofs_in_a_row
            waiting_cannot_be_used_for_guessing
            a_second_factor_is_shown_once
            nobody_signs_in_without_a_password);
        $crate::database_contract!($open, files: an_upload_is_for_who_names_the_file_in_that_size_within_its_share
            of_pieces_at_one_offset_one_counts_and_none_goes_beyond_the_end
            a_file_is_read_through_a_record_of_somebody_who_had_it
            a_file_nothing_names_is_marked_dropped_and_forgotten
            quarantine_names_files_for_its_own_user_and_taking_back_ends_uploads);
    };
    ($open:expr, $room:ident: $($clause:ident)+) => {
        $(#[test]
        fn $clause() {
            $crate::contract::$room::$clause(&$open);
        })+
    };
}

/// A record while a test writes it.
#[derive(Clone)]
pub struct Draft {
    pub record: RecordId,
    pub document: Document,
    pub base: Option<Base>,
    pub home: Bucket,
    pub also: Vec<Bucket>,
}

impl Draft {
    pub fn new(n: u32, home: Bucket) -> Self {
        let record = RecordId::derived("contract", &[&n.to_be_bytes()]);
        Self { record, document: Document::new(), base: None, home, also: Vec::new() }
    }

    /// The commit of one put, over what the draft stands on; the draft moves on to it.
    pub fn put(&mut self, actor: u8, intent: IntentId, value: &str) -> Commit {
        let change =
            self.document.change_putting(ActorId([actor; 16]), NOW / 1000, vec![("kind".to_owned(), value.into())]);
        let built = change.build().unwrap();
        self.document.apply([built.clone()]).unwrap();
        let new = NewChange {
            change,
            built,
            by: By { role: Role::DEVICE, user: None, device: None, grant: None },
            intent,
            intent_kind: IntentKind::EDIT,
            visit: None,
            catalog_version: 1,
            device_ms: NOW,
            corrected_ms: NOW,
            batch: None,
        };
        self.commit(vec![new])
    }

    /// The commit that moves the record to where the draft says.
    pub fn moved(&mut self) -> Commit {
        self.commit(Vec::new())
    }

    fn commit(&mut self, changes: Vec<NewChange>) -> Commit {
        let heads = self.document.heads();
        let base = Base { generation: 0, heads: heads.clone(), home: self.home, also: self.also.clone() };
        let write = RecordWrite {
            record: self.record,
            collection: "household".into(),
            generation: 0,
            fmt: FMT_AUTOMERGE,
            base: self.base.replace(base),
            changes,
            heads,
            shown: shown_values(&self.document.state(), |_| false),
            home: self.home,
            also: self.also.clone(),
            names: Vec::new(),
            tickets: Vec::new(),
            decided: Vec::new(),
            review: ReviewWrite::default(),
            files: Files::default(),
        };
        let audit = Audit { action: "test", detail: "{}".into(), ..Audit::default() };
        Commit { write: Write::Record(Box::new(write)), audit }
    }

    pub fn heads(&self) -> Vec<ChangeHash> {
        self.document.heads()
    }
}

pub fn intent(n: u32) -> IntentId {
    IntentId::derived("contract", &[&n.to_be_bytes()])
}

/// Commits one thing that must be stored.
pub fn store(db: &dyn Database, commit: Commit) -> Stored {
    match db.commit(NOW, vec![commit]).unwrap().remove(0) {
        Outcome::Stored(stored) => stored,
        Outcome::Stale => panic!("stale"),
    }
}

/// The number and the head of a bucket.
pub fn start(db: &dyn Database, bucket: Bucket) -> (u32, Cursor) {
    match db.pull(&Principal::SERVER, NOW, &[bucket], &[], 500).unwrap().remove(0) {
        BucketRead::Start { number, head, .. } => (number, head),
        other => panic!("{other:?}"),
    }
}

/// The rows after a cursor, and the cursor after them; none if the bucket starts again.
pub fn page(db: &dyn Database, bucket: Bucket, cursor: Cursor, limit: usize) -> Option<(Vec<Row>, Cursor, bool)> {
    let asked = [BucketCursor { bucket: start(db, bucket).0, cursor, pending: 0 }];
    match db.pull(&Principal::SERVER, NOW, &[bucket], &asked, limit).unwrap().remove(0) {
        BucketRead::Page { rows, to, more, .. } => Some((rows, to.unwrap_or(cursor), more)),
        BucketRead::Start { .. } => None,
        BucketRead::Gone { .. } => panic!("gone"),
    }
}

/// The beginning of a bucket's log.
pub fn zero(db: &dyn Database) -> Cursor {
    Cursor { epoch: db.epoch(), ..Cursor::default() }
}

pub fn shown(row: &Row) -> Value {
    row.touched.as_ref().unwrap().values.get("kind").unwrap().value().clone()
}

pub fn faults(db: &dyn Database) -> Vec<String> {
    let mut faults = Vec::new();
    db.verify(&Principal::SERVER, NOW, &mut |fault| faults.push(format!("{fault:?}"))).unwrap();
    faults
}
