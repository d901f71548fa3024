//! Other programs of the system, each case one process: what they print has to be the same.

use std::path::{Path, PathBuf};

use crate::common::needs::{self, Need};
use crate::scripts::ALLOWED;
use crate::servers;
use crate::stage::{Stage, text};
use crate::suite::{Grant, How, Run, Suite, Told};

/// The clients of the databases, and OpenSSL's.
pub const PROGRAMS: Suite = Suite {
    name: "programs",
    cases: || CASES.iter().map(|case| case.name.to_owned()).collect(),
    needs: needed,
    run: programs,
};

struct Case {
    name: &'static str,
    arguments: &'static [&'static str],
}

/// The first word of a name is the program; `CA` stands for a path.
const CASES: [Case; 4] = [
    Case {
        name: "psql: a query over a connection that asks for TLS first",
        arguments: &[
            "-X",
            "-A",
            "-t",
            "-c",
            "select sum(n) from generate_series(1, 1000) n",
            "postgresql://test@db.test.example/postgres?sslmode=prefer&connect_timeout=5",
        ],
    },
    Case {
        name: "psql: 20 MB in rows",
        arguments: &[
            "-X",
            "-A",
            "-t",
            "-c",
            "copy (select md5(string_agg(repeat('x', 1000), '')) from generate_series(1, 10)) to stdout",
            "-c",
            "copy (select repeat('x', 1000) from generate_series(1, 20000)) to stdout",
            "postgresql://test@db.test.example/postgres?connect_timeout=5",
        ],
    },
    Case {
        name: "redis-cli: a command",
        arguments: &["-h", "cache.test.example", "echo", "hello"],
    },
    Case {
        name: "openssl: a handshake that is checked",
        arguments: &[
            "s_client",
            "-brief",
            "-verify_return_error",
            "-CAfile",
            "CA",
            "-verify_hostname",
            "api.test.example",
            "-connect",
            "api.test.example:443",
        ],
    },
];

impl Case {
    fn program(&self) -> Option<PathBuf> {
        match self.name.split(':').next()? {
            // The one in the PATH is a script that starts it.
            "psql" => Some(servers::binaries()?.join("psql")),
            other => Some(Path::new("/usr/bin").join(other)),
        }
    }
}

fn needed(case: &str) -> Vec<Need> {
    match case.split(':').next() {
        Some("psql") => vec![servers::postgres()],
        Some("redis-cli") => vec![servers::redis()],
        _ => vec![needs::program("openssl")],
    }
}

fn programs(stage: &Stage, how: How) -> Result<Run, String> {
    let told = |case: &Case| {
        Some((
            case.name.to_owned(),
            run(stage, how, case, &case.program()?),
        ))
    };
    let all = CASES.iter().filter_map(told);
    all.map(|(name, told)| Ok((name, told?))).collect()
}

fn run(stage: &Stage, how: How, case: &Case, program: &Path) -> Result<Told, String> {
    let authority = stage.authority();
    let argument = |word: &&'static str| match *word {
        "CA" => text(&authority).to_owned(),
        other => other.to_owned(),
    };
    let words: Vec<String> = case.arguments.iter().map(argument).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let grant = Grant {
        read: &[Path::new("/usr"), Path::new("/etc/ssl")],
        syscalls: r#"{ name = "pselect6", why = "openssl s_client waits by it" }"#,
        flags: &ALLOWED,
    };
    let ended = how.finish(stage, &grant, program, &words)?;
    let ok = ended.status.is_some_and(|status| status.success());
    let (length, first) = (
        ended.stdout.len(),
        ended.stdout.lines().next().unwrap_or(""),
    );
    let detail = match ok {
        true => format!("{length} bytes: {first}"),
        false => format!("{:?}: {}", ended.status, ended.stderr),
    };
    Ok(Told { ok, detail })
}
