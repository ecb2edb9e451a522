/** Around every signed-in page: the strip, the header, the phone's bar, and the live feed. */

import { useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { Outlet } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";
import { meQuery } from "../api/queries";
import { Empty } from "../components/States";
import { onOtherTabs, openFeed } from "../live/session";
import { useStore } from "../live/store";
import { PHONE, useMedia } from "../live/useMedia";
import { BottomBar } from "./BottomBar";
import { FeedContext } from "./feedContext";
import { Header } from "./Header";
import styles from "./Shell.module.css";
import { useModes } from "./useModes";

const NoticesPanel = lazy(() =>
  import("./NoticesPanel").then((m) => ({ default: m.NoticesPanel })),
);
const AccountPanel = lazy(() =>
  import("./AccountPanel").then((m) => ({ default: m.AccountPanel })),
);
const SignInAgain = lazy(() => import("./SignInAgain").then((m) => ({ default: m.SignInAgain })));

export type PanelName = "notices" | "account";

export function Shell() {
  const client = useQueryClient();
  const { data: me } = useSuspenseQuery(meQuery);
  const [feed] = useState(() => openFeed(client));
  const [panel, setPanel] = useState<PanelName | null>(null);
  const { ending } = useStore(feed.status);
  const modes = useModes(feed);
  const isPhone = useMedia(PHONE);

  useEffect(() => {
    feed.start();
    return () => feed.stop();
  }, [feed]);
  // Another tab signed out, or someone else signed in there: nothing of before may stay.
  useEffect(
    () =>
      onOtherTabs((message) => {
        if (message.kind === "signed-out") location.assign("/app/sign-in");
        else if (message.userId !== me.user_id) location.reload();
      }),
    [me.user_id],
  );

  const close = () => setPanel(null);
  return (
    <FeedContext value={feed}>
      <div className={styles.shell} data-mode={modes.live > 0 ? "LIVE" : "PAPER"}>
        <Header me={me} modes={modes} isPhone={isPhone} onPanel={setPanel} />
        {ending === "forbidden" ? (
          <Empty sentence="Your account may not see live orders. Ask the person who runs this Lockstep." />
        ) : (
          <Outlet />
        )}
        {isPhone && <BottomBar onPanel={setPanel} />}
      </div>
      <Suspense>
        {panel === "notices" && <NoticesPanel onClose={close} />}
        {panel === "account" && <AccountPanel me={me} onClose={close} />}
        {ending === "signed-out" && <SignInAgain me={me} />}
      </Suspense>
    </FeedContext>
  );
}
