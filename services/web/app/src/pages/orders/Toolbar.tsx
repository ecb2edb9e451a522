/** The blotter's filters: state with counts, side, and text. */

import { Search } from "lucide-react";
import { useEffect, useState } from "react";
import type { Side } from "../../api/types";
import { formatQuantity } from "../../format/quantity";
import { GROUPS, type StateGroup } from "../../text/states";
import type { Counts } from "./filter";
import type { Change } from "./Orders";
import type { OrdersSearch } from "./search";
import styles from "./Toolbar.module.css";

const TYPING_MS = 200;

interface Props {
  search: OrdersSearch;
  counts: Counts;
  onChange: Change;
}

export function Toolbar({ search, counts, onChange }: Props) {
  return (
    <div className={styles.toolbar}>
      <StateFilter value={search.state} counts={counts} onChange={(state) => onChange({ state })} />
      <SideFilter value={search.side} onChange={(side) => onChange({ side })} />
      <TextFilter value={search.q ?? ""} onChange={(q) => onChange({ q })} />
    </div>
  );
}

interface StateProps {
  value: StateGroup | undefined;
  counts: Counts;
  onChange: (state: StateGroup | undefined) => void;
}

function StateFilter({ value, counts, onChange }: StateProps) {
  const choices = [{ group: undefined, word: "All" }, ...GROUPS];
  return (
    <fieldset className={styles.group} aria-label="State">
      {choices.map(({ group, word }) => (
        <button
          key={word}
          type="button"
          className={styles.choice}
          aria-pressed={value === group}
          onClick={() => onChange(group)}
        >
          {word} <span className={styles.count}>{formatQuantity(counts[group ?? "all"])}</span>
        </button>
      ))}
    </fieldset>
  );
}

const SIDES: { side: Side | undefined; word: string }[] = [
  { side: undefined, word: "Both" },
  { side: "BUY", word: "Buy" },
  { side: "SELL", word: "Sell" },
];

function SideFilter(props: {
  value: Side | undefined;
  onChange: (side: Side | undefined) => void;
}) {
  return (
    <fieldset className={styles.group} aria-label="Side">
      {SIDES.map(({ side, word }) => (
        <button
          key={word}
          type="button"
          className={styles.choice}
          aria-pressed={props.value === side}
          onClick={() => props.onChange(side)}
        >
          {word}
        </button>
      ))}
    </fieldset>
  );
}

/** Goes to the URL when typing rests; what the URL says afterwards wins. */
function TextFilter({ value, onChange }: { value: string; onChange: (text: string) => void }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => onChange(text), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, value, onChange]);
  return (
    <label className={styles.search}>
      <Search aria-hidden="true" />
      <span className="visually-hidden">Search orders</span>
      <input
        id="orders-search"
        type="search"
        placeholder="Search"
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
    </label>
  );
}
