/** The live blotter: every order of the signed-in person, as it stands now. */

import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useMemo } from "react";
import { meQuery, SNAPSHOT_MAX, strategyNamesQuery } from "../../api/queries";
import { ErrorLine } from "../../components/States";
import { formatQuantity } from "../../format/quantity";
import { useStore } from "../../live/store";
import { PHONE, useMedia } from "../../live/useMedia";
import { useFeed } from "../../shell/feedContext";
import { StaleLine } from "../../shell/StaleLine";
import { Announcer } from "./Announcer";
import { type Filtered, filtered, type Names } from "./filter";
import styles from "./Orders.module.css";
import { OrdersBody } from "./OrdersBody";
import type { OrdersSearch } from "./search";
import { Toolbar } from "./Toolbar";

const OrderPanel = lazy(() => import("./OrderPanel").then((m) => ({ default: m.OrderPanel })));
const NO_NAMES: Names = new Map();

export function Orders() {
  const feed = useFeed();
  const { book, loaded, problem } = useStore(feed.orders);
  const { data: me } = useSuspenseQuery(meQuery);
  const names = useQuery(strategyNamesQuery).data ?? NO_NAMES;
  const search = useSearch({ from: "/signed-in/orders" });
  const change = useChange();
  const isPhone = useMedia(PHONE);

  // The open row is no filter: opening one sorts nothing anew.
  const { state, side, q } = search;
  const found: Filtered = useMemo(
    () => filtered(book, picked({ state, side, q }), names),
    [book, state, side, q, names],
  );
  const open = search.order ? book.get(search.order) : undefined;

  return (
    <main className={styles.page}>
      <title>Orders · Lockstep</title>
      <div className={styles.title}>
        <h1>Orders</h1>
        {loaded && <p className={styles.count}>{countLine(book.size)}</p>}
      </div>
      <Toolbar search={search} counts={found.counts} onChange={change} />
      <StaleLine />
      {problem != null && <ErrorLine problem={problem} onRetry={feed.retryNow} />}
      <OrdersBody
        found={found}
        loaded={loaded || book.size > 0}
        failed={problem != null}
        isMaster={me.roles.includes("master")}
        isPhone={isPhone}
        names={names}
        search={search}
        onChange={change}
      />
      <Announcer total={loaded ? book.size : null} />
      {search.order && (
        <Suspense>
          <OrderPanel
            orderId={search.order}
            live={open}
            names={names}
            onClose={() => change({ order: undefined })}
          />
        </Suspense>
      )}
    </main>
  );
}

export type Change = (changes: { [K in keyof OrdersSearch]?: OrdersSearch[K] | undefined }) => void;

function useChange(): Change {
  const navigate = useNavigate({ from: "/orders" });
  return useCallback(
    (changes) => {
      void navigate({
        to: "/orders",
        search: (held) => picked({ ...held, ...changes }),
        replace: true,
      });
    },
    [navigate],
  );
}

/** Leaves out what is not set, so that the URL does too. */
function picked(search: { [K in keyof OrdersSearch]?: OrdersSearch[K] | undefined }): OrdersSearch {
  const set = Object.entries(search).filter(([, value]) => value !== undefined && value !== "");
  return Object.fromEntries(set) as OrdersSearch;
}

function countLine(size: number): string {
  if (size >= SNAPSHOT_MAX) return `the newest ${formatQuantity(size)}`;
  return size === 1 ? "1 order" : `${formatQuantity(size)} orders`;
}
