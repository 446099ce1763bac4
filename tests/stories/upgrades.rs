//! Phones and servers of earlier versions: their files, kept for ever, are opened by this one.
//!
//! `tests/fixtures/<version>` holds what a version left behind: `phone` (with 200 changes that were never sent and a
//! draft), `keys` (the phone's secrets) and `server`. `GRIDPASS_BLESS=1 cargo test -p gridpass-tests --test stories
//! upgrades` makes the present version's, where it is missing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gridpass_core::Value;
use gridpass_core::id::RecordId;
use gridpass_core::record::edit::Edit;
use gridpass_phone::host_system::FileKeyStore;
use gridpass_phone::{ListQuery, SaveInput};
use gridpass_tests::world::{Worker, World, copy_folder};

const PEOPLE: usize = 20;
const ROUNDS: usize = 10;
const DRAFT: &str = "草稿里的名字";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn people(worker: &Worker) -> Vec<RecordId> {
    let query = ListQuery { collection: Some("person".into()), limit: 100, ..ListQuery::default() };
    worker.phone.list(query).unwrap().rows.into_iter().map(|row| row.record).collect()
}

fn phone_of(worker: &Worker, person: RecordId) -> Value {
    worker.phone.values(person).unwrap().get("phone/1").map(|shown| shown.value().clone()).unwrap_or_default()
}

fn number(person: usize, round: usize) -> Value {
    format!("139{person:04}{round:04}|本人").into()
}

/// Makes what this version leaves behind.
async fn bless(folder: &Path) {
    let secrets = tempfile::tempdir().unwrap();
    let keys = Arc::new(FileKeyStore::new(secrets.path()));
    let world = World::new().unwrap();
    let li = world.phone_keeping("li", world.grid, keys).await.unwrap();
    for n in 0..PEOPLE {
        let born = format!("19{:02}-03-07", 50 + n);
        let values = [
            ("name", format!("住户{}", char::from(b'A' + u8::try_from(n).unwrap()))),
            ("id_missing", "not_shown".into()),
            ("gender", "2".into()),
            ("birth", born),
            ("nationality", "CHN".into()),
            ("pop_class", "here".into()),
        ];
        let values = values.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        li.phone.create("person", values).unwrap();
    }
    assert!(li.sync().await.unwrap().complete);
    li.line.cut(true);
    for round in 0..ROUNDS {
        for (n, person) in people(&li).into_iter().enumerate() {
            let edit = Edit::new("phone/1", phone_of(&li, person), number(n, round));
            let edits = vec![edit];
            li.phone.save(SaveInput { record: Some(person), edits, ..SaveInput::default() }).unwrap();
        }
    }
    let typed = vec![Edit::new("name", Value::Null, DRAFT)];
    li.phone.put_draft(None, "person", None, typed).unwrap();
    let phone = li.folder.clone();
    drop(li);
    world.stop();
    copy_folder(&phone, &folder.join("phone")).unwrap();
    copy_folder(secrets.path(), &folder.join("keys")).unwrap();
    copy_folder(&world.server_folder(), &folder.join("server")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_and_a_server_of_every_earlier_version_go_on_with_all_their_work() {
    let present = fixtures().join(env!("CARGO_PKG_VERSION"));
    if std::env::var("GRIDPASS_BLESS").is_ok() && !present.exists() {
        bless(&present).await;
    }
    assert!(present.exists(), "GRIDPASS_BLESS=1 makes the files of this version");
    for version in
        std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        let world = World::over(&version.join("server")).unwrap();
        assert_eq!(world.faults().unwrap(), [], "{}", version.display());
        let copy = tempfile::tempdir().unwrap();
        for part in ["phone", "keys"] {
            copy_folder(&version.join(part), &copy.path().join(part)).unwrap();
        }
        let keys = Arc::new(FileKeyStore::new(copy.path().join("keys")));
        let li = world.opened(copy.path().join("phone"), keys).unwrap();
        let state = li.phone.state().unwrap();
        assert_eq!((state.unsent, state.drafts), (200, 1), "{}", version.display());
        assert_eq!(li.phone.drafts().unwrap()[0].edits[0].new, DRAFT.into());

        assert!(li.sync().await.unwrap().complete, "{}", version.display());
        let wang = world.phone("wang").await.unwrap();
        let everybody = people(&wang);
        assert_eq!(everybody.len(), PEOPLE);
        for (n, person) in everybody.into_iter().enumerate() {
            assert_eq!(phone_of(&wang, person), number(n, ROUNDS - 1));
            let receipts = li.phone.receipts(person).unwrap();
            assert_eq!(receipts.iter().filter(|receipt| receipt.valid).count(), ROUNDS + 1);
        }

        // What this program's catalog has more reaches the phone like any other version.
        let server = world.server().unwrap();
        server.take_up_built_in().unwrap();
        assert!(li.sync().await.unwrap().complete, "{}", version.display());
        assert_eq!(li.phone.state().unwrap().catalog_version, server.catalogs().newest());
        assert!(server.newest_catalog().files.iter().any(|(name, _)| name == "roles.toml"));
        assert_eq!(world.faults().unwrap(), [], "{}", version.display());
    }
}
