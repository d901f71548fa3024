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
    known: BTreeMap<String, Given>,
    /// Names that no rule names any more, with the addresses that were theirs: whoever remembers one is not led to
    /// another host by it.
    gone: BTreeMap<String, Ipv4Addr>,
    given: u32,
    /// Names of patterns whose records were asked for.
    asked: BTreeSet<String>,
    by_pattern: u32,
    tokens: u32,
    filled: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Given {
    address: Ipv4Addr,
    /// Whether a profile line spelled the name out.
    exact: bool,
}

/// Names that are gone and remembered.
const MOST_GONE: usize = 4096;

impl Names {
    /// An empty one.
    pub fn new(now: Instant) -> Names {
        Names {
            known: BTreeMap::new(),
            gone: BTreeMap::new(),
            given: 0,
            asked: BTreeSet::new(),
            by_pattern: 0,
            tokens: BURST,
            filled: now,
        }
    }

    /// The address of a name that has one.
    pub fn known(&self, host: &str) -> Option<Ipv4Addr> {
        self.known.get(host).map(|given| given.address)
    }

    /// The name that an address stands for.
    pub fn host_of(&self, address: Ipv4Addr) -> Option<&String> {
        let mut known = self.known.iter();
        let found = known.find(|(_, given)| given.address == address);
        found.map(|(host, _)| host)
    }

    /// Every name.
    pub fn all(&self) -> impl Iterator<Item = (&String, Ipv4Addr)> {
        self.known.iter().map(|(host, given)| (host, given.address))
    }

    /// The same to keep.
    pub fn list(&self) -> Vec<(String, Ipv4Addr)> {
        self.all()
            .map(|(host, address)| (host.clone(), address))
            .collect()
    }

    /// Gives a name its address: the one that it had, where it had one. `exact`: a profile line spells it out, so that
    /// their number is the profile's.
    pub fn admit(&mut self, host: &str, exact: bool, now: Instant) -> Result<Ipv4Addr, Reason> {
        if let Some(address) = self.known(host) {
            return Ok(address);
        }
        if !exact {
            self.take(now)?;
        }
        let address = match self.gone.remove(host) {
            Some(address) => address,
            None => self.next_free(),
        };
        self.known.insert(host.to_owned(), Given { address, exact });
        Ok(address)
    }

    /// The next that stands for nothing, and did not: far fewer are in use than there are.
    fn next_free(&mut self) -> Ipv4Addr {
        loop {
            let address = Ipv4Addr::from(FIRST + self.given % MOST_GIVEN);
            self.given = self.given.wrapping_add(1);
            let known = self.known.values().any(|given| given.address == address);
            if !known && !self.gone.values().any(|gone| *gone == address) {
                return address;
            }
        }
    }

    /// Takes the address back of a name for which nothing can listen.
    pub fn forget(&mut self, host: &str) {
        if let Some(given) = self.known.remove(host) {
            self.put_aside(host.to_owned(), given.address);
        }
    }

    /// Keeps the names that may still be asked for, by their hosts and by their records.
    pub fn renew(&mut self, may: impl Fn(&str) -> bool, may_ask: impl Fn(&str) -> bool) {
        let gone: Vec<String> = self
            .known
            .keys()
            .filter(|host| !may(host))
            .cloned()
            .collect();
        for host in gone {
            if let Some(given) = self.known.remove(&host) {
                self.by_pattern -= u32::from(!given.exact);
                self.put_aside(host, given.address);
            }
        }
        let before = self.asked.len();
        self.asked.retain(|name| may_ask(name));
        self.by_pattern -= (before - self.asked.len()) as u32;
    }

    fn put_aside(&mut self, host: String, address: Ipv4Addr) {
        if self.gone.len() >= MOST_GONE {
            self.gone.pop_first();
        }
        self.gone.insert(host, address);
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
    fn a_name_that_is_gone_and_comes_again_has_its_address_again_and_nobody_else_has() {
        let now = Instant::now();
        let mut names = Names::new(now);
        let first = names.admit("a.test", true, now).unwrap();
        let stays = names.admit("b.test", true, now).unwrap();
        names.renew(|host| host == "b.test", |_| true);
        assert_eq!(names.known("a.test"), None);
        assert_eq!(names.host_of(first), None);
        assert_eq!(names.known("b.test"), Some(stays));
        let other = names.admit("c.test", true, now).unwrap();
        assert!(other != first && other != stays);
        assert_eq!(names.admit("a.test", true, now), Ok(first));
    }

    #[test]
    fn names_of_a_pattern_that_is_gone_make_room_for_others() {
        let now = Instant::now();
        let mut names = Names::new(now);
        for number in 0..BURST {
            names.admit(&format!("n{number}.test"), false, now).unwrap();
        }
        names.renew(|_| false, |_| true);
        assert_eq!(names.by_pattern, 0);
        let later = now + Duration::from_secs(3600);
        names.ask("x.test", false, later).unwrap();
        names.renew(|_| false, |_| false);
        assert_eq!((names.by_pattern, names.asked.len()), (0, 0));
    }

    #[test]
    fn a_name_that_is_forgotten_leaves_its_address_to_nobody() {
        let now = Instant::now();
        let mut names = Names::new(now);
        let first = names.admit("a.test", true, now).unwrap();
        let second = names.admit("b.test", true, now).unwrap();
        names.forget("a.test");
        let third = names.admit("c.test", true, now).unwrap();
        assert!(third != first && third != second);
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
