//! The path and the arguments of an execve that waits for its answer, for the record only: the caller's other
//! threads may change them, and nothing is decided by them.
#![forbid(unsafe_code)]

use std::fs::File;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;

use crate::sys::proc::Proc;

const MAX_PATH: usize = 512;
const MAX_ARGUMENTS: usize = 32;
const MAX_ARGUMENT: usize = 256;
const MAX_TOTAL: usize = 2048;

/// Reads the path at `path` and the NULL-terminated array at `argv`; cut where they are long.
pub fn exec_arguments(
    proc: &Proc,
    pid: u32,
    path: u64,
    argv: u64,
) -> Result<(String, Vec<String>), Errno> {
    let memory = proc.memory(pid)?;
    let name = text(&memory, path, MAX_PATH);
    let mut words = Vec::new();
    let mut total = 0;
    for index in 0..MAX_ARGUMENTS as u64 {
        let Some(pointer) = argv
            .checked_add(index * 8)
            .and_then(|at| pointer(&memory, at))
        else {
            break;
        };
        let word = text(&memory, pointer, MAX_ARGUMENT);
        total += word.len();
        words.push(word);
        if total > MAX_TOTAL {
            words.push("...".into());
            break;
        }
    }
    Ok((name, words))
}

fn pointer(memory: &File, at: u64) -> Option<u64> {
    let mut bytes = [0u8; 8];
    memory.read_exact_at(&mut bytes, at).ok()?;
    Some(u64::from_ne_bytes(bytes)).filter(|&pointer| pointer != 0)
}

/// A NUL-terminated text, read page by page since the next page may not be there.
fn text(memory: &File, at: u64, most: usize) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < most {
        let Some(here) = at.checked_add(bytes.len() as u64) else {
            break;
        };
        let to_page_end = 4096 - (here % 4096) as usize;
        let mut chunk = vec![0u8; to_page_end.min(most - bytes.len())];
        let Ok(length) = memory.read_at(&mut chunk, here) else {
            break;
        };
        chunk.truncate(length);
        if let Some(end) = chunk.iter().position(|&byte| byte == 0) {
            bytes.extend_from_slice(&chunk[..end]);
            break;
        }
        if length == 0 {
            break;
        }
        bytes.extend(chunk);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
