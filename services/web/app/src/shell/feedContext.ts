/** The one order feed of the signed-in person, for every page below the shell. */

import { createContext, useContext } from "react";
import type { OrderFeed } from "../live/orderFeed";

export const FeedContext = createContext<OrderFeed | null>(null);

export function useFeed(): OrderFeed {
  const feed = useContext(FeedContext);
  if (!feed) throw new Error("useFeed: only below the shell");
  return feed;
}
