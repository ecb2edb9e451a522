/** The feed through everything a line does: repeats, gaps, silence, restarts, a sign-in that ends. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { anOrder } from "../../tests/orders";
import { Problem } from "../api/client";
import type { Notice, Order, OrdersPage } from "../api/types";
import { backoffMs } from "./backoff";
import { OrderFeed } from "./orderFeed";

/** A socket the test speaks through. */
class SpokenSocket {
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  closed = false;

  say(frame: unknown): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  hello(): void {
    this.say({ type: "hello", server_time: new Date().toISOString(), heartbeat_s: 10 });
  }

  end(code: number): void {
    this.onclose?.({ code });
  }

  close(): void {
    this.closed = true;
  }
}

/** The ledger behind `GET /orders`, with a cursor. */
class Ledger {
  orders: Order[] = [];
  asked: (string | null)[] = [];
  problem: Problem | null = null;

  read = async (after: string | null): Promise<OrdersPage> => {
    this.asked.push(after);
    if (this.problem) throw this.problem;
    return { orders: [...this.orders], cursor: `cursor-${this.asked.length}` };
  };
}

const sockets: SpokenSocket[] = [];
const notices: Notice[] = [];
let ledger: Ledger;
let feed: OrderFeed;

const last = () => sockets.at(-1) as SpokenSocket;
const states = () => [...feed.orders.get().book.values()].map((order) => order.state);
const settle = () => vi.advanceTimersByTimeAsync(150);

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse("2026-11-24T08:47:41Z") });
  sockets.length = 0;
  notices.length = 0;
  ledger = new Ledger();
  feed = new OrderFeed({
    open: () => {
      sockets.push(new SpokenSocket());
      return last() as unknown as WebSocket;
    },
    now: Date.now,
    random: () => 0.5,
    readOrders: ledger.read,
    onNotice: (notice) => notices.push(notice),
  });
});

afterEach(() => {
  feed.stop();
  vi.useRealTimers();
});

describe("the order feed", () => {
  it("shows the snapshot before the socket is there", async () => {
    ledger.orders = [anOrder({ state: "FILLED" })];

    feed.start();
    await settle();

    expect(states()).toEqual(["FILLED"]);
    expect(feed.orders.get().loaded).toBe(true);
  });

  it("reads what changed since its cursor after each hello", async () => {
    feed.start();
    await settle();

    last().hello();
    await settle();

    expect(ledger.asked).toEqual([null, "cursor-1"]);
    expect(feed.status.get().phase).toBe("live");
  });

  it("loses no event that came while the snapshot was read", async () => {
    ledger.orders = [anOrder({ version: 1, state: "PLANNED" })];

    feed.start();
    last().hello();
    last().say({ type: "order", order: anOrder({ version: 3, state: "FILLED" }) });
    await settle();

    expect(states()).toEqual(["FILLED"]);
  });

  it("draws many events of a moment together, and drops none", async () => {
    feed.start();
    last().hello();
    await settle();
    let drawn = 0;
    feed.orders.subscribe(() => drawn++);

    for (let n = 0; n < 200; n++)
      last().say({ type: "order", order: anOrder({ order_id: `o${n}` }) });
    await settle();

    expect(feed.orders.get().book.size).toBe(200);
    expect(drawn).toBe(1);
  });

  it("takes silence for failure, says since when, and comes back with what was missed", async () => {
    feed.start();
    last().hello();
    await settle();
    const heardAt = feed.status.get().heardAt;

    await vi.advanceTimersByTimeAsync(27_000);
    expect(sockets[0]?.closed).toBe(true);
    expect(feed.status.get()).toMatchObject({ staleSince: heardAt });

    ledger.orders = [anOrder({ version: 2, state: "OPEN" })];
    await vi.advanceTimersByTimeAsync(1_000);
    last().hello();
    expect(feed.status.get().staleSince).toBe(heardAt);
    await settle();

    expect(feed.status.get().staleSince).toBeNull();
    expect(states()).toEqual(["OPEN"]);
  });

  it("is kept alive by heartbeats alone", async () => {
    feed.start();
    last().hello();

    for (let beat = 0; beat < 6; beat++) {
      await vi.advanceTimersByTimeAsync(10_000);
      last().say({ type: "heartbeat", server_time: new Date().toISOString() });
    }

    expect(sockets).toHaveLength(1);
    expect(feed.status.get().phase).toBe("live");
  });

  it("backs off while the line stays down, and forgets it after a hello", async () => {
    feed.start();
    const waits: number[] = [];
    for (let turn = 0; turn < 4; turn++) {
      const before = Date.now();
      last().end(1006);
      waits.push((feed.status.get().retryAt ?? 0) - before);
      await vi.advanceTimersByTimeAsync(20_000);
    }

    expect(waits).toEqual([250, 500, 1000, 2000]);
    last().hello();
    last().end(1006);
    expect((feed.status.get().retryAt ?? 0) - Date.now()).toBe(250);
  });

  it("spreads reconnects over five seconds when the server restarts", () => {
    feed.start();
    last().end(1012);

    expect((feed.status.get().retryAt ?? 0) - Date.now()).toBe(2_500);
  });

  it("tries at once when the network is back", async () => {
    feed.start();
    last().end(1006);
    dispatchEvent(new Event("online"));

    expect(sockets).toHaveLength(2);
  });

  it.each([
    [4401, "signed-out"],
    [4403, "forbidden"],
  ])("stops at close code %i", async (code, ending) => {
    feed.start();
    last().end(code);
    await vi.advanceTimersByTimeAsync(60_000);

    expect(feed.status.get()).toMatchObject({ phase: "ended", ending });
    expect(sockets).toHaveLength(1);
  });

  it("ends when the ledger says the sign-in is over, and starts again after a new one", async () => {
    ledger.problem = new Problem(401, "SIGN_IN_REQUIRED", "Sign in first.", null);
    feed.start();
    await settle();
    expect(feed.status.get().ending).toBe("signed-out");

    ledger.problem = null;
    feed.start();
    last().hello();
    await settle();

    expect(feed.status.get()).toMatchObject({ phase: "live", ending: null });
  });

  it("keeps what it has when a read fails, and reads again", async () => {
    ledger.orders = [anOrder()];
    feed.start();
    await settle();
    ledger.problem = new Problem(503, "SERVICE_AWAY", "away", null);

    last().hello();
    await settle();
    expect(feed.orders.get().problem).toBe(ledger.problem);
    expect(states()).toEqual(["PLANNED"]);

    ledger.problem = null;
    await vi.advanceTimersByTimeAsync(5_200);
    expect(feed.orders.get().problem).toBeNull();
  });

  it("believes the server when it says its own source is silent, until it is not", async () => {
    feed.start();
    last().hello();
    await settle();

    last().say({ type: "stale", since: "2026-11-24T08:40:00Z" });
    expect(feed.status.get().staleSince).toBe(Date.parse("2026-11-24T08:40:00Z"));

    last().say({ type: "resync" });
    await settle();
    expect(feed.status.get().staleSince).toBeNull();
  });

  it("hands notices on and ignores what it does not know", () => {
    feed.start();
    last().say({ type: "notice", notice: { notice_id: "n1" } });
    last().say({ type: "from-the-future" });
    last().onmessage?.({ data: "not json" });

    expect(notices).toEqual([{ notice_id: "n1" }]);
  });
});

describe("backoff", () => {
  it("doubles to its cap", () => {
    expect([0, 1, 4, 5, 30].map((attempt) => backoffMs(attempt, 1))).toEqual([
      500, 1000, 8000, 15000, 15000,
    ]);
  });
});
