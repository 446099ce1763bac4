use gridpass_core::id::{DeviceId, IntentId};
use gridpass_core::seal::{OpeningKey, SecretKey, SigningKey};

use super::*;

const FOLDER: &str = "outbox";

struct Fixture {
    folder: tempfile::TempDir,
    signing: SigningKey,
    wrapping: SecretKey,
    server: OpeningKey,
}

impl Fixture {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            signing: SigningKey::from_secret(&[1; 32]),
            wrapping: SecretKey::new([2; 32]),
            server: OpeningKey::from_secret(&[3; 32]),
        }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join(FOLDER)
    }

    fn open(&self) -> Result<Outbox, OutboxError> {
        let owner = Owner {
            device: DeviceId([4; 16]),
            signing: &self.signing,
            wrapping: &self.wrapping,
            server: self.server.public(),
        };
        Outbox::open(&self.path(), &owner, [5; 96])
    }

    fn append(&self, outbox: &mut Outbox, numbers: std::ops::Range<u8>) {
        let mut nonce = 0;
        let nonce = || {
            nonce += 1;
            Ok([nonce; 24])
        };
        outbox.append(numbers.map(entry).collect(), &self.signing, nonce).unwrap();
    }
}

fn entry(number: u8) -> Entry {
    Entry::DraftGone(IntentId([number; 16]))
}

fn numbers(outbox: &Outbox) -> Vec<Entry> {
    outbox.entries().cloned().collect()
}

#[test]
fn entries_come_back_in_order_and_a_trim_keeps_what_is_wanted() {
    let fixture = Fixture::new();
    let mut outbox = fixture.open().unwrap();
    fixture.append(&mut outbox, 0..4);
    outbox.trim(|kept| *kept != entry(1)).unwrap();
    fixture.append(&mut outbox, 4..5);
    drop(outbox);
    assert_eq!(numbers(&fixture.open().unwrap()), [entry(0), entry(2), entry(3), entry(4)]);
}

#[test]
fn a_file_cut_anywhere_gives_back_every_whole_entry_and_can_be_written_on() {
    let fixture = Fixture::new();
    let mut outbox = fixture.open().unwrap();
    fixture.append(&mut outbox, 0..3);
    let whole = std::fs::read(fixture.path()).unwrap();
    let mut counts = Vec::new();
    for length in 0..whole.len() {
        std::fs::write(fixture.path(), &whole[..length]).unwrap();
        let mut cut = fixture.open().unwrap();
        let found = cut.len();
        assert_eq!(numbers(&cut), (0..3).map(entry).take(found).collect::<Vec<_>>());
        fixture.append(&mut cut, 9..10);
        drop(cut);
        assert_eq!(fixture.open().unwrap().len(), found + 1);
        counts.push(found);
    }
    counts.dedup();
    assert_eq!(counts, [0, 1, 2]);
}

#[test]
fn an_altered_entry_is_not_believed_and_one_whose_signature_broke_is_not_lost() {
    let fixture = Fixture::new();
    let mut outbox = fixture.open().unwrap();
    fixture.append(&mut outbox, 0..2);
    let start = std::fs::read(fixture.path()).unwrap().len();
    fixture.append(&mut outbox, 2..3);
    let whole = std::fs::read(fixture.path()).unwrap();
    for position in start + 4..whole.len() {
        let mut altered = whole.clone();
        altered[position] ^= 1;
        std::fs::write(fixture.path(), &altered).unwrap();
        let left = if position < whole.len() - 64 { 0..2 } else { 0..3 };
        let left: Vec<_> = left.map(entry).collect();
        assert_eq!(numbers(&fixture.open().unwrap()), left, "byte {position}");
        assert_eq!(read_as_server(&altered, &fixture.server).unwrap().1, [entry(0), entry(1)], "byte {position}");
    }
}

#[test]
fn the_server_reads_it_nobody_else_does_and_entries_of_another_device_are_passed_over() {
    let fixture = Fixture::new();
    let mut outbox = fixture.open().unwrap();
    fixture.append(&mut outbox, 0..2);
    let nonce = || Ok([77; 24]);
    outbox.append(vec![entry(7)], &SigningKey::from_secret(&[99; 32]), nonce).unwrap();
    let bytes = std::fs::read(fixture.path()).unwrap();
    let (header, entries) = read_as_server(&bytes, &fixture.server).unwrap();
    assert_eq!(header.public_key, fixture.signing.public());
    assert_eq!(entries, [entry(0), entry(1)]);
    assert_eq!(read_as_server(&bytes, &OpeningKey::from_secret(&[9; 32])), Err(OutboxError::DoesNotOpen));
}
