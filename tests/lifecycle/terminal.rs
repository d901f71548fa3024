//! Job control through a real terminal and a real shell.

use crate::kit::procs::{self, Proc};
use crate::kit::who::Who;
use crate::kit::{Check, ensure, wait_for};
use crate::stage::{SOON, Stage, Watched};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// An interactive bash on a terminal of its own.
struct Terminal {
    shell: Child,
    keys: File,
    screen: Watched,
    device: PathBuf,
}

impl Terminal {
    fn open(who: Who) -> Result<Self, String> {
        let pty = nix::pty::openpty(None, None).map_err(|e| format!("openpty: {e}"))?;
        let device = nix::unistd::ttyname(&pty.slave).map_err(|e| format!("ttyname: {e}"))?;
        if let Some(uid) = who.other_uid() {
            chown(&device, Some(uid), None).map_err(|e| e.to_string())?;
        }
        let slave = File::from(pty.slave);
        let copy = || slave.try_clone().expect("dup");
        let mut command = who.command(Path::new("/usr/bin/setsid"));
        command
            .args(["--ctty", "--wait", "bash", "--norc", "--noprofile", "-i"])
            .env("PS1", "prompt> ")
            .env("TERM", "dumb")
            .stdin(copy())
            .stdout(copy())
            .stderr(copy());
        let shell = command.spawn().map_err(|e| e.to_string())?;
        let master = File::from(pty.master);
        let screen = Watched::new(master.try_clone().expect("dup"));
        let terminal = Self {
            shell,
            keys: master,
            screen,
            device,
        };
        terminal.see("prompt> ")?;
        Ok(terminal)
    }

    /// Types, and forgets what was on the screen before.
    fn types(&mut self, keys: &str) -> Check {
        self.screen.clear();
        self.keys
            .write_all(keys.as_bytes())
            .map_err(|e| e.to_string())
    }

    fn see(&self, text: &str) -> Check {
        self.screen
            .wait_for(text)
            .map_err(|saw| format!("no {text:?} on the screen, but {saw:?}"))
    }

    /// The actor, found below the shell.
    fn actor(&self) -> Result<Proc, String> {
        let root = self.shell.id().cast_signed();
        let find = || procs::tree(root).into_iter().find(|p| p.comm == "actor");
        wait_for(SOON, find).ok_or_else(|| format!("no actor below {:?}", procs::tree(root)))
    }

    fn resize(&self, rows: u16, columns: u16) -> Check {
        let status = Command::new("/usr/bin/stty")
            .arg("-F")
            .arg(&self.device)
            .args(["rows", &rows.to_string(), "cols", &columns.to_string()])
            .stdin(Stdio::null())
            .status();
        ensure(status.is_ok_and(|s| s.success()), || "stty failed".into())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        for process in procs::tree(self.shell.id().cast_signed()) {
            let pid = nix::unistd::Pid::from_raw(process.pid);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
        let _ = self.shell.wait();
    }
}

/// Runs the ticking actor in the foreground of a shell.
fn ticking(who: Who, stage: &Stage) -> Result<(Terminal, Proc), String> {
    let mut terminal = Terminal::open(who)?;
    let words = stage.words(&[], &["tick"]).join(" ");
    terminal.types(&format!(
        "{} {words}\n",
        crate::kit::jail::binary().display()
    ))?;
    terminal.see("tick 2")?;
    let actor = terminal.actor()?;
    Ok((terminal, actor))
}

/// Ctrl-C ends the program, and the shell learns of it.
pub fn ctrl_c_interrupts(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let (mut terminal, actor) = ticking(who, &stage)?;
    let tree = procs::tree(actor.ppid);
    terminal.types("\x03")?;
    terminal.see("prompt> ")?;
    terminal.types("echo code=$?\n")?;
    terminal.see("code=130")?;
    let left = procs::survivors(&tree, Duration::from_secs(1));
    ensure(left.is_empty(), || format!("left: {left:?}"))
}

/// Ctrl-Z stops the jail, `fg` goes on with the same program.
pub fn ctrl_z_stops_and_fg_goes_on(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let (mut terminal, actor) = ticking(who, &stage)?;
    for _ in 0..2 {
        terminal.types("\x1a")?;
        terminal.see("Stopped")?;
        terminal.see("prompt> ")?;
        let state = || procs::status(actor.pid).remove("State").unwrap_or_default();
        wait_for(SOON, || state().starts_with('T').then_some(()))
            .ok_or_else(|| format!("the program does not stand still: {}", state()))?;
        terminal.types("fg\n")?;
        terminal.see("tick ")?;
    }
    let same = terminal.actor()?;
    ensure(same == actor, || format!("{same:?} is not {actor:?}"))?;
    terminal.types("\x03")?;
    terminal.see("prompt> ")
}

/// `bg` lets it run behind the shell, which has its prompt.
pub fn bg_runs_behind_the_shell(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let (mut terminal, _) = ticking(who, &stage)?;
    terminal.types("\x1a")?;
    terminal.see("Stopped")?;
    terminal.types("bg\n")?;
    terminal.see("tick ")?;
    terminal.types("kill %1; wait %1; echo code=$?\n")?;
    terminal.see("code=143")
}

/// A new window size arrives as SIGWINCH, and the program reads it from its stdin.
pub fn the_window_size_arrives(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let (mut terminal, _) = ticking(who, &stage)?;
    terminal.resize(33, 77)?;
    terminal.see("window 33x77")?;
    terminal.types("\x03")?;
    terminal.see("prompt> ")
}

/// A server has nothing to read from a terminal: it gets /dev/null in its place. Other programs keep it.
pub fn a_server_does_not_get_the_terminal(who: Who) -> Check {
    let server = "[net]\npublish = [\"127.0.0.1:38117\"]";
    for (profile, sees) in [("", "0 is a terminal"), (server, "0 is null")] {
        let stage = Stage::with(who, profile)?;
        let mut terminal = Terminal::open(who)?;
        let words = stage.words(&[], &["stdin-is"]).join(" ");
        let flowjail = crate::kit::jail::binary().display();
        terminal.types(&format!("{flowjail} {words}\n"))?;
        terminal.see(sees)?;
        terminal.see("prompt> ")?;
    }
    Ok(())
}
