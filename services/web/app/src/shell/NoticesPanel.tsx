/** What a person was told, newest first; opening the list marks nothing, reading one does. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { markRead, noticesQuery } from "../api/queries";
import type { Notice } from "../api/types";
import { Button } from "../components/Button";
import { IstTime } from "../components/IstTime";
import { SidePanel } from "../components/SidePanel";
import { Empty, ErrorLine, SkeletonRows } from "../components/States";
import { noticeFigures, noticeText } from "../text/notices";
import styles from "./Panels.module.css";

export function NoticesPanel({ onClose }: { onClose: () => void }) {
  const notices = useQuery(noticesQuery);
  return (
    <SidePanel title="Notifications" onClose={onClose}>
      {notices.isError && (
        <ErrorLine problem={notices.error} onRetry={() => void notices.refetch()} />
      )}
      {notices.isPending && <SkeletonRows rows={5} label="Reading your notifications" />}
      {notices.data?.notifications.length === 0 && <Empty sentence="Nothing to tell you." />}
      <ul>
        {notices.data?.notifications.map((notice) => (
          <Item key={notice.notice_id} notice={notice} />
        ))}
      </ul>
    </SidePanel>
  );
}

const KINDS: Record<string, string> = { ALARM_OPENED: "Alarm", ALARM_CLEARED: "Cleared" };

function Item({ notice }: { notice: Notice }) {
  const client = useQueryClient();
  const figures = noticeFigures(notice);
  const kind = KINDS[notice.kind];
  return (
    <li className={styles.notice} data-unread={!notice.read_at || undefined}>
      <p>
        {kind && <strong data-kind={notice.kind}>{kind}: </strong>}
        {noticeText(notice)}
      </p>
      {figures && <p className={styles.figures}>{figures}</p>}
      <p className={styles.figures}>
        <IstTime at={notice.at} now={Date.now()} /> IST
      </p>
      {!notice.read_at && (
        <Button look="bare" onClick={() => void markRead(client, notice.notice_id)}>
          Mark as read
        </Button>
      )}
    </li>
  );
}
