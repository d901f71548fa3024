//! Golden files, one or two for each kernel, in tests/golden/kernels. `UPDATE_GOLDEN=1` writes them anew.

use std::path::Path;

/// Compares with the golden file, or writes it.
pub fn compare(name: &str, found: &str) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/kernels")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return std::fs::write(&path, found)
            .map_err(|error| format!("{}: {error}", path.display()));
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected == found {
        return Ok(());
    }
    Err(format!(
        "{} differs; lines of it that are gone, and those that came:\n{}\nwhere that is right, renew it: UPDATE_GOLDEN=1 tests/run --test vms",
        path.display(),
        difference(&expected, found),
    ))
}

fn difference(expected: &str, found: &str) -> String {
    let only = |sign: char, of: &str, other: &str| -> Vec<String> {
        let without = |line: &&str| !other.lines().any(|one| one == *line);
        of.lines()
            .filter(without)
            .map(|line| format!("{sign} {line}"))
            .collect()
    };
    [only('-', expected, found), only('+', found, expected)]
        .concat()
        .join("\n")
}
