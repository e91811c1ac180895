package tidegate.bench;

import java.io.Serializable;
import java.nio.charset.StandardCharsets;

/**
 * The events of Nexmark, the same as those of Tidegate's connector with its default options: every value is a function of the
 * number of its event. crates/connectors/src/nexmark says what the rules are; a field here is called as it is there.
 */
final class Events implements Serializable {
  private static final long GAMMA = 0x9E3779B97F4A7C15L;
  private static final long LOW = 0xFFFFFFFFL;

  static final int PERSONS = 1;
  static final int AUCTIONS = 3;
  static final int BIDS = 46;
  private static final int EPOCH = PERSONS + AUCTIONS + BIDS;
  private static final long FIRST_ID = 1000;
  private static final long LEAD = 10;
  private static final long ACTIVE_PERSONS = 1000;
  private static final long OPEN_AUCTIONS = 100;
  private static final long HOT_OF = 100;
  private static final long EVENTS_PER_SECOND = 10_000;
  /** 2015-07-15 00:00:00. */
  private static final long BASE_MS = 1_436_918_400_000L;
  private static final int PERSON_BYTES = 200;
  private static final int AUCTION_BYTES = 500;
  private static final int BID_BYTES = 100;

  /** What is drawn for an event; in the order of the connector, which the random numbers depend on. */
  enum Field {
    NAME, EMAIL, CREDIT_CARD, CITY, STATE, PERSON_EXTRA, ITEM_NAME, DESCRIPTION, INITIAL_BID, RESERVE, EXPIRES, SELLER, CATEGORY,
    AUCTION_EXTRA, AUCTION, BIDDER, PRICE, CHANNEL, BID_EXTRA, LETTERS, URL;

    final long key = mix((ordinal() + 1) * GAMMA);
  }

  private static final String[] FIRST_NAMES = {
    "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"
  };
  private static final String[] LAST_NAMES = {
    "Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"
  };
  private static final byte[][] STATES = bytes("AZ", "CA", "ID", "OR", "WA", "WY");
  private static final byte[][] CITIES = bytes(
      "Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne");
  private static final byte[][] NAMES = names();
  private static final int CREDIT_CARD_BYTES = 19;
  private static final String[] HOT_CHANNELS = {"Google", "Facebook", "Baidu", "Apple"};
  private static final int OTHER_CHANNELS = 10_000;

  private static final int STARTS = 1 << 16;
  /** Random letters, of which texts are cut. */
  static final byte[] LETTERS = letters();
  private static final int KNOTS = 1 << 12;
  private static final long[] PRICES = prices();
  static final byte[][] CHANNELS = channels();
  static final byte[][] URLS = urls();

  private Events() {}

  static long mix(long bits) {
    bits = (bits ^ (bits >>> 30)) * 0xBF58476D1CE4E5B9L;
    bits = (bits ^ (bits >>> 27)) * 0x94D049BB133111EBL;
    return bits ^ (bits >>> 31);
  }

  static long draw(Field field, long event) {
    return mix(field.key + event * GAMMA);
  }

  /** A number from 0 to below a count, of the upper 32 bits. */
  static long below(long bits, long count) {
    return ((bits >>> 32) * count) >>> 32;
  }

  static long belowLow(long bits, long count) {
    return ((bits & LOW) * count) >>> 32;
  }

  private static byte[][] bytes(String... texts) {
    byte[][] bytes = new byte[texts.length][];
    for (int i = 0; i < texts.length; i++) {
      bytes[i] = texts[i].getBytes(StandardCharsets.UTF_8);
    }
    return bytes;
  }

  private static byte[][] names() {
    String[] names = new String[FIRST_NAMES.length * LAST_NAMES.length];
    for (int i = 0; i < names.length; i++) {
      names[i] = FIRST_NAMES[i / LAST_NAMES.length] + " " + LAST_NAMES[i % LAST_NAMES.length];
    }
    return bytes(names);
  }

  private static byte[] letters() {
    byte[] letters = new byte[STARTS + 2048];
    for (int i = 0; i < letters.length; i++) {
      letters[i] = (byte) ('a' + below(draw(Field.LETTERS, i), 26));
    }
    return letters;
  }

  private static long[] prices() {
    long[] prices = new long[KNOTS + 1];
    for (int i = 0; i <= KNOTS; i++) {
      prices[i] = Math.round(100.0 * Math.pow(10.0, 6.0 * i / KNOTS));
    }
    return prices;
  }

  private static byte[][] channels() {
    String[] names = new String[HOT_CHANNELS.length + OTHER_CHANNELS];
    for (int i = 0; i < names.length; i++) {
      names[i] = i < HOT_CHANNELS.length ? HOT_CHANNELS[i] : "channel-" + (i - HOT_CHANNELS.length);
    }
    return bytes(names);
  }

  private static byte[][] urls() {
    String[] urls = new String[HOT_CHANNELS.length + OTHER_CHANNELS];
    for (int i = 0; i < urls.length; i++) {
      StringBuilder url = new StringBuilder("https://www.nexmark.com/");
      for (int word = 0; word < 3; word++) {
        int start = textStart(draw(Field.URL, 3L * i + word));
        url.append(new String(LETTERS, start, 5, StandardCharsets.UTF_8)).append('/');
      }
      url.append("item.htm?query=1");
      if (i >= HOT_CHANNELS.length) {
        url.append("&channel_id=").append(i - HOT_CHANNELS.length);
      }
      urls[i] = url.toString();
    }
    return bytes(urls);
  }

  static int textStart(long bits) {
    return (int) (bits & (STARTS - 1));
  }

  static int textLength(long bits, long bytesMax) {
    return 3 + (int) below(bits, bytesMax - 3);
  }

  private static int extraLength(long bits, int bytes, int wanted) {
    int lacks = Math.max(wanted - bytes, 0);
    int spread = (2 * lacks + 5) / 10;
    return lacks - spread + (int) below(bits, 2L * spread);
  }

  /** The number of the event that is the row of this number among those of a kind. */
  static long event(int begin, int perEpoch, long row) {
    return row / perEpoch * EPOCH + begin + row % perEpoch;
  }

  /** How many events of a kind there are among the first. */
  static long rows(int begin, int perEpoch, long events) {
    return events / EPOCH * perEpoch + Math.min(Math.max(events % EPOCH - begin, 0), perEpoch);
  }

  static long timeMs(long event) {
    return BASE_MS + event * 1000 / EVENTS_PER_SECOND;
  }

  static long id(long row) {
    return FIRST_ID + row;
  }

  static long price(Field field, long event) {
    long bits = draw(field, event);
    int knot = (int) (bits >>> 52);
    long between = (bits >>> 20) & LOW;
    return PRICES[knot] + (((PRICES[knot + 1] - PRICES[knot]) * between) >>> 32);
  }

  /** Whom a bid or an auction is by: three of four by a hot person. */
  static long person(Field field, long event, long hotPlace) {
    long bits = draw(field, event);
    long persons = (event / EPOCH + 1) * PERSONS;
    long active = Math.min(persons, ACTIVE_PERSONS);
    return FIRST_ID
        + (belowLow(bits, 4) > 0
            ? (persons - 1) / HOT_OF * HOT_OF + hotPlace
            : persons - active + below(bits, active + LEAD));
  }

  /** Which auction a bid is on: half of them on a hot one. */
  static long auction(long event) {
    long bits = draw(Field.AUCTION, event);
    long last = (event / EPOCH + 1) * AUCTIONS - 1;
    long earliest = Math.max(last - OPEN_AUCTIONS, 0);
    return FIRST_ID
        + (belowLow(bits, 2) > 0 ? last / HOT_OF * HOT_OF : earliest + below(bits, last - earliest + 1 + LEAD));
  }

  static long expiresMs(long event) {
    long begin = timeMs(event);
    long horizon = timeMs(event + OPEN_AUCTIONS * EPOCH / AUCTIONS) - begin;
    return begin + 1 + below(draw(Field.EXPIRES, event), Math.max(2 * horizon, 1));
  }

  static int channel(long event) {
    long bits = draw(Field.CHANNEL, event);
    return (int) (belowLow(bits, 2) > 0
        ? below(bits, HOT_CHANNELS.length)
        : HOT_CHANNELS.length + below(bits, OTHER_CHANNELS));
  }

  static byte[] name(long event) {
    long bits = draw(Field.NAME, event);
    return NAMES[(int) (below(bits, FIRST_NAMES.length) * LAST_NAMES.length + belowLow(bits, LAST_NAMES.length))];
  }

  static byte[] city(long event) {
    return CITIES[(int) below(draw(Field.CITY, event), CITIES.length)];
  }

  static byte[] state(long event) {
    return STATES[(int) below(draw(Field.STATE, event), STATES.length)];
  }

  static byte[] email(long event) {
    long bits = draw(Field.EMAIL, event);
    int user = textLength(bits, 7);
    int host = textLength(bits << 16, 5);
    byte[] email = new byte[user + host + 5];
    System.arraycopy(LETTERS, textStart(bits), email, 0, user);
    email[user] = '@';
    System.arraycopy(LETTERS, textStart(bits >>> 16), email, user + 1, host);
    System.arraycopy(new byte[] {'.', 'c', 'o', 'm'}, 0, email, user + 1 + host, 4);
    return email;
  }

  static byte[] creditCard(long event) {
    long digits = draw(Field.CREDIT_CARD, event);
    byte[] card = new byte[CREDIT_CARD_BYTES];
    for (int place = 0; place < CREDIT_CARD_BYTES; place++) {
      if (place % 5 == 4) {
        card[place] = ' ';
      } else {
        card[place] = (byte) ('0' + Long.remainderUnsigned(digits, 10));
        digits = Long.divideUnsigned(digits, 10);
      }
    }
    return card;
  }

  static int personExtraLength(long event, long bits) {
    long email = draw(Field.EMAIL, event);
    int texts = name(event).length + textLength(email, 7) + 5 + textLength(email << 16, 5) + CREDIT_CARD_BYTES
        + city(event).length + state(event).length;
    return extraLength(bits, 8 + texts, PERSON_BYTES);
  }

  static int auctionExtraLength(long event, long bits) {
    int name = textLength(draw(Field.ITEM_NAME, event), 20);
    int description = textLength(draw(Field.DESCRIPTION, event), 100);
    return extraLength(bits, 48 + name + description, AUCTION_BYTES);
  }

  static int bidExtraLength(long bits) {
    return extraLength(bits, 32, BID_BYTES);
  }
}
