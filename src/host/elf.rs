//! The one fact of an ELF file that a jail needs: which interpreter loads it.
#![forbid(unsafe_code)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What an executable file is.
#[derive(Debug, PartialEq, Eq)]
pub enum Executable {
    /// A 64-bit ELF program; `None`: static.
    Elf(Option<PathBuf>),
    /// A script, with the text behind `#!`.
    Script(String),
    /// Neither.
    Unknown,
}

const PT_INTERP: u32 = 3;

/// Reads the head of a file (elf(5), execve(2)). A truncated or foreign file is `Unknown`.
pub fn inspect(path: &Path) -> std::io::Result<Executable> {
    let file = File::open(path)?;
    let mut head = [0u8; 512];
    let length = file.read_at(&mut head, 0)?;
    let head = &head[..length];
    if let Some(rest) = head.strip_prefix(b"#!") {
        let line = rest.split(|&byte| byte == b'\n').next().unwrap_or_default();
        return Ok(Executable::Script(
            String::from_utf8_lossy(line).trim().to_owned(),
        ));
    }
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return Ok(Executable::Unknown);
    }
    Ok(interpreter(&file, head).unwrap_or(Executable::Unknown))
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn interpreter(file: &File, head: &[u8]) -> Option<Executable> {
    let table = u64::from_le_bytes(number(head, 32)?);
    let entry_size = usize::from(u16::from_le_bytes(number(head, 54)?)).max(56);
    let entries = u16::from_le_bytes(number(head, 56)?).min(128);
    for index in 0..u64::from(entries) {
        let mut entry = [0u8; 56];
        file.read_exact_at(&mut entry, table.checked_add(index * entry_size as u64)?)
            .ok()?;
        if u32::from_le_bytes(number(&entry, 0)?) != PT_INTERP {
            continue;
        }
        let offset = u64::from_le_bytes(number(&entry, 8)?);
        let size = u64::from_le_bytes(number(&entry, 32)?).min(4096) as usize;
        let mut name = vec![0u8; size];
        file.read_exact_at(&mut name, offset).ok()?;
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        return Some(Executable::Elf(Some(PathBuf::from(
            String::from_utf8_lossy(name).into_owned(),
        ))));
    }
    Some(Executable::Elf(None))
}
