/** Why an order waits, was never sent, or needs a person: our sentence for each code. */

export const SKIP_REASONS = {
  EXPIRED: "The signal was too old to act on when your order's turn came.",
  PAUSED: "Your follow was paused or had ended.",
  KILL: "Trading was stopped by a kill switch.",
  NO_CONSENT: "There is no valid consent for live orders at this account.",
  DISCONNECTED: "The broker account is disconnected.",
  SESSION: "Please re-connect your broker. Its session had ended.",
  TOO_SMALL: "Your share of this order is less than one lot.",
  CLOSED_ELSEWHERE: "Nothing of this strategy was left to close.",
  MASTER_CANCELLED: "The master cancelled before your order was sent.",
  UNSUPPORTED: "Your broker does not take this kind of order.",
  UNSUPPORTED_PRODUCT: "Your broker does not trade this instrument in this product.",
  UNSUPPORTED_VALIDITY: "Your broker does not take orders of this validity here.",
  UNSUPPORTED_SEGMENT: "Your broker does not serve this exchange segment.",
  UNKNOWN_INSTRUMENT: "Your broker does not list this instrument, or not clearly.",
  NO_QUOTE: "No fresh price was there to protect a market order with.",
  TOO_MANY_CHANGES: "The order was changed as often as your broker allows.",
  CLOSED: "The market was closed and would not open before the signal ran out.",
  RATE_DAY_BLOCK: "Your broker refused too many requests today. Only exits are sent.",
  OVERLOAD: "Too many orders were waiting. Entries were left out, so that exits go.",
} as const;

export const HOLD_REASONS = {
  RATE: "Waiting for the broker's limit of orders per second.",
  SESSION: "Please re-connect your broker. The order waits for its session.",
  PREOPEN: "Waiting for the market to open.",
  BREAKER: "The broker does not answer just now. The order waits.",
  USER: "Waiting for your approval.",
  PREDECESSOR: "Waiting for an earlier order of this account.",
  HALTED: "Trading in this instrument is halted. The order waits.",
  CLOCK: "A clock of ours is wrong just now. The order waits until it is right.",
} as const;

export const ATTENTION_REASONS = {
  AMBIGUOUS_MATCH: "More than one order at the broker could be this one.",
  BOOK_UNREADABLE: "The broker's order book could not be read.",
  SESSION_DEAD: "The broker session ended before the order could be looked up.",
  CONTRADICTION: "The broker contradicted what it had said before.",
  UNEXPLAINED_FILL: "The broker shows a fill that none of your known orders explains.",
  STILL_OPEN: "The day is over and the order still looked open here.",
  DAY_DIFFERENCE: "At the end of the day the broker's records differed from ours.",
} as const;
