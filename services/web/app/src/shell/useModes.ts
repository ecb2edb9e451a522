/** How many LIVE and PAPER accounts are in sight: those of the orders, and those just heard of. */

import { useMemo } from "react";
import type { Environment } from "../api/types";
import type { OrderFeed } from "../live/orderFeed";
import { useStore } from "../live/store";

export interface Modes {
  live: number;
  paper: number;
}

export function useModes(feed: OrderFeed): Modes {
  const { book } = useStore(feed.orders);
  const accounts = useStore(feed.accounts);
  return useMemo(() => {
    const modes = new Map<string, Environment>();
    for (const order of book.values()) modes.set(order.account_id, order.environment);
    for (const account of accounts.values()) modes.set(account.account_id, account.environment);
    const live = [...modes.values()].filter((mode) => mode === "LIVE").length;
    return { live, paper: modes.size - live };
  }, [book, accounts]);
}
