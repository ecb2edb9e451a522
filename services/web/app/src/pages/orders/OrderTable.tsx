/** The dense table: a bounded box of which only the rows in sight are in the page. */

// biome-ignore-all lint/a11y/useSemanticElements: virtual rows laid out as a grid keep their meaning only by roles.
// biome-ignore-all lint/a11y/useFocusableInteractive: rows are reached by the link in each.

import { FlexRender, type Row } from "@tanstack/react-table";
import { ArrowDown, ArrowUp } from "lucide-react";
import { memo } from "react";
import type { BookedOrder } from "../../live/orderBook";
import { type ColumnId, type features, RIGHT_ALIGNED, WIDTHS } from "./columns";
import { InstrumentLink } from "./InstrumentLink";
import styles from "./OrderTable.module.css";
import type { OrdersTable } from "./useOrdersTable";
import type { VirtualRows } from "./useVirtualRows";

const FLASH_MS = 1_000;

interface Props {
  table: OrdersTable;
  rows: Row<typeof features, BookedOrder>[];
  virtual: VirtualRows;
  /** Columns in sight, in order. */
  columns: ColumnId[];
  openId: string | undefined;
  activeId: string | null;
}

export function OrderTable({ table, rows, virtual, columns, openId, activeId }: Props) {
  const template = { gridTemplateColumns: columns.map((id) => WIDTHS[id]).join(" ") };
  const first = activeId ?? rows[0]?.id;
  return (
    <div
      className={styles.box}
      ref={virtual.box}
      // No taller than its rows; the layout bounds it from above.
      style={{ maxHeight: `calc(${virtual.height}px + var(--row) + 2 * var(--hair))` }}
      role="table"
      aria-label="Orders"
      aria-rowcount={rows.length + 1}
    >
      <div role="rowgroup" className={styles.head}>
        <div role="row" aria-rowindex={1} className={styles.row} style={template}>
          {columns.map((id) => (
            <HeaderCell key={id} table={table} id={id} />
          ))}
        </div>
      </div>
      <div role="rowgroup" className={styles.body} style={{ height: virtual.height }}>
        {virtual.items.map(({ index, start }) => {
          const row = rows[index];
          if (!row) return null;
          return (
            <OrderRow
              key={row.id}
              row={row}
              order={row.original}
              index={index}
              start={start}
              columns={columns}
              template={template.gridTemplateColumns}
              definitions={table.options.columns}
              open={row.id === openId}
              reachable={row.id === first}
            />
          );
        })}
      </div>
    </div>
  );
}

function HeaderCell({ table, id }: { table: OrdersTable; id: ColumnId }) {
  const column = table.getColumn(id);
  const header = column?.columnDef.header;
  const label = typeof header === "string" ? header : id;
  const className = RIGHT_ALIGNED.has(id) ? styles.right : undefined;
  if (!column?.getCanSort()) {
    return (
      <span role="columnheader" className={className}>
        {label}
      </span>
    );
  }
  const sorted = column.getIsSorted();
  const Arrow = sorted === "desc" ? ArrowDown : ArrowUp;
  return (
    <span role="columnheader" className={className} aria-sort={ARIA_SORT[String(sorted)]}>
      <button type="button" className={styles.sort} onClick={column.getToggleSortingHandler()}>
        {label}
        {sorted && <Arrow aria-hidden="true" />}
      </button>
    </span>
  );
}

const ARIA_SORT: Record<string, "ascending" | "descending" | "none"> = {
  asc: "ascending",
  desc: "descending",
  false: "none",
};

interface RowProps {
  row: Row<typeof features, BookedOrder>;
  order: BookedOrder;
  index: number;
  start: number;
  columns: ColumnId[];
  template: string;
  /** What cells are drawn by; new when the strategies' names arrive. */
  definitions: unknown;
  open: boolean;
  reachable: boolean;
}

const OrderRow = memo(function OrderRow(props: RowProps) {
  const { row, order, index, start, columns, open } = props;
  const changed = order.heardAt !== undefined && Date.now() - order.heardAt < FLASH_MS;
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      data-order={order.order_id}
      data-open={open || undefined}
      className={styles.row}
      style={{ gridTemplateColumns: props.template, transform: `translateY(${start}px)` }}
    >
      {row.getAllCells().map((cell) => {
        const id = cell.column.id as ColumnId;
        if (!columns.includes(id)) return null;
        return (
          <span
            role="cell"
            key={changed && FLASHING.has(id) ? `${id}${order.version}` : id}
            className={cellClass(id, changed)}
          >
            {id === "instrument" ? (
              <InstrumentLink order={order} reachable={props.reachable} />
            ) : (
              <FlexRender cell={cell} />
            )}
          </span>
        );
      })}
    </div>
  );
}, sameRow);

/** What a change of an order changes. */
const FLASHING: ReadonlySet<ColumnId> = new Set<ColumnId>(["quantity", "average", "state"]);

function cellClass(id: ColumnId, changed: boolean): string {
  const names = [styles.cell];
  if (RIGHT_ALIGNED.has(id)) names.push(styles.right);
  if (id === "reason") names.push(styles.reason);
  if (id === "broker" || id === "strategy") names.push(styles.quiet);
  if (changed && FLASHING.has(id)) names.push(styles.flash);
  return names.join(" ");
}

/** Table makes new row objects at each change of data: an order of one version is the same. */
function sameRow(before: RowProps, after: RowProps): boolean {
  return (
    before.order === after.order &&
    before.index === after.index &&
    before.start === after.start &&
    before.columns === after.columns &&
    before.definitions === after.definitions &&
    before.open === after.open &&
    before.reachable === after.reachable
  );
}
