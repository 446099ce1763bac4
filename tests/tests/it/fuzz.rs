//! Readers of files and texts, and the server's router, given what is nearly right: nothing ends the process, nothing is
//! a 500, and every refusal has a code. `core/tests/it/fuzz.rs` does the same with messages and items.
//!
//! Every target takes 300 inputs; `make fuzz SECONDS=600` takes more, under other seeds. An input that fails is made
//! smaller and kept in `fuzz.regressions`, to be committed and tried first ever after.

use std::sync::{LazyLock, Mutex};

use gridpass_core::catalog::{Catalog, CatalogSource};
use gridpass_core::seal::OpeningKey;
use gridpass_core::wire::{self, EnrolCode};
use gridpass_phone::transport::{Method, Request};
use gridpass_phone::{AttachInput, Content, read_as_server};
use gridpass_server::import::{self, Mapping, Options};
use gridpass_tests::world::World;
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use crate::tree::root;

fn config() -> ProptestConfig {
    let cases = std::env::var("GRIDPASS_FUZZ_ITERATIONS").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300);
    let kept = FileFailurePersistence::Direct(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fuzz.regressions"));
    ProptestConfig { cases, failure_persistence: Some(Box::new(kept)), ..ProptestConfig::default() }
}

/// A change of some bytes; places are taken modulo the length.
#[derive(Debug, Clone)]
enum Damage {
    Set(usize, u8),
    Remove(usize, usize),
    Insert(usize, Vec<u8>),
    Repeat(usize, usize, usize),
    Truncate(usize),
}

/// Words that mean something to one of the readers.
const WORDS: [&str; 16] = [
    "\"",
    "[",
    "]",
    "{",
    "=",
    "\n",
    "[[field]]\n",
    "type = \"ref\"\n",
    "when = \"((((a\"\n",
    "%",
    "bytes=",
    "-1",
    "18446744073709551616",
    "\u{feff}",
    "，",
    "\0",
];

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let place = any::<usize>;
    let one = prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (place(), 1..20usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        (place(), vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (place(), prop::sample::select(&WORDS[..])).prop_map(|(at, word)| Damage::Insert(at, word.into())),
        (place(), 1..60usize, 1..50usize).prop_map(|(at, length, times)| Damage::Repeat(at, length, times)),
        place().prop_map(Damage::Truncate),
    ];
    vec(one, 0..5)
}

fn damaged(bytes: &[u8], damage: &[Damage]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for damage in damage {
        let length = bytes.len().max(1);
        let part = |at: &usize, count: &usize| at % length..(at % length + count).min(bytes.len());
        match damage {
            _ if bytes.is_empty() => {}
            Damage::Set(at, byte) => bytes[at % length] = *byte,
            Damage::Remove(at, count) => drop(bytes.drain(part(at, count))),
            Damage::Insert(at, more) => drop(bytes.splice(at % length..at % length, more.iter().copied())),
            Damage::Repeat(at, count, times) => {
                let more = bytes[part(at, count)].repeat(*times);
                bytes.splice(at % length..at % length, more);
            }
            Damage::Truncate(at) => bytes.truncate(at % length),
        }
    }
    bytes
}

fn damaged_text(text: &str, damage: &[Damage]) -> String {
    String::from_utf8_lossy(&damaged(text.as_bytes(), damage)).into_owned()
}

/// Bytes that stand in a message as they are.
struct Raw(Vec<u8>);

impl<C> Encode<C> for Raw {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.writer_mut().write_all(&self.0).map_err(minicbor::encode::Error::write)
    }
}

impl<'b, C> Decode<'b, C> for Raw {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = d.input().to_vec();
        d.set_position(bytes.len());
        Ok(Self(bytes))
    }
}

/// A server, what a real phone asked it, and the phone's outbox with work in it.
struct Heard {
    runtime: tokio::runtime::Runtime,
    world: World,
    requests: Vec<Request>,
    outbox: Vec<u8>,
}

static HEARD: LazyLock<Mutex<Heard>> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = World::new().unwrap();
    let (requests, outbox) = runtime.block_on(async {
        let ann = world.phone("ann").await.unwrap();
        ann.line.listen();
        let area = [("level", "area"), ("estate", "中韩花园"), ("usage", "residential")];
        let values = area.map(|(key, value)| (key.to_owned(), value.into())).to_vec();
        let address = ann.phone.create("address", values).unwrap().record;
        let values = [("address_id", address.to_string()), ("nature", "owner_occupied".to_owned())];
        let values = values.map(|(key, value)| (key.to_owned(), value.into())).to_vec();
        let house = ann.phone.create("house", values).unwrap().record;
        let input = AttachInput {
            record: house,
            field: "photo".into(),
            content: Content::Bytes(vec![7; 5000]),
            media_type: "image/jpeg".into(),
            purpose: None,
            taken_at_ms: None,
            thumb: None,
            visit: None,
        };
        let photo = ann.phone.attach(input).unwrap();
        let outbox = std::fs::read(ann.folder.join("outbox")).unwrap();
        ann.sync().await.unwrap();
        let mut requests = ann.line.heard();
        let token = requests.iter().find_map(|request| request.token.clone());
        for path in [format!("/sync/v1/blobs/{}", photo.hash), format!("/sync/v1/packs/{}", photo.hash)] {
            let more = Request::get(path, 1 << 20).with("range", "bytes=0-99".to_owned());
            requests.push(Request { token: token.clone(), ..more });
        }
        (requests, outbox)
    });
    assert!(requests.iter().any(|request| request.path.ends_with("push")));
    assert!(requests.iter().any(|request| request.method == Method::Patch));
    Mutex::new(Heard { runtime, world, requests, outbox })
});

/// Where a request is damaged.
#[derive(Debug, Clone, Copy)]
enum Part {
    Message,
    Body,
    Path,
    Header(usize),
    Token,
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        4 => Just(Part::Message),
        1 => Just(Part::Body),
        1 => Just(Part::Path),
        3 => (0..6usize).prop_map(Part::Header),
        1 => Just(Part::Token),
    ]
}

/// As a header or a path can be sent at all: visible ASCII.
fn sendable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_damaged_request_is_answered_and_never_a_defect(which in any::<usize>(), part in part(), damage in damage()) {
        let heard = HEARD.lock().unwrap();
        let mut request = heard.requests[which % heard.requests.len()].clone();
        match part {
            Part::Message => {
                if let Ok(message) = wire::unpack::<Raw>(&request.body, 1 << 20) {
                    request.body = wire::pack(&Raw(damaged(&message.0, &damage)));
                }
            }
            Part::Body => request.body = damaged(&request.body, &damage),
            Part::Path => request.path = format!("/{}", sendable(&damaged_text(&request.path, &damage)).trim_start_matches('/')),
            Part::Header(which) => {
                let count = request.headers.len().max(1);
                if let Some((_, value)) = request.headers.get_mut(which % count) {
                    *value = sendable(&damaged_text(value, &damage));
                }
            }
            Part::Token => request.token = request.token.map(|token| sendable(&damaged_text(&token, &damage))),
        }
        // An event stream has no end to wait for; what is no address is refused before it is sent.
        prop_assume!(!request.path.contains("events") && request.path.parse::<axum::http::Uri>().is_ok());
        request.limit = 64 << 20;
        let told = format!("{} {:?}", request.path, request.headers);
        let answer = heard.runtime.block_on(heard.world.ask(request)).unwrap();
        prop_assert!(answer.status < 500, "{} for {told}", answer.status);
        if answer.status >= 400 && answer.status != 405 && !answer.body.is_empty() {
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            prop_assert!(body["code"].is_string(), "{} without a code for {told}", answer.status);
        }
    }

    #[test]
    fn a_damaged_catalog_is_read_or_refused_with_file_and_line(which in any::<usize>(), damage in damage()) {
        let source = CatalogSource::built_in();
        let files: Vec<_> = source.files.iter().map(|(name, text)| (name.clone(), text.clone())).collect();
        let (name, text) = &files[which % files.len()];
        let changed = source.succeed([(name.clone(), damaged_text(text, &damage))]);
        if let Err(errors) = changed.parse() {
            prop_assert!(!errors.is_empty());
            prop_assert!(errors.iter().all(|error| error.to_string().contains(".toml:")), "{}", errors[0]);
        }
    }

    #[test]
    fn a_damaged_mapping_or_sheet_is_read_or_refused(of_mapping in damage(), of_sheet in damage()) {
        let heard = HEARD.lock().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (mapping, sheet) = (folder.path().join("m.toml"), folder.path().join("地址.csv"));
        let text = std::fs::read_to_string(root().join("sync-server/import/street.toml")).unwrap();
        std::fs::write(&mapping, damaged_text(&text, &of_mapping)).unwrap();
        let rows = "地址编号,网格编码,层级,小区,用途\n1,370212001001001,小区,花园,住宅\n2,370212001001001,小区,新村,住宅\n";
        std::fs::write(&sheet, damaged(rows.as_bytes(), &of_sheet)).unwrap();
        if let Ok(mapping) = Mapping::read(&mapping) {
            let app = heard.world.server().unwrap();
            let options = Options { dry_run: true, ..Options::default() };
            let mut told = 0;
            let done = import::run(&app, &mapping, &options, &[sheet], &mut |_| told += 1);
            prop_assert!(told < 10_000, "{:?}", done.is_ok());
        }
    }

    #[test]
    fn a_damaged_outbox_gives_back_entries_that_were_written_or_none(damage in damage()) {
        let heard = HEARD.lock().unwrap();
        let keys = heard.world.server().unwrap();
        let opening: &OpeningKey = &keys.keys.opening;
        let (_, whole) = read_as_server(&heard.outbox, opening).unwrap();
        prop_assert!(whole.len() >= 4, "two records, a photo, and what names it: {}", whole.len());
        if let Ok((_, entries)) = read_as_server(&damaged(&heard.outbox, &damage), opening) {
            prop_assert!(entries.iter().all(|entry| whole.contains(entry)));
        }
    }

    #[test]
    fn a_damaged_enrolment_code_is_another_or_none(damage in damage()) {
        let code = EnrolCode { url: "https://网格.example:8443".into(), code: "a b&c=%".into(), pin: [7; 32] };
        if let Ok(read) = damaged_text(&code.to_string(), &damage).parse::<EnrolCode>() {
            prop_assert!(read.url.starts_with("https://") && !read.code.is_empty());
            prop_assert_eq!(read.to_string().parse::<EnrolCode>().unwrap(), read);
        }
    }
}

#[test]
fn after_all_that_the_servers_rows_still_add_up() {
    let heard = HEARD.lock().unwrap();
    assert_eq!(heard.world.faults().unwrap(), []);
    assert!(Catalog::built_in().collection("house").is_some());
}
