//! Files in backups and after restores.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use axum::http::StatusCode;
use gridpass_server::backup::{BackedUp, Passphrase, backup, backup_next};
use gridpass_server::clock::Clock;
use gridpass_server::restore::{Allowed, restore};

use crate::blobs::{Camera, hash_of, picture, place};
use crate::hand::{START_MS, Server, cursor, record};

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse battery").unwrap()
}

#[tokio::test]
async fn a_backup_takes_the_files_along_and_the_next_one_copies_only_new_ones() {
    let folder = tempfile::tempdir().unwrap();
    let (data, first, second) = (folder.path().join("data"), folder.path().join("b/1"), folder.path().join("b/2"));
    let server = Server::open(&data);
    let mut phone = Camera::new(&server, 1);
    let files = [picture(1, 3000), picture(2, 4000), picture(3, 5000)];
    let mut bring = async |n: u8| {
        phone.names(&server, record(1), n, &files[usize::from(n)]);
        assert_eq!(phone.upload(&server, &files[usize::from(n)]).await.status, StatusCode::NO_CONTENT);
    };
    bring(0).await;
    bring(1).await;
    let copied =
        |to: &Path| backup(&server.app, &data, to, &passphrase(), &mut |fault| panic!("{fault:?}")).unwrap().copied;
    assert_eq!(copied(&first), 2);
    bring(2).await;
    assert_eq!(copied(&second), 1);
    let inode = |folder: &Path| std::fs::metadata(place(folder, &files[0])).unwrap().ino();
    assert_eq!(inode(&first), inode(&second), "linked");
    assert_ne!(inode(&first), inode(&data), "never with the server's own");

    // On a new machine, with one file that the backup has lost.
    std::fs::remove_file(place(&second, &files[1])).unwrap();
    let restored = folder.path().join("restored");
    let clock = |last| Clock::new(last, || START_MS);
    let refused = restore(&restored, &second, Allowed::default(), Some(&passphrase()), clock, &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(refused.contains("1 of 3 files are missing") && refused.contains("--incomplete"), "{refused}");
    let done = restore(
        &restored,
        &second,
        Allowed { incomplete: true, ..Allowed::default() },
        Some(&passphrase()),
        clock,
        &mut |fault| panic!("{fault:?}"),
    )
    .unwrap();
    assert_eq!((done.files, done.lost), (2, 1));
    let server = Server::open(&restored);
    server.token(&phone.hand);
    for (file, status) in files.iter().zip([StatusCode::OK, StatusCode::NOT_FOUND, StatusCode::OK]) {
        assert_eq!(phone.get(&server, hash_of(file), None).await.status, status);
    }
    assert_eq!(phone.upload(&server, &files[1]).await.status, StatusCode::NO_CONTENT, "the phone brings it again");
    assert_eq!(phone.get(&server, hash_of(&files[1]), None).await.body, files[1]);
}

#[tokio::test]
async fn a_lost_file_is_told_and_the_backup_counts_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::open(&data);
    let mut phone = Camera::new(&server, 1);
    let bytes = picture(4, 3000);
    phone.names(&server, record(1), 1, &bytes);
    phone.upload(&server, &bytes).await;
    std::fs::remove_file(place(&data, &bytes)).unwrap();
    let mut faults = Vec::new();
    let made =
        backup(&server.app, &data, &folder.path().join("b"), &passphrase(), &mut |fault| faults.push(fault.what));
    assert_eq!((made.unwrap().copied, faults), (0, vec!["its object is missing or has another size".to_owned()]));
}

#[tokio::test]
async fn an_upload_under_way_begins_again_on_a_restored_server() {
    let folder = tempfile::tempdir().unwrap();
    let (data, to, restored) = (folder.path().join("data"), folder.path().join("b"), folder.path().join("restored"));
    let server = Server::open(&data);
    let mut phone = Camera::new(&server, 1);
    let bytes = picture(5, 3000);
    phone.names(&server, record(1), 1, &bytes);
    phone.create(&server, hash_of(&bytes), bytes.len()).await;
    let half = axum::body::Body::from(bytes[..1000].to_vec());
    assert_eq!(phone.append(&server, hash_of(&bytes), 0, half).await.header("upload-offset"), "1000");
    backup(&server.app, &data, &to, &passphrase(), &mut |fault| panic!("{fault:?}")).unwrap();
    restore(&restored, &to, Allowed::default(), Some(&passphrase()), |last| Clock::new(last, || START_MS), &mut |_| {})
        .unwrap();
    let server = Server::open(&restored);
    server.token(&phone.hand);
    assert_eq!(phone.upload(&server, &bytes).await.status, StatusCode::NO_CONTENT, "from its first byte");
}

#[tokio::test]
async fn a_row_of_backups_keeps_the_newest_and_moves_on_what_is_durable() {
    let folder = tempfile::tempdir().unwrap();
    let (data, all) = (folder.path().join("data"), folder.path().join("all"));
    let server = Server::open(&data);
    let mut phone = Camera::new(&server, 1);
    let bytes = picture(6, 3000);
    phone.names(&server, record(1), 1, &bytes);
    phone.upload(&server, &bytes).await;
    std::fs::create_dir_all(all.join("by hand")).unwrap();
    std::fs::write(all.join("by hand/keys.sealed"), b"").unwrap();
    let granted = phone.hand.start(&server);
    let mut seen = Vec::new();
    for n in 0..4 {
        server.clock.store(START_MS + n * 60_000, std::sync::atomic::Ordering::Relaxed);
        // One that was ended in the middle is no obstacle.
        std::fs::create_dir_all(all.join(".making/blobs")).unwrap();
        let made = backup_next(&server.app, &data, &all, 2, &passphrase(), &mut |fault| panic!("{fault:?}")).unwrap();
        assert!(matches!(made, BackedUp { copied, .. } if copied == u64::from(n == 0)), "{made:?}");
        let answer = phone.hand.pull(&server, vec![cursor(granted.number, granted.as_of)]);
        seen.push(answer.pages[0].durable_seq);
        phone.hand.save(
            &server,
            record(u8::try_from(n).unwrap() + 2),
            &mut Default::default(),
            &[("kind", "family".into())],
        );
    }
    assert_eq!(seen, [1, 2, 3, 4]);
    let mut names: Vec<String> =
        std::fs::read_dir(&all).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["20270115T080200Z", "20270115T080300Z", "by hand"]);
    let restored = folder.path().join("restored");
    let clock = |last| Clock::new(last, || START_MS);
    let done =
        restore(&restored, &all.join("20270115T080300Z"), Allowed::default(), Some(&passphrase()), clock, &mut |_| {})
            .unwrap();
    assert_eq!((done.files, done.lost), (1, 0));
}
