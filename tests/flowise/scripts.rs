//! What runs beside a Flowise on the tests' side: node's scripts of this directory, and the first questions.

use crate::common::start::finish;
use crate::kit::jail;
use crate::kit::who::on_path;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A port that nobody holds at this moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.local_addr().expect("address").port()
}

/// Whether /api/v1/ping says pong.
pub fn pong(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let request =
        format!("GET /api/v1/ping HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let mut answer = String::new();
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.ends_with("pong")
}

/// `node tests/flowise/NAME`, on the tester's side.
pub fn node_script(name: &str) -> Command {
    let mut command = Command::new(on_path("node").expect("node on the PATH"));
    command
        .arg(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/flowise")
                .join(name),
        )
        .stdin(Stdio::null());
    command
}

/// Runs a script of this directory: its exit code and all that it said. What takes longer than two minutes
/// hangs.
pub fn node_run(command: &mut Command) -> (i32, String) {
    let command = std::mem::replace(command, Command::new("node"));
    match finish(command, "", Duration::from_secs(120)) {
        Ok(ended) => {
            let code = ended.status.map_or(-1, jail::code_of);
            (code, ended.stdout + &ended.stderr)
        }
        Err(error) => (-1, error.to_string()),
    }
}
