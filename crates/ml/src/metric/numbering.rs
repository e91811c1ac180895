//! Distinct values numbered from 0 in the order they are met.

use hashbrown::HashMap;

const NONE: u32 = u32::MAX;

/// A value more than the limit.
#[derive(Debug)]
pub(super) struct OneTooMany;

/// Integers. Small ones, as most class labels are, are found in a table, others by hash.
#[derive(Debug)]
pub(super) struct Integers {
    limit: usize,
    values: Vec<i64>,
    /// Numbers of the integers 0, 1, …; grows up to the largest of them met.
    small: Vec<u32>,
    others: HashMap<i64, u32>,
}

impl Integers {
    const SMALL: i64 = 1024;

    pub(super) fn new(limit: usize) -> Self {
        Self { limit, values: Vec::new(), small: Vec::new(), others: HashMap::new() }
    }

    pub(super) fn values(&self) -> &[i64] {
        &self.values
    }

    #[inline]
    pub(super) fn find(&self, integer: i64) -> Option<u32> {
        // A negative integer is beyond any table as a usize.
        match self.small.get(integer as usize) {
            Some(&number) => (number != NONE).then_some(number),
            None => self.others.get(&integer).copied(),
        }
    }

    #[inline]
    pub(super) fn number(&mut self, integer: i64) -> Result<u32, OneTooMany> {
        match self.find(integer) {
            Some(number) => Ok(number),
            None => self.add(integer),
        }
    }

    #[cold]
    fn add(&mut self, integer: i64) -> Result<u32, OneTooMany> {
        let number = next_number(self.values.len(), self.limit)?;
        if (0..Self::SMALL).contains(&integer) {
            let place = integer as usize;
            if self.small.len() <= place {
                self.small.resize(place + 1, NONE);
            }
            self.small[place] = number;
        } else {
            self.others.insert(integer, number);
        }
        self.values.push(integer);
        Ok(number)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.values.capacity() * size_of::<i64>()
            + self.small.capacity() * size_of::<u32>()
            + self.others.allocation_size()
    }
}

/// Texts. A few are found by comparing, many by hash.
#[derive(Debug)]
pub(super) struct Texts {
    limit: usize,
    values: Vec<Box<str>>,
    /// Empty while there are few.
    numbers: HashMap<Box<str>, u32>,
}

impl Texts {
    const FEW: usize = 8;

    pub(super) fn new(limit: usize) -> Self {
        Self { limit, values: Vec::new(), numbers: HashMap::new() }
    }

    pub(super) fn values(&self) -> &[Box<str>] {
        &self.values
    }

    #[inline]
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        if self.values.len() <= Self::FEW {
            self.values.iter().position(|value| **value == *text).map(|number| number as u32)
        } else {
            self.numbers.get(text).copied()
        }
    }

    #[inline]
    pub(super) fn number(&mut self, text: &str) -> Result<u32, OneTooMany> {
        match self.find(text) {
            Some(number) => Ok(number),
            None => self.add(text),
        }
    }

    #[cold]
    fn add(&mut self, text: &str) -> Result<u32, OneTooMany> {
        let number = next_number(self.values.len(), self.limit)?;
        self.values.push(text.into());
        if self.values.len() > Self::FEW {
            let known = self.numbers.len();
            self.numbers.extend(self.values[known..].iter().cloned().zip(known as u32..));
        }
        Ok(number)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let copies = if self.numbers.is_empty() { 1 } else { 2 };
        let texts: usize = self.values.iter().map(|text| text.len()).sum();
        self.values.capacity() * size_of::<Box<str>>() + self.numbers.allocation_size() + copies * texts
    }
}

fn next_number(length: usize, limit: usize) -> Result<u32, OneTooMany> {
    let number = u32::try_from(length).map_err(|_| OneTooMany)?;
    if length < limit && number != NONE { Ok(number) } else { Err(OneTooMany) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_and_values_come_back() {
        let mut integers = Integers::new(2000);
        let values: Vec<i64> = (-500..1500).rev().collect();
        for round in 0..2 {
            for (number, &value) in (0..).zip(&values) {
                assert_eq!(integers.number(value).ok(), Some(number), "round {round}");
            }
        }
        assert_eq!(integers.values(), values);
        assert!(integers.number(i64::MIN).is_err());
        assert_eq!(integers.find(i64::MAX), None);

        let mut texts = Texts::new(20);
        for round in 0..2 {
            for number in 0..20 {
                assert_eq!(texts.number(&format!("class {number}")).ok(), Some(number), "round {round}");
            }
        }
        assert!(texts.number("one more").is_err());
        assert_eq!((texts.find("one more"), &*texts.values()[7]), (None, "class 7"));
    }
}
