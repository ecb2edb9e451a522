/** The orders on the screen, merged by id and version: of two versions the higher one wins. */

import type { Order } from "../api/types";

export interface BookedOrder extends Order {
  /** When the socket brought this version (wall clock, ms); its cells flash then. */
  heardAt?: number;
}

export type OrderBook = ReadonlyMap<string, BookedOrder>;

export const EMPTY_BOOK: OrderBook = new Map();

/** Returns the same book when nothing in it is older than what came. */
export function merged(book: OrderBook, incoming: readonly BookedOrder[]): OrderBook {
  let next: Map<string, BookedOrder> | null = null;
  for (const order of incoming) {
    const held = (next ?? book).get(order.order_id);
    if (held && held.version >= order.version) continue;
    next ??= new Map(book);
    next.set(order.order_id, order);
  }
  return next ?? book;
}
