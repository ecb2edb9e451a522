/** Ready-made orders: a test spells only what it is about. */

import type { Order } from "../src/api/types";

export function anOrder(changes: Partial<Order> = {}): Order {
  return {
    order_id: "o1",
    version: 1,
    change_id: "7",
    at: "2026-11-24T08:47:41.300000Z",
    state: "PLANNED",
    action: "PLACE",
    signal_id: "sig1",
    strategy_id: "s1",
    follow_id: "f1",
    master_id: "m1",
    account_id: "a1",
    broker: "some_broker",
    client_order_id: "k3v9q0m2x7b1a4z",
    instrument: "NSE:SBIN",
    side: "BUY",
    product: "INTRADAY",
    order_type: "LIMIT",
    quantity: 40,
    limit_price: "812.50",
    trigger_price: null,
    filled_quantity: 0,
    average_price: null,
    broker_order_id: null,
    environment: "PAPER",
    retry_of: null,
    reason: null,
    message: "",
    figures: {},
    planned_at: "2026-11-24T08:47:41.203000Z",
    accepted_at: "2026-11-24T08:47:41.200000Z",
    sent_at: null,
    acknowledged_at: null,
    filled_at: null,
    ...changes,
  };
}
