//! The small server's files: tus uploads and downloads by Range, and what a test tells them to do wrong.

use std::collections::{BTreeMap, BTreeSet};

use gridpass_core::catalog::FileRef;
use gridpass_core::id::{BlobHash, DeviceId};
use gridpass_core::value::Value;
use gridpass_phone::transport::{Method, Request, Response};

use crate::server::{World, refused};

/// What the server has of files, and what it does wrong with them.
#[derive(Clone, Default)]
pub struct Blobs {
    uploads: BTreeMap<(DeviceId, BlobHash), Upload>,
    /// Files that refused items name.
    pub in_quarantine: BTreeSet<BlobHash>,
    /// Keeps so many bytes of the next piece and hangs up.
    pub cut_upload_after: Option<usize>,
    /// Answers so many pieces of a download and hangs up once.
    pub cut_download_after: Option<u32>,
    /// Refuses these files.
    pub refuse: BTreeMap<BlobHash, (u16, &'static str)>,
    /// Says so many times that what arrived is something else.
    pub wrong: BTreeMap<BlobHash, u32>,
    /// The answer gets lost.
    pub hang_up: bool,
    /// How many bytes of each file arrived.
    pub arrived: BTreeMap<BlobHash, u64>,
    /// How many bytes went out.
    pub fetched: u64,
    /// Files in the order their first bytes came.
    pub order: Vec<BlobHash>,
}

#[derive(Clone)]
struct Upload {
    length: u64,
    bytes: Vec<u8>,
}

impl Blobs {
    /// The bytes of a file that arrived whole.
    pub fn whole(&self, hash: &BlobHash) -> Option<&Vec<u8>> {
        let mut uploads = self.uploads.iter().filter(|((_, of), _)| of == hash).map(|(_, upload)| upload);
        uploads.find(|upload| upload.bytes.len() as u64 == upload.length).map(|upload| &upload.bytes)
    }

    /// Forgets a file.
    pub fn forget(&mut self, hash: &BlobHash) {
        self.uploads.retain(|(_, of), _| of != hash);
    }
}

fn told(status: u16, headers: &[(&str, String)]) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Response { status, headers, ..Response::default() }
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value.as_str())
}

/// Base64 as the phone must have written it.
fn unbase64(text: &str) -> Vec<u8> {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    for four in text.as_bytes().chunks(4) {
        let value = |byte: &u8| digits.iter().position(|digit| digit == byte).unwrap_or(0) as u32;
        let bits = four.iter().fold(0, |bits, byte| bits << 6 | value(byte));
        let padding = four.iter().filter(|byte| **byte == b'=').count();
        bytes.extend_from_slice(&bits.to_be_bytes()[1..4 - padding]);
    }
    bytes
}

impl World {
    /// The sizes that open references of accepted or refused items state; `None` for a small picture's.
    fn references(&self, hash: &BlobHash) -> Vec<Option<u64>> {
        let mut found: Vec<Option<u64>> = self.blobs.in_quarantine.contains(hash).then_some(None).into_iter().collect();
        for stored in self.records.values() {
            let values = gridpass_core::record::shown_values(&stored.document.state(), |_| false);
            for (key, shown) in &values {
                let Some(file) = FileRef::parse(shown.value()) else { continue };
                let off = key.replacen('/', "_off/", 1);
                if values.get(&off).is_some_and(|off| *off.value() == Value::Bool(true)) {
                    continue;
                }
                found.extend((file.hash == *hash).then_some(Some(file.size)));
                found.extend((file.thumb == Some(*hash)).then_some(None));
            }
        }
        found
    }

    pub fn uploads(&mut self, device: DeviceId, request: &Request) -> Response {
        assert_eq!(header(request, "tus-resumable"), "1.0.0");
        match request.method {
            Method::Post => self.create_upload(device, request),
            Method::Patch => self.patch_upload(device, request),
            Method::Head | Method::Get => {
                let hash: BlobHash = request.path.rsplit('/').next().unwrap().parse().unwrap();
                match self.blobs.uploads.get(&(device, hash)) {
                    Some(upload) => told(200, &[("upload-offset", upload.bytes.len().to_string())]),
                    None => refused(404, "not_found"),
                }
            }
        }
    }

    fn create_upload(&mut self, device: DeviceId, request: &Request) -> Response {
        let length: u64 = header(request, "upload-length").parse().unwrap();
        let metadata = header(request, "upload-metadata").strip_prefix("hash ").unwrap();
        let hash: BlobHash = String::from_utf8(unbase64(metadata)).unwrap().parse().unwrap();
        if let Some((status, code)) = self.blobs.refuse.get(&hash) {
            return refused(*status, code);
        }
        let sizes = self.references(&hash);
        if sizes.is_empty() {
            return refused(409, "no_reference");
        }
        if sizes.iter().flatten().any(|size| *size != length) {
            return refused(400, "size");
        }
        let upload = self.blobs.uploads.entry((device, hash)).or_insert(Upload { length, bytes: Vec::new() });
        let offset = upload.bytes.len().to_string();
        told(201, &[("location", format!("/sync/v1/uploads/{hash}")), ("upload-offset", offset)])
    }

    fn patch_upload(&mut self, device: DeviceId, request: &Request) -> Response {
        assert_eq!(header(request, "content-type"), "application/offset+octet-stream");
        let hash: BlobHash = request.path.rsplit('/').next().unwrap().parse().unwrap();
        let at: usize = header(request, "upload-offset").parse().unwrap();
        let Some(upload) = self.blobs.uploads.get_mut(&(device, hash)) else { return refused(404, "not_found") };
        if upload.bytes.len() != at {
            return refused(409, "offset");
        }
        let kept = self.blobs.cut_upload_after.take();
        let piece = &request.body[..kept.unwrap_or(request.body.len())];
        if at == 0 {
            self.blobs.order.push(hash);
        }
        upload.bytes.extend_from_slice(piece);
        *self.blobs.arrived.entry(hash).or_default() += piece.len() as u64;
        if kept.is_some() {
            self.blobs.hang_up = true;
            return Response::default();
        }
        let wrong = self.blobs.wrong.get_mut(&hash).filter(|times| **times > 0);
        if upload.bytes.len() as u64 == upload.length {
            let is_right = *blake3::hash(&upload.bytes).as_bytes() == hash.0;
            if let Some(times) = wrong {
                *times -= 1;
                self.blobs.uploads.remove(&(device, hash));
                return refused(422, "hash");
            }
            assert!(is_right, "the phone sent something else");
        }
        let offset = self.blobs.uploads[&(device, hash)].bytes.len();
        told(204, &[("upload-offset", offset.to_string())])
    }

    pub fn download(&mut self, request: &Request) -> Response {
        let hash: BlobHash = request.path.rsplit('/').next().unwrap().parse().unwrap();
        if let Some(left) = self.blobs.cut_download_after {
            self.blobs.cut_download_after = left.checked_sub(1);
            if left == 0 {
                self.blobs.hang_up = true;
                return Response::default();
            }
        }
        let whole = self.blobs.whole(&hash).cloned().filter(|_| !self.references(&hash).is_empty());
        let Some(mut whole) = whole else { return refused(404, "not_found") };
        if self.blobs.wrong.get(&hash).is_some_and(|times| *times > 0) {
            *self.blobs.wrong.get_mut(&hash).unwrap() -= 1;
            whole[0] ^= 1;
        }
        let (from, to) = header(request, "range").strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
        if from >= whole.len() {
            return refused(416, "range");
        }
        let end = whole.len().min(to + 1);
        self.blobs.fetched += (end - from) as u64;
        let range = format!("bytes {from}-{}/{}", end - 1, whole.len());
        Response { body: whole[from..end].to_vec(), ..told(206, &[("content-range", range)]) }
    }
}
