/** One order in full: its terms, why it is what it is, and every state it went through. */

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { orderQuery } from "../../api/queries";
import type { Order } from "../../api/types";
import { IstTime } from "../../components/IstTime";
import { ModeChip } from "../../components/ModeChip";
import { Money } from "../../components/Money";
import { SidePanel } from "../../components/SidePanel";
import { SideWord } from "../../components/SideWord";
import { StateChip } from "../../components/StateChip";
import { Empty, ErrorLine, SkeletonRows } from "../../components/States";
import { instrumentLabel } from "../../format/instrument";
import { brokerLabel, shortId } from "../../format/names";
import type { BookedOrder } from "../../live/orderBook";
import { explain } from "../../text/explain";
import { IS_RETRY } from "../../text/retry";
import { stateText } from "../../text/states";
import type { Names } from "./filter";
import styles from "./OrderPanel.module.css";
import { Price, Quantity } from "./Terms";
import { Timeline } from "./Timeline";
import { TryAgain } from "./TryAgain";

interface Props {
  orderId: string;
  /** The order as the blotter has it; a link may open one it has not. */
  live: BookedOrder | undefined;
  names: Names;
  onClose: () => void;
}

export function OrderPanel({ orderId, live, names, onClose }: Props) {
  const detail = useQuery({
    ...orderQuery(orderId, live?.version ?? 0),
    placeholderData: keepPreviousData,
  });
  const fetched = detail.data?.order.order_id === orderId ? detail.data : undefined;
  const order = live ?? fetched?.order;
  return (
    <SidePanel title={<Title order={order} />} label={labelOf(order)} onClose={onClose}>
      {order && <Facts order={order} names={names} />}
      <section className={styles.section} aria-label="Timeline">
        <h3>Timeline</h3>
        {fetched && <Timeline order={fetched.order} history={fetched.history} />}
        {!fetched && detail.isPending && <SkeletonRows rows={5} label="Reading the timeline" />}
        {detail.isError && (
          <ErrorLine problem={detail.error} onRetry={() => void detail.refetch()} />
        )}
        {!order && detail.isError && <Empty sentence="This order cannot be shown." />}
      </section>
    </SidePanel>
  );
}

function Title({ order }: { order: Order | undefined }) {
  if (!order) return "Order";
  return (
    <span className={styles.title}>
      <SideWord side={order.side} /> {instrumentLabel(order.instrument).name}
      <ModeChip mode={order.environment} />
    </span>
  );
}

function labelOf(order: Order | undefined): string {
  if (!order) return "Order";
  const { name } = instrumentLabel(order.instrument);
  return `${order.side} ${name}, ${order.environment}: ${stateText(order.state).word}`;
}

function Facts({ order, names }: { order: Order; names: Names }) {
  const { exchange, expiryInFull } = instrumentLabel(order.instrument);
  return (
    <>
      <Why order={order} />
      <dl className={styles.facts}>
        <Fact name="Filled">
          <Quantity order={order} />
        </Fact>
        <Fact name="Average, ₹">
          <Money amount={order.average_price} why="Nothing filled" />
        </Fact>
        <Fact name="Price, ₹">
          <Price order={order} />
        </Fact>
        <Fact name="Order">
          {words(order.order_type)} · {words(order.product)}
        </Fact>
        <Fact name="Instrument">
          {exchange}
          {expiryInFull && ` · expires ${expiryInFull}`}
        </Fact>
        <Fact name="Strategy">{names.get(order.strategy_id) ?? shortId(order.strategy_id)}</Fact>
        <Fact name="Broker">{brokerLabel(order.broker)}</Fact>
        <Fact name="Account">
          <code>{shortId(order.account_id)}</code>
        </Fact>
        <Fact name="Broker's order number">
          {order.broker_order_id ? <code>{order.broker_order_id}</code> : "none yet"}
        </Fact>
        <Fact name="Our tag">
          <code>{order.client_order_id}</code>
        </Fact>
        <Fact name="Signal accepted, IST">
          <IstTime at={order.accepted_at} now={Date.now()} precise />
        </Fact>
        <Fact name="Sent, IST">
          {order.sent_at ? <IstTime at={order.sent_at} now={Date.now()} precise /> : "not sent"}
        </Fact>
      </dl>
    </>
  );
}

function Why({ order }: { order: Order }) {
  const { sentence, brokerSaid, brokerCode } = explain(order);
  return (
    <div className={styles.why}>
      <StateChip state={order.state} />
      {sentence && <p>{sentence}</p>}
      {(brokerSaid || brokerCode) && (
        <p className={styles.said}>
          Broker said: {brokerSaid ? <q>{brokerSaid}</q> : "nothing"}
          {brokerCode && `, code ${brokerCode}`}
        </p>
      )}
      {order.retry_of && <p>{IS_RETRY}</p>}
      <TryAgain order={order} />
    </div>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className={styles.fact}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function words(code: string): string {
  const text = code.replaceAll("_", " ").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}
