//! Names and the addresses that stand for them: one per name, the same for the life of the jail.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::reason::Reason;

/// 198.18.0.0/15, set aside for measurements (RFC 2544): no host of the world has such an address, and Flowise's
/// own list of refused addresses does not hold it.
const FIRST: u32 = 0xc612_0001;

/// Half of the range: the other half is the jail's own, and room.
const MOST_GIVEN: u32 = 1 << 16;

/// Names that lines with `*` may stand for in all: each keeps a listener.
const MOST: u32 = 1024;
/// How many of them at once, and how fast more: names that a flow needs, too few to carry data out by.
const BURST: u32 = 64;
const REFILL: Duration = Duration::from_millis(500);

/// The table.
#[derive(Debug)]
pub struct Names {
    known: BTreeMap<String, Ipv4Addr>,
    given: u32,
    /// Names of patterns whose records were asked for.
    asked: BTreeSet<String>,
    by_pattern: u32,
    tokens: u32,
    filled: Instant,
}

impl Names {
    /// An empty one.
    pub fn new(now: Instant) -> Names {
        Names {
            known: BTreeMap::new(),
            given: 0,
            asked: BTreeSet::new(),
            by_pattern: 0,
            tokens: BURST,
            filled: now,
        }
    }

    /// The address of a name that has one.
    pub fn known(&self, host: &str) -> Option<Ipv4Addr> {
        self.known.get(host).copied()
    }

    /// The name that an address stands for.
    pub fn host_of(&self, address: Ipv4Addr) -> Option<&String> {
        self.known
            .iter()
            .find(|(_, own)| **own == address)
            .map(|(host, _)| host)
    }

    /// Every name.
    pub fn all(&self) -> impl Iterator<Item = (&String, &Ipv4Addr)> {
        self.known.iter()
    }

    /// Gives a name its address. `exact`: a profile line spells it out, so that their number is the profile's.
    pub fn admit(&mut self, host: &str, exact: bool, now: Instant) -> Result<Ipv4Addr, Reason> {
        if let Some(address) = self.known(host) {
            return Ok(address);
        }
        if !exact {
            self.take(now)?;
        }
        let address = Ipv4Addr::from(FIRST + self.given % MOST_GIVEN);
        self.given += 1;
        self.known.insert(host.to_owned(), address);
        Ok(address)
    }

    /// Takes the address back of the name that got one last, where nothing can listen for it.
    pub fn forget(&mut self, host: &str) {
        if self.known.remove(host).is_some() {
            self.given = self.given.saturating_sub(1);
        }
    }

    /// Whether the world may be asked for another record of a name; of a pattern's names it is as for addresses.
    pub fn ask(&mut self, name: &str, exact: bool, now: Instant) -> Result<(), Reason> {
        if exact || self.asked.contains(name) {
            return Ok(());
        }
        self.take(now)?;
        self.asked.insert(name.to_owned());
        Ok(())
    }

    fn take(&mut self, now: Instant) -> Result<(), Reason> {
        let earned = now.saturating_duration_since(self.filled).as_millis() / REFILL.as_millis();
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(BURST);
            self.tokens = self.tokens.saturating_add(earned).min(BURST);
            self.filled = now;
        }
        if self.tokens == 0 || self.by_pattern >= MOST {
            return Err(Reason::TooManyNames);
        }
        self.tokens -= 1;
        self.by_pattern += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{BURST, MOST, Names};
    use crate::gateway::reason::Reason;
    use std::time::{Duration, Instant};

    #[test]
    fn a_name_keeps_its_address_and_no_two_have_the_same() {
        let now = Instant::now();
        let mut names = Names::new(now);
        let first = names.admit("a.test", true, now).unwrap();
        let second = names.admit("b.test", false, now).unwrap();
        assert_eq!(first.to_string(), "198.18.0.1");
        assert_ne!(first, second);
        assert_eq!(names.admit("a.test", false, now), Ok(first));
    }

    #[test]
    fn a_pattern_stands_for_a_few_names_at_once_and_for_some_in_all() {
        let now = Instant::now();
        let mut names = Names::new(now);
        let mut admitted = 0;
        for number in 0..u64::from(MOST) * 3 {
            let later = now + Duration::from_millis(number);
            admitted += u32::from(
                names
                    .admit(&format!("n{number}.test"), false, later)
                    .is_ok(),
            );
        }
        // 3072 milliseconds are worth six more.
        assert_eq!(admitted, BURST + 6);
        let much_later = |minutes: u64| now + Duration::from_secs(60 * minutes);
        for number in 0..u64::from(MOST) {
            admitted += u32::from(
                names
                    .admit(&format!("m{number}.test"), false, much_later(number + 1))
                    .is_ok(),
            );
        }
        assert_eq!(admitted, MOST);
        let after = much_later(100_000);
        assert_eq!(
            names.admit("last.test", false, after),
            Err(Reason::TooManyNames)
        );
        assert!(names.admit("exact.test", true, after).is_ok());
    }
}
