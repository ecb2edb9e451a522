/** The rows, or what stands in their place; holds them still while a person points. */

import { ArrowUp } from "lucide-react";
import { useMemo, useState } from "react";
import { Button } from "../../components/Button";
import { Empty, SkeletonRows } from "../../components/States";
import { formatQuantity } from "../../format/quantity";
import { useMedia } from "../../live/useMedia";
import type { ColumnId } from "./columns";
import type { Filtered, Names } from "./filter";
import { OrderList } from "./OrderList";
import type { Change } from "./Orders";
import styles from "./Orders.module.css";
import { OrderTable } from "./OrderTable";
import type { OrdersSearch } from "./search";
import { ROW_PHONE_PX, ROW_PX } from "./sizes";
import { useOrdersTable } from "./useOrdersTable";
import { useRowKeys } from "./useRowKeys";
import { useSteadyRows } from "./useSteadyRows";
import { useVirtualRows } from "./useVirtualRows";

interface Props {
  found: Filtered;
  loaded: boolean;
  failed: boolean;
  isMaster: boolean;
  isPhone: boolean;
  names: Names;
  search: OrdersSearch;
  onChange: Change;
}

export function OrdersBody(props: Props) {
  if (!props.loaded) {
    if (props.failed) return <Empty sentence="The orders could not be read." />;
    return <SkeletonRows rows={12} label="Reading your orders" />;
  }
  if (props.found.rows.length === 0) return <NothingFound {...props} />;
  return <Rows {...props} />;
}

function Rows({ found, isMaster, isPhone, names, search, onChange }: Props) {
  const { sort, order: openId } = search;
  const table = useOrdersTable({
    rows: found.rows,
    names,
    isMaster,
    sort,
    onSort: (next) => onChange({ sort: next }),
  });
  const rows = table.getRowModel().rows;
  const byId = useMemo(() => new Map(rows.map((row) => [row.id, row])), [rows]);
  const sorted = useMemo(() => rows.map((row) => row.id), [rows]);

  const key = `${search.state}|${search.side}|${search.q}|${sort}`;
  const [scrolled, setScrolled] = useState(false);
  const still = useSteadyRows(sorted, key, scrolled);
  const virtual = useVirtualRows(still.ids, isPhone ? ROW_PHONE_PX : ROW_PX, isPhone ? 0 : ROW_PX);
  if (virtual.scrolled !== scrolled) setScrolled(virtual.scrolled);

  const shown = useMemo(() => still.ids.flatMap((id) => byId.get(id) ?? []), [still.ids, byId]);
  const columns = useColumns(isMaster);
  const activeId = useRowKeys({
    ids: still.ids,
    openId,
    box: virtual.box,
    scrollTo: virtual.scrollTo,
    open: (order) => onChange({ order }),
  });
  const toNewest = () => {
    still.release();
    virtual.scrollToTop();
  };
  return (
    <div className={styles.rows} onPointerMove={still.onPointerMove}>
      {still.waiting > 0 && <NewRows count={still.waiting} onClick={toNewest} />}
      {isPhone ? (
        <OrderList orders={shown.map((row) => row.original)} virtual={virtual} openId={openId} />
      ) : (
        <OrderTable
          table={table}
          rows={shown}
          virtual={virtual}
          columns={columns}
          openId={openId}
          activeId={activeId}
        />
      )}
    </div>
  );
}

function NewRows({ count, onClick }: { count: number; onClick: () => void }) {
  return (
    <Button look="primary" className={styles.waiting} onClick={onClick}>
      <ArrowUp aria-hidden="true" />
      {formatQuantity(count)} new
    </Button>
  );
}

function NothingFound({ found, search, onChange }: Props) {
  if (found.counts.all === 0 && !search.q && !search.side) {
    return (
      <Empty sentence="No orders yet. Each signal of a strategy you follow appears here at once." />
    );
  }
  return (
    <Empty sentence="No order matches these filters.">
      <Button onClick={() => onChange({ state: undefined, side: undefined, q: undefined })}>
        Show all orders
      </Button>
    </Empty>
  );
}

const ALWAYS: ColumnId[] = ["time", "side", "instrument", "quantity", "state", "reason", "mode"];

/** What fits: a table never scrolls sideways, the panel shows what is left out. */
function useColumns(isMaster: boolean): ColumnId[] {
  const medium = useMedia("(min-width: 900px)");
  const wide = useMedia("(min-width: 1180px)");
  return useMemo(() => {
    const shown = new Set<ColumnId>(ALWAYS);
    if (medium) shown.add("strategy").add("price");
    if (medium && isMaster) shown.add("account");
    if (wide) shown.add("average").add("broker");
    return ORDER.filter((id) => shown.has(id));
  }, [isMaster, medium, wide]);
}

const ORDER: ColumnId[] = [
  "time",
  "strategy",
  "account",
  "side",
  "instrument",
  "quantity",
  "price",
  "average",
  "state",
  "reason",
  "broker",
  "mode",
];
