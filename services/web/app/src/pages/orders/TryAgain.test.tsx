/** The button beside a failed exit: when it is there, what it does, what it says. */

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import { anOrder } from "../../../tests/orders";
import { meQuery } from "../../api/queries";
import type { Order, Person } from "../../api/types";
import { OrderFeed } from "../../live/orderFeed";
import { FeedContext } from "../../shell/feedContext";
import { TryAgain } from "./TryAgain";

const follower: Person = {
  user_id: "u1",
  email: "a@b.example",
  display_name: "A",
  roles: ["follower"],
};
const failed = anOrder({ action: "EXIT", side: "SELL", state: "REJECTED", message: "blocked" });

function answering(status: number, body: unknown): string[] {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    asked.push(`${request.method} ${new URL(request.url).pathname}`);
    return Response.json(body, { status });
  });
  return asked;
}

function show(order: Order, { me = follower, inRow = false } = {}): OrderFeed {
  const client = new QueryClient();
  client.setQueryData(meQuery.queryKey, me);
  const feed = new OrderFeed({
    readOrders: async () => ({ orders: [], cursor: "1" }),
    onNotice: () => undefined,
    now: () => 0,
    connect: () => {
      throw new Error("no socket in this test");
    },
  } as unknown as ConstructorParameters<typeof OrderFeed>[0]);
  render(
    <QueryClientProvider client={client}>
      <FeedContext.Provider value={feed}>
        <TryAgain order={order} inRow={inRow} />
      </FeedContext.Provider>
    </QueryClientProvider>,
  );
  return feed;
}

const button = () => screen.queryByRole("button", { name: "Try again" });

describe("trying a failed exit again", () => {
  it("asks once, and shows what became of the new order", async () => {
    const again = anOrder({ order_id: "o2", action: "EXIT", retry_of: "o1", state: "PLANNED" });
    const asked = answering(200, { orders: [again], message: "" });
    const feed = show(failed);

    await userEvent.click(button() as HTMLElement);

    expect(await screen.findByText("Tried again: planned.")).toBeTruthy();
    expect(asked).toEqual(["POST /orders/o1/retry"]);
    expect(feed.orders.get().book.get("o2")?.retry_of).toBe("o1");
    expect(button()).toBeNull();
    act(() => feed.take([{ ...again, version: 2, state: "FILLED" }]));
    expect(screen.getByText("Tried again: filled.")).toBeTruthy();
  });

  it("says in words why it can not be", async () => {
    const message = "Nothing of this strategy was left to close.";
    answering(409, { code: "CLOSED_ELSEWHERE", message });
    show(failed);

    await userEvent.click(button() as HTMLElement);

    expect((await screen.findByRole("alert")).textContent).toBe(message);
    expect(button()).not.toBeNull();
  });

  it("asks for patience where nobody has worked it out yet", async () => {
    answering(202, { orders: [], message: "" });
    show(failed, { inRow: true });

    await userEvent.click(button() as HTMLElement);

    expect((await screen.findByRole("status")).textContent).toContain("being worked out");
  });

  it.each(["REJECTED", "SKIPPED", "CANCELLED", "LAPSED", "NOT_PLACED"])(
    "is offered for an exit that ended as %s",
    (state) => {
      show({ ...failed, state });

      expect(button()).not.toBeNull();
    },
  );

  it.each([
    { state: "FILLED", filled_quantity: 40 },
    { state: "OPEN" },
    { state: "UNKNOWN" },
    { state: "NEEDS_ATTENTION" },
    { state: "SKIPPED", reason: "CLOSED_ELSEWHERE", quantity: 0 },
    { state: "SKIPPED", reason: "MASTER_CANCELLED" },
    { action: "PLACE" },
  ])("is not offered for %o", (changes) => {
    show({ ...failed, ...changes });

    expect(button()).toBeNull();
  });

  it("tells that an unclear exit may still be filled", () => {
    show({ ...failed, state: "UNKNOWN" });

    expect(screen.getByText(/may still be filled/)).toBeTruthy();
  });

  it("is not offered to the master of the order", () => {
    show(failed, { me: { ...follower, user_id: "m1", roles: ["follower", "master"] } });

    expect(button()).toBeNull();
  });

  it("shows that it was tried again already", () => {
    const feed = show(failed);

    act(() => feed.take([anOrder({ order_id: "o9", retry_of: "o1", state: "REJECTED" })]));

    expect(screen.getByText("Tried again: rejected.")).toBeTruthy();
    expect(button()).toBeNull();
  });
});
