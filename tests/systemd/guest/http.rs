//! Questions to the stand-in, as a visitor asks them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::kit::wait_for;

const ADDRESS: &str = "127.0.0.1:3000";
const PATIENCE: Duration = Duration::from_secs(120);

/// The answer's body; an error where the status is not 200.
pub fn get(path: &str) -> Result<String, String> {
    let answer = exchange(path).map_err(|error| format!("GET {path}: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    match status {
        "200" => Ok(body.to_owned()),
        _ => Err(format!("GET {path}: {head:?} {body:?}")),
    }
}

/// The same, from the moment on when somebody answers.
pub fn ask(path: &str) -> Result<String, String> {
    let mut last = String::new();
    let answer = wait_for(PATIENCE, || match get(path) {
        Ok(body) => Some(body),
        Err(error) => {
            last = error;
            std::thread::sleep(Duration::from_millis(200));
            None
        }
    });
    answer.ok_or(last)
}

fn exchange(path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(ADDRESS)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: guest\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.is_empty() {
        return Err(std::io::Error::other("no answer"));
    }
    Ok(answer)
}
