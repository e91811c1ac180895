-- Currency conversion: dollars to euros.
CREATE TABLE results (auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), `dateTime` TIMESTAMP(3), extra STRING) WITH (${sink});

INSERT INTO results
SELECT auction, bidder, CAST(0.908 AS DECIMAL(4, 3)) * price, `dateTime`, extra FROM bid;
