//! One sealed file: the form of the bytes on the disk.
//!
//! Eight bytes `GPFILE01`, then chunks of 64 KiB, each sealed under the file's own key. A chunk's number, whether it is
//! the last, and the file's name are bound to it: a file that was cut, put in another order, or mixed with another
//! does not open. Every whole chunk has the same length, so that any place can be read without what lies before it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use gridpass_core::seal::SecretKey;

use crate::durable;
use crate::host::Host;
use crate::outbox::FileKey;

const MAGIC: &[u8; 8] = b"GPFILE01";
/// How many bytes a chunk holds.
pub(crate) const CHUNK: usize = 64 << 10;
/// How many bytes a chunk takes: with nonce and tag.
const SEALED: u64 = CHUNK as u64 + OVER;
/// Nonce and tag.
const OVER: u64 = 24 + 16;

/// A sealed file does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealedError {
    /// The file system refused.
    #[error("the file system refused")]
    Io,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// The file is cut off, altered, or another.
    #[error("the file is not as it was written")]
    Damaged,
    /// The host gave no randomness.
    #[error("there is no randomness")]
    Random,
}

impl From<std::io::Error> for SealedError {
    fn from(error: std::io::Error) -> Self {
        if durable::is_full(&error) { Self::Full } else { Self::Io }
    }
}

/// The name and the key of a sealed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seal {
    pub name: String,
    pub key: FileKey,
}

impl Seal {
    /// A new name and a new key.
    pub fn new(host: &Host) -> Result<Self, SealedError> {
        let name: [u8; 16] = host.random().map_err(|_| SealedError::Random)?;
        let key = host.random().map_err(|_| SealedError::Random)?;
        Ok(Self { name: gridpass_core::id::hex(&name), key: FileKey(key) })
    }

    fn about(&self, number: u64, last: bool) -> Vec<u8> {
        let number = number.to_le_bytes();
        [b"gridpass file v1".as_slice(), self.name.as_bytes(), &number, &[u8::from(last)]].concat()
    }
}

/// Writes a sealed file from its beginning to its end.
pub(crate) struct Writer<'a> {
    host: &'a Host,
    seal: Seal,
    file: File,
    /// What is not written yet: never empty once something came, since the last chunk must be known as the last.
    rest: Vec<u8>,
    number: u64,
}

impl<'a> Writer<'a> {
    /// A new file in the folder.
    pub fn create(host: &'a Host, folder: &Path, seal: Seal) -> Result<Self, SealedError> {
        let mut file = File::create_new(folder.join(&seal.name))?;
        file.write_all(MAGIC)?;
        Ok(Self { host, seal, file, rest: Vec::new(), number: 0 })
    }

    /// Goes on with a file that was not finished, after its last whole chunk.
    pub fn resume(host: &'a Host, folder: &Path, seal: Seal) -> Result<Self, SealedError> {
        let path = folder.join(&seal.name);
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let length = file.metadata()?.len();
        let number = length.checked_sub(MAGIC.len() as u64).ok_or(SealedError::Damaged)? / SEALED;
        file.set_len(place(number))?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { host, seal, file, rest: Vec::new(), number })
    }

    /// How many bytes it holds so far.
    pub fn len(&self) -> u64 {
        self.number * CHUNK as u64 + self.rest.len() as u64
    }

    /// Adds bytes. A chunk is written when something follows it.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), SealedError> {
        while !bytes.is_empty() {
            if self.rest.len() == CHUNK {
                self.put(false)?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.rest.len()));
            self.rest.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Writes the last chunk and waits until everything is on the disk.
    pub fn finish(mut self, folder: &Path) -> Result<Seal, SealedError> {
        self.put(true)?;
        self.file.sync_all().and_then(|()| durable::sync_folder(folder))?;
        Ok(self.seal)
    }

    fn put(&mut self, last: bool) -> Result<(), SealedError> {
        let nonce = self.host.random().map_err(|_| SealedError::Random)?;
        let sealed = SecretKey::new(self.seal.key.0).seal(nonce, &self.seal.about(self.number, last), &self.rest);
        self.file.write_all(&sealed)?;
        self.rest.clear();
        self.number += 1;
        Ok(())
    }
}

/// Reads a sealed file at any place.
pub(crate) struct Reader {
    seal: Seal,
    file: File,
    len: u64,
}

impl Reader {
    /// Opens a finished file of `len` bytes.
    pub fn open(folder: &Path, seal: Seal, len: u64) -> Result<Self, SealedError> {
        let mut file = File::open(folder.join(&seal.name)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => SealedError::Damaged,
            _ => SealedError::Io,
        })?;
        let found = file.metadata()?.len();
        let whole = chunks(len) * OVER + len + MAGIC.len() as u64;
        let mut magic = [0; MAGIC.len()];
        let is_sealed = file.read_exact(&mut magic).is_ok() && magic == *MAGIC;
        if is_sealed && found == whole { Ok(Self { seal, file, len }) } else { Err(SealedError::Damaged) }
    }

    /// How many bytes a finished file of this length on the disk holds.
    pub fn size_on_disk(path: &Path) -> Result<u64, SealedError> {
        let found = std::fs::metadata(path)?.len();
        let found = found.checked_sub(MAGIC.len() as u64).ok_or(SealedError::Damaged)?;
        found.checked_sub(found.div_ceil(SEALED) * OVER).ok_or(SealedError::Damaged)
    }

    /// How many bytes the file holds.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The bytes from `offset`, at most `most`; none at the end.
    pub fn read_at(&mut self, offset: u64, most: usize) -> Result<Vec<u8>, SealedError> {
        let end = offset.saturating_add(most as u64).min(self.len);
        let mut bytes = Vec::new();
        let mut at = offset;
        while at < end {
            let number = at / CHUNK as u64;
            let chunk = self.chunk(number)?;
            let begin = number * CHUNK as u64;
            let part = chunk.get(within(at, begin)..within(end, begin).min(chunk.len()));
            let part = part.filter(|part| !part.is_empty()).ok_or(SealedError::Damaged)?;
            bytes.extend_from_slice(part);
            at += part.len() as u64;
        }
        Ok(bytes)
    }

    /// The BLAKE3 hash of the whole file.
    pub fn hash(&mut self) -> Result<[u8; 32], SealedError> {
        let mut hasher = blake3::Hasher::new();
        for number in 0..chunks(self.len) {
            hasher.update(&self.chunk(number)?);
        }
        Ok(*hasher.finalize().as_bytes())
    }

    fn chunk(&mut self, number: u64) -> Result<Vec<u8>, SealedError> {
        let last = number + 1 == chunks(self.len);
        self.file.seek(SeekFrom::Start(place(number)))?;
        let mut sealed = Vec::new();
        (&self.file).take(SEALED).read_to_end(&mut sealed)?;
        let key = SecretKey::new(self.seal.key.0);
        key.open(&self.seal.about(number, last), &sealed).map_err(|_| SealedError::Damaged)
    }
}

/// How many chunks so many bytes take.
fn chunks(len: u64) -> u64 {
    len.div_ceil(CHUNK as u64).max(1)
}

/// Where a chunk begins.
fn place(number: u64) -> u64 {
    MAGIC.len() as u64 + number * SEALED
}

fn within(at: u64, begin: u64) -> usize {
    usize::try_from(at.saturating_sub(begin)).unwrap_or(CHUNK).min(CHUNK)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU8, Ordering};

    use gridpass_core::catalog::Catalog;

    use super::*;
    use crate::host::{Clock, HostError, KeyStore, Random};
    use crate::transport::Flight;

    /// Lends what these tests need: bytes that differ every time.
    struct Lent(AtomicU8);

    impl Random for Lent {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), HostError> {
            bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
            Ok(())
        }
    }

    impl Clock for Lent {
        fn wall_ms(&self) -> Result<i64, HostError> {
            Ok(0)
        }

        fn monotonic_ms(&self) -> Result<i64, HostError> {
            Ok(0)
        }
    }

    impl KeyStore for Lent {
        fn load(&self, _: &str) -> Result<Option<Vec<u8>>, HostError> {
            Ok(None)
        }

        fn store(&self, _: &str, _: &[u8]) -> Result<(), HostError> {
            Ok(())
        }

        fn delete(&self, _: &str) -> Result<(), HostError> {
            Ok(())
        }
    }

    fn host() -> Host {
        let lent = Arc::new(Lent(AtomicU8::new(1)));
        Host {
            keys: lent.clone(),
            clock: lent.clone(),
            random: lent,
            connect: Arc::new(Flight),
            catalog: Catalog::built_in(),
            app_version: String::new(),
        }
    }

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at % 251) as u8).collect()
    }

    fn write(host: &Host, folder: &Path, content: &[u8]) -> Seal {
        let mut writer = Writer::create(host, folder, Seal::new(host).unwrap()).unwrap();
        content.chunks(10_007).for_each(|piece| writer.write(piece).unwrap());
        writer.finish(folder).unwrap()
    }

    fn read(folder: &Path, seal: &Seal, len: u64) -> Result<Vec<u8>, SealedError> {
        let mut reader = Reader::open(folder, seal.clone(), len)?;
        reader.read_at(0, usize::MAX)
    }

    #[test]
    fn every_length_comes_back_whole_and_from_any_place() {
        let (host, folder) = (host(), tempfile::tempdir().unwrap());
        for len in [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5] {
            let content = bytes(len);
            let seal = write(&host, folder.path(), &content);
            assert_eq!(read(folder.path(), &seal, len as u64).unwrap(), content);
            let mut reader = Reader::open(folder.path(), seal, len as u64).unwrap();
            assert_eq!(reader.hash().unwrap(), *blake3::hash(&content).as_bytes());
            for from in [0, len / 2, len - 1, len] {
                assert_eq!(reader.read_at(from as u64, 70_000).unwrap(), content[from..len.min(from + 70_000)]);
            }
        }
    }

    #[test]
    fn a_file_cut_anywhere_does_not_open() {
        let (host, folder) = (host(), tempfile::tempdir().unwrap());
        let content = bytes(2 * CHUNK);
        let seal = write(&host, folder.path(), &content);
        let path = folder.path().join(&seal.name);
        let whole = std::fs::read(&path).unwrap();
        for cut in [0, 7, 8, 100, 8 + SEALED as usize, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(read(folder.path(), &seal, content.len() as u64), Err(SealedError::Damaged), "{cut}");
        }
        std::fs::write(&path, &whole[..8 + SEALED as usize]).unwrap();
        assert_eq!(read(folder.path(), &seal, CHUNK as u64), Err(SealedError::Damaged), "a first chunk is no last one");
    }

    #[test]
    fn chunks_in_another_order_or_of_another_file_do_not_open() {
        let (host, folder) = (host(), tempfile::tempdir().unwrap());
        let content = bytes(2 * CHUNK + 1);
        let seal = write(&host, folder.path(), &content);
        let path = folder.path().join(&seal.name);
        let mut swapped = std::fs::read(&path).unwrap();
        let (first, second) = swapped[8..].split_at_mut(SEALED as usize);
        first.swap_with_slice(&mut second[..SEALED as usize]);
        std::fs::write(&path, swapped).unwrap();
        assert_eq!(read(folder.path(), &seal, content.len() as u64), Err(SealedError::Damaged));

        let one = write(&host, folder.path(), &content);
        let renamed = Seal { name: "other".into(), key: one.key.clone() };
        std::fs::rename(folder.path().join(&one.name), folder.path().join("other")).unwrap();
        assert_eq!(read(folder.path(), &renamed, content.len() as u64), Err(SealedError::Damaged));
    }

    #[test]
    fn a_flipped_bit_anywhere_does_not_open() {
        let (host, folder) = (host(), tempfile::tempdir().unwrap());
        let seal = write(&host, folder.path(), b"a photo");
        let path = folder.path().join(&seal.name);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            std::fs::write(&path, flipped).unwrap();
            assert_eq!(read(folder.path(), &seal, 7), Err(SealedError::Damaged), "byte {at}");
        }
    }

    #[test]
    fn a_file_that_was_not_finished_is_gone_on_with_after_its_last_whole_chunk() {
        let (host, folder) = (host(), tempfile::tempdir().unwrap());
        let content = bytes(3 * CHUNK);
        let seal = Seal::new(&host).unwrap();
        let mut writer = Writer::create(&host, folder.path(), seal.clone()).unwrap();
        writer.write(&content[..2 * CHUNK + 9]).unwrap();
        drop(writer);
        let mut writer = Writer::resume(&host, folder.path(), seal).unwrap();
        assert_eq!(writer.len(), 2 * CHUNK as u64);
        writer.write(&content[2 * CHUNK..]).unwrap();
        let seal = writer.finish(folder.path()).unwrap();
        assert_eq!(read(folder.path(), &seal, content.len() as u64).unwrap(), content);
    }
}
