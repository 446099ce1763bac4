//! Where the bytes of every photo have to be when everybody is quiet.

use std::collections::BTreeMap;

use gridpass_core::id::{BlobHash, RecordId};

use super::handset::Handset;
use super::model::{Fate, Model};
use super::server::Server;
use crate::world::Error;

/// One photo that a phone said it has saved.
#[derive(Debug, Clone)]
pub struct Photo {
    /// The phone.
    pub phone: usize,
    /// The record.
    pub record: RecordId,
    /// The key that names it.
    pub key: String,
    /// The hash of its bytes.
    pub hash: BlobHash,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether its phone was asked to take it back.
    pub taken_back: bool,
    /// Whether a server that was put back had it before.
    pub was_handed_in: bool,
}

/// Says of every photo that was saved and not given up whether server or phone has it byte for byte.
pub fn faults(
    server: &Server,
    handsets: &[Handset],
    photos: &[Photo],
    model: &Model,
) -> Result<(Vec<String>, BTreeMap<&'static str, u64>), Error> {
    let (mut faults, mut tally) = (server.file_faults()?, BTreeMap::new());
    for photo in photos.iter().filter(|photo| !photo.taken_back) {
        let is_its = |edit: &&super::model::Edit| edit.record == photo.record.to_string() && edit.key == photo.key;
        let fate = model.edits.iter().find(is_its).map(|edit| edit.fate);
        let handset = handsets.get(photo.phone).ok_or("no such phone")?;
        let here = handset.phone()?.read_file(&photo.hash)?;
        let stored = server.file(photo.hash)?;
        let name = format!("photo {} of phone {}", photo.hash, photo.phone);
        for bytes in here.iter().chain(&stored).filter(|bytes| **bytes != photo.bytes) {
            faults.push(format!("{name} has {} other bytes", bytes.len()));
        }
        *tally
            .entry(match (&stored, &here) {
                (Some(_), _) => "photos_on_server",
                (None, Some(_)) => "photos_waiting",
                (None, None) if fate != Some(Fate::Saved) => "photos_given_up_or_on_lost_disks",
                (None, None) => "photos_only_a_lost_server_had",
            })
            .or_default() += 1;
        if stored.is_none() && here.is_none() {
            // A file that was handed in goes with its record when that leaves the phone; then only the server has it.
            if fate == Some(Fate::Saved) && !photo.was_handed_in {
                faults.push(format!("vanished: {name}"));
            }
            continue;
        }
        // Nothing is refused and nothing waits: then everything is handed in.
        let state = handset.phone()?.state()?;
        let waits = state.inbox > 0 || state.unsent > 0 || photo.altered(handset)?;
        if fate == Some(Fate::Saved) && stored.is_none() && !waits {
            faults.push(format!("not handed in: {name}"));
        }
    }
    Ok((faults, tally))
}

impl Photo {
    /// Whether its phone shows that the server did not take it.
    fn altered(&self, handset: &Handset) -> Result<bool, Error> {
        let Ok(files) = handset.phone()?.files(self.record) else { return Ok(false) };
        let needs =
            |state: &gridpass_phone::FileState| matches!(state, gridpass_phone::FileState::NeedsAttention { .. });
        Ok(files.iter().any(|file| file.hash == self.hash && needs(&file.state)))
    }
}
