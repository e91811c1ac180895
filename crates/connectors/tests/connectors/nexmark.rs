//! The events of Nexmark: their proportions, what they are about, and where reading may begin.

use arrow::array::AsArray;
use arrow::datatypes::{Int32Type, Int64Type, TimeUnit, TimestampMillisecondType};

use super::*;

const TIME: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);
/// 2015-07-15 00:00:00.
const BASE_MS: i64 = 1_436_918_400_000;

const PERSON: [(&str, DataType); 8] = [
    ("id", DataType::Int64),
    ("name", DataType::Utf8),
    ("emailAddress", DataType::Utf8),
    ("creditCard", DataType::Utf8),
    ("city", DataType::Utf8),
    ("state", DataType::Utf8),
    ("dateTime", TIME),
    ("extra", DataType::Utf8),
];
const AUCTION: [(&str, DataType); 10] = [
    ("id", DataType::Int64),
    ("itemName", DataType::Utf8),
    ("description", DataType::Utf8),
    ("initialBid", DataType::Int64),
    ("reserve", DataType::Int64),
    ("dateTime", TIME),
    ("expires", TIME),
    ("seller", DataType::Int64),
    ("category", DataType::Int64),
    ("extra", DataType::Utf8),
];
const BID: [(&str, DataType); 7] = [
    ("auction", DataType::Int64),
    ("bidder", DataType::Int64),
    ("price", DataType::Int64),
    ("channel", DataType::Utf8),
    ("url", DataType::Utf8),
    ("dateTime", TIME),
    ("extra", DataType::Utf8),
];

fn table(kind: &str, columns: &[(&str, DataType)], more: &[(&str, &str)]) -> Arc<dyn Table> {
    let mut options = vec![("connector", "nexmark"), ("table", kind)];
    options.extend_from_slice(more);
    open(Path::new("."), &schema(columns), &options)
}

fn events(kind: &str, columns: &[(&str, DataType)], number: &str) -> RecordBatch {
    read_with(&*table(kind, columns, &[("events.num", number)]), &ScanRequest::default()).unwrap()
}

fn longs(batch: &RecordBatch, column: &str) -> Vec<i64> {
    batch.column_by_name(column).unwrap().as_primitive::<Int64Type>().values().to_vec()
}

fn times(batch: &RecordBatch, column: &str) -> Vec<i64> {
    batch.column_by_name(column).unwrap().as_primitive::<TimestampMillisecondType>().values().to_vec()
}

fn texts<'a>(batch: &'a RecordBatch, column: &str) -> Vec<&'a str> {
    batch.column_by_name(column).unwrap().as_string::<i32>().iter().flatten().collect()
}

/// That a share of `rows` lies within five standard deviations of what is expected.
fn assert_share(count: usize, rows: usize, share: f64) {
    let deviation = (share * (1.0 - share) / rows as f64).sqrt();
    let found = count as f64 / rows as f64;
    assert!((found - share).abs() < 5.0 * deviation, "{found} is not {share} give or take {deviation}");
}

#[test]
fn of_fifty_events_one_is_a_person_and_three_are_auctions() {
    let [persons, auctions, bids] = [("person", &PERSON[..]), ("auction", &AUCTION[..]), ("bid", &BID[..])]
        .map(|(kind, columns)| events(kind, columns, "100_003".replace('_', "").as_str()));
    // Three events of the last epoch: a person and two auctions.
    assert_eq!((persons.num_rows(), auctions.num_rows(), bids.num_rows()), (2001, 6002, 92_000));
    assert_eq!(longs(&persons, "id"), (1000..3001).collect::<Vec<_>>());
    assert_eq!(longs(&auctions, "id"), (1000..7002).collect::<Vec<_>>());
    // 10,000 events in a second: event 50 happens after 5 ms, and the first bid, event 4, in the first.
    assert_eq!(&times(&persons, "dateTime")[..3], [BASE_MS, BASE_MS + 5, BASE_MS + 10]);
    assert_eq!((times(&bids, "dateTime")[0], times(&bids, "dateTime")[45]), (BASE_MS, BASE_MS + 4));
    assert_eq!(times(&auctions, "dateTime").last(), Some(&(BASE_MS + 10_000)));
}

#[test]
fn bids_go_to_hot_auctions_from_hot_bidders() {
    let bids = events("bid", &BID, "100000");
    let rows = bids.num_rows();
    let (auctions, bidders, prices) = (longs(&bids, "auction"), longs(&bids, "bidder"), longs(&bids, "price"));
    let (mut hot_auctions, mut hot_bidders) = (0, 0);
    for (row, (auction, bidder)) in auctions.iter().zip(&bidders).enumerate() {
        let epoch = row as i64 / 46;
        let (last_auction, persons) = (1000 + 3 * epoch + 2, epoch + 1);
        if *auction == 1000 + (3 * epoch + 2) / 100 * 100 {
            hot_auctions += 1;
        } else {
            assert!((last_auction - 100..=last_auction + 10).contains(auction), "{auction} at {row}");
        }
        if *bidder == 1000 + epoch / 100 * 100 + 1 {
            hot_bidders += 1;
        } else {
            let first = 1000 + (persons - 1000).max(0);
            assert!((first..1000 + persons + 10).contains(bidder), "{bidder} at {row}");
        }
    }
    // Half and three quarters, and those of the others that happen to be hot, too: one of 111, one of about 1010.
    assert_share(hot_auctions, rows, 0.5 + 0.5 / 111.0);
    assert!((0.743..0.76).contains(&(hot_bidders as f64 / rows as f64)), "{hot_bidders} of {rows}");
    // The logarithms of prices are spread evenly from 1 to a million dollars.
    assert!(prices.iter().all(|price| (100..100_000_000).contains(price)));
    assert_share(prices.iter().filter(|price| **price < 1000).count(), rows, 1.0 / 6.0);
    assert_share(prices.iter().filter(|price| **price < 1_000_000).count(), rows, 4.0 / 6.0);
    let hot = |name: &&&str| ["Google", "Facebook", "Baidu", "Apple"].contains(*name);
    assert_share(texts(&bids, "channel").iter().filter(hot).count(), rows, 0.5);
    // 68 letters lack in 100 bytes, give or take 14.
    let lengths: Vec<usize> = texts(&bids, "extra").iter().map(|text| text.len()).collect();
    assert!(lengths.iter().all(|length| (54..82).contains(length)));
    let mean = lengths.iter().sum::<usize>() as f64 / rows as f64;
    assert!((mean - 67.5).abs() < 5.0 * 8.1 / (rows as f64).sqrt(), "{mean}");
}

#[test]
fn auctions_are_open_for_a_while() {
    let auctions = events("auction", &AUCTION, "200000");
    let rows = auctions.num_rows();
    let (begin, end) = (times(&auctions, "dateTime"), times(&auctions, "expires"));
    // 100 auctions begin within 1666 events: 166 or 167 ms; an auction is open for up to twice that.
    assert!(begin.iter().zip(&end).all(|(begin, end)| (1..=334).contains(&(end - begin))));
    let mean = begin.iter().zip(&end).map(|(begin, end)| end - begin).sum::<i64>() as f64 / rows as f64;
    assert!((mean - 167.0).abs() < 5.0 * 96.5 / (rows as f64).sqrt(), "{mean}");
    let hot = |(row, seller): &(usize, &i64)| **seller == 1000 + *row as i64 / 3 / 100 * 100;
    let sellers = longs(&auctions, "seller");
    assert!((0.73..0.77).contains(&(sellers.iter().enumerate().filter(hot).count() as f64 / rows as f64)));
    for category in 10..15 {
        assert_share(longs(&auctions, "category").iter().filter(|c| **c == category).count(), rows, 0.2);
    }
    let reserves = longs(&auctions, "reserve");
    assert!(reserves.iter().zip(longs(&auctions, "initialBid")).all(|(reserve, first)| *reserve >= first + 100));
    let bytes = ["itemName", "description", "extra"]
        .map(|column| texts(&auctions, column).iter().map(|text| text.len()).sum::<usize>() as f64 / rows as f64);
    assert!((bytes.iter().sum::<f64>() + 48.0 - 500.0).abs() < 2.0, "{bytes:?}");
}

#[test]
fn persons_have_names_and_addresses() {
    let persons = events("person", &PERSON, "200000");
    for (row, card) in texts(&persons, "creditCard").iter().enumerate() {
        assert!(card.len() == 19 && card.split(' ').all(|four| four.len() == 4), "{card} at {row}");
    }
    assert!(texts(&persons, "emailAddress").iter().all(|mail| mail.contains('@') && mail.ends_with(".com")));
    let idaho = texts(&persons, "state").iter().filter(|state| **state == "ID").count();
    assert_share(idaho, persons.num_rows(), 1.0 / 6.0);
    let texts = PERSON.iter().filter(|(_, kind)| *kind == DataType::Utf8);
    let bytes: usize = texts.map(|(name, _)| self::texts(&persons, name).iter().map(|t| t.len()).sum::<usize>()).sum();
    let mean = 8.0 + bytes as f64 / persons.num_rows() as f64;
    assert!((mean - 200.0).abs() < 2.0, "{mean}");
}

/// A table of all events has in each row's place what the tables of one kind have.
#[test]
fn all_events_in_one_table_are_the_same_events() {
    let row = |columns: &[(&str, DataType)]| DataType::Struct(schema(columns).fields().clone());
    let columns = [
        ("event_type", DataType::Int32),
        ("person", row(&PERSON)),
        ("auction", row(&AUCTION)),
        ("bid", row(&BID)),
        ("datetime", TIME),
    ];
    let all = read(&*table("events", &columns, &[("events.num", "1021")])).unwrap();
    assert_eq!(all.num_rows(), 1021);
    let types = all.column(0).as_primitive::<Int32Type>();
    for (kind, name, columns) in [(0, "person", &PERSON[..]), (1, "auction", &AUCTION[..]), (2, "bid", &BID[..])] {
        let rows = all.column_by_name(name).unwrap();
        let of_kind = arrow::compute::kernels::cmp::eq(types, &Int32Array::new_scalar(kind)).unwrap();
        assert_eq!(arrow::compute::is_not_null(rows).unwrap(), of_kind);
        let flat = events(name, columns, "1021");
        let rows = arrow::compute::filter(rows, &of_kind).unwrap();
        assert_eq!(rows.as_struct().columns(), flat.columns(), "{name}");
        let own = arrow::compute::filter(all.column(4), &of_kind).unwrap();
        assert_eq!(&own, flat.column_by_name("dateTime").unwrap());
    }
}

#[test]
fn events_do_not_depend_on_batches_and_go_on_from_any_row() {
    let others = [("seed", "7"), ("person.proportion", "2"), ("auction.proportion", "5"), ("bid.proportion", "4")];
    for (kind, columns) in [("person", &PERSON[..]), ("auction", &AUCTION[..]), ("bid", &BID[..])] {
        let table = table(kind, columns, &[&others[..], &[("events.num", "503"), ("first-event.rate", "7")]].concat());
        let whole = read_with(&*table, &ScanRequest::default()).unwrap();
        let chunks = chunks(&*table, &ScanRequest { batch_rows: 9, ..ScanRequest::default() }).unwrap();
        let batches: Vec<_> = chunks.iter().map(|chunk| chunk.batch.clone()).collect();
        assert_eq!(concat_batches(&whole.schema(), &batches).unwrap(), whole);
        for chunk in &chunks {
            let at = chunk.position.rows as usize;
            let rest = read_from(&*table, &ScanRequest::default(), &chunk.position).unwrap();
            assert_eq!(rest, whole.slice(at, whole.num_rows() - at));
        }
        let narrow = ScanRequest { projection: Some(vec![3, 1]), ..ScanRequest::default() };
        assert_eq!(read_with(&*table, &narrow).unwrap(), whole.project(&[3, 1]).unwrap());
    }
}

#[test]
fn another_seed_gives_other_events_and_is_no_place_to_go_on() {
    let [one, two] = ["0", "1"].map(|seed| table("bid", &BID, &[("events.num", "500"), ("seed", seed)]));
    let (a, b) = (read(&*one).unwrap(), read(&*two).unwrap());
    assert_ne!(longs(&a, "price"), longs(&b, "price"));
    assert_eq!(times(&a, "dateTime"), times(&b, "dateTime"));
    let position = chunks(&*one, &ScanRequest::default()).unwrap()[0].position.clone();
    let said = read_from(&*two, &ScanRequest::default(), &position).unwrap_err().to_string();
    assert_eq!(said, "table 't': cannot continue: the options of nexmark changed since the checkpoint was taken");
}

#[test]
fn without_a_number_there_is_no_end() {
    let table = table("bid", &BID[..1], &[]);
    assert!(!table.is_bounded());
    let scan = table.scan(&ScanRequest::default()).unwrap();
    assert_eq!((scan.total_rows(), scan.parts()), (None, 1));
    // Far beyond what any run reaches, numbers and times still have a place.
    let position = Position { rows: u64::MAX / 1000, ..scan.open(0, None).unwrap().next().unwrap().unwrap().position };
    let far = scan.open(0, Some(&position)).unwrap().next().unwrap().unwrap();
    assert_eq!(far.batch.num_rows(), 8192);
}

#[test]
fn declarations_that_cannot_be() {
    let said = |columns: &[(&str, DataType)], more: &[(&str, &str)]| {
        let options = [&[("connector", "nexmark")][..], more].concat();
        open_table(&spec(Path::new("."), &schema(columns), &options)).unwrap_err().to_string()
    };
    assert_eq!(
        said(&[("prise", DataType::Int64)], &[("table", "bid")]),
        "table 't': column 'prise': nexmark has no such column; did you mean 'price'?"
    );
    assert_eq!(
        said(&[("price", DataType::Float64)], &[("table", "bid")]),
        "table 't': column 'price' of nexmark is of type BIGINT"
    );
    assert_eq!(
        said(&[("bid", DataType::Int64)], &[]),
        "table 't': column 'bid' of a table of all events is a ROW<…> of that event's columns"
    );
    assert_eq!(
        said(&[("bids", DataType::Int64)], &[]),
        "table 't': column 'bids': nexmark has no such column in a table of all events; did you mean 'bid'?"
    );
    assert_eq!(
        said(&BID, &[("table", "bid"), ("bid.avg-size", "1 mb")]),
        "table 't': option 'bid.avg-size': an event has at most 1024 bytes"
    );
    assert_eq!(
        said(&BID, &[("table", "bid"), ("base-time", "noon")]),
        "table 't': option 'base-time': 'noon' is not a timestamp such as '2015-07-15 00:00:00'"
    );
}
