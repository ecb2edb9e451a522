/** Which orders the filters let through, and how many each state group holds. */

import type { BookedOrder, OrderBook } from "../../live/orderBook";
import { explainInOneLine } from "../../text/explain";
import { type StateGroup, stateText } from "../../text/states";
import type { OrdersSearch } from "./search";

export type Counts = Record<StateGroup | "all", number>;
export type Names = ReadonlyMap<string, string>;

export interface Filtered {
  rows: BookedOrder[];
  /** By group, under the other filters. */
  counts: Counts;
}

export function filtered(book: OrderBook, search: OrdersSearch, names: Names): Filtered {
  const counts: Counts = {
    all: 0,
    working: 0,
    filled: 0,
    "not-copied": 0,
    rejected: 0,
    unclear: 0,
    ended: 0,
  };
  const wanted = search.q?.trim().toLowerCase() ?? "";
  const rows: BookedOrder[] = [];
  for (const order of book.values()) {
    if (search.side && order.side !== search.side) continue;
    if (wanted && !says(order, wanted, names)) continue;
    const { group } = stateText(order.state);
    counts.all++;
    counts[group]++;
    if (!search.state || search.state === group) rows.push(order);
  }
  return { rows, counts };
}

function says(order: BookedOrder, wanted: string, names: Names): boolean {
  const words = [
    order.instrument,
    order.broker,
    order.account_id,
    order.order_id,
    order.client_order_id,
    order.broker_order_id ?? "",
    names.get(order.strategy_id) ?? "",
    stateText(order.state).word,
    explainInOneLine(order),
  ];
  return words.some((word) => word.toLowerCase().includes(wanted));
}
