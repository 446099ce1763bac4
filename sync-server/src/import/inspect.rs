//! What a file really is, before anything unpacks it: by its first bytes, not by its name, and within bounds.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use zip::ZipArchive;

/// As many parts as a workbook may have.
const MOST_PARTS: usize = 10_000;
/// How large what is held in memory may be when it is unpacked: texts, formats, relations.
const MOST_HELD: u64 = 256 << 20;
/// How large all of a workbook may be when it is unpacked. Sheets are read as they are unpacked.
const MOST: u64 = 4 << 30;
/// A part that is larger than this may not be packed more than [`MOST_RATIO`] times.
const SMALL: u64 = 64 << 20;
const MOST_RATIO: u64 = 200;
/// How much text may stand between two tags: a cell has 32,767 characters at most.
const MOST_TEXT: usize = 1 << 20;

/// What is wrong with a file, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unfit {
    pub what: &'static str,
    pub remedy: &'static str,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text.
    Csv,
    /// A workbook; with macros, which nobody runs.
    Workbook { macros: bool },
}

fn unfit<T>(what: &'static str, remedy: &'static str) -> std::io::Result<Result<T, Unfit>> {
    Ok(Err(Unfit { what, remedy }))
}

/// Looks what a file is, and whether that is what its name says.
pub(super) fn inspect(path: &Path) -> std::io::Result<Result<Kind, Unfit>> {
    let named_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let mut file = BufReader::new(File::open(path)?);
    let mut head = Vec::new();
    file.by_ref().take(512).read_to_end(&mut head)?;
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&head).trim_ascii_start();
    let markup = ["<!doctype", "<html", "<table", "<?xml", "<meta", "<head"];
    let is_markup =
        markup.iter().any(|tag| text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes())));
    file.seek(SeekFrom::Start(0))?;
    match head.as_slice() {
        [] => unfit("is empty", "copy it again from where it came"),
        [b'P', b'K', 3, 4, ..] if named_csv => {
            unfit("is a packed workbook with the name of a CSV file", "rename it to .xlsx")
        }
        [b'P', b'K', 3, 4, ..] => workbook(file),
        [0xD0, 0xCF, 0x11, 0xE0, ..] if is_sealed(file)? => {
            unfit("is protected by a password", "open it, take the password away and save it as .xlsx")
        }
        [0xD0, 0xCF, 0x11, 0xE0, ..] => {
            unfit("is a workbook of the old kind (.xls, .et)", "open it and save it as .xlsx")
        }
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => {
            unfit("is text in UTF-16", "open it and save it as “CSV UTF-8” or as .xlsx")
        }
        _ if is_markup => unfit(
            "is a web page or an XML table and no workbook",
            "open it in a spreadsheet program and save it as .xlsx",
        ),
        _ if head.contains(&0) => unfit("is neither a workbook nor text", "open it and save it as .xlsx or .csv"),
        _ if named_csv => Ok(Ok(Kind::Csv)),
        _ => unfit("is text with the name of a workbook", "rename it to .csv, or open it and save it as .xlsx"),
    }
}

/// Whether an OLE container holds a workbook under a password: the name of its stream stands in it in UTF-16.
fn is_sealed(mut file: impl Read) -> std::io::Result<bool> {
    let name: Vec<u8> = "EncryptedPackage".bytes().flat_map(|byte| [byte, 0]).collect();
    let mut kept: Vec<u8> = Vec::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            return Ok(false);
        }
        kept.extend(piece.iter().take(length));
        if kept.windows(name.len()).any(|window| window == name) {
            return Ok(true);
        }
        kept.drain(..kept.len().saturating_sub(name.len()));
    }
}

fn workbook(file: impl Read + Seek) -> std::io::Result<Result<Kind, Unfit>> {
    const BROKEN: &str = "is damaged: it cannot be unpacked";
    const AGAIN: &str = "copy it again from where it came, or open it and save it as .xlsx";
    const BOMB: &str = "unpacks to far more than a workbook holds";
    const ASK: &str = "ask who sent it; a real workbook: open it and save it as .csv";
    let Ok(mut archive) = ZipArchive::new(file) else { return unfit(BROKEN, AGAIN) };
    let has = |names: &[String], name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let names: Vec<String> = archive.file_names().filter_map(Result::ok).map(|name| name.into_owned()).collect();
    if names.len() > MOST_PARTS {
        return unfit(BOMB, ASK);
    }
    if !has(&names, "xl/workbook.xml") {
        return match () {
            () if has(&names, "xl/workbook.bin") => {
                unfit("is a binary workbook (.xlsb)", "open it and save it as .xlsx")
            }
            () if has(&names, "content.xml") => {
                unfit("is an OpenDocument table (.ods)", "open it and save it as .xlsx")
            }
            () => unfit("is packed and no workbook", "unpack it and name the files in it"),
        };
    }
    let mut all = 0;
    let mut piece = vec![0; 64 << 10];
    for place in 0..archive.len() {
        let Ok(part) = archive.by_index(place) else { return unfit(BROKEN, AGAIN) };
        let Ok(name) = part.name().map(|name| name.to_ascii_lowercase()) else { return unfit(BROKEN, AGAIN) };
        // Pictures and macros are never unpacked.
        if !(name.ends_with(".xml") || name.ends_with(".rels")) {
            continue;
        }
        let sheet = name.starts_with("xl/worksheets/");
        let packed = part.compressed_size().max(1);
        let most = if sheet { MOST } else { MOST_HELD };
        let (mut size, mut gap) = (0, 0);
        let mut part = part.take(most + 1);
        loop {
            let Ok(length) = part.read(&mut piece) else { return unfit(BROKEN, AGAIN) };
            let Some(bytes) = piece.get(..length).filter(|bytes| !bytes.is_empty()) else { break };
            size += bytes.len() as u64;
            for run in bytes.split_inclusive(|byte| *byte == b'<') {
                gap += run.len();
                if gap > MOST_TEXT {
                    return unfit("has a cell that is larger than a cell can be", ASK);
                }
                if run.ends_with(b"<") {
                    gap = 0;
                }
            }
            if size > most || all + size > MOST || (size > SMALL && size / packed > MOST_RATIO) {
                return unfit(BOMB, ASK);
            }
        }
        all += size;
    }
    Ok(Ok(Kind::Workbook { macros: has(&names, "xl/vbaProject.bin") }))
}
