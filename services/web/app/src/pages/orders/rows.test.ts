/** Filters, the URL, and rows that stay where they are. */

import { describe, expect, it } from "vitest";
import { anOrder } from "../../../tests/orders";
import { EMPTY_BOOK, merged } from "../../live/orderBook";
import { filtered } from "./filter";
import { readOrdersSearch } from "./search";
import { steady } from "./steady";

const book = merged(EMPTY_BOOK, [
  anOrder({ order_id: "o1", state: "FILLED" }),
  anOrder({ order_id: "o2", state: "SKIPPED", reason: "TOO_SMALL", side: "SELL" }),
  anOrder({
    order_id: "o3",
    state: "REJECTED",
    message: "Margin Shortfall",
    instrument: "NSE:TCS",
  }),
]);
const names = new Map([["s1", "Momentum 30"]]);
const found = (search: Parameters<typeof filtered>[1]) =>
  filtered(book, search, names).rows.map((order) => order.order_id);

describe("filters", () => {
  it("let through what they name", () => {
    expect(found({})).toEqual(["o1", "o2", "o3"]);
    expect(found({ state: "not-copied" })).toEqual(["o2"]);
    expect(found({ side: "SELL" })).toEqual(["o2"]);
    expect(found({ q: "shortfall" })).toEqual(["o3"]);
    expect(found({ q: " MOMENTUM " })).toEqual(["o1", "o2", "o3"]);
    expect(found({ q: "one lot" })).toEqual(["o2"]);
  });

  it("count every state under the other filters", () => {
    const { counts } = filtered(book, { state: "filled", side: "BUY" }, names);

    expect(counts).toMatchObject({ all: 2, filled: 1, rejected: 1, "not-copied": 0 });
  });
});

describe("the URL", () => {
  it("keeps what is valid and forgets the rest", () => {
    expect(
      readOrdersSearch({ state: "filled", side: "BUY", q: "tcs", sort: "price", order: "o1" }),
    ).toEqual({
      state: "filled",
      side: "BUY",
      q: "tcs",
      sort: "price",
      order: "o1",
    });
    expect(readOrdersSearch({ state: "x", side: 1, q: {}, sort: "reason", order: 5 })).toEqual({});
    expect(readOrdersSearch({ sort: "-time" })).toEqual({});
    expect(readOrdersSearch({ q: 2885 })).toEqual({ q: "2885" });
  });
});

describe("rows under a pointer", () => {
  it("stay; new ones wait and gone ones go", () => {
    expect(steady(["n", "a", "b"], ["b", "a"], true)).toEqual({ ids: ["b", "a"], waiting: 1 });
    expect(steady(["a"], ["b", "a"], true)).toEqual({ ids: ["a"], waiting: 0 });
  });

  it("move when nobody points", () => {
    expect(steady(["n", "a"], ["a"], false)).toEqual({ ids: ["n", "a"], waiting: 0 });
  });
});
