-- Selection: the bids on some auctions.
CREATE TABLE results (auction BIGINT, price BIGINT) WITH (${sink});

INSERT INTO results
SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0;
