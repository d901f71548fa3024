//! Ratios from interleaved pairs: what disturbs the machine disturbs both sides.

/// The two sides of a comparison, measured alternately.
pub struct Pairs {
    a: Vec<f64>,
    b: Vec<f64>,
}

/// A middle value and where it lies with 95 % confidence.
#[derive(Clone, Copy)]
pub struct Interval {
    /// The median.
    pub median: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

impl Pairs {
    /// Measures both sides `rounds` times, beginning with the one in even rounds and the other in odd
    /// ones, after one round that does not count.
    pub fn measure<E>(
        rounds: usize,
        mut a: impl FnMut() -> Result<f64, E>,
        mut b: impl FnMut() -> Result<f64, E>,
    ) -> Result<Self, E> {
        a()?;
        b()?;
        let mut pairs = Self {
            a: Vec::new(),
            b: Vec::new(),
        };
        for round in 0..rounds {
            let (one, other) = if round % 2 == 0 {
                let one = a()?;
                (one, b()?)
            } else {
                let other = b()?;
                (a()?, other)
            };
            pairs.a.push(one);
            pairs.b.push(other);
        }
        Ok(pairs)
    }

    /// The first side alone.
    pub fn first(&self) -> Interval {
        Interval::of(self.a.clone())
    }

    /// The second side alone.
    pub fn second(&self) -> Interval {
        Interval::of(self.b.clone())
    }

    /// First through second, pair by pair.
    pub fn ratio(&self) -> Interval {
        Interval::of(self.a.iter().zip(&self.b).map(|(a, b)| a / b).collect())
    }

    /// First minus second, pair by pair, beside the most that it should be.
    pub fn print_difference(&self, what: &str, unit: &str, most: f64) {
        let differences = self.a.iter().zip(&self.b).map(|(a, b)| a - b).collect();
        let more = Interval::of(differences);
        println!(
            "{what:<42} {:+.3} [{:+.3}, {:+.3}] {unit}{}",
            more.median,
            more.low,
            more.high,
            Aim::AtMost(most).verdict(&more)
        );
    }

    /// One line: both sides with their unit, the ratio, and how it stands to an aim.
    pub fn print(&self, what: &str, sides: [&str; 2], unit: &str, aim: Option<Aim>) {
        let (a, b, ratio) = (self.first(), self.second(), self.ratio());
        println!(
            "{what:<42} {} {:9.3} {unit}, {} {:9.3} {unit}, ratio {:.3} [{:.3}, {:.3}], {} pairs{}",
            sides[0],
            a.median,
            sides[1],
            b.median,
            ratio.median,
            ratio.low,
            ratio.high,
            self.a.len(),
            aim.map(|aim| aim.verdict(&ratio)).unwrap_or_default()
        );
    }
}

/// What a ratio should reach.
#[derive(Clone, Copy)]
pub enum Aim {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

impl Aim {
    /// An aim is reached, or missed, when the whole interval lies on that side of it.
    fn verdict(self, ratio: &Interval) -> String {
        let (words, aim, reached, missed) = match self {
            Self::AtMost(aim) => ("at most", aim, ratio.high <= aim, ratio.low > aim),
            Self::AtLeast(aim) => ("at least", aim, ratio.low >= aim, ratio.high < aim),
        };
        let verdict = match (reached, missed) {
            (true, _) => "reached",
            (_, true) => "MISSED",
            _ => "not decided by this run",
        };
        format!(" (aim {words} {aim}: {verdict})")
    }
}

impl Interval {
    /// The median and its distribution-free interval: ranks n/2 -+ 0.98 sqrt(n).
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let n = values.len();
        let half = (0.98 * (n as f64).sqrt()).ceil() as usize;
        let middle = n / 2;
        Self {
            median: if n.is_multiple_of(2) {
                f64::midpoint(values[middle - 1], values[middle])
            } else {
                values[middle]
            },
            low: values[middle.saturating_sub(half)],
            high: values[(middle + half).min(n - 1)],
        }
    }
}
