//! docs/reference.md is what the binary prints.

use tidegate_tests::Workplace;
use tidegate_tests::data::repository;

#[test]
fn the_reference_page_is_true() {
    let printed = Workplace::new().tidegate(&["reference"]).succeeded().stdout;
    let path = repository().join("docs/reference.md");
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = printed.lines().zip(page.lines()).position(|(printed, page)| printed != page);
    assert!(
        printed == page,
        "docs/reference.md differs from line {} on: write it anew with `tidegate reference > docs/reference.md`",
        differs.map_or(printed.lines().count().min(page.lines().count()), |line| line) + 1
    );
}
