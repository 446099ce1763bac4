//! The outbox as a file: a header with the wrapped key, then entries of (length, CBOR frame).

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use gridpass_core::id::DeviceId;
use gridpass_core::seal::{OpeningKey, SecretKey, SigningKey, seal_to, verify};
use gridpass_core::wire;
use minicbor::{Decode, Encode};

use super::entry::Entry;
use crate::durable;

const MAGIC: &[u8; 8] = b"GPOUTBX1";
/// A frame larger than this is not one: a save holds at most a record of 32 KiB, twice.
const MAX_FRAME: u32 = 1 << 20;
const ABOUT: &[u8] = b"gridpass outbox v1";

/// What can go wrong with the outbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboxError {
    /// The file system refused.
    #[error("the outbox cannot be used: {step}")]
    Io {
        /// What was tried.
        step: &'static str,
    },
    /// The disk is full. What the file held it still holds.
    #[error("there is no room for the outbox: {step}")]
    Full {
        /// What was tried.
        step: &'static str,
    },
    /// The file is not an outbox that this key opens.
    #[error("the outbox does not open with this phone's key")]
    DoesNotOpen,
}

impl OutboxError {
    fn io(step: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |error| if durable::is_full(&error) { Self::Full { step } } else { Self::Io { step } }
    }
}

/// The first frame of the file.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Header {
    /// The enrolment that wrote it.
    #[n(0)]
    pub device: DeviceId,
    /// The device's Ed25519 public key.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub public_key: Vec<u8>,
    /// The file's key, sealed with a key derived from the device's secret.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub for_phone: Vec<u8>,
    /// The file's key, sealed to the server (HPKE).
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub for_server: Vec<u8>,
    /// The file's name, by which entries belong to it.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub file: Vec<u8>,
}

/// A sealed entry.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Frame {
    /// Counts from 1 through the life of the file, also over trims.
    #[n(0)]
    number: u64,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    sealed: Vec<u8>,
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    signature: Vec<u8>,
}

impl Frame {
    fn message(header: &Header, number: u64, sealed: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"outbox1").update(header.device.as_bytes()).update(&header.file);
        hasher.update(&number.to_le_bytes()).update(sealed);
        *hasher.finalize().as_bytes()
    }

    fn about(header: &Header, number: u64) -> Vec<u8> {
        [ABOUT, header.file.as_slice(), number.to_le_bytes().as_slice()].concat()
    }

    /// The entry, if whoever holds the file's key wrote it and nobody altered it.
    fn open(&self, header: &Header, key: &SecretKey) -> Option<Entry> {
        wire::decode(&key.open(&Self::about(header, self.number), &self.sealed).ok()?).ok()
    }

    /// Whether the device of the header wrote it.
    fn is_of_device(&self, header: &Header) -> bool {
        verify(&header.public_key, &Self::message(header, self.number, &self.sealed), &self.signature).is_ok()
    }
}

/// Who writes an outbox, and who else may read it.
pub struct Owner<'a> {
    /// The enrolment.
    pub device: DeviceId,
    /// The device's key.
    pub signing: &'a SigningKey,
    /// The key derived from the device's secret that wraps the file's key.
    pub wrapping: &'a SecretKey,
    /// The server's X25519 sealing key.
    pub server: &'a [u8],
}

/// An open outbox.
pub struct Outbox {
    path: PathBuf,
    file: File,
    header: Header,
    key: SecretKey,
    next: u64,
    entries: Vec<(u64, Entry, Vec<u8>)>,
}

impl Outbox {
    /// Opens the outbox at this path, or makes it. A torn end is cut off; a whole entry that does not open ends the
    /// reading there, and the file with what follows is set aside, not lost. `random` gives 96 fresh secret bytes.
    pub fn open(path: &Path, owner: &Owner<'_>, random: [u8; 96]) -> Result<Self, OutboxError> {
        let io = OutboxError::io;
        if path.exists() {
            let bytes = std::fs::read(path).map_err(io("read"))?;
            let Some((header, rest, start)) = header(&bytes) else {
                // Not even a header: a crash while the file was made.
                return Self::make(path, owner, random);
            };
            let key = unwrap_key(&header, owner.wrapping)?;
            // The key is this phone's and the server's: what opens with it needs no signature here.
            let (entries, good) = frames(rest, &header, &key, |_| true);
            let end = start + good;
            if end < bytes.len() && rest.len() - good > 4 && !is_torn(rest.get(good..).unwrap_or_default()) {
                let aside = path.with_extension(format!("damaged-{}", bytes.len()));
                std::fs::copy(path, aside).map_err(io("set aside"))?;
            }
            let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(io("open"))?;
            file.set_len(end as u64).map_err(io("cut the torn end"))?;
            file.seek(SeekFrom::End(0)).map_err(io("seek"))?;
            let next = entries.last().map_or(1, |(number, ..)| number + 1);
            return Ok(Self { path: path.to_owned(), file, header, key, next, entries });
        }
        Self::make(path, owner, random)
    }

    fn make(path: &Path, owner: &Owner<'_>, random: [u8; 96]) -> Result<Self, OutboxError> {
        let io = OutboxError::io;
        let [first, second, third] = thirds(&random);
        let key = SecretKey::new(first);
        let nonce = third.first_chunk::<24>().copied().unwrap_or_default();
        let mut file_name = [0; 16];
        blake3::Hasher::new_derive_key("gridpass outbox name v1").update(&third).finalize_xof().fill(&mut file_name);
        let header = Header {
            device: owner.device,
            public_key: owner.signing.public().to_vec(),
            for_phone: owner.wrapping.seal(nonce, ABOUT, key.expose()),
            for_server: seal_to(owner.server, second, ABOUT, key.expose()).map_err(|_| OutboxError::DoesNotOpen)?,
            file: file_name.to_vec(),
        };
        durable::replace(path, &start(&header)).map_err(io("make"))?;
        let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(io("open"))?;
        file.seek(SeekFrom::End(0)).map_err(io("seek"))?;
        Ok(Self { path: path.to_owned(), file, header, key, next: 1, entries: Vec::new() })
    }

    /// Appends entries and waits until they are on the disk.
    pub fn append(
        &mut self,
        entries: Vec<Entry>,
        signing: &SigningKey,
        mut nonce: impl FnMut() -> Result<[u8; 24], OutboxError>,
    ) -> Result<(), OutboxError> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let mut fresh = Vec::with_capacity(entries.len());
        for (number, entry) in (self.next..).zip(entries) {
            let about = Frame::about(&self.header, number);
            let sealed = self.key.seal(nonce()?, &about, &wire::encode(&entry));
            let signature = signing.sign(&Frame::message(&self.header, number, &sealed));
            let frame = framed(&wire::encode(&Frame { number, sealed, signature }));
            bytes.extend_from_slice(&frame);
            fresh.push((number, entry, frame));
        }
        let before = self.file.stream_position().map_err(OutboxError::io("append"))?;
        if let Err(error) = self.file.write_all(&bytes).and_then(|()| self.file.sync_data()) {
            // Half an entry would hide every later one.
            let _ = self.file.set_len(before).and_then(|()| self.file.seek(SeekFrom::End(0)));
            return Err(OutboxError::io("append")(error));
        }
        self.next += fresh.len() as u64;
        self.entries.extend(fresh);
        Ok(())
    }

    /// What the file holds, in the order it was written.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|(_, entry, _)| entry)
    }

    /// How many entries the file holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Keeps only the entries that `wanted` names; the file is replaced whole.
    pub fn trim(&mut self, wanted: impl Fn(&Entry) -> bool) -> Result<(), OutboxError> {
        if self.entries.iter().all(|(_, entry, _)| wanted(entry)) {
            return Ok(());
        }
        let io = OutboxError::io;
        let mut bytes = start(&self.header);
        let kept = self.entries.iter().filter(|(_, entry, _)| wanted(entry));
        kept.for_each(|(.., frame)| bytes.extend_from_slice(frame));
        // From here on the old file is nobody's: whatever fails, what follows is written to the new one.
        self.file = durable::put_in_place(&self.path, &bytes).map_err(io("trim"))?;
        self.entries.retain(|(_, entry, _)| wanted(entry));
        durable::sync_folder(self.path.parent().unwrap_or(Path::new("."))).map_err(io("trim"))
    }

    /// A copy of the file as it is.
    pub fn copy_to(&self, target: &Path) -> Result<(), OutboxError> {
        std::fs::copy(&self.path, target).map(|_| ()).map_err(OutboxError::io("copy"))
    }
}

/// Reads an outbox that was handed in: its header, and the entries that its device wrote. For the server's salvage.
pub fn read_as_server(bytes: &[u8], key: &OpeningKey) -> Result<(Header, Vec<Entry>), OutboxError> {
    let (header, rest, _) = header(bytes).ok_or(OutboxError::DoesNotOpen)?;
    let opened = key.open(ABOUT, &header.for_server).map_err(|_| OutboxError::DoesNotOpen)?;
    let key = SecretKey::new(opened.as_slice().try_into().map_err(|_| OutboxError::DoesNotOpen)?);
    let (entries, _) = frames(rest, &header, &key, |frame| frame.is_of_device(&header));
    Ok((header, entries.into_iter().map(|(_, entry, _)| entry).collect()))
}

fn unwrap_key(header: &Header, wrapping: &SecretKey) -> Result<SecretKey, OutboxError> {
    let opened = wrapping.open(ABOUT, &header.for_phone).map_err(|_| OutboxError::DoesNotOpen)?;
    opened.as_slice().try_into().map(SecretKey::new).map_err(|_| OutboxError::DoesNotOpen)
}

fn thirds(random: &[u8; 96]) -> [[u8; 32]; 3] {
    let mut parts = [[0; 32]; 3];
    for (part, bytes) in parts.iter_mut().zip(random.chunks_exact(32)) {
        part.copy_from_slice(bytes);
    }
    parts
}

fn start(header: &Header) -> Vec<u8> {
    [MAGIC.as_slice(), &framed(&wire::encode(header))].concat()
}

fn framed(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    [length.to_le_bytes().as_slice(), content].concat()
}

/// The first frame of the bytes and what follows it; nothing where the bytes end before the frame does.
fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length);
    (length <= MAX_FRAME).then(|| rest.split_at_checked(usize::try_from(length).ok()?))?
}

/// Whether what is left is the beginning of a frame whose end was never written.
fn is_torn(bytes: &[u8]) -> bool {
    match bytes.split_first_chunk::<4>() {
        Some((length, rest)) => {
            let length = u32::from_le_bytes(*length);
            length <= MAX_FRAME && rest.len() < length as usize
        }
        None => true,
    }
}

fn header(bytes: &[u8]) -> Option<(Header, &[u8], usize)> {
    let (content, rest) = frame(bytes.strip_prefix(MAGIC)?)?;
    Some((wire::decode(content).ok()?, rest, bytes.len() - rest.len()))
}

type Read = Vec<(u64, Entry, Vec<u8>)>;

/// The entries up to the first that is torn, altered or not `wanted`, and how many bytes they take.
fn frames(bytes: &[u8], header: &Header, key: &SecretKey, wanted: impl Fn(&Frame) -> bool) -> (Read, usize) {
    let mut entries: Read = Vec::new();
    let mut rest = bytes;
    while let Some((content, after)) = frame(rest) {
        let Some(read) = wire::decode::<Frame>(content).ok().filter(&wanted) else { break };
        let last = entries.last().map_or(0, |(number, ..)| *number);
        let Some(entry) = read.open(header, key).filter(|_| read.number > last) else { break };
        entries.push((read.number, entry, framed(content)));
        rest = after;
    }
    (entries, bytes.len() - rest.len())
}
