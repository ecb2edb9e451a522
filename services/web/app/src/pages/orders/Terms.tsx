/** What was asked for and how much of it there is. */

import type { Order } from "../../api/types";
import { Money } from "../../components/Money";
import { formatQuantity } from "../../format/quantity";
import styles from "./OrderTable.module.css";

export function Quantity({ order }: { order: Pick<Order, "filled_quantity" | "quantity"> }) {
  return (
    <span>
      {formatQuantity(order.filled_quantity)}
      <span className={styles.of}> of {formatQuantity(order.quantity)}</span>
    </span>
  );
}

/** The limit; what triggers a stop stands before it. */
export function Price({ order }: { order: Pick<Order, "limit_price" | "trigger_price"> }) {
  const { limit_price: limit, trigger_price: trigger } = order;
  if (!limit && !trigger) return <span className={styles.of}>Market</span>;
  if (!trigger) return <Money amount={limit} />;
  return (
    <span>
      <span className={styles.of} title="The order wakes at this price">
        at <Money amount={trigger} />
      </span>{" "}
      {limit && <Money amount={limit} />}
    </span>
  );
}
