-- Local item suggestion: who sells in three states. Flink keeps both sides for ever; Tidegate reads the persons, who have an end,
-- before the auctions. The results are the same rows.
CREATE TABLE results (name STRING, city STRING, state STRING, id BIGINT) WITH (${sink});

INSERT INTO results
SELECT P.name, P.city, P.state, A.id
FROM auction AS A INNER JOIN person AS P ON A.seller = P.id
WHERE A.category = 10 AND (P.state = 'OR' OR P.state = 'ID' OR P.state = 'CA');
