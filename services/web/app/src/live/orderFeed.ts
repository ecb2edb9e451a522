/**
 * Joins the snapshot of `GET /orders` and the frames of `/ws/orders` into one book. The socket
 * replays nothing: after each hello whatever changed since the cursor is read.
 */

import { Problem } from "../api/client";
import type { AccountSession, Frame, Notice, OrdersPage } from "../api/types";
import { type BookedOrder, EMPTY_BOOK, merged, type OrderBook } from "./orderBook";
import { type Ending, LiveSocket, type Surroundings } from "./socket";
import { Store } from "./store";

/** Tables change at most ten times a second; no order event is dropped, only drawn together. */
const FLUSH_MS = 100;
/** Thousands of frames a second need not each say that one came. */
const HEARD_MS = 500;
const READ_AGAIN_MS = 5_000;

export interface FeedStatus {
  phase: "connecting" | "live" | "down" | "ended";
  ending: Ending | null;
  /** When anything was heard last (wall clock, ms). */
  heardAt: number | null;
  /** What is shown is from then; null while it is current. */
  staleSince: number | null;
  retryAt: number | null;
  /** Server's clock minus ours, ms. */
  clockOffset: number;
}

export interface BookStatus {
  book: OrderBook;
  /** Whether a snapshot has arrived. */
  loaded: boolean;
  problem: unknown;
}

export interface FeedDoors extends Surroundings {
  readOrders(after: string | null): Promise<OrdersPage>;
  onNotice(notice: Notice): void;
}

const CONNECTING: FeedStatus = {
  phase: "connecting",
  ending: null,
  heardAt: null,
  staleSince: null,
  retryAt: null,
  clockOffset: 0,
};

export class OrderFeed {
  readonly status = new Store<FeedStatus>(CONNECTING);
  readonly orders = new Store<BookStatus>({ book: EMPTY_BOOK, loaded: false, problem: null });
  readonly accounts = new Store<ReadonlyMap<string, AccountSession>>(new Map());

  private readonly socket: LiveSocket;
  private book: OrderBook = EMPTY_BOOK;
  /** Orders heard since the last drawing: a book is copied once for all of them. */
  private waiting: BookedOrder[] = [];
  private cursor: string | null = null;
  private flushing: ReturnType<typeof setTimeout> | null = null;
  private again: ReturnType<typeof setTimeout> | null = null;
  private stopped = true;
  /** Reads are numbered; the cursor of the newest answered one counts. */
  private turn = 0;
  private answered = 0;

  constructor(private readonly doors: FeedDoors) {
    this.socket = new LiveSocket(doors, {
      onFrame: this.hear,
      onDown: this.down,
      onEnd: (ending) => this.ended(ending),
    });
  }

  start(): void {
    this.stopped = false;
    this.status.set(CONNECTING);
    this.socket.start();
    void this.read();
  }

  stop(): void {
    this.stopped = true;
    this.socket.stop();
    if (this.again) clearTimeout(this.again);
    if (this.flushing) clearTimeout(this.flushing);
    this.flushing = null;
  }

  retryNow = (): void => {
    this.socket.retryNow();
    void this.read();
  };

  /** Takes in orders that another answer brought; the socket tells of them too. */
  take(orders: readonly BookedOrder[]): void {
    this.waiting.push(...orders);
    this.publish(this.orders.get().problem);
  }

  /** Reads what changed since the cursor, or everything. Merging makes the order of answers free. */
  private async read(): Promise<void> {
    if (this.again) clearTimeout(this.again);
    const turn = ++this.turn;
    const heardHello = this.status.get().phase === "live";
    try {
      const page = await this.doors.readOrders(this.cursor);
      if (this.stopped) return;
      if (turn > this.answered) {
        this.answered = turn;
        this.cursor = page.cursor;
      }
      this.book = merged(this.book, page.orders);
      this.publish(null);
      if (heardHello && turn === this.turn) this.status.update({ staleSince: null });
    } catch (problem) {
      if (!this.stopped) this.failed(problem);
    }
  }

  private failed(problem: unknown): void {
    if (problem instanceof Problem && problem.status === 401) {
      this.stop();
      this.ended("signed-out");
      return;
    }
    this.publish(problem);
    this.again = setTimeout(() => void this.read(), READ_AGAIN_MS);
  }

  private ended(ending: Ending): void {
    const { heardAt, staleSince } = this.status.get();
    this.status.update({
      phase: "ended",
      ending,
      retryAt: null,
      staleSince: staleSince ?? heardAt ?? this.doors.now(),
    });
  }

  private hear = (frame: Frame): void => {
    const now = this.doors.now();
    if (now - (this.status.get().heardAt ?? 0) >= HEARD_MS) this.status.update({ heardAt: now });
    switch (frame.type) {
      case "hello":
        this.status.update({ phase: "live", retryAt: null, ...this.clock(frame.server_time, now) });
        void this.read();
        break;
      case "heartbeat":
        this.status.update(this.clock(frame.server_time, now));
        break;
      case "order":
        this.waiting.push({ ...frame.order, heardAt: now });
        this.flushSoon();
        break;
      case "notice":
        this.doors.onNotice(frame.notice);
        break;
      case "session":
        this.noteAccount(frame.account);
        break;
      case "stale":
        this.status.update({ staleSince: Date.parse(frame.since) });
        break;
      case "resync":
        void this.read();
        break;
    }
  };

  private clock(serverTime: string, now: number): Partial<FeedStatus> {
    const at = Date.parse(serverTime);
    return Number.isNaN(at) ? {} : { clockOffset: at - now };
  }

  private noteAccount(account: AccountSession): void {
    const known = this.accounts.get();
    if ((known.get(account.account_id)?.version ?? -1) >= account.version) return;
    this.accounts.set(new Map(known).set(account.account_id, account));
  }

  private down = (retryAt: number): void => {
    const { heardAt, staleSince } = this.status.get();
    this.status.update({
      phase: "down",
      retryAt,
      staleSince: staleSince ?? heardAt ?? this.doors.now(),
    });
  };

  private flushSoon(): void {
    this.flushing ??= setTimeout(() => {
      this.flushing = null;
      this.publish(this.orders.get().problem);
    }, FLUSH_MS);
  }

  private publish(problem: unknown): void {
    const { loaded } = this.orders.get();
    this.book = merged(this.book, this.waiting);
    this.waiting = [];
    this.orders.set({ book: this.book, loaded: loaded || this.cursor !== null, problem });
  }
}
