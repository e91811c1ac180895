-- Average price by category, of the auctions that opened in the same ten seconds. The original takes the average over all auctions
-- and corrects it with every bid; Tidegate takes no result back, so that both are asked for what is final: an auction is open for
-- less than a second, and its window closes when no bid on it can come any more. BIGINT averages are whole in Flink.
CREATE TABLE results (category BIGINT, starttime TIMESTAMP(3), final BIGINT) WITH (${sink});

CREATE VIEW bids_of_auctions AS
SELECT A.id, A.category, A.`dateTime`, B.price
FROM auction AS A JOIN bid AS B
ON A.id = B.auction AND B.`dateTime` BETWEEN A.`dateTime` AND A.`dateTime` + INTERVAL '1' SECOND AND B.`dateTime` <= A.expires;

INSERT INTO results
SELECT category, window_start, SUM(final) / COUNT(*)
FROM (
  SELECT category, window_start, window_end, MAX(price) AS final
  FROM TABLE(TUMBLE(TABLE bids_of_auctions, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
  GROUP BY id, category, window_start, window_end
)
GROUP BY category, window_start, window_end;
