/** The same rows on a phone: two lines each, one thumb. */

import { IstTime } from "../../components/IstTime";
import { ModeChip } from "../../components/ModeChip";
import { Money } from "../../components/Money";
import { SideWord } from "../../components/SideWord";
import { StateChip } from "../../components/StateChip";
import type { BookedOrder } from "../../live/orderBook";
import { explainInOneLine } from "../../text/explain";
import { InstrumentLink } from "./InstrumentLink";
import styles from "./OrderList.module.css";
import { Price, Quantity } from "./Terms";
import type { VirtualRows } from "./useVirtualRows";

interface Props {
  orders: BookedOrder[];
  virtual: VirtualRows;
  openId: string | undefined;
}

export function OrderList({ orders, virtual, openId }: Props) {
  return (
    <div className={styles.box} ref={virtual.box}>
      <ul className={styles.list} style={{ height: virtual.height }} aria-label="Orders">
        {virtual.items.map(({ index, start }) => {
          const order = orders[index];
          if (!order) return null;
          return (
            <li
              key={order.order_id}
              className={styles.item}
              data-order={order.order_id}
              data-open={order.order_id === openId || undefined}
              style={{ transform: `translateY(${start}px)` }}
            >
              <Item order={order} />
            </li>
          );
        })}
      </ul>
    </div>
  );
}

function Item({ order }: { order: BookedOrder }) {
  const why = explainInOneLine(order);
  return (
    <>
      <span className={styles.line}>
        <SideWord side={order.side} />
        <span className={styles.name}>
          <InstrumentLink order={order} />
        </span>
        <span className={styles.quantity}>
          <Quantity order={order} />
        </span>
        <ModeChip mode={order.environment} />
      </span>
      <span className={styles.line}>
        <StateChip state={order.state} />
        <span className={styles.why}>{why || <Bought order={order} />}</span>
        <span className={styles.time}>
          <IstTime at={order.planned_at} now={Date.now()} />
        </span>
      </span>
    </>
  );
}

/** The price that was reached, else the one that was asked. */
function Bought({ order }: { order: BookedOrder }) {
  if (order.average_price) return <Money amount={order.average_price} />;
  return <Price order={order} />;
}
