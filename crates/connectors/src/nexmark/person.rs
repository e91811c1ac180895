//! New persons.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::events::{ColumnDef, EventKind, Rows, Rules, TIME, ids};
use super::random::{Field, TextColumn, below, below_low, extra_length, text_length};
use crate::Result;

pub(super) const COLUMNS: &[ColumnDef] = &[
    ColumnDef { name: "id", data_type: DataType::Int64, make: |_, rows| Ok(ids((rows.first..).take(rows.len()))) },
    ColumnDef { name: "name", data_type: DataType::Utf8, make: names },
    ColumnDef { name: "emailAddress", data_type: DataType::Utf8, make: emails },
    ColumnDef { name: "creditCard", data_type: DataType::Utf8, make: credit_cards },
    ColumnDef { name: "city", data_type: DataType::Utf8, make: |rules, rows| words(rules, rows, Field::City, CITIES) },
    ColumnDef {
        name: "state",
        data_type: DataType::Utf8,
        make: |rules, rows| words(rules, rows, Field::State, STATES),
    },
    ColumnDef { name: "dateTime", data_type: TIME, make: |rules, rows| Ok(rules.times(rows)) },
    ColumnDef { name: "extra", data_type: DataType::Utf8, make: extras },
];

const FIRST_NAMES: &[&str] =
    &["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES: &[&str] = &["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
const STATES: &[&str] = &["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES: &[&str] =
    &["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"];
/// Four numbers of four digits, with spaces.
const CREDIT_CARD_BYTES: usize = 19;

fn name(bits: u64) -> (&'static str, &'static str) {
    let first = FIRST_NAMES[below(bits, FIRST_NAMES.len() as u64) as usize];
    (first, LAST_NAMES[below_low(bits, LAST_NAMES.len() as u64) as usize])
}

fn names(rules: &Rules, rows: &Rows) -> Result<ArrayRef> {
    let draws = rules.draws(Field::Name);
    let mut column = TextColumn::new(rows.len(), 14);
    for event in &rows.events {
        let (first, last) = name(draws.at(*event));
        column.add(first.as_bytes());
        column.add(b" ");
        column.add(last.as_bytes());
        column.end();
    }
    column.finish()
}

/// The lengths of both parts of an address: of the upper bits, and of those below.
fn email_lengths(bits: u64) -> (usize, usize) {
    (text_length(bits, 7), text_length(bits << 16, 5))
}

fn emails(rules: &Rules, rows: &Rows) -> Result<ArrayRef> {
    let draws = rules.draws(Field::Email);
    let mut column = TextColumn::new(rows.len(), 16);
    for event in &rows.events {
        let bits = draws.at(*event);
        let (user, host) = email_lengths(bits);
        column.add(rules.letters.text(bits, user));
        column.add(b"@");
        column.add(rules.letters.text(bits >> 16, host));
        column.add(b".com");
        column.end();
    }
    column.finish()
}

fn credit_cards(rules: &Rules, rows: &Rows) -> Result<ArrayRef> {
    let draws = rules.draws(Field::CreditCard);
    let mut column = TextColumn::new(rows.len(), CREDIT_CARD_BYTES);
    for event in &rows.events {
        let mut digits = draws.at(*event);
        for place in 0..CREDIT_CARD_BYTES {
            if place % 5 == 4 {
                column.add(b" ");
            } else {
                column.add(&[b'0' + (digits % 10) as u8]);
                digits /= 10;
            }
        }
        column.end();
    }
    column.finish()
}

fn words(rules: &Rules, rows: &Rows, field: Field, words: &[&str]) -> Result<ArrayRef> {
    let draws = rules.draws(field);
    let mut column = TextColumn::new(rows.len(), 10);
    for event in &rows.events {
        column.add(words[below(draws.at(*event), words.len() as u64) as usize].as_bytes());
        column.end();
    }
    column.finish()
}

fn extras(rules: &Rules, rows: &Rows) -> Result<ArrayRef> {
    let wanted = rules.event_bytes[EventKind::Person as usize];
    let (extra, name_draws, email) =
        (rules.draws(Field::PersonExtra), rules.draws(Field::Name), rules.draws(Field::Email));
    let (city, state) = (rules.draws(Field::City), rules.draws(Field::State));
    let mut column = TextColumn::new(rows.len(), wanted);
    for event in &rows.events {
        let (first, last) = name(name_draws.at(*event));
        let (user, host) = email_lengths(email.at(*event));
        let city = CITIES[below(city.at(*event), CITIES.len() as u64) as usize];
        let state = STATES[below(state.at(*event), STATES.len() as u64) as usize];
        let texts = first.len() + 1 + last.len() + user + 1 + host + 4 + CREDIT_CARD_BYTES + city.len() + state.len();
        let bits = extra.at(*event);
        column.add(rules.letters.text(bits, extra_length(bits, 8 + texts, wanted)));
        column.end();
    }
    column.finish()
}
