/** Merging what the snapshot and the socket say. */

import { describe, expect, it } from "vitest";
import { anOrder } from "../../tests/orders";
import { EMPTY_BOOK, merged } from "./orderBook";

describe("a book of orders", () => {
  it("keeps the higher version, in whichever order they come", () => {
    const filled = anOrder({ version: 3, state: "FILLED" });
    const late = anOrder({ version: 2, state: "OPEN" });

    const book = merged(merged(EMPTY_BOOK, [filled]), [late]);

    expect(book.get("o1")?.state).toBe("FILLED");
  });

  it("is the same book when nothing was new", () => {
    const book = merged(EMPTY_BOOK, [anOrder()]);

    expect(merged(book, [anOrder()])).toBe(book);
  });

  it("never changes a book somebody holds", () => {
    const before = merged(EMPTY_BOOK, [anOrder()]);

    merged(before, [anOrder({ order_id: "o2" })]);

    expect([...before.keys()]).toEqual(["o1"]);
  });
});
