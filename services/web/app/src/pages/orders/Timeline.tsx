/** Every state an order went through, with its stamp, the gap before it, and what was said. */

import type { Order, OrderStep } from "../../api/types";
import { IstTime } from "../../components/IstTime";
import { StateChip } from "../../components/StateChip";
import { formatMoney } from "../../format/money";
import { formatQuantity } from "../../format/quantity";
import { formatGap, instant } from "../../format/time";
import { explain } from "../../text/explain";
import styles from "./OrderPanel.module.css";

interface Props {
  order: Order;
  history: OrderStep[];
}

export function Timeline({ order, history }: Props) {
  const steps = [...history].sort((left, right) => left.version - right.version);
  return (
    <ol className={styles.timeline}>
      <li className={styles.step}>
        <span className={styles.what}>Signal accepted</span>
        <Stamp at={order.accepted_at} since={null} />
      </li>
      {steps.map((step, index) => {
        const before = steps[index - 1]?.at ?? order.accepted_at;
        return (
          <li key={step.version} className={styles.step}>
            <span className={styles.what}>
              <StateChip state={step.state} />
              <Filled step={step} />
            </span>
            <Stamp at={step.at} since={before} />
            <Said step={step} />
          </li>
        );
      })}
    </ol>
  );
}

function Stamp({ at, since }: { at: string; since: string | null }) {
  const [end, start] = [instant(at), instant(since)];
  return (
    <span className={styles.stamp}>
      {end !== null && start !== null && (
        <span className={styles.gap}>{formatGap(end - start)}</span>
      )}
      <IstTime at={at} now={Date.now()} precise />
    </span>
  );
}

function Filled({ step }: { step: OrderStep }) {
  if (step.filled_quantity === 0) return null;
  const average = formatMoney(step.average_price);
  return (
    <span className={styles.filled}>
      {formatQuantity(step.filled_quantity)} of {formatQuantity(step.quantity)}
      {average && ` at ${average}`}
    </span>
  );
}

function Said({ step }: { step: OrderStep }) {
  const { sentence, brokerSaid, brokerCode } = explain(step);
  if (!sentence && !brokerSaid && !brokerCode) return null;
  return (
    <span className={styles.reason}>
      {sentence} {brokerSaid && <q>{brokerSaid}</q>} {brokerCode && `code ${brokerCode}`}
    </span>
  );
}
