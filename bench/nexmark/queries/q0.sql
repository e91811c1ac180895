-- Pass through: what it costs to make the events and hand them on.
CREATE TABLE results (auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` TIMESTAMP(3), extra STRING) WITH (${sink});

INSERT INTO results
SELECT auction, bidder, price, `dateTime`, extra FROM bid;
