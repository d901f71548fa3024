//! The record of a tree, and what is found when the tree is another.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;

use flowjail::install::{Change, Error, Request, ensure, pinned};

use crate::place::{Facts, Place, VERSION, change};

#[test]
fn reinstall_replaces_the_tree() {
    let place = Place::new("reinstall");
    let tree = place.ensure().expect("an installation").path;
    fs::write(tree.join("node_modules/flowise/bin/run"), "other").expect("a write");
    assert!(place.ensure().is_err());
    let again = ensure(
        &Request {
            reinstall: true,
            ..place.request()
        },
        &mut Facts::default(),
    );
    assert!(again.expect("a new tree").fresh);
    place.ensure().expect("the new tree holds");
    assert!(!place.0.join("trees/flowise-3.1.4.partial").exists());
}

#[test]
fn a_changed_tree_is_refused_and_the_first_changed_path_named() {
    let place = Place::new("changed");
    let tree = place.ensure().expect("an installation").path;
    let run = tree.join("node_modules/flowise/bin/run");
    let added = tree.join("node_modules/flowise-ui/new.js");
    fs::write(&added, "x").expect("a write");
    assert_eq!(
        change(place.ensure()),
        ("node_modules/flowise-ui/new.js".into(), Change::Added)
    );
    fs::remove_file(&added).expect("it is there");
    place.ensure().expect("all is as before");

    let mode = |mode| fs::set_permissions(&run, Permissions::from_mode(mode)).expect("a mode");
    mode(0o4755);
    assert_eq!(
        change(place.ensure()),
        ("node_modules/flowise/bin/run".into(), Change::Attributes)
    );
    mode(0o644);

    let time = run
        .metadata()
        .and_then(|data| data.modified())
        .expect("a time");
    fs::write(&run, "SCRIPT\n").expect("a write");
    fs::File::options()
        .write(true)
        .open(&run)
        .and_then(|file| file.set_modified(time))
        .expect("a time");
    assert_eq!(
        change(place.ensure()),
        ("node_modules/flowise/bin/run".into(), Change::Contents)
    );
    fs::write(&run, "script\n").expect("a write");
    fs::File::options()
        .write(true)
        .open(&run)
        .and_then(|file| file.set_modified(time))
        .expect("a time");
    place.ensure().expect("all is as before");

    let link = tree.join("node_modules/sqlite3/link");
    fs::remove_file(&link).expect("it is there");
    symlink("/etc/passwd", &link).expect("a link");
    assert_eq!(
        change(place.ensure()),
        ("node_modules/sqlite3/link".into(), Change::Attributes)
    );
    fs::remove_file(&link).expect("it is there");
    assert_eq!(
        change(place.ensure()),
        ("node_modules/sqlite3/link".into(), Change::Removed)
    );
}

#[test]
fn logs_that_flowise_wrote_beside_itself_are_no_change() {
    let place = Place::new("logs");
    let tree = place.ensure().expect("an installation").path;
    fs::create_dir(tree.join("node_modules/flowise/logs")).expect("a directory");
    fs::write(tree.join("node_modules/flowise/logs/server.log"), "x").expect("a write");
    place.ensure().expect("the tree holds");
}

#[test]
fn a_tree_of_another_lock_file_or_form_is_refused() {
    let place = Place::new("lock");
    let tree = place.ensure().expect("an installation").path;
    let path = tree.join("manifest.json");
    let text = fs::read_to_string(&path).expect("a manifest");
    let digest = pinned(VERSION).expect("it is pinned").digest();
    for other in [
        text.replace(&digest, "00"),
        text.replace("\"manifest\": 1", "\"manifest\": 2"),
        "{".to_owned(),
    ] {
        fs::write(&path, other).expect("a write");
        let result = place.ensure();
        assert!(
            matches!(result, Err(Error::BadManifest { .. })),
            "{result:?}"
        );
    }
}
