/** A failed exit: what that means, and one tap that has another order sent for what is left. */

import { useMutation, useSuspenseQuery } from "@tanstack/react-query";
import { Problem } from "../../api/client";
import { meQuery, retryOrder } from "../../api/queries";
import type { Order } from "../../api/types";
import { Button } from "../../components/Button";
import { useStore } from "../../live/store";
import { useFeed } from "../../shell/feedContext";
import { problemText } from "../../text/problems";
import { RETRY, triedAgain } from "../../text/retry";
import { failureOf, mayRetry, retryOf } from "./retries";
import styles from "./TryAgain.module.css";

interface Props {
  order: Order;
  /** In a row there is room for the button and one line. */
  inRow?: boolean;
}

/** Nothing for an order that is no failed exit. */
export function TryAgain({ order, inRow = false }: Props) {
  const failure = failureOf(order);
  if (!failure) return null;
  return (
    <span className={inRow ? styles.inRow : styles.retry}>
      {failure === "unclear" ? (
        <Unclear inRow={inRow} />
      ) : (
        <Retriable order={order} inRow={inRow} />
      )}
    </span>
  );
}

function Unclear({ inRow }: { inRow: boolean }) {
  return inRow ? null : <span className={styles.note}>{RETRY.unclear}</span>;
}

function Retriable({ order, inRow }: { order: Order; inRow: boolean }) {
  const feed = useFeed();
  const { book } = useStore(feed.orders);
  const { data: me } = useSuspenseQuery(meQuery);
  const retry = useMutation({
    mutationFn: () => retryOrder(order.order_id),
    onSuccess: ({ orders }) => feed.take(orders),
  });
  const again = retryOf(book, order.order_id) ?? retry.data?.orders[0];
  if (again) return <span className={styles.note}>{triedAgain(again.state)}</span>;
  if (!mayRetry(order, me)) return null;
  return (
    <>
      {!inRow && <span className={styles.note}>{RETRY.failed}</span>}
      <Button disabled={retry.isPending} onClick={() => retry.mutate()}>
        {retry.isPending ? RETRY.trying : RETRY.button}
      </Button>
      {retry.isError && <span role="alert">{wordsOf(retry.error)}</span>}
      {retry.data && <span role="status">{RETRY.waits}</span>}
    </>
  );
}

function wordsOf(problem: unknown): string {
  if (problem instanceof Problem) return problemText(problem.code, problem.message);
  return "Something went wrong here. Reload the page.";
}
