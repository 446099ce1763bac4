use super::*;

#[test]
fn opens() {
    let folder = tempfile::tempdir().unwrap();
    Store::open(folder.path(), SecretKey::new([1; 32])).unwrap();
}
