package tidegate.bench;

import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.data.binary.BinaryStringData;

/** A kind of event: where its events are, and the columns that they have. */
enum Kind {
  PERSON(0, Events.PERSONS) {
    @Override
    Column column(String name) {
      return switch (name) {
        case "id" -> (row, event) -> Events.id(row);
        case "name" -> (row, event) -> text(Events.name(event));
        case "emailAddress" -> (row, event) -> text(Events.email(event));
        case "creditCard" -> (row, event) -> text(Events.creditCard(event));
        case "city" -> (row, event) -> text(Events.city(event));
        case "state" -> (row, event) -> text(Events.state(event));
        case "dateTime" -> (row, event) -> TimestampData.fromEpochMillis(Events.timeMs(event));
        case "extra" -> (row, event) -> {
          long bits = Events.draw(Events.Field.PERSON_EXTRA, event);
          return letters(bits, Events.personExtraLength(event, bits));
        };
        default -> throw new IllegalArgumentException("a person has no " + name);
      };
    }
  },
  AUCTION(Events.PERSONS, Events.AUCTIONS) {
    @Override
    Column column(String name) {
      return switch (name) {
        case "id" -> (row, event) -> Events.id(row);
        case "itemName" -> (row, event) -> letters(Events.Field.ITEM_NAME, event, 20);
        case "description" -> (row, event) -> letters(Events.Field.DESCRIPTION, event, 100);
        case "initialBid" -> (row, event) -> Events.price(Events.Field.INITIAL_BID, event);
        case "reserve" -> (row, event) ->
            Events.price(Events.Field.INITIAL_BID, event) + Events.price(Events.Field.RESERVE, event);
        case "dateTime" -> (row, event) -> TimestampData.fromEpochMillis(Events.timeMs(event));
        case "expires" -> (row, event) -> TimestampData.fromEpochMillis(Events.expiresMs(event));
        case "seller" -> (row, event) -> Events.person(Events.Field.SELLER, event, 0);
        case "category" -> (row, event) -> 10 + Events.below(Events.draw(Events.Field.CATEGORY, event), 5);
        case "extra" -> (row, event) -> {
          long bits = Events.draw(Events.Field.AUCTION_EXTRA, event);
          return letters(bits, Events.auctionExtraLength(event, bits));
        };
        default -> throw new IllegalArgumentException("an auction has no " + name);
      };
    }
  },
  BID(Events.PERSONS + Events.AUCTIONS, Events.BIDS) {
    @Override
    Column column(String name) {
      return switch (name) {
        case "auction" -> (row, event) -> Events.auction(event);
        case "bidder" -> (row, event) -> Events.person(Events.Field.BIDDER, event, 1);
        case "price" -> (row, event) -> Events.price(Events.Field.PRICE, event);
        case "channel" -> (row, event) -> text(Events.CHANNELS[Events.channel(event)]);
        case "url" -> (row, event) -> text(Events.URLS[Events.channel(event)]);
        case "dateTime" -> (row, event) -> TimestampData.fromEpochMillis(Events.timeMs(event));
        case "extra" -> (row, event) -> {
          long bits = Events.draw(Events.Field.BID_EXTRA, event);
          return letters(bits, Events.bidExtraLength(bits));
        };
        default -> throw new IllegalArgumentException("a bid has no " + name);
      };
    }
  };

  /** The value of a column, given the number of the row among its kind, and of the event among all. */
  interface Column {
    Object value(long row, long event);
  }

  final int begin;
  final int perEpoch;

  Kind(int begin, int perEpoch) {
    this.begin = begin;
    this.perEpoch = perEpoch;
  }

  abstract Column column(String name);

  long rows(long events) {
    return Events.rows(begin, perEpoch, events);
  }

  long event(long row) {
    return Events.event(begin, perEpoch, row);
  }

  static StringData text(byte[] bytes) {
    return BinaryStringData.fromBytes(bytes);
  }

  /** A text that is cut from the letters, without a copy. */
  static StringData letters(long bits, int length) {
    return BinaryStringData.fromBytes(Events.LETTERS, Events.textStart(bits), length);
  }

  static StringData letters(Events.Field field, long event, int bytesMax) {
    long bits = Events.draw(field, event);
    return letters(bits, Events.textLength(bits, bytesMax));
  }
}
