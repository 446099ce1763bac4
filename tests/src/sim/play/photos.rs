//! Photos of visits: added without a network, handed in in pieces, taken back, fetched by others.

use gridpass_phone::{AttachInput, Content, FileState};

use super::super::files::faults;
use super::*;

/// Sizes: less than a chunk on the disk, several chunks, more than one piece on the line.
const SIZES: [usize; 5] = [100, 4_000, 70_000, 200_001, 600_000];

impl Play {
    pub(super) fn attach(&mut self, number: usize, a: usize, b: usize) -> Result<(), Error> {
        let phone = self.phone(number)?;
        let own = self.photos.iter().position(|photo| photo.phone == number && !photo.taken_back);
        if let (Some(own), true) = (own, b.is_multiple_of(9)) {
            return self.take_back(number, &phone, own);
        }
        let visits = rows(&phone, "visit")?;
        let Some(record) = visits.get(a % visits.len().max(1)).copied() else { return Ok(()) };
        self.edits += 1;
        let photo = |name: &str, len| {
            let mut bytes = vec![0; len];
            blake3::Hasher::new().update(format!("{name} {}", self.edits).as_bytes()).finalize_xof().fill(&mut bytes);
            bytes
        };
        // Large ones are rare: a sync sends them in pieces, and bytes cost time.
        let size = SIZES.get([0, 1, 2, 0, 1, 3, 0, 4].get(b % 8).copied().unwrap_or(0)).copied().unwrap_or(0);
        let (bytes, thumb) = (photo("photo", size), b.is_multiple_of(3).then(|| photo("small picture", 90)));
        let content = Content::Bytes(bytes.clone());
        let (media_type, visit) = ("image/jpeg".into(), Some(record));
        let field = "photo".into();
        let input = AttachInput { record, field, content, media_type, purpose: None, taken_at_ms: None, thumb, visit };
        match phone.attach(input) {
            Ok(attached) => {
                self.count("attached");
                let shown = phone.values(record)?;
                let value = shown.get(&attached.key).map(|shown| plain(shown.value())).unwrap_or(Plain::Nothing);
                drop(phone);
                if self.ended(number)? {
                    return Ok(()); // it may be there or not
                }
                let intent = attached.intent.map(|intent| intent.to_string()).unwrap_or_default();
                self.note(number, record, &intent, (attached.key.clone(), value, Vec::new(), Rule::Once), Fate::Saved);
                let (key, hash) = (attached.key, attached.hash);
                self.photos.push(Photo {
                    phone: number,
                    record,
                    key,
                    hash,
                    bytes,
                    taken_back: false,
                    was_handed_in: false,
                });
            }
            Err(error) => self.refused(number, &error)?,
        }
        Ok(())
    }

    fn take_back(&mut self, number: usize, phone: &Phone, own: usize) -> Result<(), Error> {
        let Some(photo) = self.photos.get_mut(own) else { return Ok(()) };
        let saved = phone.take_back(photo.record, &photo.key);
        // With a platform that fails in its middle it may have happened.
        photo.taken_back = saved.is_ok() || self.handsets.get(number).is_some_and(|handset| handset.platform.failing());
        let record = photo.record;
        self.count("taken_back");
        self.saved(number, Some(record), saved, Vec::new())
    }

    /// Somebody looks at a photo that is not on the phone. What comes is what was taken, or nothing.
    pub(super) fn fetch(&mut self, number: usize, a: usize, b: usize) -> Result<(), Error> {
        let phone = self.phone(number)?;
        let mut there = Vec::new();
        for record in rows(&phone, "visit")? {
            there.extend(phone.files(record)?.into_iter().filter(|file| file.state == FileState::Elsewhere));
        }
        let Some(file) = there.get(a % there.len().max(1)) else { return Ok(()) };
        let hash = file.hash;
        let ended = {
            let mut fetching = Box::pin(phone.fetch_file(&hash));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let mut ended = None;
            // The line may be cut in its middle; the next time it goes on there.
            for _ in 0..if b.is_multiple_of(4) { 1 + b % 3 } else { MANY } {
                if let std::task::Poll::Ready(result) = fetching.as_mut().poll(&mut context) {
                    ended = Some(result.map(|_| ()));
                    break;
                }
                for name in self.net.names(Some(number), None) {
                    self.serve(name);
                    self.hand(name);
                }
            }
            ended
        };
        match ended {
            Some(Ok(())) => {
                self.count("fetched");
                let bytes = match phone.read_file(&hash) {
                    Ok(bytes) => bytes,
                    Err(error) => return self.refused(number, &error),
                };
                let known = self.photos.iter().find(|photo| photo.hash == hash);
                if known.is_some_and(|known| bytes.as_ref() != Some(&known.bytes)) {
                    self.fault(format!("phone {number} fetched other bytes than those of {hash}"));
                }
            }
            Some(Err(error)) => self.refused(number, &error)?,
            None => self.count("fetch_cut"),
        }
        Ok(())
    }

    /// The server is about to forget what it was told since a copy was made.
    pub(super) fn note_handed_in(&mut self) {
        for photo in &mut self.photos {
            photo.was_handed_in |= self.server.has_object(photo.hash);
        }
    }

    /// Where photos are when everybody is quiet.
    pub(super) fn check_photos(&mut self) -> Result<(), Error> {
        let (found, tally) = faults(&self.server, &self.handsets, &self.photos, &self.model)?;
        self.report.faults.extend(found);
        self.report.tally.extend(tally);
        Ok(())
    }
}
