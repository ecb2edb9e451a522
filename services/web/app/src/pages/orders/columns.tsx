/** The blotter's columns: what each shows, how it sorts, how wide it is. */

import {
  createColumnHelper,
  createSortedRowModel,
  rowSortingFeature,
  type SortFn,
  tableFeatures,
} from "@tanstack/react-table";
import { IstTime } from "../../components/IstTime";
import { ModeChip } from "../../components/ModeChip";
import { Money } from "../../components/Money";
import { SideWord } from "../../components/SideWord";
import { StateChip } from "../../components/StateChip";
import { instrumentLabel } from "../../format/instrument";
import { compareDecimals } from "../../format/money";
import { brokerLabel, shortId } from "../../format/names";
import type { BookedOrder } from "../../live/orderBook";
import { explainInOneLine } from "../../text/explain";
import { stateText } from "../../text/states";
import type { Names } from "./filter";
import styles from "./OrderTable.module.css";
import { Price, Quantity } from "./Terms";
import { TryAgain } from "./TryAgain";

export const features = tableFeatures({
  rowSortingFeature,
  sortedRowModel: createSortedRowModel(),
});

type Sorts = SortFn<typeof features, BookedOrder>;
const helper = createColumnHelper<typeof features, BookedOrder>();

export type ColumnId =
  | "time"
  | "strategy"
  | "account"
  | "side"
  | "instrument"
  | "quantity"
  | "price"
  | "average"
  | "state"
  | "reason"
  | "broker"
  | "mode";

/** Fractions share what fixed columns leave. */
export const WIDTHS: Record<ColumnId, string> = {
  time: "6rem",
  strategy: "minmax(8.4rem, 1fr)",
  account: "5rem",
  side: "2.8rem",
  instrument: "minmax(11rem, 1.7fr)",
  quantity: "7rem",
  price: "8.6rem",
  average: "6rem",
  state: "7rem",
  reason: "minmax(8rem, 3fr)",
  broker: "5rem",
  mode: "4.6rem",
};

export const RIGHT_ALIGNED: ReadonlySet<string> = new Set<ColumnId>([
  "quantity",
  "price",
  "average",
]);

const byText = (text: (order: BookedOrder) => string): Sorts => {
  return (left, right) => text(left.original).localeCompare(text(right.original), "en-IN");
};
const byDecimal = (amount: (order: BookedOrder) => string | null): Sorts => {
  return (left, right) => compareDecimals(amount(left.original), amount(right.original));
};
/** Instants of the API sort as text; orders of one instant by their id, which holds a clock too. */
const byTime: Sorts = ({ original: left }, { original: right }) => {
  if (left.planned_at !== right.planned_at) return left.planned_at < right.planned_at ? -1 : 1;
  return left.order_id < right.order_id ? -1 : 1;
};

/** Columns for a person; a master sees whose order it is. */
export function columnsFor(names: Names, isMaster: boolean, now: () => number) {
  const strategy = (order: BookedOrder) =>
    names.get(order.strategy_id) ?? shortId(order.strategy_id);
  const all = helper.columns([
    helper.accessor("planned_at", {
      id: "time",
      header: "Time, IST",
      sortFn: byTime,
      cell: ({ row }) => <IstTime at={row.original.planned_at} now={now()} />,
    }),
    helper.accessor(strategy, { id: "strategy", header: "Strategy", sortFn: byText(strategy) }),
    helper.accessor("account_id", {
      header: "Follower",
      id: "account",
      sortFn: byText((order) => order.account_id),
      cell: ({ row }) => <code className={styles.id}>{shortId(row.original.account_id)}</code>,
    }),
    helper.accessor("side", {
      header: "Side",
      sortFn: byText((order) => order.side),
      cell: ({ row }) => <SideWord side={row.original.side} />,
    }),
    helper.accessor("instrument", {
      header: "Instrument",
      sortFn: byText((order) => instrumentLabel(order.instrument).name),
    }),
    helper.accessor("quantity", {
      header: "Filled / of",
      sortFn: ({ original: left }, { original: right }) => left.quantity - right.quantity,
      cell: ({ row }) => <Quantity order={row.original} />,
    }),
    helper.accessor("limit_price", {
      id: "price",
      header: "Price, ₹",
      sortFn: byDecimal((order) => order.limit_price ?? order.trigger_price),
      cell: ({ row }) => <Price order={row.original} />,
    }),
    helper.accessor("average_price", {
      id: "average",
      header: "Average, ₹",
      sortFn: byDecimal((order) => order.average_price),
      cell: ({ row }) => <Money amount={row.original.average_price} why="Nothing filled" />,
    }),
    helper.accessor("state", {
      header: "State",
      sortFn: byText((order) => stateText(order.state).word),
      cell: ({ row }) => <StateChip state={row.original.state} />,
    }),
    helper.accessor(explainInOneLine, {
      id: "reason",
      header: "Why",
      enableSorting: false,
      cell: ({ row }) => (
        <>
          <TryAgain order={row.original} inRow /> {explainInOneLine(row.original)}
        </>
      ),
    }),
    helper.accessor((order) => brokerLabel(order.broker), {
      id: "broker",
      header: "Broker",
      sortFn: byText((order) => order.broker),
    }),
    helper.accessor("environment", {
      id: "mode",
      header: "Mode",
      sortFn: byText((order) => order.environment),
      cell: ({ row }) => <ModeChip mode={row.original.environment} />,
    }),
  ]);
  return isMaster ? all : all.filter((column) => column.id !== "account");
}
