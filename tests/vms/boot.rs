//! One boot of a kernel that serves several tests: a script of cases, run in a guest once, and what each said.
//!
//! The script calls `case NAME COMMAND...` of `case.sh`; a test then asks for the case of that name.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::bed::guest::{Ended, Guest};
use crate::bed::image::Image;
use crate::bed::kernel::Kernel;
use crate::programs;

/// `case` and what cases share.
const CASE: &str = include_str!("case.sh");

/// A script for a guest.
#[derive(Debug)]
pub struct Script {
    /// Names the initramfs.
    pub name: &'static str,
    /// A busybox shell script, behind that of `case.sh`.
    pub text: &'static str,
    /// When the guest is ended.
    pub limit: Duration,
}

/// What a case said and how it ended.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its exit status.
    pub status: i32,
    /// stdout and stderr, as they came.
    pub said: String,
}

type Booted = Arc<Mutex<Option<Result<Arc<Ended>, String>>>>;
static BOOTED: Mutex<Vec<(Kernel, &'static str, Booted)>> = Mutex::new(Vec::new());

/// The guest of that kernel that ran the script: booted by the first who asks.
fn ended(kernel: Kernel, script: &Script, words: &str) -> Result<Arc<Ended>, String> {
    let slot = {
        let mut all = BOOTED.lock().map_err(|error| error.to_string())?;
        let same = |(of, name, _): &&(Kernel, &str, Booted)| (*of, *name) == (kernel, script.name);
        match all.iter().find(same) {
            Some((.., slot)) => slot.clone(),
            None => {
                let slot = Booted::default();
                all.push((kernel, script.name, slot.clone()));
                slot
            }
        }
    };
    let mut slot = slot.lock().map_err(|error| error.to_string())?;
    slot.get_or_insert_with(|| run(kernel, script, words).map(Arc::new))
        .clone()
}

/// The case of that name; an error holds the whole console.
pub fn case(kernel: Kernel, script: &Script, name: &str) -> Result<Case, String> {
    case_with(kernel, script, "", name)
}

/// The same where the script reads words of the kernel's command line: those of the first who asks.
pub fn case_with(kernel: Kernel, script: &Script, words: &str, name: &str) -> Result<Case, String> {
    let ended = ended(kernel, script, words)?;
    let begin = format!("@@ begin {name}\n");
    let end = format!("\n@@ end {name} ");
    let found = ended.console.split_once(&begin).and_then(|(_, rest)| {
        let (said, rest) = format!("\n{rest}")
            .split_once(&end)
            .map(|(said, rest)| (said.to_owned(), rest.to_owned()))?;
        let status = rest.lines().next()?.trim().parse().ok()?;
        let said = said.trim_start().to_owned();
        Some(Case { status, said })
    });
    found.ok_or_else(|| ended.told(&format!("no case `{name}`")))
}

fn run(kernel: Kernel, script: &Script, words: &str) -> Result<Ended, String> {
    let name = format!("{}-{}", script.name, kernel.name());
    let initramfs = image(script)?.finish(&name)?;
    let mut guest = Guest::new(kernel, &initramfs);
    guest.limit = script.limit;
    guest.memory_mib = 768;
    guest.append = words.to_owned();
    let ended = guest.run();
    let _ = std::fs::remove_file(&initramfs);
    ended
}

fn image(script: &Script) -> Result<Image, String> {
    let mut image = Image::new(&format!("{CASE}\n{}", script.text))?;
    image.program("/t/flowjail", &programs::flowjail()?)?;
    image.program("/t/denied_acts", &programs::acts()?)?;
    image.program("/t/probe", crate::common::probe::path().as_ref()?)?;
    image.program("/t/work", &programs::compiled("vms/work.c")?)?;
    image.program("/t/churn", &programs::compiled("vms/churn.c")?)?;
    image.program("/t/failer", &programs::compiled("lifecycle/failer.c")?)?;
    // A program that the shipped profile for node names, and one that needs a dynamic loader.
    image.program("/bin/node", &programs::compiled("vms/work.c")?)?;
    for path in [
        "/lib64/ld-linux-x86-64.so.2",
        "/lib/x86_64-linux-gnu/libc.so.6",
    ] {
        image.add(path, Path::new(path))?;
    }
    image.add("/usr/local/bin/echo", Path::new("/bin/echo"))?;
    Ok(image)
}
