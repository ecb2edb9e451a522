/** What is asked of the services, as queries and plain calls. */

import { type QueryClient, queryOptions } from "@tanstack/react-query";
import { answerOf, api, Problem } from "./client";
import type {
  Notice,
  Order,
  OrderDetail,
  OrdersPage,
  Person,
  SignInOptions,
  Strategy,
} from "./types";

/** Newest orders a first read brings; whatever changed afterwards comes whole. */
export const SNAPSHOT_MAX = 2000;
const STRATEGY_PAGES_MAX = 20;

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: () => answerOf<Person>(api.GET("/auth/me")),
  staleTime: 60_000,
});

export const signInOptionsQuery = queryOptions({
  queryKey: ["sign-in-options"],
  queryFn: readSignInOptions,
  staleTime: Number.POSITIVE_INFINITY,
  retry: false,
});

export const strategyNamesQuery = queryOptions({
  queryKey: ["strategy-names"],
  queryFn: readStrategyNames,
  staleTime: 300_000,
});

export interface Notices {
  notifications: Notice[];
  unread: number;
}

export const noticesQuery = queryOptions({
  queryKey: ["notices"],
  queryFn: () => answerOf<Notices>(api.GET("/notifications")),
  staleTime: 60_000,
});

export function orderQuery(orderId: string, version: number) {
  return queryOptions({
    queryKey: ["order", orderId, version],
    queryFn: () =>
      answerOf<OrderDetail>(
        api.GET("/orders/{order_id}", { params: { path: { order_id: orderId } } }),
      ),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  });
}

export function readOrders(after: string | null): Promise<OrdersPage> {
  // Cursors are longer than a double holds; the document calls them integers.
  const query = after === null ? { limit: SNAPSHOT_MAX } : { after: after as unknown as number };
  return answerOf<OrdersPage>(api.GET("/orders", { params: { query } }));
}

export interface Retried {
  /** None yet where nobody has worked them out. */
  orders: Order[];
  message: string;
}

/** Has a failed exit tried again; every call for one order answers the same new orders. */
export function retryOrder(orderId: string): Promise<Retried> {
  return answerOf<Retried>(
    api.POST("/orders/{order_id}/retry", { params: { path: { order_id: orderId } } }),
  );
}

export function signIn(email: string, password: string): Promise<Person> {
  return answerOf<Person>(api.POST("/auth/sign-in", { body: { email, password } }));
}

/** Ends the sign-in; one that had ended already is as good. */
export async function signOut(): Promise<void> {
  try {
    await answerOf(api.POST("/auth/sign-out"));
  } catch (problem) {
    if (!(problem instanceof Problem && problem.status === 401)) throw problem;
  }
}

/** Marks are optimistic: the next read of the list corrects them. */
export async function markRead(client: QueryClient, noticeId: string): Promise<void> {
  client.setQueryData(noticesQuery.queryKey, (held) => held && withRead(held, noticeId));
  await answerOf(
    api.POST("/notifications/{notice_id}/read", { params: { path: { notice_id: noticeId } } }),
  );
}

/** Puts a notice from the socket on top of the list, once. */
export function addNotice(client: QueryClient, notice: Notice): void {
  client.setQueryData(noticesQuery.queryKey, (held) => {
    if (!held || held.notifications.some((other) => other.notice_id === notice.notice_id)) {
      return held;
    }
    const unread = { ...notice, read_at: null };
    return { notifications: [unread, ...held.notifications], unread: held.unread + 1 };
  });
}

function withRead(held: Notices, noticeId: string): Notices {
  const found = held.notifications.find((notice) => notice.notice_id === noticeId);
  if (!found || found.read_at) return held;
  const read = { ...found, read_at: new Date().toISOString() };
  return {
    notifications: held.notifications.map((notice) => (notice === found ? read : notice)),
    unread: Math.max(0, held.unread - 1),
  };
}

async function readSignInOptions(): Promise<SignInOptions> {
  try {
    return await answerOf<SignInOptions>(api.GET("/auth/options"));
  } catch (problem) {
    // A server without the list is one that shows none.
    if (problem instanceof Problem && problem.status === 404) {
      return { environment: "production", demo_sign_ins: [] };
    }
    throw problem;
  }
}

async function readStrategyNames(): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>();
  let before: string | null = null;
  for (let page = 0; page < STRATEGY_PAGES_MAX; page++) {
    const query: { limit: number; before?: string } = { limit: 100 };
    if (before) query.before = before;
    const answer: { strategies: Strategy[]; cursor: string | null } = await answerOf(
      api.GET("/strategies", { params: { query } }),
    );
    for (const strategy of answer.strategies) names.set(strategy.strategy_id, strategy.name);
    before = answer.cursor;
    if (!before) break;
  }
  return names;
}
