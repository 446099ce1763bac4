//! What a disk keeps, and what it takes.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;

use super::super::calls::{leave, watch};
use super::*;

/// What a folder holds after each of many losses of power.
fn after(folder: &Path, disk: &Disk) -> BTreeSet<BTreeMap<String, Vec<u8>>> {
    let copy = folder.with_extension("copy");
    (0..200)
        .map(|seed| {
            disk.copy_as_flushed(&copy, seed).unwrap();
            let names = fs::read_dir(&copy).unwrap().map(|entry| entry.unwrap().path());
            let held = names
                .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
                .collect();
            fs::remove_dir_all(&copy).unwrap();
            held
        })
        .collect()
}

fn held(files: &[(&str, &[u8])]) -> BTreeMap<String, Vec<u8>> {
    files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect()
}

#[test]
fn what_was_flushed_stays_and_of_the_rest_any_part() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("disk");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("old"), [1; 2000]).unwrap();
    let disk = watch(&folder);
    assert_eq!(after(&folder, &disk), BTreeSet::from([held(&[("old", &[1; 2000])])]));

    let mut old = OpenOptions::new().write(true).open(folder.join("old")).unwrap();
    old.write_all(&[2; 1024]).unwrap();
    let torn = |sectors: usize| [vec![2; sectors * 512], vec![1; 2000 - sectors * 512]].concat();
    let parts = BTreeSet::from([0, 1, 2].map(|sectors| held(&[("old", &torn(sectors))])));
    assert_eq!(after(&folder, &disk), parts);
    old.sync_data().unwrap();
    assert_eq!(after(&folder, &disk), BTreeSet::from([held(&[("old", &torn(2))])]));
    old.set_len(100).unwrap();
    assert_eq!(after(&folder, &disk), BTreeSet::from([held(&[("old", &torn(2))]), held(&[("old", &[2; 100])])]));
    old.sync_all().unwrap();

    // A new file is there when its folder was flushed, and its bytes when it was.
    let mut new = File::create(folder.join("new")).unwrap();
    new.write_all(&[3; 10]).unwrap();
    new.sync_all().unwrap();
    let (without, with) = (held(&[("old", &[2; 100])]), held(&[("old", &[2; 100]), ("new", &[3; 10])]));
    assert_eq!(after(&folder, &disk), BTreeSet::from([without.clone(), with.clone()]));
    File::open(&folder).unwrap().sync_all().unwrap();
    assert_eq!(after(&folder, &disk), BTreeSet::from([with.clone()]));

    // In the place of another it is there when the folder was flushed; before, one or the other.
    fs::rename(folder.join("new"), folder.join("old")).unwrap();
    let renamed = held(&[("old", &[3; 10])]);
    assert_eq!(after(&folder, &disk), BTreeSet::from([with, renamed.clone()]));
    File::open(&folder).unwrap().sync_all().unwrap();
    fs::remove_file(folder.join("old")).unwrap();
    assert_eq!(after(&folder, &disk), BTreeSet::from([renamed, held(&[])]));

    // One that lies has flushed nothing.
    disk.lies(Lie::Flushes);
    File::open(&folder).unwrap().sync_all().unwrap();
    assert_eq!(after(&folder, &disk).len(), 2);
    leave(&folder);
}

#[test]
fn a_full_disk_takes_what_there_is_room_for() {
    let root = tempfile::tempdir().unwrap();
    let disk = watch(root.path());
    let mut file = File::create(root.path().join("file")).unwrap();
    disk.set_room(Some(15));
    file.write_all(&[1; 10]).unwrap();
    let full = file.write_all(&[2; 10]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(fs::create_dir(root.path().join("other")).unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(fs::read(root.path().join("file")).unwrap(), [vec![1; 10], vec![2; 5]].concat());
    // In the room that it has, it is written on.
    file.write_all_at(&[3; 15], 0).unwrap();
    disk.set_room(None);
    file.write_all(&[4; 10]).unwrap();
    assert_eq!(fs::read(root.path().join("file")).unwrap(), [vec![3; 15], vec![4; 10]].concat());

    disk.lies(Lie::Writes);
    disk.set_room(Some(0));
    file.write_all(&[5; 10]).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 25);
    leave(root.path());
}
