/** The blotter's filters, sort and open row, as they stand in the URL. */

import type { Side } from "../../api/types";
import { GROUPS, type StateGroup } from "../../text/states";

export const SORTABLE = [
  "time",
  "strategy",
  "account",
  "side",
  "instrument",
  "quantity",
  "price",
  "average",
  "state",
  "broker",
  "mode",
] as const;
export type SortColumn = (typeof SORTABLE)[number];

export interface OrdersSearch {
  state?: StateGroup;
  side?: Side;
  q?: string;
  /** A column, with a minus for descending. The default, newest first, is left out. */
  sort?: SortColumn | `-${SortColumn}`;
  order?: string;
}

export const NEWEST_FIRST = "-time";

/** Keeps what is valid; anything else is as if it had not been written. */
export function readOrdersSearch(raw: Record<string, unknown>): OrdersSearch {
  const search: OrdersSearch = {};
  const group = GROUPS.find(({ group }) => group === raw.state)?.group;
  if (group) search.state = group;
  if (raw.side === "BUY" || raw.side === "SELL") search.side = raw.side;
  const text = typeof raw.q === "string" || typeof raw.q === "number" ? String(raw.q) : "";
  if (text) search.q = text.slice(0, 100);
  if (isSort(raw.sort) && raw.sort !== NEWEST_FIRST) search.sort = raw.sort;
  if (typeof raw.order === "string" && raw.order) search.order = raw.order;
  return search;
}

function isSort(text: unknown): text is SortColumn | `-${SortColumn}` {
  if (typeof text !== "string") return false;
  return SORTABLE.some((column) => text === column || text === `-${column}`);
}
