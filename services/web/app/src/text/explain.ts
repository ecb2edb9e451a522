/** The sentence beside an order: ours by its code, and the broker's own words kept verbatim. */

import type { Order } from "../api/types";
import { ATTENTION_REASONS, HOLD_REASONS, SKIP_REASONS } from "./reasons";
import { stateText } from "./states";

export interface Explanation {
  sentence: string | null;
  brokerSaid: string | null;
  /** The broker's own code, where it gave one. */
  brokerCode: string | null;
}

type Explained = Pick<Order, "state" | "reason" | "message">;

/** Before an order reached its broker `reason` and `message` are ours; afterwards the broker's. */
const OURS = new Set(["PLANNED", "HELD", "AWAITING_USER", "SKIPPED", "SENDING"]);

export function explain({ state, reason, message }: Explained): Explanation {
  const words = message.trim();
  const known = reason ? reasonText(state, reason) : null;
  const ours = known ?? stateText(state).sentence ?? null;
  if (OURS.has(state)) {
    return { sentence: ourSentence(state, ours ?? plain(reason), words), ...NOTHING_SAID };
  }
  const brokerCode = known ? null : reason;
  if (ours === words) return { sentence: ours, brokerSaid: null, brokerCode };
  return { sentence: ours, brokerSaid: words || null, brokerCode };
}

/** One line for a row. */
export function explainInOneLine(order: Explained): string {
  const { sentence, brokerSaid, brokerCode } = explain(order);
  const code = brokerCode ? ` (${brokerCode})` : "";
  const said = brokerSaid || brokerCode ? `Broker said: ${brokerSaid ?? "nothing"}${code}` : "";
  return [sentence, said].filter(Boolean).join(" ");
}

const NOTHING_SAID = { brokerSaid: null, brokerCode: null };

/** The server's sentence has the figures; a held order says what it waits for first. */
function ourSentence(state: string, ours: string | null, words: string): string | null {
  if (state === "HELD" && ours && words && words !== ours) return `${ours} (${words})`;
  return words || ours;
}

function reasonText(state: string, reason: string): string | null {
  const known: Record<string, string> =
    state === "HELD" || state === "AWAITING_USER"
      ? HOLD_REASONS
      : { ...ATTENTION_REASONS, ...SKIP_REASONS };
  return known[reason] ?? null;
}

function plain(code: string | null): string | null {
  return code?.replaceAll("_", " ").toLowerCase() ?? null;
}
