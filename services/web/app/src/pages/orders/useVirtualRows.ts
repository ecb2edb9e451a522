/** Which rows are in sight of the bounded box, and how to bring one there. */

import { useVirtualizer } from "@tanstack/react-virtual";
import { type RefObject, useRef } from "react";

export interface VirtualRows {
  box: RefObject<HTMLDivElement | null>;
  items: { index: number; start: number }[];
  height: number;
  scrolled: boolean;
  scrollTo: (index: number) => void;
  scrollToTop: () => void;
}

const OVERSCAN = 6;

/** `rowHeight` and `head`, what is stuck above the rows, in CSS pixels. */
export function useVirtualRows(
  ids: readonly string[],
  rowHeight: number,
  head: number,
): VirtualRows {
  const box = useRef<HTMLDivElement | null>(null);
  const virtualizer = useVirtualizer({
    count: ids.length,
    getScrollElement: () => box.current,
    estimateSize: () => rowHeight,
    getItemKey: (index) => ids[index] ?? index,
    overscan: OVERSCAN,
    scrollPaddingStart: head,
  });
  return {
    box,
    items: virtualizer.getVirtualItems(),
    height: virtualizer.getTotalSize(),
    scrolled: (virtualizer.scrollOffset ?? 0) > rowHeight / 2,
    scrollTo: (index) => virtualizer.scrollToIndex(index, { align: "auto" }),
    scrollToTop: () => virtualizer.scrollToOffset(0),
  };
}
