//! A phone on the command line: one process, one folder, the device's secrets in another folder. Thin over the facade.
//!
//! Answers are JSON on standard output. Errors are JSON on standard error, and the exit code is 1.
#![expect(clippy::print_stderr, reason = "a command line answers on its streams")]

mod json;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use gridpass_core::Value;
use gridpass_core::catalog::Text;
use gridpass_core::id::{IntentId, RecordId};
use gridpass_core::record::edit::Edit;
use gridpass_core::wire::IntentKind;
use gridpass_phone::host::Host;
use gridpass_phone::host_system::{FileKeyStore, SystemClock};
use gridpass_phone::transport::Flight;
use gridpass_phone::{ApiError, AttachInput, Content, EnrolInput, ListQuery, Phone, Problem, RecordView, SaveInput};
use serde_json::{Value as Json, json};

#[derive(Parser)]
#[command(version, about = "A GridPass phone on the command line")]
struct Cli {
    /// The phone's folder: its database, outbox and files.
    #[arg(long, global = true, default_value = "phone")]
    folder: PathBuf,
    /// The folder of the device's secrets, which stand for the platform's key store.
    #[arg(long, global = true, default_value = "phone-keys")]
    key_dir: PathBuf,
    /// Use no network, whatever is asked.
    #[arg(long, global = true)]
    flight: bool,
    /// Move the phone's wall clock by so many milliseconds.
    #[arg(long, global = true, default_value_t = 0, allow_hyphen_values = true)]
    now_offset: i64,
    /// The PIN, if the phone has one.
    #[arg(long, global = true)]
    pin: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Enrol with the text of an enrolment code.
    Enroll {
        /// `gridpass:1?…`
        code: String,
    },
    /// Send what waits and fetch what is new.
    Sync,
    /// The visits that are due, households of the grid, and what waits for the worker.
    Today,
    /// Records in the order of their titles.
    List {
        /// Only this collection.
        collection: Option<String>,
        /// Only what hangs on this record.
        #[arg(long)]
        parent: Option<RecordId>,
        /// Go on after this record of the last page.
        #[arg(long)]
        after: Option<RecordId>,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Also what has ended.
        #[arg(long)]
        all: bool,
    },
    /// Search: characters, pinyin, initials, tails of numbers, `3-2-301`.
    Find {
        /// What is typed.
        text: String,
        /// Only this collection.
        #[arg(long)]
        collection: Option<String>,
    },
    /// A record with its fields, links and what hangs on it; of an area, building or unit everything below it.
    Show {
        /// The record.
        record: RecordId,
    },
    /// Save fields of a record, each as `key=value`; `key=` clears it.
    Set {
        /// The record.
        record: RecordId,
        /// `key=value`; a value that reads as a number, true or false is one unless quoted.
        #[arg(required = true)]
        fields: Vec<String>,
        /// Where different values stand: decide instead of refusing.
        #[arg(long)]
        resolve: bool,
    },
    /// Confirm the value of a key without writing it again.
    Still {
        /// The record.
        record: RecordId,
        /// The key.
        key: String,
    },
    /// Make a record; the answer names those it may repeat.
    New {
        /// Its collection.
        collection: String,
        /// `key=value`
        fields: Vec<String>,
    },
    /// Forms that are being filled in.
    Draft {
        #[command(subcommand)]
        command: DraftCommand,
    },
    /// End a record; the catalog names the reasons.
    End {
        /// The record.
        record: RecordId,
        /// The day, `YYYY-MM-DD`.
        date: String,
        /// The reason's code.
        reason: String,
    },
    /// Take an end back.
    UndoEnd {
        /// The record.
        record: RecordId,
    },
    /// Visit a household and confirm everything that hangs on it, as one change of one record.
    Visit {
        /// The household.
        household: RecordId,
        /// met, absent, refused, moved, wrong_address or vacant.
        #[arg(long, default_value = "met")]
        outcome: String,
    },
    /// Add a file to a record.
    Attach {
        /// The record.
        record: RecordId,
        /// The field.
        field: String,
        /// The file.
        file: PathBuf,
        /// The media type; without it, by the file's ending.
        #[arg(long = "type")]
        media_type: Option<String>,
        /// The code of what it is for.
        #[arg(long)]
        purpose: Option<String>,
        /// A small picture of it.
        #[arg(long)]
        thumb: Option<PathBuf>,
    },
    /// Write a file of a record to a path; fetch it before if it is not here.
    File {
        /// The record.
        record: RecordId,
        /// The key that names the file.
        key: String,
        /// Where it is written.
        #[arg(long)]
        to: PathBuf,
    },
    /// Take a file of a record back.
    TakeBack {
        /// The record.
        record: RecordId,
        /// The key that names the file.
        key: String,
    },
    /// What waits for the worker.
    Inbox,
    /// Send an item of the inbox again, with other values.
    Resend {
        /// The item.
        item: IntentId,
        /// `key=value` in place of what was typed before; without any, the same again.
        fields: Vec<String>,
    },
    /// Give an item of the inbox up.
    Discard {
        /// The item.
        item: IntentId,
    },
    /// Receipts of a record, or the check of all.
    Receipts {
        /// The record.
        record: Option<RecordId>,
        /// Check the server's signature under every receipt on the phone; needs no network.
        #[arg(long)]
        verify: bool,
        /// Write all receipts to a file that is not there yet, for `gridpass-server verify --receipts`.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["record", "verify"])]
        export: Option<PathBuf>,
    },
    /// Cursors, checksums, counts.
    State,
    /// Read everything that is stored and say what is wrong with it.
    Check,
    /// Write a sealed rescue copy of database and outbox.
    Export {
        /// Into this folder, which holds none yet.
        to: PathBuf,
    },
    /// Say what opening the phone needs: an enrolment, the PIN, or nothing.
    Lock,
    /// Set, change or take away the PIN; the present one is given by `--pin`.
    SetPin {
        /// The new PIN; none takes it away.
        new: Option<String>,
    },
    /// Begin again with an empty database after a forgotten PIN, under the PIN of `--pin`; unsent work comes back.
    Reset,
}

#[derive(Subcommand)]
enum DraftCommand {
    /// Store a form as far as it is filled in.
    Put {
        /// The collection.
        collection: String,
        /// `key=value`
        fields: Vec<String>,
        /// The record that is edited.
        #[arg(long)]
        record: Option<RecordId>,
        /// The draft that is stored over.
        #[arg(long)]
        draft: Option<IntentId>,
    },
    /// All drafts.
    List,
    /// Save a draft as it is.
    Save {
        /// The draft.
        draft: IntentId,
    },
    /// Forget a draft.
    Drop {
        /// The draft.
        draft: IntentId,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let answer = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|_| ApiError::Bug { step: "starting".into() })
        .and_then(|runtime| runtime.block_on(run(cli)));
    match answer {
        Ok(answer) => {
            // A reader that has gone away (`| head`) is no error.
            let _ = writeln!(std::io::stdout(), "{answer:#}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{:#}", json::error(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<Json, ApiError> {
    let mut host =
        Host::system(Arc::new(FileKeyStore::new(&cli.key_dir)), concat!("gridpass-phone ", env!("CARGO_PKG_VERSION")));
    host.clock = Arc::new(SystemClock::moved(cli.now_offset));
    if cli.flight {
        host.connect = Arc::new(Flight);
    }
    if let Command::Enroll { code } = cli.command {
        let phone = Phone::enroll(&cli.folder, host, EnrolInput { code, pin: cli.pin }).await?;
        return Ok(json::state(&phone.state()?));
    }
    if let Command::Lock = cli.command {
        return Ok(json!({ "lock": json::lock(Phone::lock_state(&host)?) }));
    }
    if let Command::Reset = cli.command {
        return Ok(json::state(&Phone::reset(&cli.folder, host, cli.pin.as_deref())?.state()?));
    }
    let phone = Phone::open(&cli.folder, host, cli.pin.as_deref())?;
    match cli.command {
        Command::Enroll { .. } | Command::Lock | Command::Reset | Command::State => Ok(json::state(&phone.state()?)),
        Command::Check => match phone.check_storage()? {
            faults if faults.is_empty() => Ok(json!({ "faults": faults })),
            faults => Err(ApiError::Storage { step: faults.join("; "), damaged: true }),
        },
        Command::Sync => {
            let report = phone.sync().await?;
            let (complete, unsent, files) = (report.complete, report.unsent, report.unsent_files);
            Ok(json!({ "complete": complete, "unsent": unsent, "unsent_files": files }))
        }
        Command::Today => today(&phone),
        Command::List { collection, parent, after, limit, all } => {
            let ended = if all { None } else { Some(false) };
            let list = phone.list(ListQuery { collection, parent, ended, after, limit, ..ListQuery::default() })?;
            let next = list.next.map(|next| next.to_string());
            Ok(json!({ "rows": list.rows.iter().map(json::row).collect::<Json>(), "next": next, "total": list.total }))
        }
        Command::Export { to } => {
            let exported = phone.export(&to)?;
            Ok(json!({ "database": exported.database, "outbox": exported.outbox, "files": exported.files }))
        }
        Command::SetPin { new } => {
            phone.set_pin(cli.pin.as_deref(), new.as_deref())?;
            Ok(json!({ "pin": new.is_some() }))
        }
        Command::Find { text, collection } => {
            let rows = phone.search(&text, collection.as_deref(), 50)?;
            Ok(rows.iter().map(json::row).collect())
        }
        Command::Show { record } => {
            let children = phone.children(record, None)?;
            let shown = phone.show(record)?;
            let mut answer = json::record(&shown);
            if let Some(answer) = answer.as_object_mut() {
                answer.insert("children".into(), children.iter().map(json::row).collect());
                if let Some(building) = building(&phone, &shown)? {
                    answer.insert("building".into(), building);
                }
            }
            Ok(answer)
        }
        Command::Set { record, fields, resolve: true } => {
            let mut saved = json!([]);
            for (key, value) in pairs(&fields)? {
                let shown = phone.values(record)?;
                let seen = shown.get(&key).map(|shown| shown.all().into_iter().cloned().collect()).unwrap_or_default();
                saved = json::saved(&phone.resolve(record, &key, value, seen)?);
            }
            Ok(saved)
        }
        Command::Set { record, fields, resolve: false } => {
            let edits = edits_over(&phone, record, &fields)?;
            let input = SaveInput { record: Some(record), edits, ..SaveInput::default() };
            Ok(json::saved(&phone.save(input)?))
        }
        Command::Still { record, key } => Ok(json::saved(&phone.still(record, &key)?)),
        Command::New { collection, fields } => new(&phone, &collection, &fields),
        Command::Draft { command } => draft(&phone, command),
        Command::End { record, date, reason } => Ok(json::saved(&phone.end(record, &date, &reason, Vec::new())?)),
        Command::UndoEnd { record } => Ok(json::saved(&phone.undo_end(record)?)),
        Command::Visit { household, outcome } => visit(&phone, household, &outcome, cli.now_offset),
        Command::Attach { record, field, file, media_type, purpose, thumb } => {
            let thumb = thumb.map(std::fs::read).transpose().map_err(|_| unreadable("--thumb"))?;
            let media_type = media_type.unwrap_or_else(|| media_type_of(&file).to_owned());
            let content = Content::Path(file);
            let (taken_at_ms, visit) = (None, None);
            let input = AttachInput { record, field, content, media_type, purpose, taken_at_ms, thumb, visit };
            Ok(json::attached(&phone.attach(input)?))
        }
        Command::File { record, key, to } => file(&phone, record, &key, &to).await,
        Command::TakeBack { record, key } => Ok(json::saved(&phone.take_back(record, &key)?)),
        Command::Inbox => Ok(phone.inbox()?.iter().map(json::inbox_item).collect()),
        Command::Resend { item, fields } => {
            let items = phone.inbox()?;
            let found = items.into_iter().find(|found| found.id == item).ok_or(ApiError::NotFound)?;
            let changed = pairs(&fields)?;
            let edits = found.edits.into_iter().zip(&found.now).map(|(edit, now)| {
                let new = changed.iter().find(|(key, _)| *key == edit.key).map(|(_, value)| value.clone());
                Edit::over(edit.key, Some(now), new.unwrap_or(edit.new))
            });
            let record = phone.edit_and_resend(item, edits.collect())?;
            Ok(json!({ "record": record.to_string() }))
        }
        Command::Discard { item } => {
            phone.discard(item)?;
            Ok(json!({ "discarded": item.to_string() }))
        }
        Command::Receipts { export: Some(file), .. } => {
            let bytes = phone.receipt_file()?;
            let failed = |_| ApiError::Storage { step: "write the receipts to a new file".into(), damaged: false };
            std::fs::File::create_new(&file).and_then(|mut to| to.write_all(&bytes)).map_err(failed)?;
            Ok(json!({ "file": file, "receipts": phone.verify_receipts()?.valid }))
        }
        Command::Receipts { verify: true, .. } | Command::Receipts { record: None, .. } => {
            let check = phone.verify_receipts()?;
            match check.invalid {
                0 => Ok(json!({ "valid": check.valid, "invalid": 0 })),
                _ => Err(ApiError::Storage { step: "checking receipts: a signature is wrong".into(), damaged: false }),
            }
        }
        Command::Receipts { record: Some(record), .. } => {
            Ok(phone.receipts(record)?.iter().map(json::receipt).collect())
        }
    }
}

/// Writes a file of a record to a path.
async fn file(phone: &Phone, record: RecordId, key: &str, to: &Path) -> Result<Json, ApiError> {
    let files = phone.files(record)?;
    let named = files.iter().find(|file| file.key == key).ok_or(ApiError::NotFound)?;
    let mut bytes = phone.fetch_file(&named.hash).await?;
    let failed = |_| ApiError::Storage { step: "write the file".into(), damaged: false };
    let written = std::fs::File::create(to).and_then(|mut to| std::io::copy(&mut bytes, &mut to)).map_err(failed)?;
    Ok(json!({ "file": to, "size": written, "hash": named.hash.to_string(), "type": named.media_type }))
}

fn unreadable(what: &str) -> ApiError {
    let problem = Problem::at(what, "file_unreadable").with("label", &Text::new(what, what));
    ApiError::Input { problems: vec![problem] }
}

/// The media type that a file's ending stands for.
fn media_type_of(path: &Path) -> &'static str {
    match path.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "heic" => "image/heic",
        "mp4" => "video/mp4",
        "m4a" => "audio/mp4",
        "pdf" => "application/pdf",
        _ => "application/octet-stream",
    }
}

/// What lies under an address; nothing for a room and for other records.
fn building(phone: &Phone, shown: &RecordView) -> Result<Option<Json>, ApiError> {
    let level = shown.fields.iter().find(|field| field.key == "level").and_then(|field| field.value.as_str());
    match (shown.row.collection.as_str(), level) {
        ("address", Some("area" | "building" | "unit")) => Ok(Some(json::building(&phone.building(shown.row.record)?))),
        _ => Ok(None),
    }
}

fn today(phone: &Phone) -> Result<Json, ApiError> {
    let rows = |collection: &str| -> Result<Json, ApiError> {
        let query = ListQuery { collection: Some(collection.to_owned()), ended: Some(false), ..ListQuery::default() };
        Ok(phone.list(query)?.rows.iter().map(json::row).collect())
    };
    let state = phone.state()?;
    let due: Json = phone.due()?.iter().map(json::due).collect();
    Ok(
        json!({ "due": due, "households": rows("household")?, "inbox": state.inbox, "drafts": state.drafts, "unsent": state.unsent }),
    )
}

/// Everything that hangs on the household is confirmed in one change of one visit.
fn visit(phone: &Phone, household: RecordId, outcome: &str, now_offset: i64) -> Result<Json, ApiError> {
    let mut checked = vec![household];
    for link in phone.show(household)?.linked_from {
        if link.collection.as_deref() == Some("residence") {
            let residence = phone.values(link.record)?;
            let person: Option<RecordId> =
                residence.get("person_id").and_then(|shown| shown.value().as_str()?.parse().ok());
            checked.extend(person);
        }
    }
    let host = SystemClock::moved(now_offset);
    let now = gridpass_phone::host::Clock::wall_ms(&host)
        .map_err(|error| ApiError::Storage { step: error.step, damaged: false })?;
    let mut values: Vec<(String, Value)> = vec![
        ("source".into(), "worker".into()),
        ("target_kind".into(), "household".into()),
        ("target_id".into(), household.to_string().into()),
        ("mode".into(), "door".into()),
        ("started_at".into(), now.into()),
        ("ended_at".into(), now.into()),
        ("outcome".into(), outcome.into()),
    ];
    if outcome == "met" {
        values.extend(checked.iter().map(|record| (format!("check/{record}"), "confirmed".into())));
    }
    let edits = values.into_iter().map(|(key, new)| Edit::new(key, Value::Null, new)).collect();
    let kind = Some(IntentKind::VISIT);
    let saved = phone.save(SaveInput { collection: "visit".into(), edits, kind, ..SaveInput::default() })?;
    let mut answer = json::saved(&saved);
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("confirmed".into(), json!(checked.len()));
    }
    Ok(answer)
}

fn draft(phone: &Phone, command: DraftCommand) -> Result<Json, ApiError> {
    match command {
        DraftCommand::Put { collection, fields, record, draft } => {
            let edits = match record {
                Some(record) => edits_over(phone, record, &fields)?,
                None => {
                    let new = |(key, new)| Edit::new(key, Value::Null, new);
                    pairs(&fields)?.into_iter().map(new).collect()
                }
            };
            let draft = phone.put_draft(draft, &collection, record, edits)?;
            Ok(json!({ "draft": draft.to_string() }))
        }
        DraftCommand::Save { draft } => {
            let kept = phone.draft(draft)?;
            let (record, collection, edits) = (kept.record, kept.collection, kept.edits);
            let input = SaveInput { record, collection, edits, draft: Some(draft), ..SaveInput::default() };
            Ok(json::saved(&phone.save(input)?))
        }
        DraftCommand::List => Ok(phone.drafts()?.iter().map(json::draft).collect()),
        DraftCommand::Drop { draft } => {
            phone.discard_draft(draft)?;
            Ok(json!({ "dropped": draft.to_string() }))
        }
    }
}

/// A new record, with those it may repeat.
fn new(phone: &Phone, collection: &str, fields: &[String]) -> Result<Json, ApiError> {
    let values = pairs(fields)?;
    let typed = values.iter().map(|(key, new)| Edit::new(key.as_str(), Value::Null, new.clone()));
    let duplicates = phone.duplicates(collection, typed.collect())?;
    let mut answer = json::saved(&phone.create(collection, values)?);
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("duplicates".into(), duplicates.iter().map(json::row).collect());
    }
    Ok(answer)
}

/// The fields over what is shown now, as a form that was just opened would send them.
fn edits_over(phone: &Phone, record: RecordId, fields: &[String]) -> Result<Vec<Edit>, ApiError> {
    let shown = phone.values(record)?;
    Ok(pairs(fields)?.into_iter().map(|(key, new)| Edit::over(key.as_str(), shown.get(&key), new)).collect())
}

fn pairs(fields: &[String]) -> Result<Vec<(String, Value)>, ApiError> {
    fields
        .iter()
        .map(|field| {
            let (key, value) = field.split_once('=').ok_or_else(no_pair)?;
            Ok((key.to_owned(), read(value)))
        })
        .collect()
}

fn no_pair() -> ApiError {
    ApiError::Input { problems: vec![Problem::of_form("expected_key_value")] }
}

/// A value as it is typed: empty clears, true, false and whole numbers are what they look like, quotes make a text.
/// Numbers of more than 15 digits are texts, since no quantity is that large and many identity numbers are.
fn read(text: &str) -> Value {
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let digits = text.strip_prefix('-').unwrap_or(text);
    match text {
        "" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ if quoted.is_some() => quoted.unwrap_or_default().into(),
        _ if digits.len() <= 15 && (digits == "0" || !digits.starts_with('0')) => {
            text.parse::<i64>().map_or_else(|_| text.into(), Value::Int)
        }
        _ => text.into(),
    }
}
