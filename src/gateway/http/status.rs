//! The start of what a server answers to an upgrade.
#![forbid(unsafe_code)]

use super::HttpFlaw;

/// The longest status line that is waited for.
const MAX_STATUS_LINE: usize = 8 * 1024;

/// The status of the first response in what the server sent so far; `None` where more is needed. An interim response
/// (1xx) counts as one.
pub fn first_status(bytes: &[u8]) -> Result<Option<u16>, HttpFlaw> {
    let shape = |at: usize, byte: u8| match at {
        0..7 => byte == b"HTTP/1."[at],
        7 => matches!(byte, b'0' | b'1'),
        8 => byte == b' ',
        9 => matches!(byte, b'1'..=b'5'),
        10 | 11 => byte.is_ascii_digit(),
        12 => matches!(byte, b' ' | b'\r'),
        _ => true,
    };
    let seen = &bytes[..bytes.len().min(MAX_STATUS_LINE)];
    if !seen.iter().enumerate().all(|(at, byte)| shape(at, *byte)) {
        return Err(HttpFlaw::Response);
    }
    let Some(end) = seen.iter().position(|byte| *byte == b'\n') else {
        return match seen.len() < MAX_STATUS_LINE {
            true => Ok(None),
            false => Err(HttpFlaw::Response),
        };
    };
    let line = seen[..end].strip_suffix(b"\r").unwrap_or_default();
    let odd = line
        .iter()
        .any(|byte| byte.is_ascii_control() && *byte != b'\t');
    if line.len() < 12 || odd {
        return Err(HttpFlaw::Response);
    }
    let digit = |at: usize| u16::from(line[at] - b'0');
    Ok(Some(digit(9) * 100 + digit(10) * 10 + digit(11)))
}

#[cfg(test)]
mod tests {
    use super::super::HttpFlaw;
    use super::first_status;

    #[test]
    fn the_first_status_is_read() {
        let fine = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n";
        for end in 0..34 {
            assert_eq!(
                first_status(&fine[..end]),
                Ok((end >= 34).then_some(101)),
                "{end}"
            );
        }
        assert_eq!(first_status(fine), Ok(Some(101)));
        assert_eq!(first_status(b"HTTP/1.0 200\r\n"), Ok(Some(200)));
        assert_eq!(first_status(b"HTTP/1.1 503 \r\n"), Ok(Some(503)));
        for bytes in [
            b"HTTP/2".as_slice(),
            b"\x15\x03",
            b"HTTP/1.1 10\r\n",
            b"HTTP/1.1 1010 x\r\n",
            b"HTTP/1.1 601 x",
            b"HTTP/1.1  101",
            b"HTTP/1.1 101 x\n",
            b"HTTP/1.1 101 \0\r\n",
            b"HTTP/1.1 101\rx\r\n",
            b"\r\nHTTP/1.1 101 x\r\n",
            b"ICY 200",
            &[b"HTTP/1.1 101 ".as_slice(), &[b'x'; 9000]].concat(),
        ] {
            assert_eq!(
                first_status(bytes),
                Err(HttpFlaw::Response),
                "{}",
                bytes[..bytes.len().min(40)].escape_ascii()
            );
        }
    }
}
