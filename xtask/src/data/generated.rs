//! Data made here: a stand-in for the purchases where no package index is reached, and the flights of `bench linear`.
//!
//! Made from a fixed seed, so that everyone has the same.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::{Result, workspace};

/// A permuted congruential generator, PCG-XSH-RR 64/32 (O'Neill 2014).
pub struct Random {
    state: u64,
    increment: u64,
}

impl Random {
    /// The generator of this seed and sequence.
    pub fn new(seed: u64, sequence: u64) -> Self {
        let mut random = Self { state: 0, increment: (sequence << 1) | 1 };
        random.next();
        random.state = random.state.wrapping_add(seed);
        random.next();
        random
    }

    fn next(&mut self) -> u32 {
        let state = self.state;
        self.state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(self.increment);
        let mixed = (((state >> 18) ^ state) >> 27) as u32;
        mixed.rotate_right((state >> 59) as u32)
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        f64::from(self.next()) / (f64::from(u32::MAX) + 1.0)
    }

    /// Uniform among 0, 1, …, n − 1.
    pub fn below(&mut self, n: usize) -> usize {
        (self.uniform() * n as f64) as usize
    }

    /// Small numbers often, large ones seldom, among 0, 1, …, n − 1: how often goods are bought and airports flown to.
    pub fn skewed_below(&mut self, n: usize) -> usize {
        (self.uniform().powi(3) * n as f64) as usize
    }
}

const HOUSEHOLDS: usize = 2500;
const CATEGORIES: usize = 300;
const PRODUCTS_PER_CATEGORY: usize = 40;
const DEPARTMENTS: [&str; 8] = ["GROCERY", "DRUG GM", "PRODUCE", "MEAT", "MEAT-PCKGD", "DELI", "PASTRY", "NUTRITION"];

/// The folder with `transactions.csv` and `products.csv`, generated if they are not there yet: as many purchases as the real
/// data has, or `rows`, with its columns.
///
/// Each household has categories that it buys again after a while of its own, and buys others now and then. So there is
/// something to learn, but no figure taken from it says anything about real households.
pub fn purchases(rows: u64) -> Result<PathBuf> {
    let folder = workspace::data_folder()?.join(format!("complete-journey-generated-{rows}"));
    if !folder.exists() {
        eprintln!("generating {rows} purchases and {} products", CATEGORIES * PRODUCTS_PER_CATEGORY);
        let made = folder.with_extension("incomplete");
        fs::create_dir_all(&made)?;
        write_products(BufWriter::new(File::create(made.join("products.csv"))?))?;
        write_transactions(BufWriter::new(File::create(made.join("transactions.csv"))?), rows)?;
        fs::rename(&made, &folder)?;
    }
    Ok(folder)
}

fn write_products(mut out: impl Write) -> Result<()> {
    writeln!(out, "product_id,manufacturer_id,department,brand,product_category,product_type,package_size")?;
    for product in 0..CATEGORIES * PRODUCTS_PER_CATEGORY {
        let (category, rank) = (product / PRODUCTS_PER_CATEGORY, product % PRODUCTS_PER_CATEGORY);
        let brand = if rank % 5 == 0 { "Private" } else { "National" };
        writeln!(
            out,
            "{},{},{},{brand},CATEGORY {category},TYPE {category}-{},{} OZ",
            product_id(category, rank),
            rank % 17,
            DEPARTMENTS[category % DEPARTMENTS.len()],
            rank % 4,
            4 + rank % 32
        )?;
    }
    Ok(out.flush()?)
}

fn product_id(category: usize, rank: usize) -> usize {
    100_000 + category * PRODUCTS_PER_CATEGORY + rank
}

/// A category that a household buys again and again.
struct Habit {
    category: usize,
    every_days: f64,
    due_day: f64,
}

fn write_transactions(mut out: impl Write, rows: u64) -> Result<()> {
    /// In the real data a household shops on about every fifth day, and takes about eight products home.
    const TRIPS_PER_DAY: f64 = 0.2;
    const DAYS: usize = 365;
    let random = &mut Random::new(2017, 1);
    let mut households: Vec<Vec<Habit>> = (0..HOUSEHOLDS).map(|_| habits(random)).collect();
    let mut basket = 31_198_570_000_u64;
    let mut written = 0;
    writeln!(
        out,
        "household_id,store_id,basket_id,product_id,quantity,sales_value,retail_disc,coupon_disc,coupon_match_disc,week,\
         transaction_timestamp"
    )?;
    for day in 0..DAYS {
        // The day's trips, in the order of the clock.
        let mut trips: Vec<(usize, usize)> = (0..HOUSEHOLDS)
            .filter(|_| random.uniform() < TRIPS_PER_DAY)
            .map(|household| (8 * 3600 + random_second(household, day), household))
            .collect();
        trips.sort_unstable();
        // Rows are shared out over the days, so that fewer rows still cover the whole year.
        let day_ends_at = rows * (day as u64 + 1) / DAYS as u64;
        let mut trip = 0;
        while written < day_ends_at && !trips.is_empty() {
            let (second, household) = trips[trip % trips.len()];
            // More rows than the day's trips give: a second round, still in order of time.
            let second = if trip < trips.len() { second } else { 22 * 3600 + (trip - trips.len()) % 7200 };
            trip += 1;
            basket += 7;
            for (category, rank) in bought(random, &mut households[household], day) {
                if written == day_ends_at {
                    break;
                }
                let quantity = 1 + random.skewed_below(4);
                let price = (0.8 + ((category * 13 + rank * 7) % 60) as f64 / 10.0) * quantity as f64;
                let discount = if random.uniform() < 0.3 { price * 0.2 } else { 0.0 };
                let (month, day_of_month) = month_and_day(day);
                writeln!(
                    out,
                    "{},{},{basket},{},{quantity},{:.2},{discount:.2},0.00,0.00,{},2017-{month:02}-{day_of_month:02} \
                     {:02}:{:02}:{:02}",
                    household + 1,
                    300 + household % 60,
                    product_id(category, rank),
                    price - discount,
                    day / 7 + 1,
                    second / 3600,
                    second / 60 % 60,
                    second % 60
                )?;
                written += 1;
            }
        }
    }
    Ok(out.flush()?)
}

fn habits(random: &mut Random) -> Vec<Habit> {
    let count = 8 + random.below(24);
    let habit = |random: &mut Random| {
        let every_days = 5.0 + 60.0 * random.uniform().powi(2);
        Habit { category: random.skewed_below(CATEGORIES), every_days, due_day: every_days * random.uniform() }
    };
    (0..count).map(|_| habit(random)).collect()
}

/// What a household takes home on a day: what is due, and something else. A product is a category and a place in it.
fn bought(random: &mut Random, habits: &mut [Habit], day: usize) -> Vec<(usize, usize)> {
    let mut basket = Vec::new();
    for habit in habits.iter_mut().filter(|habit| habit.due_day <= day as f64) {
        basket.push((habit.category, random.skewed_below(PRODUCTS_PER_CATEGORY)));
        habit.due_day = day as f64 + habit.every_days * (0.6 + 0.8 * random.uniform());
    }
    for _ in 0..1 + random.skewed_below(10) {
        basket.push((random.skewed_below(CATEGORIES), random.skewed_below(PRODUCTS_PER_CATEGORY)));
    }
    basket
}

/// A time of day between 8 and 22 h, counted from 8 h in seconds.
fn random_second(household: usize, day: usize) -> usize {
    (household * 7919 + day * 104_729) % (14 * 3600)
}

/// The month and the day in it, of a day of 2017 counted from 0.
fn month_and_day(day: usize) -> (usize, usize) {
    const LENGTHS: [usize; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut rest = day;
    for (month, length) in LENGTHS.into_iter().enumerate() {
        if rest < length {
            return (month + 1, rest + 1);
        }
        rest -= length;
    }
    (12, 31)
}

/// Writes flights: `hour, weekday, origin, destination, distance, delayed`. Late flights come from the hour, the two airports
/// and the weekday by a logistic law, so a logistic regression on the one-hot features is the right model.
pub fn write_flights(path: &Path, rows: u64) -> Result<()> {
    const AIRPORTS: usize = 300;
    let random = &mut Random::new(1987, 1);
    let mut effects = |n: usize, size: f64| -> Vec<f64> { (0..n).map(|_| size * (random.uniform() - 0.5)).collect() };
    let (by_hour, by_weekday) = (effects(24, 2.0), effects(7, 0.6));
    let (by_origin, by_destination) = (effects(AIRPORTS, 2.4), effects(AIRPORTS, 1.6));
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "hour,weekday,origin,destination,distance,delayed")?;
    for _ in 0..rows {
        let (hour, weekday) = (random.below(24), random.below(7));
        let (origin, destination) = (random.skewed_below(AIRPORTS), random.skewed_below(AIRPORTS));
        // In thousands of miles: of the size of the other features.
        let distance = 0.05 + 2.5 * random.uniform();
        let logit = -1.2
            + by_hour[hour]
            + by_weekday[weekday]
            + by_origin[origin]
            + by_destination[destination]
            + 0.2 * distance;
        let delayed = u8::from(random.uniform() < 1.0 / (1.0 + (-logit).exp()));
        writeln!(out, "h{hour},d{weekday},A{origin:03},A{destination:03},{distance:.3},{delayed}")?;
    }
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // The output of the reference implementation's demonstration program: seed 42, sequence 54.
        let mut random = Random::new(42, 54);
        let expected = [0xa15c_02b7, 0x7b47_f409, 0xba1d_3330, 0x83d2_f293, 0xbfa4_784b, 0xcbed_606e];
        assert_eq!(expected.map(|_| random.next()), expected);
    }

    #[test]
    fn purchases_are_complete_and_in_order_of_time() {
        let mut csv = Vec::new();
        write_transactions(&mut csv, 20_000).unwrap();
        let text = String::from_utf8(csv).unwrap();
        let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
        assert_eq!(rows.len(), 20_000);
        assert!(rows.iter().all(|row| row.len() == 11 && row[10].len() == 19));
        assert!(rows.windows(2).all(|pair| pair[0][10] <= pair[1][10]));
        assert!(rows[0][10].starts_with("2017-01-01 ") && rows[19_999][10].starts_with("2017-12-31 "));
    }

    #[test]
    fn a_day_of_the_year_has_its_date() {
        assert_eq!((month_and_day(0), month_and_day(58), month_and_day(59)), ((1, 1), (2, 28), (3, 1)));
        assert_eq!(month_and_day(364), (12, 31));
    }

    #[test]
    fn flights_are_the_same_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        write_flights(&a, 1000).unwrap();
        write_flights(&b, 1000).unwrap();
        let text = fs::read_to_string(&a).unwrap();
        assert_eq!(text, fs::read_to_string(&b).unwrap());
        let delayed = text.lines().filter(|line| line.ends_with(",1")).count();
        assert!((150..450).contains(&delayed), "{delayed}");
    }
}
