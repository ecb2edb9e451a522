/** Which orders are failed exits, and which order tries one again. */

import type { Order, Person } from "../../api/types";
import type { BookedOrder, OrderBook } from "../../live/orderBook";

const ENDED = new Set(["SKIPPED", "REJECTED", "CANCELLED", "LAPSED", "NOT_PLACED"]);
const UNCLEAR = new Set(["UNKNOWN", "NEEDS_ATTENTION"]);
/** Somebody wanted it so, or nothing was left to do. */
const INTENDED = new Set(["MASTER_CANCELLED", "TOO_SMALL", "ABANDONED", "CLOSED_ELSEWHERE"]);

export type Failure = "retriable" | "unclear";

/** How an exit failed; null for every other order. The server has the last word. */
export function failureOf(order: Order): Failure | null {
  if (order.action !== "EXIT" || (order.reason && INTENDED.has(order.reason))) return null;
  if (order.quantity > 0 && order.filled_quantity >= order.quantity) return null;
  if (UNCLEAR.has(order.state)) return "unclear";
  return ENDED.has(order.state) ? "retriable" : null;
}

/** A master sees the orders of followers, but only they may trade their accounts. */
export function mayRetry(order: Order, me: Person): boolean {
  return me.roles.includes("follower") && order.master_id !== me.user_id;
}

const indexes = new WeakMap<OrderBook, Map<string, BookedOrder>>();

/** The order that tries this one again; of several slices the first. A book is indexed once. */
export function retryOf(book: OrderBook, orderId: string): BookedOrder | undefined {
  let index = indexes.get(book);
  if (!index) {
    index = new Map();
    for (const order of book.values()) {
      if (order.retry_of && !index.has(order.retry_of)) index.set(order.retry_of, order);
    }
    indexes.set(book, index);
  }
  return index.get(orderId);
}
