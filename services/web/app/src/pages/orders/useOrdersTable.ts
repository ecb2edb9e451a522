/** The table's model: sorted rows of the filtered orders, the sort kept in the URL. */

import { type SortingState, type Updater, useTable } from "@tanstack/react-table";
import { useMemo } from "react";
import type { BookedOrder } from "../../live/orderBook";
import { columnsFor, features } from "./columns";
import type { Names } from "./filter";
import { NEWEST_FIRST, type OrdersSearch, type SortColumn } from "./search";

interface Asked {
  rows: BookedOrder[];
  names: Names;
  isMaster: boolean;
  sort: OrdersSearch["sort"];
  onSort: (sort: OrdersSearch["sort"]) => void;
}

export function useOrdersTable({ rows, names, isMaster, sort, onSort }: Asked) {
  const columns = useMemo(() => columnsFor(names, isMaster, Date.now), [names, isMaster]);
  const sorting = useMemo(() => sortingOf(sort ?? NEWEST_FIRST), [sort]);
  return useTable({
    features,
    columns,
    data: rows,
    getRowId,
    state: { sorting },
    enableSortingRemoval: false,
    enableMultiSort: false,
    onSortingChange: (updater: Updater<SortingState>) => {
      const next = typeof updater === "function" ? updater(sorting) : updater;
      onSort(sortOf(next));
    },
  });
}

export type OrdersTable = ReturnType<typeof useOrdersTable>;

function getRowId(order: BookedOrder): string {
  return order.order_id;
}

function sortingOf(sort: string): SortingState {
  return [{ id: sort.replace("-", ""), desc: sort.startsWith("-") }];
}

function sortOf(sorting: SortingState): OrdersSearch["sort"] {
  const [first] = sorting;
  if (!first) return undefined;
  const sort = `${first.desc ? "-" : ""}${first.id as SortColumn}` as const;
  return sort === NEWEST_FIRST ? undefined : sort;
}
