//! Sending files: one request at a time, small pictures first, never before the server knows who names them.
//!
//! A file is opened with a creation, which tells how much of it the server has, and then goes up in pieces. What
//! arrived stays there, so a cut costs one piece at most. What is wrong with one file never stops another.

use std::collections::{BTreeMap, BTreeSet};

use gridpass_core::id::BlobHash;
use gridpass_core::sync::{Event, Failure};
use rusqlite::Connection;

use super::attach::wait_again;
use super::{SealedError, is_told};
use crate::phone::Inner;
use crate::store::files::{self, FileRow, FileStand};
use crate::store::pending::{self, PendingState};
use crate::store::{self, locked};
use crate::syncing::{Stop, refusal};
use crate::transport::{Method, Request, Response};

/// How many bytes one request carries.
pub(super) const PIECE: usize = 512 << 10;
/// The largest answer to a piece, in bytes.
const ANSWER: usize = 64 << 10;
/// How often a file is sent from its beginning because its hash was another at the end.
const MAX_WRONG: u32 = 3;
/// How often a sync asks anew how much of one file the server has, without any of it arriving.
const MAX_LOST: u32 = 8;

/// How far one sync has come with files.
#[derive(Default)]
pub(crate) struct Sending {
    in_order: bool,
    /// Files of which the server has said how much it has.
    opened: BTreeSet<BlobHash>,
    /// Files that wait for the next sync.
    passed: BTreeSet<BlobHash>,
    /// How often the server had something else of a file than this phone thought.
    lost: BTreeMap<BlobHash, u32>,
}

impl Inner {
    /// A sync begins.
    pub(crate) fn begin_sending(&self) {
        *locked(&self.files.sending) = Sending::default();
    }

    /// Sends the next piece of the next file.
    pub(crate) async fn send_file(&self) -> Result<Event, Stop> {
        if !std::mem::replace(&mut locked(&self.files.sending).in_order, true) {
            self.put_files_in_order().map_err(|error| self.stopped(&error))?;
        }
        if let Some(file) = self.next_file()? {
            let is_opened = locked(&self.files.sending).opened.contains(&file.hash);
            match is_opened && file.stand == FileStand::Waiting {
                true => self.send_piece(file).await?,
                false => self.open_upload(file).await?,
            }
            self.committed();
        }
        let more = self.next_file()?.is_some();
        let queued = self.store.read(|db| pending::count(db, PendingState::Queued));
        Ok(Event::FileSent { more, to_push: queued.map_err(|error| self.stopped(&error))? > 0 })
    }

    fn next_file(&self) -> Result<Option<FileRow>, Stop> {
        let passed = locked(&self.files.sending).passed.clone();
        let ready = self.store.read(|db| ready(db, &passed));
        ready.map_err(|error| self.stopped(&error)).map(|files| files.into_iter().next())
    }

    /// Asks how much of the file the server has.
    async fn open_upload(&self, file: FileRow) -> Result<(), Stop> {
        let request = Request::new(Method::Post, "/sync/v1/uploads", ANSWER)
            .with("tus-resumable", "1.0.0")
            .with("upload-length", file.size.to_string())
            .with("upload-metadata", format!("hash {}", base64(file.hash.to_string().as_bytes())));
        let response = self.exchange(request).await?;
        match (response.status, offset(&response)) {
            (200 | 201, Some(offset)) => self.has(file, offset),
            (200 | 201, None) => Err(Stop { failure: Failure::Protocol, code: "upload_offset".to_owned() }),
            _ => self.refused(file, &response),
        }
    }

    async fn send_piece(&self, file: FileRow) -> Result<(), Stop> {
        let piece = self.files.reader(&file).and_then(|mut reader| reader.read_at(file.sent, PIECE));
        let piece = match piece {
            Ok(piece) => piece,
            Err(SealedError::Damaged) => return self.attention(file, "file_damaged"),
            Err(error) => return Err(self.stopped(&error.into())),
        };
        let mut request = Request::new(Method::Patch, format!("/sync/v1/uploads/{}", file.hash), ANSWER)
            .with("tus-resumable", "1.0.0")
            .with("content-type", "application/offset+octet-stream")
            .with("upload-offset", file.sent.to_string());
        let after = file.sent.saturating_add(piece.len() as u64);
        request.body = piece;
        let response = self.exchange(request).await?;
        match response.status {
            200 | 204 => match offset(&response).unwrap_or(after) {
                offset if offset > file.sent => self.has(file, offset),
                _ => self.lost(&file),
            },
            404 | 409 | 410 => self.lost(&file),
            422 => self.begin_again(file),
            _ => self.refused(file, &response),
        }
    }

    /// The server has something else of the file than this phone thought, or nothing: it is asked.
    fn lost(&self, file: &FileRow) -> Result<(), Stop> {
        let mut sending = locked(&self.files.sending);
        sending.opened.remove(&file.hash);
        let lost = sending.lost.entry(file.hash).or_default();
        *lost += 1;
        if *lost > MAX_LOST {
            sending.passed.insert(file.hash);
        }
        Ok(())
    }

    /// The server has so much of the file.
    fn has(&self, file: FileRow, offset: u64) -> Result<(), Stop> {
        let mut sending = locked(&self.files.sending);
        sending.opened.insert(file.hash);
        if offset > file.sent {
            sending.lost.remove(&file.hash);
        }
        drop(sending);
        let now = self.now().map_err(|_| Stop { failure: Failure::Storage, code: "clock".to_owned() })?;
        let is_whole = offset >= file.size;
        let stored = self.store.write(|tx| {
            // Taken back, or brought back in another sealed file, while the request was under way.
            let Some(file) = files::get(tx, &file.hash)? else { return Ok(()) };
            match (is_whole, file.stand) {
                (true, _) => files::put(
                    tx,
                    &FileRow {
                        stand: FileStand::Stored,
                        sent: file.size,
                        attempts: 0,
                        code: None,
                        since_ms: if file.stand == FileStand::Offered { file.since_ms } else { now.server_ms },
                        ..file
                    },
                ),
                (false, FileStand::Offered) => {
                    wait_again(self, tx, &FileRow { stand: FileStand::Waiting, sent: offset, ..file })
                }
                (false, _) => files::put(tx, &FileRow { sent: offset, ..file }),
            }
        });
        stored.map_err(|error| self.stopped(&error))?;
        if is_whole {
            self.outbox_trim().map_err(|_| Stop { failure: Failure::Storage, code: "outbox".to_owned() })?;
        }
        Ok(())
    }

    /// What arrived had another hash: it is sent from the beginning, a few times.
    fn begin_again(&self, file: FileRow) -> Result<(), Stop> {
        locked(&self.files.sending).opened.remove(&file.hash);
        let attempts = file.attempts + 1;
        if attempts >= MAX_WRONG {
            return self.attention(file, "file_altered");
        }
        self.put(&FileRow { sent: 0, attempts, ..file })
    }

    /// The server did not take it: what that means for this file and for the sync.
    fn refused(&self, file: FileRow, response: &Response) -> Result<(), Stop> {
        let refused = refusal(response);
        match (refused.status, refused.code.as_str(), refused.failure) {
            // The record is on its way, or this server takes no files yet.
            (_, "no_reference", _) | (404 | 405 | 501, ..) => {
                locked(&self.files.sending).passed.insert(file.hash);
                Ok(())
            }
            (500.., _, Failure::Busy) => {
                // Should it be this file that the server stumbles over, the others go before it next time.
                self.put(&FileRow { attempts: file.attempts + 1, ..file })?;
                Err(refused.into())
            }
            // A form knows the server's word for numbers that are too large.
            (_, "too_large", _) => self.attention(file, "file_over_limit"),
            (_, code, Failure::Protocol) => self.attention(file, code),
            _ => Err(refused.into()),
        }
    }

    fn attention(&self, file: FileRow, code: &str) -> Result<(), Stop> {
        tracing::warn!(code, bytes = file.size, "a file cannot be sent");
        if file.stand == FileStand::Offered {
            // The server has it, or had it: nothing is lost that was not handed in.
            locked(&self.files.sending).passed.insert(file.hash);
            return Ok(());
        }
        self.put(&FileRow { stand: FileStand::Attention, code: Some(code.to_owned()), attempts: 0, ..file })
    }

    /// Stores what was learnt of a file, if it is still there.
    fn put(&self, file: &FileRow) -> Result<(), Stop> {
        let stored = self.store.write(|tx| match files::get(tx, &file.hash)? {
            Some(_) => files::put(tx, file),
            None => Ok(()),
        });
        stored.map_err(|error| self.stopped(&error))
    }
}

/// The files that can be sent now, in the order they go.
pub(crate) fn ready(db: &Connection, passed: &BTreeSet<BlobHash>) -> store::Result<Vec<FileRow>> {
    let mut ready = Vec::new();
    for file in files::to_send(db)? {
        if passed.contains(&file.hash) {
            continue;
        }
        for by in files::names(db, &file.hash)?.into_iter().filter(|by| by.own) {
            if is_told(db, by.record, &by.key)? {
                ready.push(file);
                break;
            }
        }
    }
    Ok(ready)
}

fn offset(response: &Response) -> Option<u64> {
    response.header("upload-offset")?.trim().parse().ok()
}

/// Base64 (RFC 4648) with padding, as the protocol writes metadata.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: [u8; 64] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = DIGITS.get((bits >> (18 - 6 * at) & 63) as usize).copied().unwrap_or(b'=');
            text.push(if at <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_what_rfc_4648_says() {
        for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }
}
