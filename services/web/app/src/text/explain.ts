/** The sentence beside an order: ours by its code, and the broker's own words kept verbatim. */

import type { Order } from "../api/types";
import { ATTENTION_REASONS, HOLD_REASONS, SKIP_REASONS } from "./reasons";
import { stateText } from "./states";

export interface Explanation {
  sentence: string | null;
  brokerSaid: string | null;
}

type Explained = Pick<Order, "state" | "reason" | "message">;

/** Before an order reached its broker `message` is ours; afterwards it is what the broker said. */
const OURS = new Set(["PLANNED", "HELD", "AWAITING_USER", "SKIPPED", "SENDING"]);

export function explain({ state, reason, message }: Explained): Explanation {
  const words = message.trim();
  const ours = reasonText(state, reason) ?? stateText(state).sentence ?? null;
  if (state === "HELD" && ours && words && words !== ours) {
    return { sentence: `${ours} (${words})`, brokerSaid: null };
  }
  if (OURS.has(state)) return { sentence: words || ours, brokerSaid: null };
  if (ours === words) return { sentence: ours, brokerSaid: null };
  return { sentence: ours, brokerSaid: words || null };
}

/** One line for a row. */
export function explainInOneLine(order: Explained): string {
  const { sentence, brokerSaid } = explain(order);
  if (!brokerSaid) return sentence ?? "";
  return sentence ? `${sentence} Broker said: ${brokerSaid}` : `Broker said: ${brokerSaid}`;
}

function reasonText(state: string, reason: string | null): string | null {
  if (!reason) return null;
  const known: Record<string, string> =
    state === "HELD" || state === "AWAITING_USER"
      ? HOLD_REASONS
      : { ...ATTENTION_REASONS, ...SKIP_REASONS };
  return known[reason] ?? reason.replaceAll("_", " ").toLowerCase();
}
